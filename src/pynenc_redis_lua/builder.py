"""The methods that this plugin adds to pynenc's builder."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from pynenc_redis_lua import embedded
from pynenc_redis_lua.broker import RedisBroker
from pynenc_redis_lua.client_data_store import RedisClientDataStore
from pynenc_redis_lua.errors import ConfigurationError
from pynenc_redis_lua.orchestrator import RedisOrchestrator
from pynenc_redis_lua.state_backend import RedisStateBackend
from pynenc_redis_lua.trigger import RedisTrigger

if TYPE_CHECKING:
    import os

    from pynenc import PynencBuilder

_COMPONENTS = {
    "state_backend_cls": RedisStateBackend.__name__,
    "orchestrator_cls": RedisOrchestrator.__name__,
    "broker_cls": RedisBroker.__name__,
    "client_data_store_cls": RedisClientDataStore.__name__,
    "trigger_cls": RedisTrigger.__name__,
}


class RedisBuilderPlugin:
    """Entry point of the plugin: what pynenc finds in the group ``pynenc.plugins``."""

    @staticmethod
    def register_builder_methods(builder_cls: type[PynencBuilder]) -> None:
        """Add our methods to pynenc's builder."""
        builder_cls.register_plugin_method("redis", redis)
        builder_cls.register_plugin_method("redis_embedded", redis_embedded)


def redis(builder: PynencBuilder, url: str | None = None, db: int | None = None) -> PynencBuilder:
    """Keep the app's state in Redis or Valkey.

    Args:
        builder: The builder.
        url: ``redis://``, ``rediss://``, ``unix://`` or ``embedded://``. Without it the settings
            decide; with nothing set at all it is ``localhost:6379``.
        db: Database number, instead of `url`.

    Raises:
        ConfigurationError: If both are given: the database of a URL is part of it.
    """
    if url is not None and db is not None:
        raise ConfigurationError(
            f"redis(url=…, db={db!r}): give the database within the URL (redis://host:6379/{db})"
        )
    settings: dict[str, object] = dict(_COMPONENTS)
    if url is not None:
        settings["redis_url"] = url
    if db is not None:
        settings["redis_db"] = db
    return builder.custom_config(**settings)


def redis_embedded(
    builder: PynencBuilder, path: str | os.PathLike[str] | None = None
) -> PynencBuilder:
    """Keep the app's state in a Valkey server of this machine that starts and stops by itself.

    Args:
        builder: The builder.
        path: Folder of its data and socket; processes that name the same folder share the server.
            None for one folder a user (see :func:`pynenc_redis_lua.embedded.default_folder`).
    """
    folder = path if path is not None else embedded.default_folder()
    return redis(builder, url=f"embedded://{quote(str(folder))}")
