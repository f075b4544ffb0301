"""Transitions: start, finish, retry, reroute, each one commit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from pynenc.invocation.status import (
    InvocationStatus,
    InvocationStatusRecord,
    status_record_transition,
)
from pynenc.trigger.conditions.exception import ExceptionContext
from pynenc.trigger.conditions.result import ResultContext

from pynenc_redis_lua.broker import sortable_priority
from pynenc_redis_lua.codec import pack, to_bytes, to_text
from pynenc_redis_lua.operation import consumer_id, new_operation
from pynenc_redis_lua.orchestrator.concurrency import concurrency_key
from pynenc_redis_lua.orchestrator.core import OrchestratorCore
from pynenc_redis_lua.records import packed_contexts, status_record

if TYPE_CHECKING:
    from pynenc.identifiers.invocation_id import InvocationId
    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.runner.runner_context import RunnerContext
    from pynenc.types import Params, Result

    from pynenc_redis_lua.scripts.runner import Reply
    from pynenc_redis_lua.state_backend import RedisStateBackend


class _Outcome(NamedTuple):
    """How an invocation ended: a result or an exception, as it is stored and as it is."""

    kind: str
    serialized: str
    invocation: DistributedInvocation[Any, Any]
    value: Any


class Transitions(OrchestratorCore):
    """How the status of an invocation changes."""

    def is_authorize_to_run_by_concurrency_control(
        self, invocation: DistributedInvocation[Params, Result]
    ) -> bool:
        """Tell whether no other invocation runs in the slot of this one's concurrency control."""
        slot = concurrency_key(invocation.call, invocation.task.conf.running_concurrency)
        if self._state is None or not slot:
            return super().is_authorize_to_run_by_concurrency_control(invocation)
        reply = self.scripts.orchestrator_is_slot_free(
            invocation_id=invocation.invocation_id, slot=slot
        )
        return reply.tag == "FREE"

    def set_invocation_status(
        self,
        invocation_id: InvocationId,
        status: InvocationStatus,
        runner_ctx: RunnerContext,
    ) -> None:
        """Change the status of an invocation and record it.

        One that may not start because its concurrency slot is taken goes back to its queue.

        Raises:
            KeyError: If the invocation is not known.
            InvocationStatusTransitionError: If the change is not allowed.
            InvocationStatusOwnershipError: If the runner is not the owner.
        """
        if self._state is None:
            super().set_invocation_status(invocation_id, status, runner_ctx)
        else:
            self._commit(self._state, invocation_id, status, runner_ctx)

    def set_invocation_result(
        self,
        invocation: DistributedInvocation[Params, Result],
        result: Any,
        runner_ctx: RunnerContext,
    ) -> None:
        """Finish an invocation with its result; who is not the owner stores nothing.

        Raises: The same as :meth:`set_invocation_status`.
        """
        if self._state is None:
            super().set_invocation_result(invocation, result, runner_ctx)
            return
        serialized = self.app.client_data_store.serialize(result)
        outcome = _Outcome("result", serialized, invocation, result)
        self._commit(
            self._state, invocation.invocation_id, InvocationStatus.SUCCESS, runner_ctx, outcome
        )
        if self._trigger is None and self._is_watched(invocation.task.task_id, ResultContext):
            self.app.trigger.report_invocation_result(invocation, result)

    def set_invocation_exception(
        self,
        invocation: DistributedInvocation[Params, Result],
        exception: Exception,
        runner_ctx: RunnerContext,
    ) -> None:
        """Finish an invocation with its exception; who is not the owner stores nothing.

        Raises: The same as :meth:`set_invocation_status`.
        """
        if self._state is None:
            super().set_invocation_exception(invocation, exception, runner_ctx)
            return
        serialized = self._state.serialize_exception(exception)
        outcome = _Outcome("exception", serialized, invocation, exception)
        self._commit(
            self._state, invocation.invocation_id, InvocationStatus.FAILED, runner_ctx, outcome
        )
        if self._trigger is None and self._is_watched(invocation.task.task_id, ExceptionContext):
            self.app.trigger.report_invocation_failure(invocation, exception)

    def _commit(
        self,
        state: RedisStateBackend[Any, Any],
        invocation_id: InvocationId,
        status: InvocationStatus,
        runner_ctx: RunnerContext,
        outcome: _Outcome | None = None,
    ) -> None:
        contexts = state.new_contexts(runner_ctx)
        reply = self.scripts.orchestrator_commit_status(
            invocation_id=invocation_id,
            status=status.value,
            owner=pack(runner_ctx.runner_id),
            context_id=runner_ctx.runner_id,
            contexts=packed_contexts(contexts),
            op=new_operation(),
            notes=int(self.commits_triggers),
            outcome=outcome.kind if outcome else "",
            serialized=to_bytes(outcome.serialized) if outcome else b"",
            written_us=0,
        )
        if reply.tag == "TAKEN":
            self.reroute_invocations({invocation_id}, runner_ctx)
            rerouted = InvocationStatusRecord(InvocationStatus.REROUTED)
            status_record_transition(rerouted, status, runner_ctx.runner_id)
        self._settle(reply, invocation_id, status, runner_ctx, outcome)
        state.remember_contexts(contexts)
        if reply.values[4]:
            self.blocking_control.release_waiters(invocation_id)
        self.app.logger.info("invocation:%s status:%s", invocation_id, status.value)

    def set_invocation_retry(
        self,
        invocation: DistributedInvocation[Params, Result],
        exception: Exception,
        runner_ctx: RunnerContext,
    ) -> None:
        """Send an invocation back to its queue and count the retry.

        Raises: The same as :meth:`set_invocation_status`.
        """
        if self._state is None:
            super().set_invocation_retry(invocation, exception, runner_ctx)
            return
        task = invocation.task
        priority = sortable_priority(task.broker_priority)
        self._requeue(
            self._state,
            invocation.invocation_id,
            InvocationStatus.RETRY,
            runner_ctx,
            (task.broker_queue, priority),
        )

    def reroute_invocations(
        self, invocations_to_reroute: set[InvocationId], runner_ctx: RunnerContext
    ) -> None:
        """Send invocations back to their queues.

        Raises: The same as :meth:`set_invocation_status`.
        """
        if self._state is None:
            super().reroute_invocations(invocations_to_reroute, runner_ctx)
            return
        for invocation_id in invocations_to_reroute:
            known = self.scripts.orchestrator_get_status(
                invocation_id=invocation_id, result_bytes=0
            )
            if known.tag == "UNKNOWN":
                raise KeyError(f"no invocation {invocation_id}")
            queue = (to_text(known.values[4]), known.values[5])
            self._requeue(self._state, invocation_id, InvocationStatus.REROUTED, runner_ctx, queue)

    def _requeue(
        self,
        state: RedisStateBackend[Any, Any],
        invocation_id: InvocationId,
        status: InvocationStatus,
        runner_ctx: RunnerContext,
        queue: tuple[str, bytes],
    ) -> None:
        """Send an invocation back to a queue, given as its name and a sortable priority."""
        contexts = state.new_contexts(runner_ctx)
        reply = self.scripts.orchestrator_requeue(
            queue_name=queue[0],
            priority=queue[1],
            invocation_id=invocation_id,
            status=status.value,
            owner=pack(runner_ctx.runner_id),
            context_id=runner_ctx.runner_id,
            contexts=packed_contexts(contexts),
            consumer=consumer_id(),
            op=new_operation(),
            notes=int(self.commits_triggers),
            written_us=0,
        )
        self._settle(reply, invocation_id, status, runner_ctx)
        state.remember_contexts(contexts)

    def _settle(
        self,
        reply: Reply,
        invocation_id: InvocationId,
        status: InvocationStatus,
        runner_ctx: RunnerContext,
        outcome: _Outcome | None = None,
    ) -> None:
        """Raise what a refusal means, or let the trigger component know of the change."""
        _raise_refusal(reply, invocation_id, status, runner_ctx.runner_id)
        task, noted = reply.values[2:4]
        change = (invocation_id.encode(), task, status.value.encode())
        report = partial(self.report_changes, [change])
        if outcome:
            self.after_commit(noted, report, [outcome.invocation], outcome.value)
        else:
            self.after_commit(noted, report)

    def _atomic_status_transition(
        self,
        invocation_id: InvocationId,
        status: InvocationStatus,
        runner_id: str | None = None,
    ) -> InvocationStatusRecord:
        """Change the status of an invocation.

        Raises: The same as :meth:`set_invocation_status`.
        """
        reply = self.scripts.orchestrator_set_status(
            invocation_id=invocation_id,
            status=status.value,
            owner=pack(runner_id),
            op=new_operation(),
        )
        _raise_refusal(reply, invocation_id, status, runner_id)
        return status_record(status.value.encode(), *reply.values[:2])


def _raise_refusal(
    reply: Reply, invocation_id: InvocationId, status: InvocationStatus, runner_id: str | None
) -> None:
    """Raise what pynenc's own state machine says of a change that was refused."""
    if reply.tag == "UNKNOWN":
        raise KeyError(f"no invocation {invocation_id}")
    if reply.tag != "OK":
        status_record_transition(status_record(*reply.values[:3]), status, runner_id)
