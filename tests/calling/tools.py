"""What the tests of calling share: scripts of their own, servers of their own, a way to look on."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import redis

import servers
from pynenc_redis_lua.client import Connection, Settings
from pynenc_redis_lua.conf import ConfigRedis
from pynenc_redis_lua.keys import KeyTable
from pynenc_redis_lua.scripts.api import Scripts
from pynenc_redis_lua.scripts.library import Library, library

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from subprocess import Popen

    from redis.cluster import RedisCluster

    from servers import Server

KEYS = """
schema_version = 1
[schema]
pattern = "pynenc:{app}:schema"
owner = "state"
type = "string"
meaning = "Schema number."
[results]
pattern = "pynenc:{app}:results"
owner = "state"
type = "hash"
meaning = "Results."
[queue]
pattern = "pynenc:{app}:queue:<name>"
owner = "broker"
type = "list"
meaning = "Waiting invocations."
"""


def write_library(folder: Path, files: dict[str, str]) -> Library:
    """Write scripts and snippets, by their names, and read them."""
    (folder / "keys.toml").write_text(KEYS, encoding="utf-8")
    for name, text in files.items():
        path = folder / f"{name}.lua"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Library(folder, KeyTable.load(folder / "keys.toml"))


def settings_of(server: Server, **values: Any) -> Settings:
    """Settings that lead to a server; a call waits 20 seconds for it unless `values` differ."""
    return Settings.from_conf(
        ConfigRedis(
            {
                "redis_url": server.url,
                "redis_cluster": server.cluster,
                "redis_outage_budget": 20.0,
                **values,
            }
        )
    )


class Watched(Connection):
    """A connection that counts how often it is asked for: once for every attempt of a call."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.attempts = 0
        self._counting = threading.Lock()

    @property
    def client(self) -> redis.Redis | RedisCluster:
        with self._counting:
            self.attempts += 1
        return super().client

    def wait_for_attempts(self, count: int) -> None:
        """Wait until so many further attempts have begun, that is: one less has failed."""
        last = self.attempts + count
        servers.wait_for(
            lambda: self.attempts >= last, timeout=20, message=f"{count} attempts have begun"
        )


def scripts_on(connection: Connection, app_id: str) -> Scripts:
    return Scripts(connection, app_id, library())


def commands(client: redis.Redis) -> dict[str, int]:
    """How often the server ran each command, within scripts or not; INFO itself left out."""
    stats = client.info("commandstats")
    counts = {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in stats.items()}
    counts.pop("info", None)
    return counts


class OwnServer:
    """A server that can be killed, held and started again on its port, always without data."""

    def __init__(self, binary: Path, folder: Path, args: Sequence[str] = ()) -> None:
        self.server = servers.Server("own", f"redis://{servers.HOST}:{servers._free_port()}/0")
        self.port = int(self.server.url.rpartition(":")[2].removesuffix("/0"))
        self.process: Popen[bytes]
        self._command = (binary, folder, str(self.port))
        self._args = ("--port", str(self.port), "--bind", servers.HOST, *args)
        self._stack = ExitStack()

    def start(self) -> None:
        self.process = self._stack.enter_context(servers._process(*self._command, self._args))
        password = dict(zip(self._args[::2], self._args[1::2], strict=True)).get("--requirepass")
        client = redis.Redis(
            host=servers.HOST, port=self.port, password=password, retry=servers._once()
        )
        assert servers._answers(self.process, client)

    def kill(self) -> None:
        self._stack.close()
