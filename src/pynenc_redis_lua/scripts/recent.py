"""What a process wrote last: it is written again to a server that has lost it.

A server that comes back after a crash may have lost what its disk had not got, one second with
``appendfsync everysec``; a replica that is promoted, what it had not received. The processes that
wrote it still know.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# Redis may fall back to two seconds between two syncs; a healthy replica is behind by less.
_KEPT_SECONDS = 5.0
_KEPT_BYTES = 16 * 2**20
# Who only looks, or says nothing, can't tell when its server went: a short outage is covered.
_KEPT_SILENT_SECONDS = 60.0


class Call[Prepared](NamedTuple):
    """A call that was answered: the script, its KEYS and its ARGV."""

    script: Prepared
    keys: list[bytes]
    argv: list[bytes]


class RecentCalls[Prepared]:
    """The last calls of scripts that are flagged ``@resend``: five seconds of them, or 16 MiB.

    What nothing was written after is kept for a minute more; in an outage that was noticed nothing
    is forgotten, however long it lasts. Its user sees to it that one thread at a time changes it.
    """

    def __init__(self) -> None:
        self._calls: deque[tuple[float, int, Call[Prepared]]] = deque()
        self._bytes = 0

    def note(self, call: Call[Prepared]) -> None:
        """Keep a call, and forget the oldest."""
        now, size = time.monotonic(), sum(map(len, call.argv))
        self._calls.append((now, size, call))
        self._bytes += size
        self._forget(now - _KEPT_SECONDS)

    def forget_old(self) -> None:
        """Forget what its server has had for long: it may be gone since, and on purpose."""
        self._forget(time.monotonic() - _KEPT_SILENT_SECONDS)

    def _forget(self, before: float) -> None:
        while self._calls and (self._calls[0][0] < before or self._bytes > _KEPT_BYTES):
            self._bytes -= self._calls.popleft()[1]

    def __iter__(self) -> Iterator[Call[Prepared]]:
        """Iterate over the calls that are kept at this moment, the oldest first."""
        return iter([call for _, _, call in list(self._calls)])

    def __bool__(self) -> bool:
        """Tell whether any is kept."""
        return bool(self._calls)
