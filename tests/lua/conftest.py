"""Fixtures for the tests of each script alone: a call may touch its own KEYS and nothing else."""

from __future__ import annotations

import re
import uuid
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from redis.cluster import RedisCluster

from conftest import settings_of
from lua import model
from lua.life import Life
from lua.samples import SAMPLES, sample_calls
from pynenc_redis_lua.client import Connection
from pynenc_redis_lua.codec import to_text
from pynenc_redis_lua.keys import KeyTable, app_tag, key_table, lua_folder
from pynenc_redis_lua.scripts.api import Scripts
from pynenc_redis_lua.scripts.library import Library, library

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

    from lua.model import Record
    from pynenc_redis_lua.scripts.runner import Reply, _Prepared
    from servers import Server

_GLOB = re.compile(rb"([*?\[\]\\])")
_BLANK = re.compile(rb"[\s\0]")


class Caller:
    """An ACL user of one server, and the connection on which its calls go out."""

    def __init__(self, server: Server) -> None:
        self.name = f"lua-tests-{uuid.uuid4().hex}"
        self.admin = Connection(settings_of(server, redis_outage_budget=10.0))
        # By node: what it was told last.
        self._allowed: dict[Any, tuple[bytes, ...]] = {}
        # A user must exist to log in.
        on_primaries(self.admin.client, *self._may(()))
        options = dict(self.admin.settings.options) | {"username": self.name, "password": None}
        settings = replace(self.admin.settings, options=tuple(sorted(options.items())))
        self.connection = Connection(settings)

    def allow(self, rules: tuple[bytes, ...], key: bytes) -> None:
        """Let the user run every command on the keys of `rules` only, where `key` is."""
        client = self.admin.client
        node = client.get_node_from_key(key) if isinstance(client, RedisCluster) else None
        if rules != self._allowed.get(node):
            options = {"target_nodes": node} if node else {}
            client.execute_command(*self._may(rules), **options)
            self._allowed[node] = rules

    def _may(self, rules: tuple[bytes, ...]) -> tuple[bytes | str, ...]:
        return ("ACL SETUSER", self.name, "on", "nopass", "+@all", "resetkeys", *rules)

    def close(self) -> None:
        # Before its user goes: a client that was never used is made to be closed.
        self.connection.client.close()
        on_primaries(self.admin.client, "ACL DELUSER", self.name)
        self.admin.client.close()


class EnforcedScripts(Scripts):
    """The scripts, each call of which runs as a user who may touch the KEYS of that call only."""

    def __init__(self, caller: Caller, app_id: str, library: Library) -> None:
        super().__init__(caller.connection, app_id, library)
        self._caller = caller

    def _send(self, prepared: _Prepared, keys: list[bytes], argv: list[bytes]) -> Any:
        access = b"%R~" if prepared.command == "EVALSHA_RO" else b"~"
        # No rule can hold a blank: any one byte may stand where the name of a queue has it.
        escaped = (_BLANK.sub(b"?", _GLOB.sub(rb"\\\1", key)) for key in keys)
        self._caller.allow(tuple(access + key for key in escaped), keys[0])
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
    isolated = Library(lua_folder(), KeyTable(table.schema_version, table.keys | {"apps": apps}))
    # What a key is called on the server is not in a script's text: each is rendered once.
    isolated._scripts = library()._scripts
    return isolated


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
    """Reads everything that is stored of the app; see `stored_of`."""
    return lambda: stored_of(raw, app_id, key("apps"))


@pytest.fixture
def scripts(caller: Caller, app_id: str, raw: Redis) -> Iterator[Scripts]:
    """The scripts on an app of the test's own, which is removed afterwards."""
    scripts = EnforcedScripts(caller, app_id, isolated_library())
    yield scripts
    remove(raw, app_id)
    raw.delete(isolated_library().table.keys["apps"].on_server(""))


@pytest.fixture
def life(
    scripts: Scripts,
    snapshot: Callable[[], dict[str, Any]],
    raw: Redis,
    key: Callable[[str], bytes],
) -> Life:
    """The scripts as steps of an invocation's life."""
    return Life(scripts, snapshot, raw, key)


@pytest.fixture
def place(raw: Redis, key: Callable[[str], bytes], life: Life) -> Callable[..., None]:
    """Writes records of invocations by hand: in any status, of any age."""

    def write(records: dict[str, Record]) -> None:
        life.by_hand = True
        model.place(raw, key, records)

    return write


# What the samples write, by server: each key without its app, and what DUMP says of it.
_seeds: dict[Server, dict[bytes, bytes]] = {}
# In one round trip: thousands of tests begin with it.
_RESTORE = """
for number, key in ipairs(KEYS) do
  redis.call("RESTORE", key, 0, ARGV[number])
end
"""


@pytest.fixture
def seeded(scripts: Scripts, server: Server, raw: Redis, app_id: str) -> Scripts:
    """The scripts on an app in which every key holds something: what the samples write."""
    prefix = f"pynenc:{{{app_tag(app_id)}}}:".encode()
    if server not in _seeds:
        write_samples(scripts)
        names = keys_of(raw, app_id)
        _seeds[server] = {name.removeprefix(prefix): raw.dump(name) for name in names}
    else:
        call_sample(scripts, "app/store_info")
        seeds = _seeds[server]
        raw.eval(_RESTORE, len(seeds), *(prefix + name for name in seeds), *seeds.values())
    return scripts


@contextmanager
def held_by_somebody_else(raw: Redis, key: bytes) -> Iterator[None]:
    """Have a key hold a set meanwhile, which is the type of none of ours; it must stay as it is."""
    dumped = raw.dump(key)
    raw.delete(key)
    raw.sadd(key, "somebody else's")
    yield
    assert raw.smembers(key) == {b"somebody else's"}
    raw.delete(key)
    if dumped:
        raw.restore(key, 0, dumped)


def call_sample(scripts: Scripts, name: str) -> Reply:
    """Call a script with its sample, and before that what it needs."""
    *before, sample = sample_calls(name)
    for needed, arguments in before:
        scripts.call(needed, **arguments)
    return scripts.call(sample[0], **sample[1])


def write_samples(scripts: Scripts) -> None:
    """Call every script that stores something."""
    for name in SAMPLES:
        if not scripts.library.script(name).definition.read_only and not name.endswith("/purge"):
            call_sample(scripts, name)


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


def stored_of(raw: Redis, app_id: str, apps: bytes) -> dict[str, Any]:
    """Everything that is stored of an app, by the part of the key after the app.

    But not when contexts were sent: every call that brings them renews that.
    """
    names = keys_of(raw, app_id)
    found = contents(raw, names)
    [listed] = contents(raw, [apps])
    parts = (to_text(name.partition(b"}:")[2]) for name in names)
    stored = dict(zip(parts, found, strict=True)) | ({"apps": listed} if listed else {})
    if isinstance(times := stored.get("context_times"), list):
        stored["context_times"] = sorted(runner for runner, _ in times)
    return stored


# All that keys hold, with their types, in one round trip.
_READ = """
local reads = {
  string = { "GET" },
  hash = { "HGETALL" },
  zset = { "ZRANGE", 0, -1, "WITHSCORES" },
  set = { "SMEMBERS" },
  list = { "LRANGE", 0, -1 },
}
local found = {}
for number, key in ipairs(KEYS) do
  local kind = redis.call("TYPE", key).ok
  local read = reads[kind]
  found[number] = { kind, read and redis.call(read[1], key, unpack(read, 2)) or false }
end
return found
"""
_AS_READ: dict[bytes, Callable[[Any], Any]] = {
    b"none": lambda _: None,
    b"string": lambda held: held,
    b"hash": lambda held: dict(_pairs(held)),
    b"zset": lambda held: [(member, float(score)) for member, score in _pairs(held)],
    b"set": set,
    b"list": list,
}


def _pairs(flat: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)


def contents(raw: Redis, keys: list[bytes]) -> list[Any]:
    """All that each key of one app holds, or None if it does not exist."""
    if not keys:
        return []
    return [_AS_READ[kind](held) for kind, held in raw.eval(_READ, len(keys), *keys)]
