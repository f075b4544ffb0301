"""Many at once, in threads of several processes: what must never happen does not."""

from __future__ import annotations

import multiprocessing
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from pynenc.identifiers.invocation_id import InvocationId
from pynenc.invocation.status import InvocationStatus, validate_transition

import servers
from faults import racers
from faults.racers import OLD, Lap, Where
from faults.scale import scaled
from life import life_tasks
from life.tools import bind, claim, client_of, key_of, remove
from pynenc_redis_lua.codec import unpack
from pynenc_redis_lua.records import to_history, to_microseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pynenc import Pynenc

    from servers import Server

ATTEMPTS = scaled(2_000, 10_000)
PROCESSES = 2

pytestmark = pytest.mark.parametrize("server", servers.names()[:1], indirect=True)


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture
def where(server: Server, app_id: str) -> Where:
    return Where(server, app_id)


@pytest.fixture
def app(where: Where) -> Iterator[Pynenc]:
    racers.app_of.cache_clear()
    app = racers.app_of(where)
    yield app
    remove(app)


@pytest.fixture
def race(
    pool: ProcessPoolExecutor, where: Where, figure: Callable[[str], None]
) -> Callable[..., list[Lap]]:
    """Run a job in each process; gives the laps of all threads, those of a process together."""

    def run(job: Callable[..., list[Lap]], *arguments: Any, named: bool = False) -> list[Lap]:
        names = [(f"racer-{number}",) if named else () for number in range(PROCESSES)]
        running = [pool.submit(job, where, *name, *arguments) for name in names]
        laps = [lap for process in running for lap in process.result(120)]
        assert [violation for lap in laps for violation in lap.violations] == []
        name = job.__name__.replace("_", " ")
        figure(f"{name}: {sum(lap.attempts for lap in laps):,} attempts, 0 violations")
        return laps

    return run


def histories(app: Pynenc) -> dict[str, list[tuple[InvocationStatus, int]]]:
    """What happened to each invocation, and when by the server's clock; each step allowed."""
    found = {}
    for id_, packed in client_of(app).hgetall(key_of(app, "history")).items():
        records = [to_history(InvocationId(id_.decode()), each) for each in unpack(packed) if each]
        steps = [
            (record.status_record.status, to_microseconds(record.timestamp)) for record in records
        ]
        for before, (after, _) in pairwise([(None, 0), *steps]):
            validate_transition(before[0], after)
        assert [at for _, at in steps] == sorted(at for _, at in steps)
        found[id_.decode()] = steps
    return found


def spans(
    steps: list[tuple[InvocationStatus, int]], status: InvocationStatus
) -> list[tuple[int, int]]:
    """From when to when an invocation was in a status."""
    ends = [*steps[1:], (None, 2**53)]
    return [(at, end) for (each, at), (_, end) in zip(steps, ends, strict=True) if each == status]


def assert_apart(spans: list[tuple[int, int]]) -> None:
    for (_, end), (start, _) in pairwise(sorted(spans)):
        assert end <= start


def running(app: Pynenc, count: int) -> list[str]:
    """Invocations that a runner has started which is dead by now."""
    bind(app, life_tasks.noop).parallelize([()] * count)
    ids = [invocation.invocation_id for invocation in claim(app, OLD, count)]
    for id_ in ids:
        app.orchestrator.set_invocation_status(id_, InvocationStatus.RUNNING, OLD)
    assert len(ids) == count
    return ids


def won(laps: list[Lap]) -> list[str]:
    return sorted(id_ for lap in laps for id_ in lap.won)


def fields_of(app: Pynenc, name: str) -> set[str]:
    return {field.decode() for field in client_of(app).hkeys(key_of(app, name))}


def test_each_invocation_is_claimed_once(app: Pynenc, race: Callable[..., list[Lap]]) -> None:
    group = bind(app, life_tasks.noop).parallelize([()] * ATTEMPTS)
    laps = race(racers.take_all, named=True)
    assert won(laps) == sorted(group.invocation_map)
    assert sum(bool(lap.won) for lap in laps) > 1
    for steps in histories(app).values():
        assert [status for status, _ in steps] == [
            InvocationStatus.REGISTERED,
            InvocationStatus.PENDING,
        ]


def test_who_was_recovered_from_stores_nothing(app: Pynenc, race: Callable[..., list[Lap]]) -> None:
    ids = running(app, ATTEMPTS // 4)
    laps = race(racers.finish_against_recovery, ids)
    finished, recovered = won(laps[::2]), won(laps[1::2])
    assert sorted(finished + recovered) == sorted(ids)
    assert len(finished) > len(ids) // 20
    assert len(recovered) > len(ids) // 20
    assert fields_of(app, "results") == set(finished)
    assert fields_of(app, "queued") == set(recovered)
    assert fields_of(app, "exceptions") == set()
    ends = {id_: [status for status, _ in steps][3:] for id_, steps in histories(app).items()}
    assert ends == {id_: [InvocationStatus.SUCCESS] for id_ in finished} | {
        id_: [InvocationStatus.RUNNING_RECOVERY, InvocationStatus.REROUTED] for id_ in recovered
    }


def test_two_never_run_that_exclude_each_other(app: Pynenc, race: Callable[..., list[Lap]]) -> None:
    for number in range(8):
        bind(app, life_tasks.alone)(number)
    laps = race(racers.run_alone, ATTEMPTS // PROCESSES // 3, named=True)
    ran = won(laps)
    assert len(ran) == len(set(ran)) > 8
    assert sum(bool(lap.won) for lap in laps) > 1
    assert fields_of(app, "results") == set(ran)
    steps = histories(app).values()
    for status in (InvocationStatus.PENDING, InvocationStatus.RUNNING):
        assert_apart([span for each in steps for span in spans(each, status)])


def test_two_are_never_registered_that_exclude_each_other(
    app: Pynenc, race: Callable[..., list[Lap]]
) -> None:
    laps = race(racers.register, ATTEMPTS // PROCESSES, named=True)
    by_key: dict[str, set[str]] = defaultdict(set)
    for line in won(laps[::2]):
        key, id_ = line.split()
        by_key[key].add(id_)
    assert len(by_key) == 4
    steps = histories(app)
    assert sum(len(ids) for ids in by_key.values()) == len(steps)
    assert len(steps) > 8
    for ids in by_key.values():
        assert_apart(
            [span for id_ in ids for span in spans(steps[id_], InvocationStatus.REGISTERED)]
        )


def test_nobody_waits_for_what_is_done(app: Pynenc, race: Callable[..., list[Lap]]) -> None:
    parent, *children = running(app, ATTEMPTS // 4 + 1)
    laps = race(racers.finish_against_waiting, parent, children)
    assert won(laps) == sorted(children)
    assert client_of(app).exists(key_of(app, "waits"), key_of(app, "blocking")) == 0


def test_the_atomic_service_runs_once_at_a_time(
    app: Pynenc, race: Callable[..., list[Lap]]
) -> None:
    laps = race(racers.serve, ATTEMPTS // PROCESSES // 3, named=True)
    assert sum(bool(lap.won) for lap in laps) > 1
    assert len(won(laps)) == len(set(won(laps)))
    assert app.orchestrator.get_active_atomic_service_executions() == []
