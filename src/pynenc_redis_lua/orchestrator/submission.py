"""Submission: calls become invocations, each stored, registered, recorded and queued at once."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from pynenc import context
from pynenc.conf.config_task import ConcurrencyControlType
from pynenc.exceptions import InvocationConcurrencyWithDifferentArgumentsError
from pynenc.identifiers.invocation_id import InvocationId
from pynenc.invocation.dist_invocation import DistributedInvocation, ReusedInvocation
from pynenc.invocation.status import InvocationStatus, InvocationStatusRecord

from pynenc_redis_lua.broker import sortable_priority
from pynenc_redis_lua.codec import pack, to_bytes, to_text
from pynenc_redis_lua.operation import new_operation
from pynenc_redis_lua.orchestrator.concurrency import control
from pynenc_redis_lua.orchestrator.core import OrchestratorCore
from pynenc_redis_lua.records import (
    call_arguments,
    from_microseconds,
    invocation_record,
    packed_contexts,
)
from pynenc_redis_lua.scripts.runner import Reply, batches
from pynenc_redis_lua.trigger.firing import FiringSettledError
from pynenc_redis_lua.trigger.runs import run_events, run_prefixes, run_time

if TYPE_CHECKING:
    from pynenc.call import Call, PreSerializedCall
    from pynenc.types import Params, Result

    from pynenc_redis_lua.state_backend import RedisStateBackend
    from pynenc_redis_lua.trigger import RedisTrigger
    from pynenc_redis_lua.trigger.firing import Firing


# Invocations of one commit, which stays below ten milliseconds of the server's time.
_STEP = 100


class Submission(OrchestratorCore):
    """How calls are submitted."""

    def route_call(self, call: Call[Params, Result]) -> DistributedInvocation[Params, Result]:
        """Submit a call, or find the registered invocation that stands for it.

        Raises:
            InvocationConcurrencyWithDifferentArgumentsError: If that one has other arguments and
                the task forbids it.
        """
        unique = call.task.conf.registration_concurrency != ConcurrencyControlType.DISABLED
        if self._state is None or not unique:
            return super().route_call(call)
        invocation = self._new_invocation(self._state, call)
        existing_id = self._submit(self._state, [invocation], reuse=True)
        if existing_id is None:
            return invocation
        existing = self._state.get_invocation(existing_id)
        if existing.call.call_id == call.call_id:
            return ReusedInvocation(existing)
        _refuse_other_arguments(existing, call)
        return ReusedInvocation(existing, call.arguments)

    def _route_new_call_invocation(
        self, call: Call[Params, Result], runner_id: str | None = None
    ) -> DistributedInvocation[Params, Result]:
        if self._state is None:
            return super()._route_new_call_invocation(call, runner_id)
        invocation = self._new_invocation(self._state, call)
        self._submit(self._state, [invocation])
        return invocation

    def _new_invocation(
        self, state: RedisStateBackend[Any, Any], call: Call[Params, Result]
    ) -> DistributedInvocation[Params, Result]:
        with state.upserts_deferred():
            return DistributedInvocation.from_parent(
                call,
                parent_invocation=context.get_dist_invocation_context(self.app.app_id),
                parent_event_id=context.get_trigger_event_context(self.app.app_id),
            )

    def route_calls(
        self, calls: list[PreSerializedCall[Params, Result]]
    ) -> list[DistributedInvocation[Params, Result]]:
        """Submit a batch of calls; one commit per 100 of them."""
        if self._state is None:
            return super().route_calls(calls)
        with self._state.upserts_deferred():
            return super().route_calls(calls)

    def register_new_invocations(
        self, invocations: list[DistributedInvocation[Params, Result]]
    ) -> None:
        """Store, register, record and queue invocations; one commit per 100 of them."""
        if self._state is None:
            super().register_new_invocations(invocations)
        else:
            self._submit(self._state, invocations)

    def _submit(
        self,
        state: RedisStateBackend[Any, Any],
        invocations: list[DistributedInvocation[Params, Result]],
        *,
        reuse: bool = False,
    ) -> InvocationId | None:
        """Submit invocations of any queues; return what stands for them already, if asked to."""
        runner_ctx = context.get_or_create_runner_context(self.app.app_id)
        contexts = state.new_contexts(runner_ctx)
        noted: list[bytes] = []
        trigger = self._trigger
        firing = trigger.firing if trigger else None
        # The import of a task may submit something itself: it is not what the trigger starts.
        if firing and [it.task.task_id for it in invocations] != [firing.trigger.task_id]:
            firing = None
        for (queue_name, priority), group in self._by_route(invocations).items():
            for batch in batches(map(_submission, group), _STEP):
                how: dict[str, Any] = {
                    "queue_name": queue_name,
                    "priority": sortable_priority(priority),
                    "owner": pack(runner_ctx.runner_id),
                    "context_id": runner_ctx.runner_id,
                    "contexts": packed_contexts(contexts),
                    "op": new_operation(),
                    "notes": int(self.commits_triggers),
                    "reuse": int(reuse),
                }
                if trigger and firing and not firing.settled:
                    reply = self._fire(state, trigger, firing, group[0], how)
                else:
                    reply = self.scripts.orchestrator_submit(**how, items=batch)
                if reply.tag == "EXISTS":
                    return InvocationId(to_text(reply.values[0]))
                noted += reply.values[0]
                state.remember_contexts(contexts)
        report = partial(self.report_status, invocations, InvocationStatus.REGISTERED)
        self.after_commit(noted, report, invocations)
        if self.app.logger.isEnabledFor(logging.INFO):
            for invocation in invocations:
                self.app.logger.info(
                    "NEW task:%s invocation:%s REGISTERED and ROUTED",
                    invocation.call.task.task_id.key,
                    invocation.invocation_id,
                )
        return None

    def _fire(
        self,
        state: RedisStateBackend[Any, Any],
        trigger: RedisTrigger,
        firing: Firing,
        invocation: DistributedInvocation[Params, Result],
        how: dict[str, Any],
    ) -> Reply:
        """Submit what a trigger starts, in the commit in which the trigger fires.

        Raises:
            FiringSettledError: If it has fired already.
            InvocationConcurrencyWithDifferentArgumentsError: As :meth:`route_call`; the trigger has
                not fired then.
        """
        id_, record, serialized, task, slot, unique_key, reroutes, digests = _submission(invocation)
        reply = self.scripts.trigger_fire(
            **how,
            invocation_id=id_,
            record=record,
            serialized_arguments=serialized,
            task=task,
            slot=slot,
            unique_key=unique_key,
            reroutes=reroutes,
            digests=digests,
            **_run_of(trigger, firing, invocation),
        )
        if reply.tag == "GONE":
            raise FiringSettledError(f"trigger {firing.trigger.trigger_id} has fired already")
        if reply.tag == "EXISTS":
            existing = state.get_invocation(InvocationId(to_text(reply.values[0])))
            _refuse_other_arguments(existing, invocation.call)
            self.scripts.trigger_fire_existing(
                invocation_id=existing.invocation_id, **_run_of(trigger, firing, existing)
            )
        firing.settled = True
        return reply

    def _by_route(
        self, invocations: list[DistributedInvocation[Params, Result]]
    ) -> dict[tuple[str, float], list[DistributedInvocation[Params, Result]]]:
        routes: dict[tuple[str, float], list[DistributedInvocation[Params, Result]]] = {}
        for invocation in invocations:
            route = (invocation.task.broker_queue, invocation.task.broker_priority)
            routes.setdefault(route, []).append(invocation)
        for queue_name, _ in routes:
            self.app.broker._validate_queue_names((queue_name,))  # noqa: SLF001 - as route_invocations
        return routes

    def _register_new_invocations(
        self,
        invocations: list[DistributedInvocation[Params, Result]],
        runner_id: str | None = None,
    ) -> InvocationStatusRecord:
        """Register invocations that are not known yet; one commit per 1,000 of them."""
        time_us = 0
        items = (_registration(invocation) for invocation in invocations)
        for batch in batches(items):
            reply = self.scripts.orchestrator_register(
                owner=pack(runner_id), op=new_operation(), items=batch
            )
            time_us = time_us or int(reply.values[0])
        return InvocationStatusRecord(
            InvocationStatus.REGISTERED, runner_id, from_microseconds(time_us)
        )


def _refuse_other_arguments(
    existing: DistributedInvocation[Any, Any], call: Call[Any, Any]
) -> None:
    """Refuse a call for which an invocation of other arguments stands, if its task forbids that."""
    differs = existing.call.call_id != call.call_id
    if differs and call.task.conf.on_diff_non_key_args_raise:
        raise InvocationConcurrencyWithDifferentArgumentsError.from_call_mismatch(
            existing_invocation=existing, new_call=call
        )


def _run_of(
    trigger: RedisTrigger, firing: Firing, invocation: DistributedInvocation[Any, Any]
) -> dict[str, Any]:
    """Return what scripts take of a firing, and of the run in which it starts an invocation."""
    run = trigger.run_of(firing, invocation)
    return {
        "trigger_id": firing.trigger.trigger_id,
        "run_id": run.trigger_run_id,
        "run_us": run_time(run),
        "run_prefixes": run_prefixes(run),
        "run": to_bytes(run.to_json()),
        "event_ids": run_events(run),
        "items": firing.items,
    }


def _registration(
    invocation: DistributedInvocation[Any, Any],
) -> tuple[str, str, str, str, bytes, str, str, str, bytes]:
    task = invocation.task
    return (
        invocation.invocation_id,
        task.task_id.key,
        invocation.call.call_id.key,
        task.broker_queue,
        sortable_priority(task.broker_priority),
        *control(invocation),
    )


def _submission(
    invocation: DistributedInvocation[Any, Any],
) -> tuple[str, bytes, bytes, str, str, str, str, bytes]:
    call = invocation.call
    return (
        invocation.invocation_id,
        invocation_record(invocation, call.call_id),
        call_arguments(call.serialized_arguments),
        call.task.task_id.key,
        *control(invocation),
    )
