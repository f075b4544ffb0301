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

# The settings that choose our components.
COMPONENTS = {
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
        builder_cls.register_plugin_method("redis_client_data_store", redis_client_data_store)
        builder_cls.register_plugin_method("redis_trigger", redis_trigger)


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
    settings: dict[str, object] = dict(COMPONENTS)
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


def redis_client_data_store(
    builder: PynencBuilder, min_size_to_cache: int = 1024, local_cache_size: int = 1024
) -> PynencBuilder:
    """Keep large values in Redis or Valkey; settings or `redis()` say where that is.

    Args:
        builder: The builder.
        min_size_to_cache: Characters from which on a serialized value is kept apart.
        local_cache_size: Values that a process remembers.
    """
    return builder.custom_config(
        client_data_store_cls=RedisClientDataStore.__name__,
        min_size_to_cache=min_size_to_cache,
        local_cache_size=local_cache_size,
    )


def redis_trigger(
    builder: PynencBuilder,
    scheduler_interval_seconds: int = 60,
    enable_scheduler: bool = True,  # noqa: FBT001, FBT002
) -> PynencBuilder:
    """Keep triggers in Redis or Valkey; settings or `redis()` say where that is.

    Args:
        builder: The builder.
        scheduler_interval_seconds: pynenc's setting of that name.
        enable_scheduler: The same.
    """
    return builder.custom_config(
        trigger_cls=RedisTrigger.__name__,
        scheduler_interval_seconds=scheduler_interval_seconds,
        enable_scheduler=enable_scheduler,
    )
