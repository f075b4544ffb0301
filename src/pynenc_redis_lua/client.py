"""From settings to a client: one pool a process and server, shared by all components."""

from __future__ import annotations

import _socket
import inspect
import os
import socket
import struct
import sys
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import hiredis
from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.connection import (
    URL_QUERY_ARGUMENT_PARSERS,
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)
from redis.connection import Connection as RedisConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from pynenc_redis_lua import embedded
from pynenc_redis_lua.errors import ConfigurationError, ServerUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pynenc_redis_lua.conf import ConfigRedis

EMBEDDED_SCHEME = "embedded"
# How often who waits for an entry of a list is asked whether it still does.
_GLANCE_SECONDS = 0.05
# Who finds no connection free waits for one; every holder has a socket timeout.
_WAITING_POOL = partial(BlockingConnectionPool, timeout=None)
# Of a URL made for another program: the scripts answer in bytes, the pool waits, we repeat.
_IGNORED_OPTIONS = frozenset(
    {"decode_responses", "encoding", "timeout", "retry_on_timeout", "retry_on_error"}
)
# Declared for tuples of one.
_pack_command: Callable[[tuple[Any, ...]], bytes] = hiredis.pack_command
_SCHEMES = ("redis", "rediss", "unix", EMBEDDED_SCHEME)


@dataclass(frozen=True)
class Settings:
    """What decides where a connection leads and how it behaves; secrets stay out of its repr.

    Attributes:
        address: Where the server is, for people: never with a password.
        cluster: Whether it is a cluster.
        max_connections: Size of the pool.
        outage_budget: Seconds that a call waits for a server that is away.
        options: Arguments of the redis-py connection.
        embedded_folder: Folder of the embedded server, or None for a server that runs elsewhere.
    """

    address: str
    cluster: bool
    max_connections: int
    outage_budget: float
    options: tuple[tuple[str, Any], ...] = field(repr=False)
    embedded_folder: str | None = None

    @classmethod
    def from_conf(cls, conf: ConfigRedis) -> Settings:
        """Check the settings and put them together.

        Raises:
            ConfigurationError: If a setting can't work; the message names it and its value.
        """
        options: dict[str, Any] = {
            "max_connections": conf.redis_pool_max_connections,
            "db": conf.redis_db,
            "username": conf.redis_username or None,
            "password": conf.redis_password or None,
            "socket_timeout": conf.socket_timeout,
            "socket_connect_timeout": conf.socket_connect_timeout,
            "health_check_interval": conf.redis_pool_health_check_interval,
        }
        folder = None
        scheme = _scheme(conf.redis_url)
        if scheme == EMBEDDED_SCHEME:
            folder = _embedded_folder(conf.redis_url)
            options.update(connection_class=UnixDomainSocketConnection)
        elif scheme:
            options.update(_parsed(conf.redis_url))
        else:
            options.update(host=conf.redis_host, port=conf.redis_port)
        if options.get("connection_class") is not UnixDomainSocketConnection:
            options.setdefault("host", conf.redis_host)
            options.setdefault("port", conf.redis_port)
        _check_numbers(conf, options)
        if conf.redis_cluster:
            _check_cluster(options)
        _check_options(options)
        return cls(
            address=f"embedded://{folder}" if folder else _address(options),
            cluster=conf.redis_cluster,
            max_connections=options.pop("max_connections"),
            outage_budget=conf.redis_outage_budget,
            options=tuple(sorted(options.items())),
            embedded_folder=folder,
        )


class Connection:
    """The way to one server. It survives fork and pickling: each process makes its own pool.

    Attributes:
        settings: Where it leads, and how it behaves.
        was_answered: Whether the server has ever answered a call of this process.
        connects: How often a connection was made: behind each may be another server.
        resending: Held while what the server lost is written again, or is kept for that.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.was_answered = False
        self.connects = 0
        # The process that made the client, and the client: one value, so that a thread of a forked
        # child never sees its own process with its parent's client.
        self._made: tuple[int, Redis | RedisCluster] | None = None
        self._lock = threading.Lock()
        self.resending = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return (connection_to, (self.settings,))

    def __repr__(self) -> str:
        return f"Connection({self.settings.address})"

    @property
    def outage_budget(self) -> float:
        """Seconds that a call waits for a server that is away."""
        return self.settings.outage_budget

    @property
    def client(self) -> Redis | RedisCluster:
        """The redis-py client of this process; made at first use, replies are bytes."""
        made = self._made
        if made is None or made[0] != os.getpid():
            with self._lock:
                made = self._made
                if made is None or made[0] != os.getpid():
                    made = self._made = (os.getpid(), self._make_client())
        return made[1]

    def exchange(self, command: tuple[Any, ...]) -> Any:
        """Send a command that may be repeated to a server that is no cluster; return its reply.

        redis-py's `execute_command` does the same at three times the cost. Its pool looks at a
        socket before each use; here a connection that the server closed meanwhile is found out by
        using it, and made anew once.

        Raises:
            redis.RedisError: What went wrong with the server, or on the way to it.
        """
        client: Any = self.client
        pool = client.connection_pool
        connection = pool.pool.get()
        try:
            connection = connection or pool.make_connection()
            reply = _ask_anew_if_cut(connection, [_pack_command(command)])
            if connection.should_reconnect():
                connection.disconnect()
        except ResponseError:
            raise
        except BaseException:
            if connection:
                # Its reply may come yet: who takes this connection next must not read it.
                connection.disconnect()
            raise
        else:
            return reply
        finally:
            # None is what redis-py has there for one that is not made yet.
            pool.pool.put_nowait(connection)

    def pop_first(
        self, lists: Sequence[bytes], seconds: float, goes_on: Callable[[], bool]
    ) -> bool:
        """Take one entry of lists, waiting for it if there is none.

        Args:
            lists: Keys of lists; of a cluster, in one slot.
            seconds: How long to wait at the most.
            goes_on: Asked twenty times a second whether the caller still waits: nobody could tell
                redis-py's own `blpop` to end. An entry that comes at that moment is lost.

        Returns:
            Whether there was one.

        Raises:
            redis.RedisError: What went wrong with the server, or on the way to it.
            redis.RedisClusterException: The same of a cluster.
        """
        client = self.client
        if isinstance(client, RedisCluster):
            client = client.get_redis_connection(client.get_node_from_key(lists[0]))
        pool = client.connection_pool
        connection = pool.get_connection()
        answered = False
        try:
            # Zero would wait for ever.
            connection.send_command("BLPOP", *lists, max(seconds, 0.01))
            overdue = time.monotonic() + seconds + (connection.socket_timeout or 0)
            while goes_on():
                if connection.can_read(_GLANCE_SECONDS):
                    popped = connection.read_response()
                    answered = True
                    return popped is not None
                if time.monotonic() > overdue:
                    raise RedisTimeoutError("no reply to BLPOP")
            return False
        finally:
            if not answered:
                # A reply that comes now would be taken for that of the next command.
                connection.disconnect()
            pool.release(connection)

    def _make_client(self) -> Redis | RedisCluster:
        settings, options = self.settings, dict(self.settings.options)
        # The script runner alone repeats calls; redis-py would do so ten times, blindly.
        options["retry"] = Retry(NoBackoff(), 0)
        if settings.embedded_folder is not None:
            options["path"] = embedded.acquire(settings.embedded_folder)
        options["max_connections"] = settings.max_connections
        if settings.cluster:
            if options.pop("connection_class", None) is SSLConnection:
                options["ssl"] = True
            # It does what is to be done for each connection itself, and tells us.
            options["redis_connect_func"] = self._count
            return RedisCluster(connection_pool_class=_WAITING_POOL, **options)
        return Redis(connection_pool=_WAITING_POOL(redis_connect_func=self._connected, **options))

    def _connected(self, connection: RedisConnection) -> None:
        connection.on_connect()
        # TLS reads more than once for a reply; gevent and the like have sockets of their own.
        plain = not isinstance(connection, SSLConnection)
        if connection.socket_timeout and plain and isinstance(connection._sock, _socket.socket):  # noqa: SLF001
            _time_out_in_kernel(connection)
        self._count(connection)

    def _count(self, _connection: RedisConnection) -> None:
        self.connects += 1

    def unavailable(self, cause: Exception) -> ServerUnavailableError:
        """Return the error for a server that stayed away."""
        return ServerUnavailableError(
            f"no answer from {self.settings.address} within {self.outage_budget:g} s"
            f" (redis_outage_budget): {cause}"
        )


def _ask_anew_if_cut(connection: Any, packed: list[bytes]) -> Any:
    if connection._sock:  # noqa: SLF001 - redis-py 7 does not tell otherwise
        try:
            return _ask(connection, packed)
        except RedisConnectionError:
            connection.disconnect()
    connection.connect()
    return _ask(connection, packed)


def _ask(connection: Any, packed: list[bytes]) -> Any:
    handled = sys.exception()
    try:
        connection.send_packed_command(packed)
        return connection.read_response()
    except RedisConnectionError as error:
        cause = error.__context__
        # What the caller handles meanwhile is a context, too.
        if isinstance(cause, BlockingIOError) and cause is not handled:
            seconds = connection.socket_timeout
            raise RedisTimeoutError(f"no answer within {seconds:g} s (socket_timeout)") from error
        raise


def _time_out_in_kernel(connection: Any) -> None:
    """Have the kernel end what takes too long.

    Python itself would poll the socket before each send and each receive. These are system calls,
    and each of them lets go of the interpreter lock, which other threads are waiting for.
    """
    whole, rest = divmod(connection.socket_timeout, 1)
    limit = struct.pack("@ll", int(whole), int(rest * 1_000_000))
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        connection._sock.setsockopt(socket.SOL_SOCKET, option, limit)  # noqa: SLF001
    connection._sock.settimeout(None)  # noqa: SLF001


_connections: dict[Settings, Connection] = {}
_lock = threading.Lock()


def connection_to(settings: Settings) -> Connection:
    """Return this process's connection for these settings; equal settings share one."""
    with _lock:
        return _connections.setdefault(settings, Connection(settings))


def _forget_parent() -> None:
    """Start afresh in a forked child: a lock may have been held by a thread that is not here."""
    global _lock  # noqa: PLW0603 - a module holds one registry a process
    _lock = threading.Lock()
    for connection in _connections.values():
        connection._lock = threading.Lock()  # noqa: SLF001 - the class is of this module
        connection.resending = threading.Lock()


os.register_at_fork(after_in_child=_forget_parent)


def _check_numbers(conf: ConfigRedis, options: Mapping[str, Any]) -> None:
    """Refuse numbers that can't work, whether of a field or of the URL."""
    values = {
        "redis_port": (options.get("port", 6379), 1, 65535),
        "redis_db": (options["db"], 0, float("inf")),
        "socket_timeout": (options["socket_timeout"], 0.001, float("inf")),
        "socket_connect_timeout": (options["socket_connect_timeout"], 0.001, float("inf")),
        "redis_pool_max_connections": (options["max_connections"], 1, float("inf")),
        "redis_pool_health_check_interval": (options["health_check_interval"], 0, float("inf")),
        "redis_outage_budget": (conf.redis_outage_budget, 0, float("inf")),
    }
    for name, (value, low, high) in values.items():
        if not low <= value <= high:
            source = "" if value == getattr(conf, name) else "redis_url: "
            raise ConfigurationError(
                f"{source}{name} must be between {low:g} and {high:g}, not {value!r}"
            )


def _check_options(options: Mapping[str, Any]) -> None:
    """Refuse what redis-py itself would refuse later; no server is asked."""
    given = dict(options)
    del given["max_connections"]
    connection_class = given.pop("connection_class", RedisConnection)
    try:
        connection_class(**given)
    except RedisError as error:
        raise ConfigurationError(f"redis_url: {error}") from None


def _scheme(url: str) -> str:
    if not url:
        return ""
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in _SCHEMES:
        known = ", ".join(f"{name}://" for name in _SCHEMES)
        # The rest of the URL may hold a password.
        raise ConfigurationError(f"redis_url must begin with one of {known}; it does not")
    return scheme


def _embedded_folder(url: str) -> str:
    folder = unquote(url.partition("://")[2])
    return os.path.realpath(folder) if folder else str(embedded.default_folder())


def _parsed(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    # An unquoted # or ? in a password ends the host early: what is left of it must not pass for a
    # server, and nothing of the URL may be quoted, for it may be the password.
    if parts.fragment or "#" in url or "@" in f"{parts.path}{parts.query}":
        raise ConfigurationError(
            "redis_url can't be read: quote special characters in user and password (%23 for #)"
        )
    try:
        options: dict[str, Any] = dict(parse_url(url))
        port = parts.port
    except ValueError:
        # No cause: redis-py's message may quote the URL, and with it the password.
        raise ConfigurationError(
            "redis_url can't be read: check its port, database number and options"
        ) from None
    if port == 0:
        raise ConfigurationError("redis_url: the port must be between 1 and 65535, not 0")
    path = parts.path.strip("/")
    if options.get("connection_class") is not UnixDomainSocketConnection and path:
        if not path.isdecimal():
            raise ConfigurationError("redis_url: the database behind the port must be a number")
        options["db"] = int(path)
    for name in _IGNORED_OPTIONS & options.keys():
        del options[name]
    unknown = sorted(options.keys() - _known_options(options.get("connection_class")))
    if unknown:
        raise ConfigurationError(f"redis_url: unknown options {', '.join(unknown)}")
    return options


def _known_options(connection_class: type | None) -> set[str]:
    """Return what a connection can be given."""
    names = {"connection_class", "max_connections", *URL_QUERY_ARGUMENT_PARSERS}
    for base in (connection_class or RedisConnection).__mro__:
        names |= set(inspect.signature(base).parameters)
    return names


def _check_cluster(options: dict[str, Any]) -> None:
    if options.get("connection_class") is UnixDomainSocketConnection:
        raise ConfigurationError("redis_cluster needs host and port; a unix socket is one server")
    if options.pop("db", 0):
        raise ConfigurationError("redis_cluster: a cluster has only database 0; set redis_db to 0")


def _address(options: dict[str, Any]) -> str:
    if options.get("connection_class") is UnixDomainSocketConnection:
        return f"unix://{options.get('path', '')}?db={options['db']}"
    return f"{options['host']}:{options['port']}/{options.get('db', 0)}"
