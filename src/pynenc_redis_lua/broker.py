"""Broker: queues of invocation ids, the highest priority first, then first come, first served."""

from __future__ import annotations

import struct
from functools import cached_property
from typing import TYPE_CHECKING

from pynenc.broker.base_broker import BaseBroker
from pynenc.identifiers.invocation_id import InvocationId

from pynenc_redis_lua.codec import to_text
from pynenc_redis_lua.component import RedisComponent
from pynenc_redis_lua.conf import ConfigBrokerRedis
from pynenc_redis_lua.operation import consumer_id, new_operation
from pynenc_redis_lua.scripts.runner import batches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pynenc.app import Pynenc

_SIGN = 1 << 63
_ALL_BITS = (1 << 64) - 1


class RedisBroker(RedisComponent, BaseBroker):
    """Broker on Redis or Valkey.

    Args:
        app: The app whose queues it keeps.

    Every method raises, besides what is said there, the errors of
    :meth:`~pynenc_redis_lua.scripts.runner.ScriptRunner.call`.
    """

    def __init__(self, app: Pynenc) -> None:
        super().__init__(app)
        self.connect(app, self.conf)

    @cached_property
    def conf(self) -> ConfigBrokerRedis:
        """The settings."""
        return ConfigBrokerRedis(
            config_values=self.app.config_values, config_filepath=self.app.config_filepath
        )

    def _route_invocation(
        self, invocation_id: InvocationId, queue_name: str, priority: float
    ) -> None:
        self._route_invocations([invocation_id], queue_name, priority)

    def _route_invocations(
        self, invocation_ids: Sequence[InvocationId], queue_name: str, priority: float
    ) -> None:
        """Queue invocations in their order; one commit per 1,000."""
        items = [(invocation_id,) for invocation_id in invocation_ids]
        for batch in batches(items):
            self.scripts.broker_route(
                queue_name=queue_name,
                priority=sortable_priority(priority),
                consumer=consumer_id(),
                op=new_operation(),
                items=batch,
            )

    def retrieve_invocation(self, queue_name: str | None = None) -> InvocationId | None:
        """Take the head of a queue (the first configured one if none is named), or None."""
        name = self.conf.queues[0] if queue_name is None else queue_name
        self._validate_queue_names((name,))
        reply = self.scripts.broker_retrieve(
            queue_name=name, consumer=consumer_id(), op=new_operation()
        )
        return None if reply.tag == "EMPTY" else InvocationId(to_text(reply.values[0]))

    def count_invocations(self, queue_names: Sequence[str] | None = None) -> int:
        """Count what is in some queues, or in all that are configured."""
        names = self.conf.queues if queue_names is None else tuple(queue_names)
        self._validate_queue_names(names)
        count: int = self.scripts.broker_count(items=[(name,) for name in names]).values[0]
        return count

    def purge(self) -> None:
        """Remove all queues of the app, whether configured or not."""
        for name in self.conf.queues:
            self.scripts.broker_purge(queue_name=name)


def sortable_priority(priority: float) -> bytes:
    """Return 8 bytes that sort as priorities are served: the higher before the lower."""
    # The bits of IEEE 754 sort as the numbers do once negative ones are inverted and positive ones
    # have their sign set. Adding zero makes -0.0 the same as 0.0.
    [bits] = struct.unpack(">Q", struct.pack(">d", -priority + 0.0))
    return struct.pack(">Q", bits ^ (_ALL_BITS if bits & _SIGN else _SIGN))
