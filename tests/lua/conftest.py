"""Fixtures for the tests of each script alone: a call may touch its own KEYS and nothing else."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from redis.cluster import RedisCluster

from conftest import settings_of
from lua.samples import SAMPLES
from pynenc_redis_lua.client import Connection
from pynenc_redis_lua.keys import KeyTable, app_tag, key_table, lua_folder
from pynenc_redis_lua.scripts.api import Scripts
from pynenc_redis_lua.scripts.library import Library

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

    from pynenc_redis_lua.scripts.runner import _Prepared
    from servers import Server

_GLOB = re.compile(rb"([*?\[\]\\])")


class Caller:
    """An ACL user of one server, and the connection on which its calls go out."""

    def __init__(self, server: Server) -> None:
        self.name = f"lua-tests-{uuid.uuid4().hex}"
        self.admin = Connection(settings_of(server, redis_outage_budget=10.0))
        self._allowed: tuple[bytes, ...] | None = None
        self.allow(())  # a user must exist to log in
        options = dict(self.admin.settings.options) | {"username": self.name, "password": None}
        settings = replace(self.admin.settings, options=tuple(sorted(options.items())))
        self.connection = Connection(settings)

    def allow(self, rules: tuple[bytes, ...]) -> None:
        """Let the user run every command on the keys of `rules` only, from this moment on."""
        if rules != self._allowed:
            on_primaries(
                self.admin.client,
                *("ACL SETUSER", self.name, "on", "nopass", "+@all", "resetkeys", *rules),
            )
            self._allowed = rules

    def close(self) -> None:
        on_primaries(self.admin.client, "ACL DELUSER", self.name)
        self.connection.client.close()
        self.admin.client.close()


class EnforcedScripts(Scripts):
    """The scripts, each call of which runs as a user who may touch the KEYS of that call only."""

    def __init__(self, caller: Caller, app_id: str, library: Library) -> None:
        super().__init__(caller.connection, app_id, library)
        self._caller = caller

    def _send(self, prepared: _Prepared, keys: list[bytes], argv: list[bytes]) -> Any:
        access = b"%R~" if prepared.command == "EVALSHA_RO" else b"~"
        self._caller.allow(tuple(access + _GLOB.sub(rb"\\\1", key) for key in keys))
        return super()._send(prepared, keys, argv)


def on_primaries(client: Redis | RedisCluster, *command: bytes | str) -> None:
    """Run an admin command on the server, or on every primary of a cluster."""
    nodes = {"target_nodes": RedisCluster.PRIMARIES} if isinstance(client, RedisCluster) else {}
    client.execute_command(*command, **nodes)


@cache
def isolated_library() -> Library:
    """The scripts of this release, with a list of apps that nobody else on the server uses."""
    table = key_table()
    apps = replace(table.keys["apps"], pattern=f"pynenc:apps:{uuid.uuid4().hex}")
    return Library(lua_folder(), KeyTable(table.schema_version, table.keys | {"apps": apps}))


@pytest.fixture(scope="session")
def callers() -> Iterator[dict[Server, Caller]]:
    """The user of each server: made once, as are its connections."""
    callers: dict[Server, Caller] = {}
    yield callers
    for caller in callers.values():
        caller.close()


@pytest.fixture
def caller(callers: dict[Server, Caller], server: Server) -> Caller:
    if server not in callers:
        callers[server] = Caller(server)
    return callers[server]


@pytest.fixture
def connection(caller: Caller) -> Connection:
    """The way of an administrator to the server."""
    return caller.admin


@pytest.fixture
def raw(connection: Connection) -> Redis | RedisCluster:
    """An administrator's client, to look at keys and to set them up."""
    return connection.client


@pytest.fixture
def key(app_id: str) -> Callable[[str], bytes]:
    """Gives the name on the server of one of the app's keys."""
    return lambda name: isolated_library().table.keys[name].on_server(app_tag(app_id))


@pytest.fixture
def snapshot(raw: Redis, app_id: str, key: Callable[[str], bytes]) -> Callable[[], dict[str, Any]]:
    """Reads everything that is stored of the app, by the part of the key after the app."""

    def take() -> dict[str, Any]:
        found = {
            name.partition(b"}:")[2].decode(): content(raw, name) for name in keys_of(raw, app_id)
        }
        listed = content(raw, key("apps"))
        return found | ({"apps": listed} if listed else {})

    return take


@pytest.fixture
def scripts(caller: Caller, app_id: str, raw: Redis) -> Iterator[Scripts]:
    """The scripts on an app of the test's own, which is removed afterwards."""
    scripts = EnforcedScripts(caller, app_id, isolated_library())
    yield scripts
    remove(raw, app_id)
    raw.delete(isolated_library().table.keys["apps"].on_server(""))


@pytest.fixture
def seeded(scripts: Scripts) -> Scripts:
    """The scripts on an app in which every key holds something: what the samples write."""
    for name, arguments in SAMPLES.items():
        if not scripts.library.script(name).definition.read_only and name != "state/purge":
            scripts.call(name, **arguments)
    return scripts


def keys_of(raw: Redis, app_id: str) -> list[bytes]:
    """Every key in the app's name, be it in keys.toml or not."""
    pattern = f"pynenc:{{{app_tag(app_id)}}}:*"
    node = {}
    if isinstance(raw, RedisCluster):
        node["target_nodes"] = raw.get_node_from_key(pattern)
    return sorted(raw.keys(pattern, **node))


def remove(raw: Redis, app_id: str) -> None:
    """Remove every key in the app's name."""
    if keys := keys_of(raw, app_id):
        raw.unlink(*keys)


def content(raw: Redis, key: bytes) -> Any:
    """All that a key holds, or None if it does not exist."""
    read: dict[bytes, Callable[[], Any]] = {
        b"none": lambda: None,
        b"string": lambda: raw.get(key),
        b"hash": lambda: raw.hgetall(key),
        b"zset": lambda: raw.zrange(key, 0, -1, withscores=True),
        b"set": lambda: raw.smembers(key),
        b"list": lambda: raw.lrange(key, 0, -1),
        b"stream": lambda: raw.xrange(key),
    }
    return read[raw.type(key)]()
