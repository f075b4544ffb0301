"""Settings: where the server is, and how long to wait for it.

Every field can be given by the builder, by the environment (``PYNENC__REDIS_URL``), or by a
configuration file, as all settings of pynenc (https://docs.pynenc.org).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cistell import ConfigField
from pynenc.conf.config_base import ConfigPynencBase
from pynenc.conf.config_broker import ConfigBroker
from pynenc.conf.config_client_data_store import ConfigClientDataStore
from pynenc.conf.config_orchestrator import ConfigOrchestrator
from pynenc.conf.config_state_backend import ConfigStateBackend
from pynenc.conf.config_trigger import ConfigTrigger

from pynenc_redis_lua.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0", ""}


def _boolean(value: Any, _: type[bool]) -> bool:
    # A mapper of our own: bool("false") is true.
    text = str(value).strip().lower()
    if text not in _TRUE | _FALSE:
        raise ConfigurationError(f"redis_cluster must be true or false, not {value!r}")
    return text in _TRUE


def _number[N: (int, float)](name: str, kind: type[N]) -> Callable[[Any, type[N]], N]:
    def parse(value: Any, _: type[N]) -> N:
        try:
            return kind(value)
        except (TypeError, ValueError):
            raise ConfigurationError(f"{name} must be a number, not {value!r}") from None

    return parse


def _integer(name: str, default: int) -> ConfigField[int]:
    return ConfigField(default, mapper=_number(name, int))


def _seconds(name: str, default: float) -> ConfigField[float]:
    return ConfigField(default, mapper=_number(name, float))


class ConfigRedis(ConfigPynencBase):
    """The connection to Redis or Valkey; the same fields as the older `pynenc-redis`.

    Attributes:
        redis_url: ``redis://``, ``rediss://`` (TLS), ``unix://`` or ``embedded://<folder>``. What
            the URL says wins over the single fields; what it leaves out is taken from them.
        redis_host: Host name.
        redis_port: TCP port.
        redis_db: Database number; a cluster has only 0.
        redis_username: ACL user; empty for the default user.
        redis_password: Password; empty for none.
        socket_timeout: Seconds to wait for a reply.
        socket_connect_timeout: Seconds to wait for a connection.
        redis_pool_max_connections: Connections a process opens at the most; who finds none free
            waits for one.
        redis_pool_health_check_interval: Seconds after which an idle connection is tried before it
            is used; 0 for never.
        redis_cluster: Whether the server is a Redis Cluster.
        redis_outage_budget: Seconds that a call waits for a server that is away before it fails.
    """

    redis_url = ConfigField("", secret=True)
    redis_host = ConfigField("localhost")
    redis_port = _integer("redis_port", 6379)
    redis_db = _integer("redis_db", 0)
    redis_username = ConfigField("")
    redis_password = ConfigField("", secret=True)
    socket_timeout = _seconds("socket_timeout", 5.0)
    socket_connect_timeout = _seconds("socket_connect_timeout", 5.0)
    redis_pool_max_connections = _integer("redis_pool_max_connections", 100)
    redis_pool_health_check_interval = _seconds("redis_pool_health_check_interval", 30.0)
    redis_cluster = ConfigField(False, mapper=_boolean)  # noqa: FBT003 - the default of a field
    redis_outage_budget = _seconds("redis_outage_budget", 60.0)


class ConfigStateBackendRedis(ConfigStateBackend, ConfigRedis):
    """Settings of :class:`~pynenc_redis_lua.state_backend.RedisStateBackend`."""


class ConfigOrchestratorRedis(ConfigOrchestrator, ConfigRedis):
    """Settings of :class:`~pynenc_redis_lua.orchestrator.RedisOrchestrator`."""


class ConfigBrokerRedis(ConfigBroker, ConfigRedis):
    """Settings of :class:`~pynenc_redis_lua.broker.RedisBroker`.

    Attributes:
        queue_timeout_sec: Seconds that a runner with room for more waits for work at a time, at
            the most: it starts at once what comes meanwhile, and nothing before its next round
            what comes while pynenc's loop sleeps. A stop does not wait for it. More than half of
            `socket_timeout`, or a quarter of the interval of atomic services, counts as that.
    """

    # Twenty-five times pynenc's default: its loops sleep 0.1 or 0.2 s after each wait.
    queue_timeout_sec = _seconds("queue_timeout_sec", 2.5)


class ConfigClientDataStoreRedis(ConfigClientDataStore, ConfigRedis):
    """Settings of :class:`~pynenc_redis_lua.client_data_store.RedisClientDataStore`."""


class ConfigTriggerRedis(ConfigTrigger, ConfigRedis):
    """Settings of :class:`~pynenc_redis_lua.trigger.RedisTrigger`."""
