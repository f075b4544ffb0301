"""What grows: reads, steps and clean-ups in apps with 1,000 to 1,000,000 finished invocations."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks import fill
from benchmarks.record import Sample
from benchmarks.verdicts import US

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmarks.bench import Bench
    from benchmarks.contender import Running
    from benchmarks.record import Sample

ORIGINALS = 1_000
READS = (
    *("status", "result", "history", "page 1", "page 1,000"),
    *("count by task", "count by status", "time range"),
)
READ_TIMES = 500
STEPS = 200
# Rounds of recovery and retention: one can not tell a long command from a pause of the machine.
CLEAN_UPS = 3
# The last page that is read begins behind so many.
DEEP = 99_900
_KNOWN = 200


def scale(bench: Bench) -> Iterator[Sample]:
    """Read, submit, claim, start and finish in apps of all sizes, in turn; then clean up."""
    if US not in bench.chosen("scale"):
        return
    one = bench.running(US)
    bench.empty(one)
    ids = {size: filled(bench, one, size) for size in bench.sizes}
    chosen = random.Random(1)  # noqa: S311 - not for secrets
    known = {size: chosen.sample(found, min(_KNOWN, len(found))) for size, found in ids.items()}
    ids.clear()

    def turn(one: Running, number: int) -> Iterator[Sample]:
        for size in bench.sizes:
            one.do("switch", app_id=app_of(size))
            yield from reads(bench, one, number, size, known[size])
            yield from steps(bench, one, number, size)

    yield from bench.turns("scale", turn)
    for size in bench.sizes:
        yield from clean_ups(bench, one, size)
    one.do("switch", app_id="bench")


def app_of(size: int) -> str:
    """Return the id of the app of a size."""
    return f"scale-{size}"


def filled(bench: Bench, one: Running, size: int) -> list[str]:
    """Have so many finished invocations in an app, and a tenth more for retention."""
    one.do("switch", app_id=app_of(size))
    one.do("submit_batch", count=ORIGINALS)
    finish(one, ORIGINALS)
    return fill.copy(bench.client, app_of(size), size + size // 10)


def finish(one: Running, count: int) -> None:
    """Claim, start and finish so many."""
    one.do("claim", count=count)
    one.do("start")
    one.do("finish")


def reads(bench: Bench, one: Running, turn: int, size: int, known: list[str]) -> Iterator[Sample]:
    """Read each thing some times."""
    for what in READS:
        if what == "page 1,000" and size < DEEP:
            continue
        yield bench.sample(
            f"read, {what}", one, turn, READ_TIMES, "read",
            size=size, what=what, ids=known, count=READ_TIMES,
        )  # fmt: skip


def steps(bench: Bench, one: Running, turn: int, size: int) -> Iterable[Sample]:
    """Submit one by one, claim, start and finish some more."""
    jobs = {"submit": {"count": STEPS}, "claim": {"count": STEPS}, "start": {}, "finish": {}}
    return [
        bench.sample(f"scale, {job}", one, turn, STEPS, job, size=size, **arguments)
        for job, arguments in jobs.items()
    ]


def clean_ups(bench: Bench, one: Running, size: int) -> Iterator[Sample]:
    """Recover and have retention remove of the oldest tenth, some times; then purge the rest."""
    app = app_of(size)
    expiring = f"pynenc:{{{app}}}:expiring"
    each = size // 10 // CLEAN_UPS
    for number in range(1, CLEAN_UPS + 1):
        [(_, time_us)] = bench.client.zrange(expiring, each, each, withscores=True)
        hours = (time.time() - time_us / 1e6) / 3600
        one.do("switch", app_id=app, auto_final_invocation_purge_hours=hours)
        yield bench.sample("recovery sweep", one, number, 1, "recover", size=size)
        before = bench.client.zcard(expiring)
        retained = bench.sample("retention", one, number, 1, "retain", size=size)
        left = bench.client.zcard(expiring)
        yield replace(retained, units=before - left)
    yield replace(bench.sample("purge", one, 1, 1, "purge", size=size), units=left)
    # The server frees what was purged in a thread of its own, which holds up its commands.
    while bench.client.info("memory")["lazyfree_pending_objects"]:
        time.sleep(0.01)
