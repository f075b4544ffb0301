"""Calling scripts: the only code that speaks EVALSHA.

A call is safe to repeat (every script is written so), and therefore the runner may: redis-py's own
blind retries are off, and what goes wrong on the way is tried again here until the outage budget
is used up.
"""

from __future__ import annotations

import random
import re
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from redis import exceptions as redis_errors
from redis.cluster import RedisCluster

from pynenc_redis_lua import errors
from pynenc_redis_lua.codec import to_bytes, to_text
from pynenc_redis_lua.keys import app_tag
from pynenc_redis_lua.scripts.recent import Call, RecentCalls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pynenc_redis_lua.client import Connection
    from pynenc_redis_lua.scripts.library import Library, Script

# A Lua number is a double: integers beyond this are not exact.
MAX_INTEGER = 2**53
# What one call of a batch script may carry; a larger batch becomes several calls.
BATCH_ITEMS = 1_000
BATCH_BYTES = 4 * 2**20
# The lowest proto-max-bulk-len a server can be set to, and its default.
_SMALLEST_VALUE_LIMIT = 2**20
_DEFAULT_VALUE_LIMIT = 512 * 2**20
_BACKOFF_FIRST, _BACKOFF_MOST = 0.005, 0.5
_PAUSE_AFTER_LOSS = 0.1
# How long who waits without a limit does so at least before it says so again, in seconds.
_LEAST_PATIENCE = 1.0

# A passing state of the server or of the way to it.
_TRANSIENT: tuple[type[Exception], ...] = (
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.ReadOnlyError,
    redis_errors.ClusterDownError,
    redis_errors.ClusterError,
    redis_errors.MasterDownError,
    redis_errors.TryAgainError,
    redis_errors.RedisClusterException,
)
_TRANSIENT_CODES = frozenset(
    {"BUSY", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "READONLY", "UNBLOCKED"}
)
# RedisClusterException is no RedisError.
_SERVER_ERRORS = (redis_errors.RedisError, redis_errors.RedisClusterException)
_FINAL: tuple[type[Exception], ...] = (
    redis_errors.AuthenticationError,
    redis_errors.AuthorizationError,
)

# First word of the server's message -> what the caller gets; anything else is a ScriptError.
_ERRORS: dict[str, type[errors.ScriptError]] = {
    "PYN_NEWER_SCHEMA": errors.NewerSchemaError,
    "WRONGTYPE": errors.WrongTypeError,
    "OOM": errors.ServerOutOfMemoryError,
    "NOPERM": errors.PermissionDeniedError,
}
# redis-py takes the code off the messages of errors that it has a class for.
_CODES: dict[type[Exception], str] = {
    redis_errors.OutOfMemoryError: "OOM",
    redis_errors.NoPermissionError: "NOPERM",
}
_CODE = re.compile(r"[A-Z][A-Z0-9_]*")
_LINE = re.compile(r"user_script:(\d+)")
_SUFFIX = re.compile(r"\s*script: (?:[0-9a-f]{40}, )?on @?user_script:\d+\.?$")
# What servers say when a script's user may not do what the script does.
_FORBIDDEN = ("ACL failure in script", "The user executing the script can't")


class Reply(NamedTuple):
    """What a script answered: one of the tags of its ``@returns``, and the values after it."""

    tag: str
    values: list[Any]


def gives_up(_error: errors.RedisLuaError) -> bool:
    """Wait for no server any longer than the outage budget, as a client does."""
    return False


class ScriptRunner:
    """Calls the scripts of a library on one app's keys.

    Args:
        connection: Where the server is.
        app_id: The app; any non-empty text.
        library: The scripts; those of this release unless a test says otherwise.
        waits_on: Asked when the outage budget is used up, or the server has no memory left, by the
            thread that calls: whether it waits for as long again instead of failing so.

    Raises:
        ConfigurationError: If `app_id` is empty.
    """

    def __init__(
        self,
        connection: Connection,
        app_id: str,
        library: Library,
        waits_on: Callable[[errors.RedisLuaError], bool] = gives_up,
    ) -> None:
        self.connection = connection
        self.library = library
        self._waits_on = waits_on
        self._app_tag = app_tag(app_id)
        self._prepared: dict[str, _Prepared] = {}
        self._value_limit: int | None = None
        self._recent: RecentCalls[_Prepared] = RecentCalls()
        # Which server they were written to, and how many connects ago that was so.
        self._server = ""
        self._connects_seen = connection.connects
        self._is_away = False

    def call(self, name: str, /, **arguments: Any) -> Reply:
        """Run a script.

        Args:
            name: The script, such as ``state/add_histories``.
            **arguments: What its header declares, and `items` if it has ``@item`` columns.

        Raises:
            ScriptArgumentError: If an argument is missing, unknown or of the wrong type.
            ValueTooLargeError: If an argument is larger than the server takes.
            ServerUnavailableError: If no server answered within the outage budget.
            ConfigurationError: If `redis_cluster` does not suit the server.
            redis.AuthenticationError: If user or password are wrong.
            ScriptError: If the server refused; see its subclasses.
        """
        prepared = self._prepared.get(name)
        if prepared is None:
            prepared = _Prepared(self.library.script(name), self._app_tag, self.library)
            self._prepared[name] = prepared
        keys, argv = prepared.marshal(arguments)
        if max(map(len, argv), default=0) >= _SMALLEST_VALUE_LIMIT:
            self._refuse_too_large(prepared, argv)
        return prepared.decode(self._run(prepared, keys, argv))

    def wait_for_any(
        self, key: str, names: Sequence[str], timeout: float, goes_on: Callable[[], bool]
    ) -> bool:
        """Take one entry of a list, waiting for it if there is none.

        Args:
            key: A list of `keys.toml` with a name in it.
            names: What may stand for the name.
            timeout: Seconds to wait.
            goes_on: Asked now and then whether the caller still waits.

        Returns:
            Whether there was one; also True when the server was lost meanwhile: the call that
            follows waits for it.
        """
        lists = [self.library.table.keys[key].on_server(self._app_tag, name) for name in names]
        try:
            return self.connection.pop_first(lists, timeout, goes_on)
        except _SERVER_ERRORS as error:
            if not _is_transient(error):
                raise
            # Where only this command fails, who waits in a loop would not rest.
            time.sleep(_PAUSE_AFTER_LOSS)
            return True

    def _run(self, prepared: _Prepared, keys: list[bytes], argv: list[bytes]) -> Any:
        """Send the call until it is answered or the outage budget is used up."""
        deadline: float | None = None
        backoff = _BACKOFF_FIRST
        if self._recent and not self._is_away:
            with self.connection.resending:
                self._recent.forget_old()
        while True:
            try:
                reply = self._answer(prepared, keys, argv)
            except _SERVER_ERRORS as error:
                problem = self._passing_problem(prepared, keys, error)
                self._is_away = True
                now = time.monotonic()
                if deadline is None:
                    # A client is told at once that there is no memory: that may last.
                    has_time = isinstance(problem, errors.ServerUnavailableError)
                    deadline = now + (self.connection.outage_budget if has_time else 0)
                if now >= deadline:
                    if not self._waits_on(problem):
                        raise problem from error
                    # However small the budget, the log is not flooded.
                    deadline = now + max(self.connection.outage_budget, _LEAST_PATIENCE)
                # Full jitter: clients that lost the same server do not come back in step.
                time.sleep(min(random.uniform(0, backoff), max(deadline - now, 0)))  # noqa: S311
                backoff = min(2 * backoff, _BACKOFF_MOST)
            else:
                self._is_away = False
                self.connection.was_answered = True
                return reply

    def _answer(self, prepared: _Prepared, keys: list[bytes], argv: list[bytes]) -> Any:
        """Send the call, and with it what the server behind a new connection may not know."""
        if prepared.resend and not self._server:
            # Not behind the call: the server that answered may be gone by then.
            self._server = self._server_id(keys[0])
        seen, server = self._connects_seen, self._server
        reply = self._send(prepared, keys, argv)
        if seen != self.connection.connects:
            self._write_again(keys[0])
            # This thread or another one has: it may have been told otherwise by what was lost.
            if self._server != server:
                reply = self._send(prepared, keys, argv)
        # What was refused, or stood there already, was not written.
        if prepared.resend and reply[0] == b"OK":
            with self.connection.resending:
                self._recent.note(Call(prepared, keys, prepared.as_resent(argv, reply)))
        return reply

    def _passing_problem(
        self, prepared: _Prepared, keys: list[bytes], error: Exception
    ) -> errors.RedisLuaError:
        """Return the error for what may pass, and raise that for anything else."""
        if _is_transient(error):
            return self.connection.unavailable(error)
        if not isinstance(error, redis_errors.ResponseError):
            raise error
        problem = prepared.typed_error(error)
        if isinstance(problem, errors.WrongTypeError):
            problem = self._named(problem, prepared, keys)
        if not isinstance(problem, errors.ServerOutOfMemoryError):
            raise problem from error
        return problem

    def _named(
        self, problem: errors.ScriptError, prepared: _Prepared, keys: list[bytes]
    ) -> errors.ScriptError:
        """Return an error that says which keys hold what, for the server does not."""
        client: Any = self.connection.client
        wrong = []
        try:
            for key, wanted in zip(keys, prepared.key_types, strict=True):
                held = client.type(key).decode()
                if held not in ("none", wanted):
                    wrong.append(f"{to_text(key)} holds a {held}, not a {wanted}")
        except _SERVER_ERRORS:
            # Forbidden, or the server is gone: then nobody can tell.
            pass
        if not wrong:
            return problem
        return errors.WrongTypeError(
            "; ".join(wrong),
            script=problem.script,
            version=problem.version,
            code=problem.code,
            location=problem.location,
        )

    def _write_again(self, key: bytes) -> None:
        """Write again what another server, or one that was restarted, may not know.

        What it does know is not changed by that, and what does not fit any more is refused. Other
        threads wait until all is written.
        """
        with self.connection.resending:
            connects = self.connection.connects
            if self._connects_seen == connects:
                return
            # Who never wrote what is kept need not know.
            server = self._server_id(key) if self._server else ""
            if server != self._server:
                try:
                    for call in self._recent:
                        self._resend(call)
                except redis_errors.OutOfMemoryError:
                    # Each call tries again: to wait would keep retention from making room.
                    return
            self._server, self._connects_seen = server, connects

    def _resend(self, call: Call[_Prepared]) -> None:
        try:
            self._send(*call)
        except redis_errors.OutOfMemoryError:
            raise
        except redis_errors.ResponseError as error:
            if _is_transient(error):
                raise

    def _server_id(self, key: bytes) -> str:
        """Return the id that a server process gives itself when it starts."""
        client = self.connection.client
        try:
            # The next node that answers for the key may be another one.
            info: dict[str, Any] = client.info("server", **self._target(client, key))
        except redis_errors.ResponseError as error:
            if _is_transient(error):
                raise
            # Forbidden or renamed: then nobody can tell, and nothing is sent again.
            return "unknown"
        return str(info.get("run_id", "unknown"))

    @staticmethod
    def _target(client: Any, key: bytes) -> dict[str, Any]:
        """Return the options that lead a command to the node of a key.

        A read-only call names no key to redis-py's cluster client, which would ask the server for
        them at every call; it is told the node instead.
        """
        if isinstance(client, RedisCluster):
            return {"target_nodes": client.get_node_from_key(key)}
        return {}

    def _send(self, prepared: _Prepared, keys: list[bytes], argv: list[bytes]) -> Any:
        arguments = (len(keys), *keys, *argv)
        try:
            return self._exchange(keys[0], prepared.command, prepared.sha1, *arguments)
        except redis_errors.NoScriptError:
            # The server was restarted or its scripts flushed; nothing has run yet. EVAL loads and
            # runs in one command: between SCRIPT LOAD and EVALSHA they could be flushed again.
            evaluate = prepared.command.replace("SHA", "")
            return self._exchange(keys[0], evaluate, prepared.text, *arguments)

    def _exchange(self, key: bytes, *command: Any) -> Any:
        if not self.connection.settings.cluster:
            return self.connection.exchange(command)
        client: Any = self.connection.client
        return client.execute_command(*command, **self._target(client, key))

    def _refuse_too_large(self, prepared: _Prepared, argv: list[bytes]) -> None:
        """Refuse what the server would cut the connection for."""
        limit = self._value_limit
        if limit is None:
            limit = self._value_limit = self._read_value_limit()
        for number, value in enumerate(argv):
            if len(value) > limit:
                raise errors.ValueTooLargeError(
                    f"{prepared.name}: {prepared.argument_name(number)} has {len(value):,} bytes,"
                    f" the server takes {limit:,} (proto-max-bulk-len); nothing was stored"
                )

    def _read_value_limit(self) -> int:
        try:
            reply = self.connection.client.config_get("proto-max-bulk-len")
            if limit := reply.get("proto-max-bulk-len"):
                return int(limit)
        except redis_errors.RedisError:
            # Managed servers and ACLs forbid CONFIG; then the default is the best guess.
            pass
        return _DEFAULT_VALUE_LIMIT


class _Prepared:
    """A script bound to an app: what can be worked out before a call."""

    def __init__(self, script: Script, tag: str, library: Library) -> None:
        definition = script.definition
        self.name = definition.name
        self.version = definition.version
        self.text = script.rendered.text
        self.sha1 = script.rendered.sha1
        self.command = "EVALSHA_RO" if definition.read_only else "EVALSHA"
        self.resend = definition.resend is not None
        self._told: tuple[int, int] | None = None
        if definition.resend and definition.resend.argument:
            names = [argument.name for argument in definition.arguments]
            values = definition.returns["OK"].split()
            self._told = (
                names.index(definition.resend.argument),
                1 + values.index(definition.resend.value),
            )
        self._lines = script.rendered.lines
        self._returns = {tag.encode(): tag for tag in definition.returns}
        self._arguments = definition.arguments
        self._items = definition.items
        self._encoders = [(a.name, _ENCODERS[a.type]) for a in definition.arguments]
        self._item_encoders = [_ENCODERS[column.type] for column in definition.items]
        self._expected = {argument.name for argument in definition.arguments}
        if definition.items:
            self._expected.add("items")
        self._uses = [(library.table.keys[use.name], use.argument) for use in definition.keys]
        self.key_types = [key.type for key, _ in self._uses]
        self._naming = [use.argument for use in definition.keys if use.argument]
        self._app_tag = tag
        # The names in keys are those of queues: few, and each in many calls.
        self._keys = lru_cache(maxsize=256)(self._make_keys)

    def _make_keys(self, *names: str) -> list[bytes]:
        """Return KEYS for the names that are parts of keys, in the order of the keys."""
        named = iter(names)
        return [
            key.on_server(self._app_tag, next(named) if argument else None)
            for key, argument in self._uses
        ]

    def marshal(self, arguments: dict[str, Any]) -> tuple[list[bytes], list[bytes]]:
        """Check the arguments and return KEYS and ARGV."""
        if arguments.keys() != self._expected:
            self._refuse_names(arguments)
        # Any: what an encoder refuses is None, until it is looked for below.
        argv: list[Any] = [encode(arguments[name]) for name, encode in self._encoders]
        if self._items:
            if not isinstance(arguments["items"], (list, tuple)):
                raise errors.ScriptArgumentError(
                    f"{self.name}: items must be a list of tuples, not {_shown(arguments['items'])}"
                )
            for row in arguments["items"]:
                if not isinstance(row, tuple) or len(row) != len(self._items):
                    self._refuse_item(row)
                argv += [encode(row[i]) for i, encode in enumerate(self._item_encoders)]
        if None in argv:
            self._refuse_value(arguments, argv.index(None))
        return self._keys(*[arguments[name] for name in self._naming]), argv

    def as_resent(self, argv: list[bytes], reply: list[Any]) -> list[bytes]:
        """Return the ARGV with which a call that got this reply is made again."""
        if self._told is None:
            return argv
        position, value = self._told
        return [*argv[:position], reply[value], *argv[position + 1 :]]

    def _refuse_names(self, arguments: dict[str, Any]) -> None:
        missing = sorted(self._expected - arguments.keys())
        unknown = sorted(arguments.keys() - self._expected)
        raise errors.ScriptArgumentError(
            f"{self.name}: missing arguments {missing}, unknown arguments {unknown}"
        )

    def _refuse_item(self, row: Any) -> None:
        names = ", ".join(column.name for column in self._items)
        raise errors.ScriptArgumentError(f"{self.name}: an item is ({names}), not {_shown(row)}")

    def _refuse_value(self, arguments: dict[str, Any], number: int) -> None:
        """Refuse the value that would be ARGV[number + 1]."""
        if number < len(self._arguments):
            argument = self._arguments[number]
            value = arguments[argument.name]
        else:
            row, column = divmod(number - len(self._arguments), len(self._items))
            argument, value = self._items[column], arguments["items"][row][column]
        raise errors.ScriptArgumentError(
            f"{self.name}: {argument.name} must be {_EXPECTED[argument.type]}, not {_shown(value)}"
        )

    def argument_name(self, number: int) -> str:
        """Return the name of ARGV[number + 1]."""
        if number < len(self._arguments):
            return self._arguments[number].name
        row, column = divmod(number - len(self._arguments), len(self._items))
        return f"{self._items[column].name} of item {row}"

    def decode(self, reply: Any) -> Reply:
        """Turn a raw reply into a tag and its values."""
        tag = self._returns.get(reply[0]) if isinstance(reply, list) and reply else None
        if tag is None:
            raise errors.ScriptError(
                f"unexpected reply {reply!r:.80}", script=self.name, version=self.version, code=""
            )
        return Reply(tag, reply[1:])

    def typed_error(self, error: redis_errors.ResponseError) -> errors.RedisLuaError:
        """Return the exception of this package for one of the server."""
        if isinstance(error, (redis_errors.MovedError, redis_errors.AskError)):
            return errors.ConfigurationError(
                "the server is a node of a cluster: set redis_cluster to true"
            )
        message = str(error)
        code = _code(error)
        found = _LINE.search(message)
        location = None
        if found and 0 < int(found[1]) <= len(self._lines):
            location = self._lines[int(found[1]) - 1]
        return _ERRORS.get(code, errors.ScriptError)(
            _SUFFIX.sub("", message).removeprefix("PYN_"),
            script=self.name,
            version=self.version,
            code=code,
            location=location,
        )


def batches[T: tuple[Any, ...]](rows: Iterable[T], most: int = BATCH_ITEMS) -> Iterator[list[T]]:
    """Cut the items of a batch into what one call may carry.

    Args:
        rows: The items.
        most: Items of one call.
    """
    batch: list[T] = []
    carried = 0
    for row in rows:
        weight = sum([len(field) for field in row if isinstance(field, (str, bytes))])
        if batch and (len(batch) == most or carried + weight > BATCH_BYTES):
            yield batch
            batch, carried = [], 0
        batch.append(row)
        carried += weight
    if batch:
        yield batch


def _code(error: Exception) -> str:
    message = str(error)
    if message.startswith(_FORBIDDEN):
        return "NOPERM"
    first = message.partition(" ")[0]
    # redis-py takes ERR off as well.
    return _CODES.get(type(error)) or (first if _CODE.fullmatch(first) else "ERR")


def _is_transient(error: Exception) -> bool:
    if isinstance(error, redis_errors.RedisClusterException):
        # redis-py says it in these words alone when no node could be reached, for whatever reason.
        if "Cluster mode is not enabled" in str(error):
            raise errors.ConfigurationError(
                "redis_cluster is true, but the server is not a cluster"
            ) from error
        if isinstance(error.__cause__, _FINAL):
            raise error.__cause__
    if isinstance(error, _FINAL):
        return False
    return isinstance(error, _TRANSIENT) or _code(error) in _TRANSIENT_CODES


def _shown(value: Any) -> str:
    """Return what an error may say of a value: texts and bytes may be somebody's data."""
    if isinstance(value, (str, bytes, list, tuple)):
        return f"{type(value).__name__} of length {len(value)}"
    return f"{type(value).__name__} {value!r:.80}"


def _encode_text(value: Any) -> bytes | None:
    return to_bytes(value) if isinstance(value, str) else None


def _encode_id(value: Any) -> bytes | None:
    return to_bytes(value) if isinstance(value, str) and value else None


def _encode_bytes(value: Any) -> bytes | None:
    return value if isinstance(value, bytes) else None


def _encode_int(value: Any) -> bytes | None:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_INTEGER:
        return None
    return b"%d" % value


def _encode_count(value: Any) -> bytes | None:
    encoded = _encode_int(value)
    return encoded if encoded and value > 0 else None


_ENCODERS: dict[str, Callable[[Any], bytes | None]] = {
    "id": _encode_id,
    "str": _encode_text,
    "bytes": _encode_bytes,
    "int": _encode_int,
    "count": _encode_count,
    "us": _encode_int,
}
_EXPECTED = {
    "id": "a non-empty text",
    "str": "a text",
    "bytes": "bytes",
    "int": "an integer within ±2^53",
    "count": "an integer from 1 to 2^53",
    "us": "microseconds since 1970 as an integer within ±2^53",
}
