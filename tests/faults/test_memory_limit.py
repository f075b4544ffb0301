"""The server is full: what writes is refused wholly, and what frees memory goes on.

Memory is full when the server uses more than its `maxmemory`, and its policy is `noeviction`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from pynenc.invocation.status import InvocationStatus
from pynenc.orchestrator.atomic_service import (
    AtomicServiceExecutionStatus,
    AtomicServiceId,
    AtomicServiceRun,
)
from redis.exceptions import OutOfMemoryError

import servers
from conftest import settings_of
from faults.oracle import judge
from faults.scale import scaled
from faults.tools import THREADS, Client, Fleet, wait_for_more, wait_for_the_end
from life import life_tasks
from life.tools import bind, claim, result_of, runner, snapshot, watch
from lua.conftest import isolated_library, stored_of
from lua.model import check
from lua.samples import BEFORE, SAMPLES
from lua.test_every_script import WRITERS, without_times
from pynenc_redis_lua.client import Connection
from pynenc_redis_lua.errors import ServerOutOfMemoryError
from pynenc_redis_lua.scripts.api import Scripts
from pynenc_redis_lua.scripts.library import library
from servers import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pynenc import Pynenc
    from redis import Redis

    from faults.oracle import Oracle
    from faults.tools import Where
    from pynenc_redis_lua.scripts.runner import Reply

PROGRAMS = {name: path for name, path in servers.binaries().items() if name in servers.names()}
SEED = 20_261_124
ONE, TWO = runner("one"), runner("two")


@pytest.fixture(params=list(PROGRAMS)[: scaled(1, None)])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own, which has room at first."""
    with servers.start_standalone(PROGRAMS[request.param], tmp_path) as server:
        yield server


@pytest.fixture
def admin(server: Server) -> Iterator[Redis]:
    with server.client() as client:
        assert isinstance(client, servers.redis.Redis)
        yield client


def fill(admin: Redis) -> None:
    """Let the server have no memory left."""
    admin.config_set("maxmemory", 1)


def make_room(admin: Redis) -> None:
    admin.config_set("maxmemory", 0)


def is_full(admin: Redis) -> bool:
    """Whether the server takes nothing more."""
    try:
        admin.set("one more", "")
    except OutOfMemoryError:
        return True
    return False


# Each script

# What removes data, and what brings a process to it: the list of apps, that a runner is alive, and
# that it holds the service. They store little that is new, and nothing that grows without a bound.
GO_ON = {
    "app/store_info",
    "broker/expire_replies",
    "broker/purge",
    "data/expire",
    "data/purge",
    "orchestrator/expire",
    "orchestrator/expire_runners",
    "orchestrator/heartbeat",
    "orchestrator/purge",
    "orchestrator/release",
    "orchestrator/service_end",
    "orchestrator/service_start",
    "orchestrator/services_trim",
    "state/expire_contexts",
    "state/purge",
    "trigger/clear",
    "trigger/expire_events",
    "trigger/expire_pending",
    "trigger/expire_runs",
    "trigger/purge",
    "trigger/remove_runs_of",
}


class Trial:
    """Calls a script on an app that has no more than what the sample needs."""

    def __init__(self, server: Server, admin: Redis, app_id: str) -> None:
        self.scripts = Scripts(Connection(settings_of(server)), app_id, isolated_library())
        self._admin, self._app_id = admin, app_id

    def prepare(self, name: str) -> None:
        self._admin.flushall()
        for needed, arguments in BEFORE.get(name, []):
            self.scripts.call(needed, **arguments)

    def call(self, name: str) -> Reply:
        return self.scripts.call(name, **SAMPLES[name])

    def stored(self) -> dict[str, Any]:
        apps = isolated_library().table.keys["apps"].on_server("")
        return stored_of(self._admin, self._app_id, apps)

    def in_room(self, name: str) -> list[Any]:
        """What a call comes to that was never refused."""
        self.prepare(name)
        reply = self.call(name)
        return [without_times(reply), without_times(self.stored())]


@pytest.fixture
def trial(server: Server, admin: Redis, app_id: str) -> Trial:
    return Trial(server, admin, app_id)


def test_what_frees_memory_is_what_may_run_without() -> None:
    flagged = {name for name in WRITERS if library().script(name).definition.flag == "allow-oom"}
    assert flagged == GO_ON


def test_every_other_script_is_refused_wholly_and_runs_when_there_is_room(
    trial: Trial, admin: Redis, figure: Callable[[str], None]
) -> None:
    refused = sorted(set(WRITERS) - GO_ON)
    for name in refused:
        expected = trial.in_room(name)
        trial.prepare(name)
        before = trial.stored()
        fill(admin)
        with pytest.raises(ServerOutOfMemoryError, match="maxmemory") as refusal:
            trial.call(name)
        make_room(admin)
        assert (refusal.value.script, refusal.value.code) == (name, "OOM")
        assert trial.stored() == before, name
        assert [without_times(trial.call(name)), without_times(trial.stored())] == expected, name
    figure(f"{len(refused)} scripts refused: 0 keys changed")


def test_every_script_that_frees_memory_runs_without(
    trial: Trial, admin: Redis, figure: Callable[[str], None]
) -> None:
    for name in sorted(GO_ON):
        expected = trial.in_room(name)
        trial.prepare(name)
        fill(admin)
        reply = trial.call(name)
        make_room(admin)
        assert [without_times(reply), without_times(trial.stored())] == expected, name
    figure(f"{len(GO_ON)} scripts that free memory ran")


# An app


# Workers are neither dead nor late for as long as these tests last.
PATIENT = {"max_pending_seconds": 600.0, "runner_considered_dead_after_minutes": 10.0}


def test_an_app_can_be_purged(where: Where, admin: Redis) -> None:
    """By a process that starts when there is no memory left."""
    bind(where.app(), life_tasks.add).parallelize([(number, 1) for number in range(500)])
    fill(admin)
    where.app().purge()
    assert snapshot(where.app()) == {}


def finish(app: Pynenc, count: int) -> None:
    """Have so many invocations finished, each with a result of a kilobyte."""
    # Recovery takes what a runner owns that was never heard of.
    app.orchestrator.register_runner_heartbeats([ONE.runner_id])
    bind(app, life_tasks.echo).parallelize([("x" * 1_000,) for _ in range(count)])
    for _ in range(0, count, 100):
        for run in claim(app, ONE, 100):
            app.orchestrator.set_invocation_status(run.invocation_id, InvocationStatus.RUNNING, ONE)
            app.orchestrator.set_invocation_result(run, "x" * 1_000, ONE)


def test_retention_makes_room_and_work_goes_on(where: Where, admin: Redis) -> None:
    """Nobody comes to help: what has been final for five seconds is removed."""
    app = where.app()
    with Fleet(
        [partial(where.app, **PATIENT, auto_final_invocation_purge_hours=5 / 3600)]
    ) as fleet:
        add, pause = bind(app, life_tasks.add), bind(app, life_tasks.pause)
        assert result_of(add(0, 1)) == 1
        finish(app, 400)
        # These end on a full server; its runner has threads left, and would claim.
        waiting = [pause(1.0) for _ in range(THREADS // 2)]
        admin.config_set("maxmemory", admin.info("memory")["used_memory"] - 200_000)
        with pytest.raises(ServerOutOfMemoryError):
            add(1, 1)

        def submitted() -> Any:
            try:
                return add(1, 1)
            except ServerOutOfMemoryError:
                return None

        assert result_of(servers.wait_for(submitted, 30, message="there is room")) == 2
        assert [result_of(each) for each in waiting] == [1.0] * len(waiting)
        assert fleet.exits() == 0


def test_the_service_removes_what_is_old_and_recovers_later(where: Where, admin: Redis) -> None:
    app = where.app(max_pending_seconds=0.0, auto_final_invocation_purge_hours=0.0)
    finish(app, 1)
    bind(app, life_tasks.add)(0, 1)
    [left_behind] = claim(app, ONE)
    fill(admin)
    run = app.orchestrator.try_claim_atomic_service_run(TWO)
    assert run is not None
    assert list(app.orchestrator.get_invocation_ids_paginated()) == [left_behind.invocation_id]
    assert left_behind.status == InvocationStatus.PENDING
    app.orchestrator.finalize_atomic_service_execution(
        run, datetime.now(UTC), AtomicServiceExecutionStatus.COMPLETED
    )
    make_room(admin)
    servers.wait_for(
        lambda: app.orchestrator.try_claim_atomic_service_run(TWO), message="TWO's turn comes"
    )
    assert left_behind.status == InvocationStatus.REROUTED


def test_triggers_fire_later(where: Where, admin: Redis) -> None:
    app = where.app()
    watch(app, life_tasks.add, InvocationStatus.REGISTERED)
    bind(app, life_tasks.add)(1, 1)
    fill(admin)
    fire(app)
    assert app.orchestrator.count_invocations() == 1
    make_room(admin)
    for _ in range(2):
        fire(app)
    assert app.orchestrator.count_invocations() == 2


def fire(app: Pynenc) -> None:
    """Do a round of the trigger loop."""
    service = AtomicServiceId(TWO.runner_id)
    app.trigger.trigger_loop_iteration(AtomicServiceRun(service, cycle_start=datetime.now(UTC)))


class Undaunted(Client):
    """A client that goes on with its next submission when one is refused."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.refused = 0
        super().__init__(*arguments, **options)

    def _submit(self, submissions: Iterator[Callable[[], int]]) -> None:
        super()._submit(partial(self._try, submit) for submit in submissions)

    def _try(self, submit: Callable[[], int]) -> int:
        try:
            return submit()
        except ServerOutOfMemoryError:
            self.refused += 1
            self._stopped.wait(0.01)
            return 0


def test_work_goes_on_whenever_there_is_room(
    where: Where, admin: Redis, oracle: Oracle, figure: Callable[[str], None]
) -> None:
    squeezes, rng = scaled(8, 60), Random(SEED)
    app = where.app()
    with Fleet([partial(where.app, **PATIENT)] * 2) as fleet:
        with Undaunted(where.app(), oracle, Random(SEED)) as client:
            for _ in range(squeezes):
                wait_for_more(app, rng.randint(5, 40), timeout=30)
                admin.config_set("maxmemory", admin.info("memory")["used_memory"])
                servers.wait_for(lambda: is_full(admin), 20, message="there is no memory left")
                # Whatever is under way ends, in one of its steps.
                time.sleep(rng.uniform(0.05, 0.4))
                fill(admin)
                check(snapshot(app))
                make_room(admin)
        wait_for_the_end(app)
        assert fleet.exits() == 0
    verdict = judge(app, oracle)
    verdict.assert_clean()
    check(snapshot(app))
    # What was refused is not there at all, and no runner was taken for dead.
    assert client.refused > 0
    assert verdict.known == verdict.acknowledged
    assert verdict.recovered_from.total() == verdict.extra == 0
    figure(
        f"{where.server.name}: full {squeezes} times, {verdict.acknowledged:,} invocations and"
        f" {client.refused:,} refused submissions: 0 half stored, 0 lost, 0 stuck, 0 worker exits"
    )
