"""The life of invocations: submit, claim, start, finish, and all of it with workers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.record import Sample, Spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.bench import Bench
    from benchmarks.contender import Running

COUNT = 500
WORKED = 200
BATCH = 1_000
WORKERS = (1, 2, 4, 8)
LATENCIES = 64
# Seconds between the end of a task and the next one. The shortest pause is longer than any worker
# sleeps after a task, so that it is idle. From there they are spread over a round of the longest
# loop (ours: 2.5 s at the doorbell, two sleeps of pynenc's), each as far from the others as can
# be: a worker is met in what it does in proportion to how long it does it.
SHORTEST_PAUSE, SPREAD = 0.25, 2.7
GOLDEN = (5**0.5 - 1) / 2
PAUSES = [SHORTEST_PAUSE + SPREAD * (number * GOLDEN % 1) for number in range(LATENCIES)]


def submit(bench: Bench) -> Iterator[Sample]:
    """Submit one by one."""

    def turn(one: Running, number: int) -> Iterator[Sample]:
        count = COUNT // one.contender.slowness
        bench.empty(one)
        yield bench.sample("submit", one, number, count, "submit", count=count)

    return bench.turns("submit", turn)


def batch(bench: Bench) -> Iterator[Sample]:
    """Submit a batch."""

    def turn(one: Running, number: int) -> Iterator[Sample]:
        count = BATCH // one.contender.slowness
        bench.empty(one)
        yield bench.sample("batch", one, number, count, "submit_batch", count=count)

    return bench.turns("batch", turn)


def claim(bench: Bench) -> Iterator[Sample]:
    """Claim, start and finish, each alone."""

    def turn(one: Running, number: int) -> Iterator[Sample]:
        count = COUNT // one.contender.slowness
        bench.empty(one)
        one.do("submit_batch", count=count)
        yield bench.sample("claim", one, number, count, "claim", count=count)
        yield bench.sample("start", one, number, count, "start")
        yield bench.sample("finish", one, number, count, "finish")

    return bench.turns("claim", turn)


def life(bench: Bench) -> Iterator[Sample]:
    """Submit one by one and have all results, with a thread runner in the client's process."""

    def turn(one: Running, number: int) -> Iterator[Sample]:
        count = COUNT // one.contender.slowness
        bench.empty(one)
        one.do("start_worker", kind="inside", workers=4)
        yield bench.sample("life", one, number, count, "life", count=count)
        one.do("stop_worker")

    return bench.turns("life", turn)


def workers(bench: Bench) -> Iterator[Sample]:
    """The same with 1 to 8 workers in processes of their own: threads of one, or each its own."""
    for kind in ("thread", "process"):
        case = f"workers, {kind}"

        def turn(one: Running, number: int, kind: str = kind, case: str = case) -> Iterator[Sample]:
            for size in WORKERS:
                bench.empty(one)
                one.do("start_worker", kind=kind, workers=size)
                yield bench.sample(case, one, number, WORKED, "life", size=size, count=WORKED)
                one.do("stop_worker")

        yield from bench.turns(case, turn, rounds=2, warm_up=False)


def latency(bench: Bench) -> Iterator[Sample]:
    """The time from submission to start where a worker is idle; with delivered settings."""

    def turn(one: Running, number: int) -> Iterator[Sample]:
        bench.empty(one)
        kind = "thread" if "workers, thread" in one.contender.cases else "process"
        with as_delivered(one):
            one.do("start_worker", kind=kind, workers=2)
            found = one.do("latencies", pauses=PAUSES)["value"]
            one.do("stop_worker")
        ordered = sorted(found)
        figures = {
            "p50": Spread.of(found).median,
            "p90": ordered[round(0.9 * (len(ordered) - 1))],
            "p99": ordered[round(0.99 * (len(ordered) - 1))],
        }
        yield Sample("latency", one.name, 0, number, 1, figures)

    return bench.turns("latency", turn, rounds=1, warm_up=False)


@contextmanager
def as_delivered(one: Running) -> Iterator[None]:
    """Have workers started with the settings that the contender is delivered with."""
    one.do("settings_as_delivered", on=True)
    try:
        yield
    finally:
        one.do("settings_as_delivered", on=False)
