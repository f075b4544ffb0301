"""Claiming: how a runner gets its work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pynenc.invocation.status import InvocationStatus

from pynenc_redis_lua.codec import pack, to_text
from pynenc_redis_lua.operation import consumer_id, new_operation
from pynenc_redis_lua.records import packed_contexts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.runner.runner_context import RunnerContext

    from pynenc_redis_lua.orchestrator import RedisOrchestrator
    from pynenc_redis_lua.state_backend import RedisStateBackend

# Invocations of one claim, and rounds of a claim that finds nothing but held back invocations: the
# server is held up for a few milliseconds at the most.
_MOST = 100
_ROUNDS = 8


class Claim:
    """One round of claiming for a runner.

    Args:
        orchestrator: Whose invocations are claimed.
        state: Where they are stored.
        runner_ctx: The runner.
        queue_provider: Gives the queues in the order of the runner's strategy.
        on_queue_retrieved: Told from which queue something came.

    Attributes:
        found: Whether anything was claimed so far.
        held_back: Whether concurrency control held anything back so far.
    """

    def __init__(
        self,
        orchestrator: RedisOrchestrator,
        state: RedisStateBackend[Any, Any],
        runner_ctx: RunnerContext,
        queue_provider: Callable[[], Sequence[str]],
        on_queue_retrieved: Callable[[str], None],
    ) -> None:
        self._orchestrator = orchestrator
        self._state = state
        self._runner_ctx = runner_ctx
        self._queue_provider = queue_provider
        self._on_queue_retrieved = on_queue_retrieved
        self.found = False
        self.held_back = False
        # Whether more stands behind what was held back.
        self._left = False

    def invocations(self, count: int) -> Iterator[DistributedInvocation[Any, Any]]:
        """Claim up to `count` invocations and iterate over them.

        From one queue they come in one commit; from several, one at a time in the order that the
        runner's strategy gives for each.
        """
        awaited_first = bool(self._orchestrator.conf.blocking_control)
        while count > 0:
            names = self._queue_provider()
            batch: list[DistributedInvocation[Any, Any]] = []
            size = 1
            for name in names:
                size = min(count, _MOST) if len(names) == 1 else 1
                batch = self._claim(name, size, awaited_first=awaited_first)
                awaited_first = False
                # What runs may stand behind many that are held back.
                for _ in range(_ROUNDS):
                    if batch or not self._left:
                        break
                    batch = self._claim(name, size, awaited_first=False)
                if batch:
                    self._on_queue_retrieved(name)
                    yield from batch
                    break
            count -= len(batch)
            if len(batch) < size:
                return

    def _claim(
        self, queue_name: str, count: int, *, awaited_first: bool
    ) -> list[DistributedInvocation[Any, Any]]:
        contexts = self._state.new_contexts(self._runner_ctx)
        claimed, held_back, waiting, left = self._orchestrator.scripts.orchestrator_claim(
            queue_name=queue_name,
            count=count,
            awaited_first=int(awaited_first),
            owner=pack(self._runner_ctx.runner_id),
            context_id=self._runner_ctx.runner_id,
            contexts=packed_contexts(contexts),
            consumer=consumer_id(),
            op=new_operation(),
        ).values
        if claimed or held_back:
            self._state.remember_contexts(contexts)
        self.found = self.found or bool(claimed)
        self.held_back = self.held_back or bool(waiting)
        self._left = bool(left) and not claimed
        invocations = list(self._loaded(claimed))
        self._orchestrator.report_status(invocations, InvocationStatus.PENDING)
        self._orchestrator.report_changes(held_back)
        for id_, _, status in held_back:
            self._orchestrator.app.logger.info(
                "invocation:%s status:%s by concurrency control", to_text(id_), to_text(status)
            )
        return invocations

    def _loaded(self, claimed: list[list[bytes]]) -> Iterator[DistributedInvocation[Any, Any]]:
        for fields in claimed:
            try:
                yield self._state.to_invocation(*fields)
            except Exception:
                # A task that this worker can't import must not take the others along, nor the
                # worker: it stays pending until recovery gives it to another one.
                self._orchestrator.app.logger.exception(
                    "invocation:%s can't be loaded by this worker", to_text(fields[0])
                )
