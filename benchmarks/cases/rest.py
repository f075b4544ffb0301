"""Fan-out, memory, idle workers, large values, and the server by itself."""

from __future__ import annotations

import csv
import shutil
import subprocess
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks.cases.life import as_delivered
from benchmarks.record import Sample
from benchmarks.verdicts import US

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.bench import Bench
    from benchmarks.contender import Running

CHILDREN = 1_000
FINISHED = 1_000
# Hours; none at all is no retention for some.
NEXT_TO_NOTHING = 1e-6
IDLE_SECONDS = 3
# Heartbeats and the like, after which workers only wait.
SETTLE_SECONDS = 1
FEW, MANY = (1, 8), (1, 8, 64)
KIB = 1024
PAYLOADS = (1 * KIB, 64 * KIB, 1024 * KIB, 16 * 1024 * KIB)
RAW_CALLS = 50_000


def fan_out(bench: Bench) -> Iterator[Sample]:
    """A parent submits 1,000 children and waits for them; thread runner in the client's process."""

    def turn(one: Running, number: int) -> Iterator[Sample]:
        bench.empty(one)
        one.do("start_worker", kind="inside", workers=4)
        yield bench.sample("fan-out", one, number, CHILDREN, "fan_out", count=CHILDREN)
        one.do("stop_worker")

    return bench.turns("fan-out", turn, rounds=2)


def memory(bench: Bench) -> Iterator[Sample]:
    """The server's memory for finished invocations: all keys, ours by kind, and after retention."""

    def turn(one: Running, number: int) -> Iterator[Sample]:
        bench.empty(one)
        one.do("submit_batch", count=FINISHED)
        one.do("claim", count=FINISHED)
        one.do("start")
        one.do("finish")
        figures = {"memory": sum(by_key(bench).values())}
        if one.name == US:
            for key, used in by_key(bench).items():
                figures[f"of it, {key.rpartition(b':')[2].decode()}"] = used
        one.do("switch", app_id="bench", auto_final_invocation_purge_hours=NEXT_TO_NOTHING)
        one.do("retain")
        one.do("switch", app_id="bench")
        figures["after retention"] = sum(by_key(bench).values())
        yield Sample("memory", one.name, 0, number, FINISHED, figures)

    return bench.turns("memory", turn, rounds=1, warm_up=False)


def by_key(bench: Bench) -> dict[bytes, int]:
    """Return the memory of each key on the server, all of its elements looked at."""
    keys = sorted(bench.client.scan_iter(count=1_000))
    used = bench.client.pipeline(transaction=False)
    for key in keys:
        used.memory_usage(key, samples=0)
    return {key: of for key, of in zip(keys, used.execute(), strict=True) if of is not None}


def idle(bench: Bench) -> Iterator[Sample]:
    """What idle workers ask of the server, with the settings that they are delivered with."""

    def turn(one: Running, number: int) -> Iterator[Sample]:
        alike = "life" in one.contender.cases
        with as_delivered(one):
            for size in MANY if alike else FEW:
                bench.empty(one)
                if alike:
                    one.do("start_runners", count=size)
                else:
                    one.do("start_worker", kind="process", workers=size)
                time.sleep(SETTLE_SECONDS)
                _, costs = bench.meter.measure(lambda: time.sleep(IDLE_SECONDS))
                one.do("stop_worker")
                yield Sample("idle", one.name, size, number, IDLE_SECONDS, costs)

    # There is nothing to warm up, and little that a second round would tell.
    return bench.turns("idle", turn, rounds=1, warm_up=False)


def payloads(bench: Bench) -> Iterator[Sample]:
    """Give 1 KiB to 16 MiB to a task and have them back, with and without compression."""

    def turn(one: Running, number: int) -> Iterator[Sample]:
        for compressed in (False, True):
            case = "payload, compressed" if compressed else "payload"
            one.do("switch", app_id="bench", compression_enabled=compressed)
            for size in PAYLOADS:
                bench.empty(one)
                to = {"length": size, "compressible": True}
                yield bench.sample(case, one, number, 1, "carry", size=size, **to)
        one.do("switch", app_id="bench")

    return bench.turns("payloads", turn, rounds=3)


def raw(bench: Bench) -> Iterator[Sample]:
    """What the server does with no Python about, by redis-benchmark or valkey-benchmark."""
    tool = shutil.which("valkey-benchmark") or shutil.which("redis-benchmark")
    if tool is None:
        bench.failures.append("raw: neither valkey-benchmark nor redis-benchmark is on the PATH")
        return
    address = urlsplit(bench.url)
    sha = bench.client.script_load("#!lua\nreturn 1")
    for name, command in {
        "SET": ["SET", "key", "value"],
        "no-op EVALSHA": ["EVALSHA", sha, "0"],
    }.items():
        for clients in (1, 50):
            where = ["-h", str(address.hostname), "-p", str(address.port)]
            how = ["-n", str(RAW_CALLS), "-c", str(clients), "--csv"]
            said = subprocess.run(
                [tool, *where, *how, *command], capture_output=True, text=True, check=True
            ).stdout
            [row] = csv.DictReader(said.splitlines())
            seconds = RAW_CALLS / float(row["rps"])
            yield Sample(f"raw, {name}", "server", clients, 1, RAW_CALLS, {"seconds": seconds})
