"""Every error this package raises of its own.

All derive from :class:`RedisLuaError`, so that one ``except`` catches them; where the standard
library has a matching type (``ValueError``, ``TypeError``, ``ConnectionError``), the error is that
too. Messages name the value that was refused and what to do; none of them ever holds a password.
"""

from __future__ import annotations


class RedisLuaError(Exception):
    """Base of all errors of this package."""


class ConfigurationError(RedisLuaError, ValueError):
    """A setting has a value that can't work."""


class EmbeddedServerError(RedisLuaError):
    """The embedded server could not be started or reached."""


class ServerUnavailableError(RedisLuaError, ConnectionError):
    """No server answered within the outage budget (`redis_outage_budget`)."""


class ScriptDefinitionError(RedisLuaError):
    """A mistake in a Lua source or in keys.toml, with its file and line."""


class ScriptArgumentError(RedisLuaError, TypeError):
    """A script was called with a missing, unknown or wrongly typed argument; nothing was sent."""


class ValueTooLargeError(RedisLuaError, ValueError):
    """A value exceeds what the server accepts in one piece; nothing was stored."""


class ScriptError(RedisLuaError):
    """The server refused or failed a script; it says which one, and where.

    Attributes:
        script: Name of the script, such as ``state/add_histories``.
        version: Version of the script.
        code: First word of the server's message, such as ``WRONGTYPE``.
        location: ``file:line`` of the Lua source, where the server named a line.
    """

    def __init__(
        self, message: str, *, script: str, version: int, code: str, location: str | None = None
    ) -> None:
        where = f" at {location}" if location else ""
        super().__init__(f"{script} (version {version}){where}: {message}")
        self.script = script
        self.version = version
        self.code = code
        self.location = location


class NewerSchemaError(ScriptError):
    """The app's data was written by a newer release; nothing was changed. Upgrade this worker."""


class WrongTypeError(ScriptError):
    """Something else holds one of the app's keys with another type; nothing was changed."""


class ServerOutOfMemoryError(ScriptError):
    """The server is at its `maxmemory`; nothing was changed."""


class PermissionDeniedError(ScriptError):
    """The server's ACL forbids this user the command or a key."""
