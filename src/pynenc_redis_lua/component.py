"""What all components share: a connection, and the scripts of the app on it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from pynenc import context

from pynenc_redis_lua.client import Settings, connection_to
from pynenc_redis_lua.errors import ServerOutOfMemoryError
from pynenc_redis_lua.scripts.api import Scripts
from pynenc_redis_lua.scripts.library import library
from pynenc_redis_lua.scripts.runner import batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pynenc.app import Pynenc
    from redis import Redis
    from redis.cluster import RedisCluster

    from pynenc_redis_lua.client import Connection
    from pynenc_redis_lua.conf import ConfigRedis
    from pynenc_redis_lua.errors import RedisLuaError
    from pynenc_redis_lua.scripts.runner import Reply

# Entries of one page of an iterator that lets nobody choose: the server is held up for a
# millisecond or two.
PAGE = 1_000
# How long one round of recovery or of retention may take: the runner's own loop waits for it.
SWEEP_SECONDS = 2.0
# Whether what is called at the moment is left to the next round where there is no memory for it.
_left_when_full: ContextVar[bool] = ContextVar("left_when_full", default=False)


class RedisComponent:
    """A component on Redis or Valkey.

    Attributes:
        connection: The way to its server; components of equal settings share it.
        scripts: The scripts of its app.
    """

    def connect(self, app: Pynenc, conf: ConfigRedis) -> None:
        """Check the settings; the server is met at the first call.

        Raises:
            ConfigurationError: If a setting can't work.
        """
        self.connection = connection_to(Settings.from_conf(conf))
        waits_on = partial(_waits_on, app, self.connection)
        self.scripts = Scripts(self.connection, app.app_id, library(), waits_on)

    @property
    def client(self) -> Redis | RedisCluster:
        """The redis-py client of this process; made at first use, replies are bytes."""
        return self.connection.client


def _waits_on(app: Pynenc, connection: Connection, error: RedisLuaError) -> bool:
    """Tell whether a runner calls, or what it runs: these wait until the runner is told to stop.

    pynenc would end the runner's loop with our error; and the end of a run, or a failure for want
    of a server, can't be stored anywhere else. A runner that never met its server gets the error.
    """
    runner = context.get_current_runner(app.app_id)
    works = runner.running if runner else context.get_runner_context(app.app_id) is not None
    if not works or not connection.was_answered:
        return False
    if isinstance(error, ServerOutOfMemoryError) and _left_when_full.get():
        return False
    app.logger.warning("the runner waits for its server: %s", error)
    return True


@contextmanager
def left_when_full(app: Pynenc) -> Iterator[None]:
    """Leave to the next round of a runner's loop what the server has no memory for.

    The loop must come round: heartbeats and retention run on a full server, and behind a call that
    waits for memory they would wait for ever, for it is they who bring the memory back.
    """
    token = _left_when_full.set(True)
    try:
        yield
    except ServerOutOfMemoryError as error:
        app.logger.warning("left to the next round: %s", error)
    finally:
        _left_when_full.reset(token)


def paged(page_behind: Callable[[bytes], list[bytes]], size: int = PAGE) -> Iterator[bytes]:
    """Iterate over the entries of pages, each of which goes on behind the last entry."""
    after = b""
    while True:
        page = page_behind(after)
        yield from page
        if len(page) < size:
            return
        after = page[-1]


def paged_entries(page_behind: Callable[[bytes], list[list[bytes]]]) -> Iterator[list[bytes]]:
    """Do the same with entries of several parts, behind the first part of the last entry."""
    after = b""
    while True:
        page = page_behind(after)
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1][0]


def by_id[T](
    ids: Sequence[str], read: Callable[[list[tuple[str]]], list[T | None]]
) -> dict[str, T | None]:
    """Return what is stored under ids, None for those under which nothing is; 1,000 in one call.

    An empty id is nobody's: scripts refuse it, while a query finds nothing.
    """
    found: dict[str, T | None] = dict.fromkeys(ids)
    for batch in batches([(id_,) for id_ in found if id_]):
        found |= zip((id_ for (id_,) in batch), read(batch), strict=True)
    return found


def swept(step: Callable[[], Reply], deadline: float) -> Iterator[Any]:
    """Repeat a step until it finds nothing more, or the time is over; yield what each found.

    Args:
        step: A script that replies with what it found first of all.
        deadline: When to leave the rest to the next round, as `time.monotonic` has it.
    """
    while found := step().values[0]:
        yield found
        if time.monotonic() > deadline:
            return


def scanned[T](page_at: Callable[[str], tuple[bytes, T]]) -> Iterator[T]:
    """Iterate over the pages of a scan: each comes with the cursor of the next."""
    cursor = "0"
    while True:
        next_cursor, page = page_at(cursor)
        yield page
        cursor = next_cursor.decode()
        if cursor == "0":
            return
