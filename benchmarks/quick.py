"""What must not get worse: figures of ours that every run has, against `pinned.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bench import Bench
from benchmarks.cases import life, rest, scale
from benchmarks.contender import contenders
from benchmarks.verdicts import US

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.record import Sample

PINNED = Path(__file__).parent / "pinned.json"
FIGURES = ("round_trips", "commands", "sent", "received", "memory", "after retention")
# The levels of a sorted set's members are drawn by chance, and an allocator rounds.
TOLERANCE = {"memory": 0.02, "after retention": 0.5}
READ = 50

type Figures = dict[str, dict[str, float]]


def measure() -> Figures:
    """Return the figures of one invocation, by case."""
    with Bench([contenders()[US]], rounds=1, sizes=[]) as bench:
        return {
            sample.case: {
                figure: round(sample.each(figure), 3)
                for figure in FIGURES
                if figure in sample.figures
            }
            for sample in samples(bench)
        }


def samples(bench: Bench) -> Iterator[Sample]:
    """Give one sample of each case; figures of it depend on neither the machine nor the time."""
    for case in (life.submit, life.batch, life.claim, rest.memory):
        yield from case(bench)
    one = bench.running(US)
    bench.empty(one)
    one.do("submit_batch", count=READ)
    scale.finish(one, READ)
    ids = [id_.decode() for id_ in bench.client.hkeys("pynenc:{bench}:statuses")]
    # The first call of a script loads it.
    list(scale.reads(bench, one, 0, READ, ids))
    yield from scale.reads(bench, one, 1, READ, ids)


def pinned() -> Figures:
    """Return what the figures were when they were pinned."""
    return json.loads(PINNED.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def pin(found: Figures) -> None:
    """Write the figures down as what is to be held."""
    PINNED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def compare(found: Figures, held: Figures) -> tuple[list[str], list[str]]:
    """Hold figures against those that are pinned.

    Returns:
        What got worse (or is not measured, or not pinned), and what got better, for people.
    """
    worse, better = [], []
    for case in held | found:
        for figure in held.get(case, {}) | found.get(case, {}):
            was, now = held.get(case, {}).get(figure), found.get(case, {}).get(figure)
            text = f"{case}: {figure} is {now}, pinned is {was}"
            if was is None or now is None or now > was * (1 + TOLERANCE.get(figure, 0)):
                worse.append(text)
            elif now < was * (1 - TOLERANCE.get(figure, 0)):
                better.append(text)
    return worse, better


def run(*, to_pin: bool) -> int:
    """Measure and compare, or pin; return 1 if something got worse."""
    found = measure()
    if to_pin:
        pin(found)
        print(f"pinned in {PINNED}")
        return 0
    worse, better = compare(found, pinned())
    for text in better:
        print(f"better: {text}; pin it with `python -m benchmarks --pin`")
    for text in worse:
        print(f"worse: {text}")
    print(f"{sum(map(len, found.values()))} figures, {len(worse)} worse, {len(better)} better")
    return 1 if worse else 0
