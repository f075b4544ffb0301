"""What was measured, and what follows from it: medians, spreads, ratios pair by pair."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Sample:
    """One contender's turn in one round of a case.

    Attributes:
        case: What was done, as "submit".
        contender: Who did it.
        size: The number that the case varies (workers, invocations, bytes), or 0.
        turn: The round; in each the contenders follow one another: samples of a round are a pair.
        units: The invocations (or reads, …) that the figures are sums of.
        figures: What it took, by name.
    """

    case: str
    contender: str
    size: int
    turn: int
    units: int
    figures: dict[str, float]

    def each(self, figure: str) -> float:
        """Return a figure of one unit."""
        return self.figures[figure] / self.units


@dataclass(frozen=True)
class Spread:
    """The median of some values, the least and the largest."""

    median: float
    least: float
    largest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Make it of at least one value."""
        known = sorted(values)
        return cls(statistics.median(known), known[0], known[-1])


class Record:
    """All samples of a run."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.samples = list(samples)

    def of(self, case: str, contender: str, size: int | None = None) -> list[Sample]:
        """Return a contender's samples of a case, in the order of the rounds."""
        return [
            sample
            for sample in self.samples
            if (sample.case, sample.contender) == (case, contender) and size in (None, sample.size)
        ]

    def each(
        self, case: str, contender: str, figure: str, size: int | None = None
    ) -> Spread | None:
        """Return a figure of one unit, or None if it was not measured."""
        found = [
            sample.each(figure)
            for sample in self.of(case, contender, size)
            if figure in sample.figures
        ]
        return Spread.of(found) if found else None

    def longest(self, case: str, contender: str, size: int) -> float | None:
        """Return the longest command of the round in which it was the shortest."""
        found = [
            sample.figures["longest_block"]
            for sample in self.of(case, contender, size)
            if "longest_block" in sample.figures
        ]
        return min(found, default=None)

    def ratio(
        self,
        over: tuple[str, str, int | None],
        under: tuple[str, str, int | None],
        figure: str,
    ) -> Spread | None:
        """Return the ratio of two (case, contender, size) in a figure, pair by pair of a round."""
        denominators = {sample.turn: sample for sample in self.of(*under)}
        pairs = [
            (sample.each(figure), denominators[sample.turn].each(figure))
            for sample in self.of(*over)
            if sample.turn in denominators
            and figure in sample.figures
            and figure in denominators[sample.turn].figures
        ]
        ratios = [numerator / denominator for numerator, denominator in pairs if denominator]
        return Spread.of(ratios) if ratios else None

    def sizes(self, case: str) -> list[int]:
        """Return the sizes of a case, in ascending order."""
        return sorted({sample.size for sample in self.samples if sample.case == case})

    def contenders(self, case: str) -> list[str]:
        """Return who took part in a case, in the order of their first samples."""
        return list(dict.fromkeys(s.contender for s in self.samples if s.case == case))

    def cases(self) -> list[str]:
        """Return the cases in the order of their first samples."""
        return list(dict.fromkeys(sample.case for sample in self.samples))
