"""Contenders: what is said of them, and their programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import contender
from benchmarks.bench import Bench
from benchmarks.cases import CASES
from benchmarks.contender import JobError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.record import Sample

KNOWN = contender.contenders()


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench([KNOWN["us"], KNOWN["pynenc-memory"]], rounds=2, sizes=[]) as bench:
        yield bench


def test_each_takes_part_in_cases_that_there_are() -> None:
    parts = {"workers, thread", "workers, process"}
    for one in KNOWN.values():
        assert set(one.cases) - parts <= set(CASES)
        module, _, name = one.program.partition(":")
        assert name in (contender.HERE / "contenders" / f"{module}.py").read_text()


def test_each_has_pinned_requirements() -> None:
    for one in KNOWN.values():
        assert all("==" in requirement for requirement in one.requirements)


@pytest.mark.parametrize("name", ["us", "pynenc-memory"])
def test_jobs_are_done(bench: Bench, name: str) -> None:
    one = bench.running(name)
    bench.empty(one)
    assert one.versions["pynenc"].startswith("0.4")
    one.do("submit", count=3)
    one.do("claim", count=3)
    one.do("start")
    one.do("finish")
    bench.empty(one)
    one.do("start_worker", kind="inside", workers=2)
    took = one.do("life", count=5)
    one.do("fan_out", count=7)
    one.do("stop_worker")
    assert took["seconds"] > 0
    assert took["client_cpu"] > 0


def test_a_worker_is_a_process_of_its_own(bench: Bench) -> None:
    one = bench.running("us")
    bench.empty(one)
    one.do("start_worker", kind="thread", workers=2)
    [latency] = one.do("latencies", pauses=[0.0])["value"]
    assert one.do("worker_cpu")["value"] > 0
    one.do("stop_worker")
    assert 0 < latency < 10


def test_costs_are_exact(bench: Bench) -> None:
    one = bench.running("us")
    for count in (1, 4):
        bench.empty(one)
        one.do("submit", count=1)
        sample = bench.sample("submit", one, 1, count, "submit", count=count)
        assert sample.each("round_trips") == 1
        assert sample.each("sent") == bench.sample("", one, 1, 1, "submit", count=1).each("sent")
    idle, costs = bench.meter.measure(lambda: None)
    assert idle is None
    assert costs["commands"] == costs["sent"] == costs["received"] == costs["requests"] == 0


def test_contenders_alternate_and_the_warm_up_does_not_count(bench: Bench) -> None:
    turns: list[tuple[str, int]] = []

    def turn(one: contender.Running, number: int) -> list[Sample]:
        turns.append((one.name, number))
        return [bench.sample("submit", one, number, 1, "submit", count=1)]

    samples = list(bench.turns("submit", turn))
    us, memory = "us", "pynenc-memory"
    assert turns == [(us, 0), (memory, 0), (memory, 1), (us, 1), (us, 2), (memory, 2)]
    assert [(sample.contender, sample.turn) for sample in samples] == turns[2:]


def test_who_fails_is_told_and_takes_no_further_part() -> None:
    with Bench([KNOWN["pynenc-memory"]], rounds=2, sizes=[]) as bench:

        def turn(one: contender.Running, number: int) -> list[Sample]:
            return [bench.sample("submit", one, number, 1, "submit", count="many")]

        assert list(bench.turns("submit", turn)) == []
        [failure] = bench.failures
        assert "pynenc-memory in submit" in failure
        assert "TypeError" in failure


def test_a_program_that_ends_is_told(bench: Bench) -> None:
    with contender.running(KNOWN["pynenc-memory"], bench.url) as one:
        one._process.kill()
        one._process.wait()
        with pytest.raises(JobError, match="pynenc-memory ended in submit"):
            one.do("submit", count=1)
