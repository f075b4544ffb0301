"""The server is full: what writes is refused wholly, and what frees memory goes on.

Memory is full when the server uses more than its `maxmemory`, and its policy is `noeviction`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import servers
from conftest import settings_of
from faults.scale import scaled
from life import life_tasks
from life.tools import bind, runner, snapshot
from lua.conftest import isolated_library, stored_of
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

    from redis import Redis

    from faults.tools import Where
    from pynenc_redis_lua.scripts.runner import Reply

PROGRAMS = {name: path for name, path in servers.binaries().items() if name in servers.names()}
SEED = 20_261_124
ONE = runner("one")


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
    trial: Trial, admin: Redis, server: Server, figure: Callable[[str], None]
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
    figure(f"{server.name}: {len(refused)} scripts refused: 0 keys changed")


def test_every_script_that_frees_memory_runs_without(
    trial: Trial, admin: Redis, server: Server, figure: Callable[[str], None]
) -> None:
    for name in sorted(GO_ON):
        expected = trial.in_room(name)
        trial.prepare(name)
        fill(admin)
        reply = trial.call(name)
        make_room(admin)
        assert [without_times(reply), without_times(trial.stored())] == expected, name
    figure(f"{server.name}: {len(GO_ON)} scripts that free memory ran")


# An app


# Workers are neither dead nor late for as long as these tests last.
PATIENT = {"max_pending_seconds": 600.0, "runner_considered_dead_after_minutes": 10.0}


def test_an_app_can_be_purged(where: Where, admin: Redis) -> None:
    """By a process that starts when there is no memory left."""
    bind(where.app(), life_tasks.add).parallelize([(number, 1) for number in range(500)])
    fill(admin)
    where.app().purge()
    assert snapshot(where.app()) == {}
