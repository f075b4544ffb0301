"""Fixtures shared by all tests: a real server, an app id of the test's own, its scripts."""

from __future__ import annotations

import platform
import uuid
from typing import TYPE_CHECKING

import pytest
from pynenc import Pynenc, PynencBuilder

import servers
from faults import report
from faults.scale import FULL
from pynenc_redis_lua.client import Connection, Settings
from pynenc_redis_lua.conf import ConfigRedis
from pynenc_redis_lua.keys import app_tag, key_table
from pynenc_redis_lua.scripts.api import Scripts
from pynenc_redis_lua.scripts.library import library

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from servers import Server

SERVERS = servers.names()

# pynenc's runners ask for it when they stop, first by a subprocess. If another thread forks a
# worker just then, that has the pipe by which the subprocess tells of its start: the stop hangs.
platform.platform()


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Server:
    """Each server of the matrix in turn."""
    return servers.running(request.param)


@pytest.fixture
def one_server() -> Server:
    """One standalone server, for what does not depend on its version."""
    return servers.running(next(name for name in SERVERS if "cluster" not in name))


@pytest.fixture
def app_id() -> str:
    """An app of the test's own, with what an app id may hold."""
    return f"test {{a}}:*[x]?\\ é {uuid.uuid4().hex[:8]}"


def settings_of(server: Server, **values: object) -> Settings:
    """Settings that lead to a server; `values` are further fields of ConfigRedis."""
    return Settings.from_conf(
        ConfigRedis({"redis_url": server.url, "redis_cluster": server.cluster, **values})
    )


@pytest.fixture
def connection(server: Server) -> Connection:
    return Connection(settings_of(server, redis_outage_budget=10.0))


@pytest.fixture
def scripts(connection: Connection, app_id: str) -> Iterator[Scripts]:
    """The scripts on an app of the test's own, which is removed afterwards."""
    scripts = Scripts(connection, app_id, library())
    yield scripts
    drop_app(connection, app_id)


def drop_app(connection: Connection, app_id: str) -> None:
    """Remove every key of an app, whatever its owner or type."""
    for key in keys_of(connection, app_id):
        connection.client.delete(key)
    connection.client.hdel("pynenc:apps", app_id)


def keys_of(connection: Connection, app_id: str) -> list[bytes]:
    """The keys of an app that exist."""
    tag = app_tag(app_id)
    keys = [key.on_server(tag) for key in key_table().keys.values() if key.in_slot]
    return [key for key in keys if connection.client.exists(key)]


@pytest.fixture
def make_app(server: Server, app_id: str) -> Iterator[Callable[..., Pynenc]]:
    """Make apps with all of their data on the server; purged afterwards."""
    apps: list[Pynenc] = []

    def make(name: str = app_id, **values: object) -> Pynenc:
        app = (
            PynencBuilder()
            .app_id(name)
            .redis(url=server.url)
            .custom_config(redis_cluster=server.cluster, redis_outage_budget=10.0, **values)
            .build()
        )
        apps.append(app)
        return app

    yield make
    for app in apps:
        app.purge()
        app.state_backend.client.hdel("pynenc:apps", app.app_id)


@pytest.fixture
def app(make_app: Callable[..., Pynenc]) -> Pynenc:
    return make_app()


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Note what was measured, in words: `make faults` puts it into docs/guarantees.md."""

    def note(text: str) -> None:
        print(text)  # noqa: T201
        record_property("figure", text)

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write docs/guarantees.md after a full run in which nothing failed."""
    stats = terminalreporter.stats
    if FULL and not stats.get("failed") and not stats.get("error"):
        report.write(stats.get("passed", []))
