"""What must hold: ratios and bounds of one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.record import Record

US, OLDER, MEMORY, NOOP = "us", "pynenc-redis", "pynenc-memory", "noop-script"
GROWTH = 1.5
BLOCK_SECONDS = 0.010
START_SECONDS = 0.002
# A read behind 99,900 invocations has nothing to be compared with in an app of 1,000.
_STEPS = ("read, ", "scale, ")


@dataclass(frozen=True)
class Verdict:
    """Whether something holds.

    Attributes:
        claim: What it is about.
        limit: What is wanted, for people.
        shown: What was measured, for people.
        holds: The answer, or None if it was not measured.
    """

    claim: str
    limit: str
    shown: str
    holds: bool | None


def verdicts(record: Record) -> Iterator[Verdict]:
    """Judge a run."""
    for claim, least, over, under, figure in (
        ("submit, against pynenc-redis", 6.0, ("submit", OLDER), ("submit", US), "seconds"),
        ("batch submit, against pynenc-redis", 10.0, ("batch", OLDER), ("batch", US), "seconds"),
        ("the whole life, against pynenc-redis", 2.2, ("life", OLDER), ("life", US), "seconds"),
        ("the whole life, against pynenc's memory", 0.8, ("life", MEMORY), ("life", US), "seconds"),
        ("submit, against a no-op script", 0.35, ("submit", NOOP), ("submit", US), "seconds"),
        ("batch submit, against a no-op script", 0.7, ("submit", NOOP), ("batch", US), "seconds"),
    ):
        ratio = record.ratio((*over, None), (*under, None), figure)
        yield _at_least(claim, least, ratio and ratio.median)
    for claim, most, case, figure in (
        ("server CPU of a life, against pynenc-redis", 0.3, "life", "server_cpu"),
        ("memory of a finished invocation, against pynenc-redis", 0.35, "memory", "memory"),
    ):
        ratio = record.ratio((case, US, None), (case, OLDER, None), figure)
        yield _at_most(claim, most, ratio and ratio.median, "×", 2)
    growth, what = max(_growths(record), default=(None, ""))
    claim = (
        f"server CPU as an app grows; the worst is {what}" if what else "server CPU as an app grows"
    )
    yield _at_most(claim, GROWTH, growth, "×", 2)
    block, where = max(_blocks(record), default=(None, ""))
    claim = f"longest command of ours; it is in {where}" if where else "longest command of ours"
    yield _at_most(claim, BLOCK_SECONDS * 1e3, block and block * 1e3, " ms", 1)
    purged = record.of("purge", US, max(record.sizes("purge"), default=None))
    claim = (
        f"a purge of {purged[0].units:,}, longest command" if purged else "a purge, longest command"
    )
    longest = max((one.figures["longest_block"] * 1e3 for one in purged), default=None)
    yield _at_most(claim, BLOCK_SECONDS * 1e3, longest, " ms", 1)
    started = record.each("latency", US, "p50")
    claim, milliseconds = "from submission to start, idle, p50", started and started.median * 1e3
    yield _at_most(claim, START_SECONDS * 1e3, milliseconds, " ms", 1)


def _growths(record: Record) -> Iterator[tuple[float, str]]:
    """Give the growth of the server's CPU from the smallest to the largest app, of each step."""
    for case in record.cases():
        sizes = record.sizes(case)
        if case.startswith(_STEPS) and len(sizes) > 1:
            ratio = record.ratio((case, US, sizes[-1]), (case, US, sizes[0]), "server_cpu")
            if ratio:
                yield ratio.median, case


def _blocks(record: Record) -> Iterator[tuple[float, str]]:
    """Give the longest command of each case and size.

    Of several rounds that with the least counts: a command that has much to do has it in every
    round, and a server that was not given the processor has not.
    """
    for case in record.cases():
        for size in record.sizes(case):
            longest = record.longest(case, US, size)
            if longest is not None:
                yield longest, f"{case} ({size:,})" if size else case


def _at_least(claim: str, least: float, value: float | None) -> Verdict:
    shown = "" if value is None else f"{value:.2f}×"
    return Verdict(claim, f"at least {least:g}×", shown, None if value is None else value >= least)


def _at_most(claim: str, most: float, value: float | None, unit: str, digits: int) -> Verdict:
    shown = "" if value is None else f"{value:.{digits}f}{unit}"
    holds = None if value is None else value <= most
    return Verdict(claim, f"at most {most:g}{unit}", shown, holds)
