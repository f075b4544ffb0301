"""A server of our own whose clock can be set, through libfaketime (Debian: `libfaketime`)."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from servers import Server

HOUR = 3600
_LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


class Clock:
    """The clock of a server, whole hours before or after that of this machine.

    Args:
        server: Where it is.
        client: A way to it.
        file: What libfaketime reads.
    """

    def __init__(self, server: Server, client: Redis, file: Path) -> None:
        self.server = server
        self._client = client
        self._file = file

    def set(self, hours: int) -> None:
        """Set it, and wait until the server goes by it."""
        tell(self._file, hours)
        servers.wait_for(
            lambda: abs(self._seconds_ahead() - hours * HOUR) < HOUR / 60,
            message=f"the server's clock is {hours} hours ahead",
        )

    def _seconds_ahead(self) -> float:
        seconds, microseconds = self._client.time()
        return float(seconds + microseconds / 1e6 - time.time())


def tell(file: Path, hours: int) -> None:
    # Replaced, not written: the server may read at any time.
    written = file.with_suffix(".new")
    written.write_text(f"{hours * HOUR:+}\n", encoding="utf-8")
    written.replace(file)


def can_be_set(name: str) -> bool:
    """Whether that server's clock can be set.

    Debian's redis-server never starts with libfaketime: jemalloc asks for the time before
    libfaketime is ready, which answers by calling itself.
    """
    found = bool(_LIBRARIES) and name.startswith("valkey") and name in servers.binaries()
    if name.startswith("valkey") and os.environ.get("CI_HAS_FAKETIME") == "1":
        assert found, "libfaketime is not installed"
    return found


@contextmanager
def clocked(name: str, folder: Path) -> Iterator[Clock]:
    """A server of that name with a clock to set."""
    file = folder / "clock"
    tell(file, 0)
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("LD_PRELOAD", str(_LIBRARIES[0]))
            environment.setenv("FAKETIME_TIMESTAMP_FILE", str(file))
            environment.setenv("FAKETIME_NO_CACHE", "1")
            # What measures how long something takes goes on as before.
            environment.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            starting = servers.start_standalone(servers.binaries()[name], folder)
            server = stack.enter_context(starting)
        yield Clock(server, stack.enter_context(server.client()), file)
