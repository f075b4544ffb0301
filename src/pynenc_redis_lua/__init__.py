"""Redis/Valkey backend for pynenc in which every multi-key operation is one atomic Lua script."""

from importlib.metadata import distributions

from pynenc_redis_lua.errors import ConfigurationError

# pynenc finds a component by the name of its class, and the older plugin has the same names: with
# both installed, chance would decide which one runs. Not an ImportError, which pynenc only logs.
for _older in distributions(name="pynenc-redis"):
    raise ConfigurationError(
        f"pynenc-redis {_older.version} and pynenc-redis-lua are both installed and have the same"
        " class names; remove one of them: pip uninstall pynenc-redis"
    )
