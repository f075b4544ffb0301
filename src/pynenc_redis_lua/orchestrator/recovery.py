"""Recovery: what a crash left behind goes back to its queue."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from pynenc.identifiers.invocation_id import InvocationId
from pynenc.invocation.status import InvocationStatus

from pynenc_redis_lua.codec import to_text
from pynenc_redis_lua.component import PAGE, SWEEP_SECONDS
from pynenc_redis_lua.operation import new_operation
from pynenc_redis_lua.orchestrator.core import OrchestratorCore
from pynenc_redis_lua.records import MICROSECONDS, packed_contexts
from pynenc_redis_lua.scripts.runner import batches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pynenc.runner.runner_context import RunnerContext

# Invocations that are put back in one step: it stays below ten milliseconds of the server's time.
_STEP = 50


class Recovery(OrchestratorCore):
    """How what stands still is found and put back."""

    def get_pending_invocations_for_recovery(self) -> Iterator[InvocationId]:
        """Iterate over the invocations that have been pending for too long."""
        for id_, _ in self._stale(InvocationStatus.PENDING.value, self._dead_us):
            yield id_

    def _get_running_invocations_for_recovery(
        self, timeout_seconds: float
    ) -> Iterator[InvocationId]:
        """Iterate over the invocations that are running for a runner that is dead."""
        dead_us = int(timeout_seconds * MICROSECONDS)
        for id_, _ in self._stale(InvocationStatus.RUNNING.value, dead_us):
            yield id_

    def _stale(self, status: str, dead_us: int) -> Iterator[tuple[InvocationId, str]]:
        """Iterate over the invocations that stand still, each with its queue."""
        after, after_id = 0, ""
        while True:
            stale, *cursor = self.scripts.orchestrator_stale_page(
                status=status,
                after_us=after,
                after_id=after_id,
                pending_us=self._pending_us,
                dead_us=dead_us,
                count=PAGE,
            ).values
            for id_, queue_name in stale:
                yield InvocationId(to_text(id_)), to_text(queue_name)
            if not cursor:
                return
            after, after_id = int(cursor[0]), to_text(cursor[1])

    def recover_invocations(self, runner_ctx: RunnerContext) -> list[InvocationId]:
        """Put every invocation that stands still back in its queue, and return them.

        That is one that is neither final, nor in a queue, nor owned by a live runner, in whatever
        status a crash left it. Only for apps whose state and queue are ours.
        """
        if self._state is None:
            return []
        contexts = packed_contexts(self._state.new_contexts(runner_ctx))
        deadline = time.monotonic() + SWEEP_SECONDS
        queues: dict[str, list[tuple[str]]] = {}
        for id_, queue_name in self._stale("", self._dead_us):
            queues.setdefault(queue_name, []).append((id_,))
        recovered: list[InvocationId] = []
        steps = (
            (queue_name, batch)
            for queue_name, items in queues.items()
            for batch in batches(items, _STEP)
        )
        for queue_name, batch in steps:
            reply = self.scripts.orchestrator_recover(
                queue_name=queue_name,
                context_id=runner_ctx.runner_id,
                contexts=contexts,
                op=new_operation(),
                notes=int(self.commits_triggers),
                pending_us=self._pending_us,
                dead_us=self._dead_us,
                items=batch,
            )
            changes = []
            for id_, task, *statuses in reply.values[0]:
                recovered.append(InvocationId(to_text(id_)))
                changes += [(id_, task, status) for status in statuses]
            self.after_commit(reply.values[1], partial(self.report_changes, changes))
            if time.monotonic() > deadline:
                break
        for invocation_id in recovered:
            self.app.logger.warning("invocation:%s stood still, it is queued again", invocation_id)
        return recovered
