"""The server that all contenders share, and what a job costs it."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

# In order of preference.
_SERVERS = ("valkey-9.1", "valkey-8.1", "redis-7.0")
# What the meter itself asks for.
_OWN = ("config", "info", "slowlog")
_OWN_STATS = tuple(f"cmdstat_{name}" for name in _OWN)


class Meter:
    """Reads the server's counters around a job."""

    def __init__(self, client: Redis) -> None:
        self.client = client
        client.config_set("slowlog-log-slower-than", 200)
        client.config_set("slowlog-max-len", 10_000)
        self._overhead = dict.fromkeys(("requests", "sent", "received"), 0.0)
        self._overhead = self.measure(lambda: None)[1]

    def measure[T](self, job: Callable[[], T]) -> tuple[T, dict[str, float]]:
        """Run a job.

        Returns:
            What it returned, and what it cost the server: `server_cpu` (s), `requests` (reads from
            sockets: one for each request that is not large), `commands` (those inside scripts
            included), bytes `sent` and `received` by its clients, and
            `longest_block`, the seconds of its slowest command, or 0 if none took 0.2 ms.
        """
        cpu = self._cpu()
        self.client.execute_command("SLOWLOG", "RESET")
        self.client.config_resetstat()
        value = job()
        counted = self.client.info("stats", "commandstats")
        commands = {name: of for name, of in counted.items() if name.startswith("cmdstat_")}
        slow = [
            entry["duration"]
            for entry in self.client.slowlog_get(10_000)
            if entry["command"].decode("ascii", "replace").partition(" ")[0].lower() not in _OWN
        ]
        return value, {
            "server_cpu": self._cpu() - cpu,
            "requests": counted["total_reads_processed"] - self._overhead["requests"],
            "commands": sum(
                of["calls"] for name, of in commands.items() if not name.startswith(_OWN_STATS)
            ),
            "sent": counted["total_net_input_bytes"] - self._overhead["sent"],
            "received": counted["total_net_output_bytes"] - self._overhead["received"],
            "longest_block": max(slow, default=0) / 1e6,
        }

    def _cpu(self) -> float:
        cpu = self.client.info("cpu")
        return float(cpu["used_cpu_user"] + cpu["used_cpu_sys"])


@contextmanager
def started() -> Iterator[tuple[str, Redis]]:
    """Start a server with nothing on it and nothing kept on disk; gives its URL and a client."""
    found = servers.binaries()
    binary = next(found[name] for name in _SERVERS if name in found)
    with (
        tempfile.TemporaryDirectory(prefix="prl-") as folder,
        servers.start_standalone(binary, Path(folder)) as server,
        server.client() as client,
    ):
        assert not server.cluster
        yield server.url, client  # type: ignore[misc]


def about(client: Redis) -> dict[str, Any]:
    """Return what the server says of itself, and how it is configured where that matters."""
    info: dict[str, Any] = client.info("server")
    wanted = ("server_name", "valkey_version", "redis_version", "os", "arch_bits", "gcc_version")
    memory = client.info("memory")
    return {name: info[name] for name in wanted if name in info} | {
        "mem_allocator": memory["mem_allocator"],
        "io_threads_active": info.get("io_threads_active", 0),
        "appendonly": client.config_get("appendonly")["appendonly"],
        "save": client.config_get("save")["save"],
    }
