"""What the processes of `test_races.py` do: each job runs in some threads of some processes."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from pynenc.exceptions import InvocationStatusError
from pynenc.invocation.status import InvocationStatus
from pynenc.orchestrator.atomic_service import AtomicServiceExecutionStatus, AtomicServiceRun

from life import life_tasks
from life.tools import bind, build_app, claim, client_of, orchestrator, runner
from servers import Server  # noqa: TC001 - a process unpickles it

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pynenc import Pynenc
    from pynenc.runner.runner_context import RunnerContext

CHUNK = 20
# The owner of what is raced for. It sends no heartbeat, so it is dead to recovery.
OLD = runner("old")


class Where(NamedTuple):
    """Which app the race is in; a process builds its own."""

    server: Server
    app_id: str


class Lap(NamedTuple):
    """What one thread did: how often it tried, and what came of it."""

    attempts: int
    won: list[str]
    violations: list[str] = []  # noqa: RUF012 - never changed


@cache
def app_of(where: Where) -> Pynenc:
    return build_app(
        where.server,
        where.app_id,
        atomic_service_execution_max_records=20,
        runner_considered_dead_after_minutes=10.0,
    )


def threads(jobs: list[Callable[[], Lap]]) -> list[Lap]:
    """Run each job in a thread of its own."""
    with ThreadPoolExecutor(len(jobs)) as executor:
        return [lap.result() for lap in [executor.submit(job) for job in jobs]]


class Probe:
    """A counter on the server: who makes it more than 1 was not alone."""

    def __init__(self, app: Pynenc, name: str) -> None:
        self._client, self._key = client_of(app), f"probe:{app.app_id}:{name}"
        self.violations: list[str] = []

    def enter(self, who: str) -> None:
        if (inside := self._client.incr(self._key)) != 1:
            self.violations.append(f"{who} was one of {inside}")

    def leave(self) -> None:
        self._client.decr(self._key)


# Claims


def take_all(where: Where, name: str) -> list[Lap]:
    app = app_of(where)

    def job(who: RunnerContext) -> Lap:
        taken: list[str] = []
        attempts = 0
        while claimed := claim(app, who, 7):
            attempts += len(claimed)
            taken += [invocation.invocation_id for invocation in claimed]
        return Lap(attempts, taken)

    return threads([lambda n=n: job(runner(f"{name}-{n}")) for n in range(3)])


# Finishing against recovery, and against waiting


def finish_against_recovery(where: Where, ids: list[str]) -> list[Lap]:
    """Try to finish and to recover each: those of the first lap were finished, the others not."""
    app = app_of(where)
    together = threading.Barrier(2)

    def finish() -> Lap:
        finished = []
        for invocation in chunks_in_disorder(ids, together):
            try:
                app.orchestrator.set_invocation_result(
                    app.state_backend.get_invocation(invocation), "from the old owner", OLD
                )
                finished.append(invocation)
            except InvocationStatusError:
                pass
        return Lap(len(ids), finished)

    def recover() -> Lap:
        recovered: list[str] = []
        for invocation in chunks_in_disorder(ids, together):
            reply = orchestrator(app).scripts.orchestrator_recover(
                queue_name="default",
                context_id="rescuer",
                contexts=b"",
                op=f"{random.getrandbits(64):x}",
                notes=0,
                pending_us=0,
                dead_us=0,
                items=[(invocation,)],
            )
            recovered += [id_.decode() for id_, *_ in reply.values[0]]
        return Lap(len(ids), recovered)

    return threads([finish, recover])


def finish_against_waiting(where: Where, parent: str, children: list[str]) -> list[Lap]:
    """Finish children while their parent comes to wait for them."""
    app = app_of(where)
    together = threading.Barrier(2)

    def finish() -> Lap:
        finished = []
        for child in chunks_in_disorder(children, together):
            try:
                app.orchestrator.set_invocation_result(
                    app.state_backend.get_invocation(child), None, OLD
                )
                finished.append(child)
            except InvocationStatusError:
                pass
        return Lap(len(children), finished)

    def wait() -> Lap:
        for child in chunks_in_disorder(children, together):
            app.orchestrator.waiting_for_results(parent, [child])
        return Lap(len(children), [])

    return threads([finish, wait])


def chunks_in_disorder(ids: list[str], together: threading.Barrier) -> Iterator[str]:
    """Give the ids in an order of the caller's own, so that two callers stay close together."""
    for at in range(0, len(ids), CHUNK):
        chunk = ids[at : at + CHUNK]
        random.shuffle(chunk)
        together.wait(30)
        yield from chunk


# Concurrency control


def run_alone(where: Where, name: str, attempts: int) -> list[Lap]:
    """Claim and run invocations of a task of which one may run at a time; each leaves another."""
    app = app_of(where)

    def job(who: RunnerContext) -> Lap:
        task, probe, ran = bind(app, life_tasks.alone), Probe(app, "alone"), []
        for _ in range(attempts):
            for invocation in claim(app, who):
                id_ = invocation.invocation_id
                probe.enter(id_)
                app.orchestrator.set_invocation_status(id_, InvocationStatus.RUNNING, who)
                probe.leave()
                app.orchestrator.set_invocation_result(invocation, None, who)
                ran.append(id_)
                task(0)
        return Lap(attempts, ran, probe.violations)

    return threads([lambda n=n: job(runner(f"{name}-{n}")) for n in range(3)])


def register(where: Where, name: str, attempts: int) -> list[Lap]:
    """Call a task that is registered once a key, while another thread claims what there is."""
    app = app_of(where)
    done = threading.Event()

    def call() -> Lap:
        task = bind(app, life_tasks.once_by_key)
        made = []
        for number in range(attempts):
            key = f"key-{number % 4}"
            made.append(f"{key} {task(key, name).invocation_id}")
        done.set()
        return Lap(attempts, made)

    def take() -> Lap:
        taken: list[str] = []
        while not done.is_set():
            taken += [it.invocation_id for it in claim(app, runner(name))]
        return Lap(0, taken)

    return threads([call, take])


# Atomic service


def serve(where: Where, name: str, attempts: int) -> list[Lap]:
    """Try to get the atomic service, and end it at once."""
    app = app_of(where)

    def job(who: str) -> Lap:
        probe, won = Probe(app, "service"), []
        for _ in range(attempts):
            run = AtomicServiceRun(runner_id=who)
            if app.orchestrator.record_atomic_service_execution_start(run, None):
                probe.enter(who)
                won.append(str(run.atomic_service_run_id))
                probe.leave()
                app.orchestrator.finalize_atomic_service_execution(
                    run, datetime.now(UTC), AtomicServiceExecutionStatus.COMPLETED
                )
        return Lap(attempts, won, probe.violations)

    return threads([lambda n=n: job(f"{name}-{n}") for n in range(3)])
