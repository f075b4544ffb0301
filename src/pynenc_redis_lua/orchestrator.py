"""Orchestrator: the life of invocations, each step one commit.

Where state backend and broker of the app are ours as well and on the same server, a step is one
script: submit, claim, start, finish, retry, reroute. Where one of them is not, the chain of
pynenc's base class does it, with our part of each step atomic in itself.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from pynenc import context
from pynenc.conf.config_task import ConcurrencyControlType
from pynenc.exceptions import InvocationConcurrencyWithDifferentArgumentsError
from pynenc.identifiers.invocation_id import InvocationId
from pynenc.identifiers.task_id import TaskId
from pynenc.invocation.dist_invocation import DistributedInvocation, ReusedInvocation
from pynenc.invocation.status import (
    InvocationStatus,
    InvocationStatusRecord,
    status_record_transition,
)
from pynenc.orchestrator.atomic_service import AtomicServiceExecutionStatus
from pynenc.orchestrator.base_orchestrator import BaseOrchestrator
from pynenc.trigger.conditions.exception import ExceptionContext
from pynenc.trigger.conditions.result import ResultContext
from pynenc.trigger.conditions.status import StatusContext

from pynenc_redis_lua.blocking_control import RedisBlockingControl
from pynenc_redis_lua.broker import RedisBroker, sortable_priority
from pynenc_redis_lua.claim import Claim
from pynenc_redis_lua.client import Settings, connection_to
from pynenc_redis_lua.client_data_store import RedisClientDataStore
from pynenc_redis_lua.codec import pack, to_bytes, to_text, unpack_text
from pynenc_redis_lua.concurrency import argument_digests, concurrency_key, control, digest
from pynenc_redis_lua.conf import ConfigOrchestratorRedis
from pynenc_redis_lua.errors import ServerOutOfMemoryError, ServerUnavailableError
from pynenc_redis_lua.operation import new_operation
from pynenc_redis_lua.records import (
    call_arguments,
    from_microseconds,
    invocation_record,
    packed_contexts,
    runner_info,
    service_execution,
    to_microseconds,
)
from pynenc_redis_lua.scripts.api import Scripts
from pynenc_redis_lua.scripts.library import library
from pynenc_redis_lua.scripts.runner import batches
from pynenc_redis_lua.state_backend import RedisStateBackend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pynenc.app import Pynenc
    from pynenc.call import Call, PreSerializedCall
    from pynenc.identifiers.call_id import CallId
    from pynenc.orchestrator.atomic_service import (
        ActiveRunnerInfo,
        AtomicServiceExecution,
        AtomicServiceRun,
    )
    from pynenc.runner.runner_context import RunnerContext
    from pynenc.task import Task
    from pynenc.trigger.conditions import ConditionContext
    from pynenc.types import Params, Result
    from redis import Redis
    from redis.cluster import RedisCluster

    from pynenc_redis_lua.scripts.runner import Reply

# Entries of one page of an iterator, and invocations of one step of a sweep: a step stays below ten
# milliseconds of the server's time.
_PAGE = 1_000
_SWEEP_PAGE = 100
_STEP_ITEMS = 250
# How long an idle worker relies on the doorbell before it looks into the queue all the same: a
# worker that dies between hearing it and claiming takes the ring with it.
_TRUST_BELL_SECONDS = 1.0
# Between two attempts to store the end of a run.
_REPEAT_SECONDS = 1.0
# How long one round of recovery, and one of retention, may take: the runner's own loop waits.
_SWEEP_SECONDS = 2.0
_MICROSECONDS = 1_000_000


class RedisOrchestrator(BaseOrchestrator):
    """Orchestrator on Redis or Valkey.

    Args:
        app: The app whose invocations it leads.

    Every method raises, besides what is said there, the errors of
    :meth:`~pynenc_redis_lua.scripts.runner.ScriptRunner.call`.
    """

    def __init__(self, app: Pynenc) -> None:
        super().__init__(app)
        self.connection = connection_to(Settings.from_conf(self.conf))
        self.scripts = Scripts(self.connection, app.app_id, library())
        self._blocking_control = RedisBlockingControl(self.scripts)
        self._look_again_at = 0.0

    @cached_property
    def conf(self) -> ConfigOrchestratorRedis:
        """The settings."""
        return ConfigOrchestratorRedis(
            config_values=self.app.config_values, config_filepath=self.app.config_filepath
        )

    @property
    def client(self) -> Redis | RedisCluster:
        """The redis-py client of this process; made at first use, replies are bytes."""
        return self.connection.client

    @property
    def blocking_control(self) -> RedisBlockingControl:
        """Who waits for whom."""
        return self._blocking_control

    @cached_property
    def _state(self) -> RedisStateBackend[Any, Any] | None:
        """The state backend if every step can be one commit, or None: then the base class leads."""
        state, broker = self.app.state_backend, self.app.broker
        if not isinstance(state, RedisStateBackend) or not isinstance(broker, RedisBroker):
            return None
        if state.connection is self.connection is broker.connection:
            return state
        self.app.logger.warning(
            "state backend, orchestrator and broker have different settings of Redis: steps of an"
            " invocation's life are not single commits"
        )
        return None

    # Submit

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
        if call.task.conf.on_diff_non_key_args_raise:
            raise InvocationConcurrencyWithDifferentArgumentsError.from_call_mismatch(
                existing_invocation=existing, new_call=call
            )
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
        """Submit a batch of calls; one commit per 250 of them."""
        if self._state is None:
            return super().route_calls(calls)
        with self._state.upserts_deferred():
            return super().route_calls(calls)

    def register_new_invocations(
        self, invocations: list[DistributedInvocation[Params, Result]]
    ) -> None:
        """Store, register, record and queue invocations; one commit per 250 of them."""
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
        for (queue_name, priority), group in self._by_route(invocations).items():
            for batch in batches(map(_submission, group), _STEP_ITEMS):
                reply = self.scripts.orchestrator_submit(
                    queue_name=queue_name,
                    priority=sortable_priority(priority),
                    owner=pack(runner_ctx.runner_id),
                    context_id=runner_ctx.runner_id,
                    contexts=packed_contexts(contexts),
                    op=new_operation(),
                    reuse=int(reuse),
                    items=batch,
                )
                if reply.tag == "EXISTS":
                    return InvocationId(to_text(reply.values[0]))
        state.remember_contexts(contexts)
        self.report_status(invocations, InvocationStatus.REGISTERED)
        for invocation in invocations:
            self.app.logger.info(
                "NEW task:%s invocation:%s REGISTERED and ROUTED",
                invocation.call.task.task_id.key,
                invocation.invocation_id,
            )
        return None

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

    # Claim

    def get_invocations_to_run(
        self,
        max_num_invocations: int,
        runner_ctx: RunnerContext,
        queue_provider: Callable[[], Sequence[str]] | None = None,
        on_queue_retrieved: Callable[[str], None] | None = None,
    ) -> Iterator[DistributedInvocation[Params, Result]]:
        """Claim invocations and iterate over them.

        Where there are none, wait for the doorbell for `queue_timeout_sec` and look once more.
        """
        queue_provider = queue_provider or self.app.runner.queue_names_for_retrieval
        on_queue_retrieved = on_queue_retrieved or self.app.runner.note_queue_retrieved
        if self._state is None:
            yield from super().get_invocations_to_run(
                max_num_invocations, runner_ctx, queue_provider, on_queue_retrieved
            )
            return
        if max_num_invocations <= 0:
            return
        claim = Claim(self, self._state, runner_ctx, queue_provider, on_queue_retrieved)
        looked = time.monotonic() >= self._look_again_at
        if looked:
            yield from claim.invocations(max_num_invocations)
        if not claim.found and self._bell_rings(queue_provider()):
            looked = True
            yield from claim.invocations(max_num_invocations)
        if claim.found or claim.held_back:
            # Nothing rings when the slot is free again that an invocation was held back for.
            self._look_again_at = 0.0
        elif looked:
            self._look_again_at = time.monotonic() + _TRUST_BELL_SECONDS

    def _bell_rings(self, queue_names: Sequence[str]) -> bool:
        # A blocking command must end before the socket gives up on its reply.
        timeout = min(self.app.broker.conf.queue_timeout_sec, self.conf.socket_timeout / 2)
        return self.scripts.wait_for_any("doorbell", queue_names, timeout)

    # Run

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
        outcome = ("result", serialized)
        self._commit(
            self._state, invocation.invocation_id, InvocationStatus.SUCCESS, runner_ctx, outcome
        )
        if self._is_watched(invocation.task.task_id, ResultContext):
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
        outcome = ("exception", self._state.serialize_exception(exception))
        self._commit(
            self._state, invocation.invocation_id, InvocationStatus.FAILED, runner_ctx, outcome
        )
        if self._is_watched(invocation.task.task_id, ExceptionContext):
            self.app.trigger.report_invocation_failure(invocation, exception)

    def _commit(
        self,
        state: RedisStateBackend[Any, Any],
        invocation_id: InvocationId,
        status: InvocationStatus,
        runner_ctx: RunnerContext,
        outcome: tuple[str, str] = ("", ""),
    ) -> None:
        contexts = state.new_contexts(runner_ctx)
        commit = partial(
            self.scripts.orchestrator_commit_status,
            invocation_id=invocation_id,
            status=status.value,
            owner=pack(runner_ctx.runner_id),
            context_id=runner_ctx.runner_id,
            contexts=packed_contexts(contexts),
            op=new_operation(),
            outcome=outcome[0],
            serialized=to_bytes(outcome[1]),
        )
        reply = self._persistently(commit) if status.is_final() else commit()
        if reply.tag == "TAKEN":
            self.reroute_invocations({invocation_id}, runner_ctx)
            rerouted = InvocationStatusRecord(InvocationStatus.REROUTED)
            status_record_transition(rerouted, status, runner_ctx.runner_id)
        self._settle(reply, invocation_id, status, runner_ctx)
        state.remember_contexts(contexts)
        self.app.logger.info("invocation:%s status:%s", invocation_id, status.value)

    def _persistently(self, commit: Callable[[], Reply]) -> Reply:
        """Repeat the end of a run for as long as this process lives.

        The work is done; if its end were given up with the outage budget, the invocation would stay
        running for an owner that is alive, and nothing would ever look at it again.
        """
        while True:
            try:
                return commit()
            except (ServerUnavailableError, ServerOutOfMemoryError) as error:
                self.app.logger.warning("a finished run can't be stored yet: %s", error)
                time.sleep(_REPEAT_SECONDS)

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
        contexts = self._state.new_contexts(runner_ctx)
        commit = partial(
            self.scripts.orchestrator_retry,
            queue_name=invocation.task.broker_queue,
            priority=sortable_priority(invocation.task.broker_priority),
            invocation_id=invocation.invocation_id,
            owner=pack(runner_ctx.runner_id),
            context_id=runner_ctx.runner_id,
            contexts=packed_contexts(contexts),
            op=new_operation(),
        )
        reply = self._persistently(commit)
        status = InvocationStatus.RETRY
        self._settle(reply, invocation.invocation_id, status, runner_ctx)
        self._state.remember_contexts(contexts)

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
            self._reroute(self._state, invocation_id, runner_ctx)

    def _reroute(
        self,
        state: RedisStateBackend[Any, Any],
        invocation_id: InvocationId,
        runner_ctx: RunnerContext,
    ) -> None:
        known = self.scripts.orchestrator_get_status(invocation_id=invocation_id)
        if known.tag == "UNKNOWN":
            raise KeyError(f"no invocation {invocation_id}")
        contexts = state.new_contexts(runner_ctx)
        reply = self.scripts.orchestrator_reroute(
            queue_name=to_text(known.values[4]),
            priority=known.values[5],
            invocation_id=invocation_id,
            owner=pack(runner_ctx.runner_id),
            context_id=runner_ctx.runner_id,
            contexts=packed_contexts(contexts),
            op=new_operation(),
        )
        status = InvocationStatus.REROUTED
        self._settle(reply, invocation_id, status, runner_ctx)
        state.remember_contexts(contexts)

    def _settle(
        self,
        reply: Reply,
        invocation_id: InvocationId,
        status: InvocationStatus,
        runner_ctx: RunnerContext,
    ) -> None:
        """Raise what a refusal means, or report the change to the trigger component."""
        _record_or_raise(reply, invocation_id, status, runner_ctx.runner_id)
        if self._is_watched(TaskId.from_key(to_text(reply.values[2])), StatusContext):
            self.app.trigger.report_tasks_status([invocation_id], status)

    def report_status(
        self,
        invocations: Sequence[DistributedInvocation[Any, Any]],
        status: InvocationStatus,
    ) -> None:
        """Report a change of status to the trigger component, where a trigger watches the task."""
        watched = [
            invocation.invocation_id
            for invocation in invocations
            if self._is_watched(invocation.task.task_id, StatusContext)
        ]
        if watched:
            self.app.trigger.report_tasks_status(watched, status)

    def report_changes(self, changes: Iterable[tuple[bytes, bytes, bytes]]) -> None:
        """Report changes that a script made by itself: invocation id, task and status of each."""
        for id_, task, status in changes:
            if self._is_watched(TaskId.from_key(to_text(task)), StatusContext):
                self.app.trigger.report_tasks_status(
                    [InvocationId(to_text(id_))], InvocationStatus(status.decode())
                )

    def _is_watched(self, task_id: TaskId, kind: type[ConditionContext]) -> bool:
        # The trigger component would read each invocation from the state backend, only to find
        # that no trigger watches its task.
        return bool(self.app.trigger.get_conditions_sourced_from_task(task_id, kind))

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
        return _record_or_raise(reply, invocation_id, status, runner_id)

    # Read

    def get_invocation_status_record(self, invocation_id: InvocationId) -> InvocationStatusRecord:
        """Return the status of an invocation, its owner and its time.

        Raises:
            KeyError: If the invocation is not known.
        """
        reply = self.scripts.orchestrator_get_status(invocation_id=invocation_id)
        if reply.tag == "UNKNOWN":
            raise KeyError(f"no invocation {invocation_id}")
        status, owner, time_us, *_ = reply.values
        return _status_record(status, owner, time_us)

    def filter_by_status(
        self,
        invocation_ids: list[InvocationId],
        status_filter: frozenset[InvocationStatus],
    ) -> list[InvocationId]:
        """Return those of the invocations that are in one of the statuses."""
        if not invocation_ids or not status_filter:
            return []
        wanted = {status.value.encode() for status in status_filter}
        found: list[InvocationId] = []
        for batch in batches([(id_,) for id_ in invocation_ids]):
            statuses = self.scripts.orchestrator_statuses_of(items=batch).values[0]
            found += [
                id_ for (id_,), status in zip(batch, statuses, strict=True) if status in wanted
            ]
        return found

    def get_existing_invocations(
        self,
        task: Task[Params, Result],
        key_serialized_arguments: dict[str, str] | None = None,
        statuses: list[InvocationStatus] | None = None,
    ) -> Iterator[InvocationId]:
        """Iterate over the invocations of a task, with some arguments and in some statuses."""
        names = [status.value for status in statuses or []]
        key = task.task_id.key
        if key_serialized_arguments:
            yield from self._matching(key, key_serialized_arguments, names)
            return
        for prefix in [pack(key, name) for name in names] or [pack(key)]:
            yield from self._task_ids(prefix)

    def _matching(
        self, task_key: str, arguments: dict[str, str], statuses: list[str]
    ) -> Iterator[InvocationId]:
        first, *others = (
            pack("argument", task_key, name, digest(value)) for name, value in arguments.items()
        )
        after: bytes = b""
        while True:
            ids, after = self.scripts.orchestrator_matching_page(
                prefix=first,
                others=pack(*others),
                after=after,
                count=_PAGE,
                items=[(status,) for status in statuses],
            ).values
            yield from _ids(ids)
            if not after:
                return

    def get_task_invocation_ids(self, task_id: TaskId) -> Iterator[InvocationId]:
        """Iterate over the invocations of a task."""
        return self._task_ids(pack(task_id.key))

    def _task_ids(self, prefix: bytes) -> Iterator[InvocationId]:
        after = b""
        while True:
            page: list[bytes] = self.scripts.orchestrator_task_page(
                prefix=prefix, after=after, count=_PAGE
            ).values[0]
            yield from (_task_member_id(member) for member in page)
            if len(page) < _PAGE:
                return
            after = page[-1]

    def get_call_invocation_ids(self, call_id: CallId) -> Iterator[InvocationId]:
        """Iterate over the invocations of a call."""
        after = b""
        while True:
            page: list[bytes] = self.scripts.state_related_page(
                prefix=pack("call", call_id.key), after=after, count=_PAGE
            ).values[0]
            ids = [InvocationId(unpack_text(member)[-1] or "") for member in page]
            yield from self.filter_by_status(ids, frozenset(InvocationStatus))
            if len(page) < _PAGE:
                return
            after = page[-1]

    def get_invocation_ids_paginated(
        self,
        task_id: TaskId | None = None,
        statuses: list[InvocationStatus] | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[InvocationId]:
        """Return a page of invocations, the newest registration first."""
        if limit <= 0:
            return []
        reply = self.scripts.orchestrator_page(
            task=task_id.key if task_id else "",
            offset=offset,
            count=limit,
            items=[(status.value,) for status in statuses or []],
        )
        return list(_ids(reply.values[0]))

    def count_invocations(
        self,
        task_id: TaskId | None = None,
        statuses: list[InvocationStatus] | None = None,
    ) -> int:
        """Count the invocations of a task (or of all) in some statuses (or in all)."""
        count: int = self.scripts.orchestrator_count(
            task=task_id.key if task_id else "",
            items=[(status.value,) for status in statuses or []],
        ).values[0]
        return count

    def increment_invocation_retries(self, invocation_id: InvocationId) -> None:
        """Count a retry of an invocation."""
        self.scripts.orchestrator_count_retry(invocation_id=invocation_id, op=new_operation())

    def get_invocation_retries(self, invocation_id: InvocationId) -> int:
        """Return how often an invocation was retried; 0 for one that is not known."""
        reply = self.scripts.orchestrator_get_status(invocation_id=invocation_id)
        return 0 if reply.tag == "UNKNOWN" else int(reply.values[3])

    def index_arguments_for_concurrency_control(
        self, invocation: DistributedInvocation[Params, Result]
    ) -> None:
        """Make an invocation findable by the values of its arguments."""
        self.scripts.orchestrator_index_arguments(
            invocation_id=invocation.invocation_id,
            digests=argument_digests(invocation.call.serialized_arguments),
        )

    # Runners

    def register_runner_heartbeats(
        self,
        runner_ids: list[str],
        can_run_atomic_service: bool = False,  # noqa: FBT001, FBT002 - pynenc's signature
        consumed_queues: Sequence[str] | None = None,
    ) -> None:
        """Note that runners are alive; one commit per 1,000 of them."""
        items = [(runner_id,) for runner_id in runner_ids]
        for batch in batches(items):
            self.scripts.orchestrator_heartbeat(
                eligible="1" if can_run_atomic_service else "",
                queues=pack(*(consumed_queues or ())),
                keeps_queues=int(consumed_queues is None),
                items=batch,
            )

    def _get_active_runners(
        self,
        timeout_seconds: float,
        can_run_atomic_service: bool | None = None,  # noqa: FBT001 - pynenc's signature
    ) -> list[ActiveRunnerInfo]:
        """Return the runners heard of within a time, by the time of their first heartbeat."""
        within = int(timeout_seconds * _MICROSECONDS)
        found = self.scripts.orchestrator_active_runners(within_us=within).values[0]
        runners = [runner_info(*fields) for fields in found]
        return sorted(
            (
                runner
                for runner in runners
                if can_run_atomic_service in {None, runner.allow_to_run_atomic_service}
            ),
            key=lambda runner: (runner.creation_time, runner.runner_id),
        )

    # Recovery and retention

    def get_pending_invocations_for_recovery(self) -> Iterator[InvocationId]:
        """Iterate over the invocations that have been pending for too long."""
        for id_, _ in self._stale(InvocationStatus.PENDING.value, self._dead_us):
            yield id_

    def _get_running_invocations_for_recovery(
        self, timeout_seconds: float
    ) -> Iterator[InvocationId]:
        """Iterate over the invocations that are running for a runner that is dead."""
        dead_us = int(timeout_seconds * _MICROSECONDS)
        for id_, _ in self._stale(InvocationStatus.RUNNING.value, dead_us):
            yield id_

    @property
    def _pending_us(self) -> int:
        return int(self.app.conf.max_pending_seconds * _MICROSECONDS)

    @property
    def _dead_us(self) -> int:
        return int(self.app.conf.runner_considered_dead_after_minutes * 60 * _MICROSECONDS)

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
                count=_PAGE,
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
        deadline = time.monotonic() + _SWEEP_SECONDS
        queues: dict[str, list[tuple[str]]] = {}
        for id_, queue_name in self._stale("", self._dead_us):
            queues.setdefault(queue_name, []).append((id_,))
        recovered: list[InvocationId] = []
        steps = (
            (queue_name, batch)
            for queue_name, items in queues.items()
            for batch in batches(items, _SWEEP_PAGE)
        )
        for queue_name, batch in steps:
            reply = self.scripts.orchestrator_recover(
                queue_name=queue_name,
                context_id=runner_ctx.runner_id,
                contexts=contexts,
                op=new_operation(),
                pending_us=self._pending_us,
                dead_us=self._dead_us,
                items=batch,
            )
            for id_, task, *statuses in reply.values[0]:
                recovered.append(InvocationId(to_text(id_)))
                self.report_changes((id_, task, status) for status in statuses)
            if time.monotonic() > deadline:
                break
        for invocation_id in recovered:
            self.app.logger.warning("invocation:%s stood still, it is queued again", invocation_id)
        return recovered

    def set_up_invocation_auto_purge(self, invocation_id: InvocationId) -> None:
        """Note an invocation for retention; a final status does so by itself."""
        self.scripts.orchestrator_schedule_expiry(invocation_id=invocation_id)

    def auto_purge(self) -> None:
        """Remove what has been final for `auto_final_invocation_purge_hours`, a step at a time.

        So goes what only they needed: client data, and what is noted of runners and consumers that
        have been silent for as long.
        """
        age_us = int(self.conf.auto_final_invocation_purge_hours * 3600 * _MICROSECONDS)
        # What a runner ran may have been finished by another one, long after it fell silent.
        silence_us = 2 * max(age_us, self._dead_us)
        steps: list[Callable[[], Reply]] = [
            partial(self.scripts.orchestrator_expire, age_us=age_us, count=_SWEEP_PAGE),
            partial(self.scripts.orchestrator_expire_runners, age_us=silence_us, count=_SWEEP_PAGE),
        ]
        if self._state is not None and isinstance(self.app.client_data_store, RedisClientDataStore):
            steps.append(partial(self.scripts.data_expire, age_us=age_us, count=_SWEEP_PAGE))
        deadline = time.monotonic() + _SWEEP_SECONDS
        for step in steps:
            while step().values[0] and time.monotonic() < deadline:
                pass
        self._expire_replies(silence_us)

    def _expire_replies(self, age_us: int) -> None:
        cursor = "0"
        while True:
            cursor = (
                self.scripts.broker_expire_replies(cursor=cursor, age_us=age_us, count=_SWEEP_PAGE)
                .values[0]
                .decode()
            )
            if cursor == "0":
                return

    def purge(self) -> None:
        """Remove all data that the orchestrator keeps of the app, at once."""
        self.scripts.orchestrator_purge()
        self._look_again_at = 0.0

    # Atomic services

    def try_claim_atomic_service_run(self, runner_ctx: RunnerContext) -> AtomicServiceRun | None:
        """Claim the atomic service; who gets it also runs recovery and retention."""
        run = super().try_claim_atomic_service_run(runner_ctx)
        if run is not None:
            try:
                self.recover_invocations(runner_ctx)
                self.auto_purge()
            except Exception as error:
                # The runner ends only a run that it got; this one would hold the service for good.
                self.finalize_atomic_service_execution(
                    run,
                    datetime.now(UTC),
                    AtomicServiceExecutionStatus.ABANDONED,
                    f"exception:{type(error).__name__}",
                )
                raise
        return run

    def record_atomic_service_execution_start(
        self,
        atomic_service_run: AtomicServiceRun,
        started_at: datetime | None,
        status: AtomicServiceExecutionStatus = AtomicServiceExecutionStatus.RUNNING,
        reason: str = "",
    ) -> bool:
        """Record the start of an execution; False if another one is running."""
        service = atomic_service_run.atomic_service_id
        reply = self.scripts.orchestrator_service_start(
            service_id=service.atomic_service_run_id,
            runner_id=service.runner_id,
            start=str(to_microseconds(started_at)) if started_at else "",
            status=status.value,
            reason=reason,
            dead_us=self._dead_us,
        )
        atomic_service_run.started_at = from_microseconds(int(reply.values[0]))
        if reply.tag == "BLOCKED":
            self.purge_atomic_service_executions()
        return reply.tag == "STARTED"

    def finalize_atomic_service_execution(
        self,
        atomic_service_run: AtomicServiceRun,
        end_time: datetime,
        status: AtomicServiceExecutionStatus,
        reason: str = "",
    ) -> None:
        """Record the end of an execution; the first end stands."""
        service = atomic_service_run.atomic_service_id
        self.scripts.orchestrator_service_end(
            service_id=service.atomic_service_run_id,
            runner_id=service.runner_id,
            ended=to_microseconds(end_time),
            status=status.value,
            reason=reason,
        )
        self.purge_atomic_service_executions()

    def get_active_atomic_service_executions(self) -> list[AtomicServiceExecution]:
        """Return the execution that is running, in a list."""
        reply = self.scripts.orchestrator_service_active()
        return [] if reply.tag == "NONE" else [service_execution(*reply.values)]

    def get_atomic_service_executions_in_timerange(
        self,
        start_time: datetime,
        end_time: datetime,
        limit: int = 1000,
        *,
        runner_id: str | None = None,
        min_duration_seconds: float = 0.0,
    ) -> list[AtomicServiceExecution]:
        """Return the executions that overlap a time range, the newest first."""
        found: list[AtomicServiceExecution] = []
        offset = 0
        while len(found) < limit:
            page = self.scripts.orchestrator_services_page(
                until_us=to_microseconds(end_time), offset=offset, count=_PAGE
            ).values[0]
            executions = (service_execution(*fields) for fields in page)
            found += [
                execution
                for execution in executions
                if (execution.end_time or execution.start_time) >= start_time
                and runner_id in {None, execution.runner_id}
                and execution.duration_seconds >= min_duration_seconds
            ]
            if len(page) < _PAGE:
                break
            offset += _PAGE
        return found[: max(limit, 0)]

    def purge_atomic_service_executions(self) -> int:
        """Remove old executions, by age and by number; return how many."""
        conf = self.app.conf
        protected = self.app.trigger.get_referenced_atomic_service_run_ids()
        removed: int = self.scripts.orchestrator_services_trim(
            age_us=int(conf.atomic_service_execution_retention_minutes * 60 * _MICROSECONDS),
            keep=int(conf.atomic_service_execution_max_records),
            items=[(str(id_),) for id_ in protected],
        ).values[0]
        return removed


# Records and replies


def _ids(page: list[bytes]) -> Iterator[InvocationId]:
    return (InvocationId(to_text(id_)) for id_ in page)


def _task_member_id(member: bytes) -> InvocationId:
    """Return the id of a member of `task_index`: it stands behind two fields and 16 digits."""
    at = 0
    for _ in range(2):
        colon = member.index(b":", at)
        at = colon + 1 + int(member[at:colon])
    return InvocationId(to_text(member[at + 16 :]))


def _status_record(status: bytes, owner: bytes, time_us: bytes) -> InvocationStatusRecord:
    [runner_id] = unpack_text(owner)
    return InvocationStatusRecord(
        InvocationStatus(status.decode()), runner_id, from_microseconds(int(time_us))
    )


def _record_or_raise(
    reply: Reply, invocation_id: InvocationId, status: InvocationStatus, runner_id: str | None
) -> InvocationStatusRecord:
    """Return the new record, or raise what pynenc's own state machine says of the change."""
    if reply.tag == "UNKNOWN":
        raise KeyError(f"no invocation {invocation_id}")
    if reply.tag == "OK":
        return _status_record(status.value.encode(), *reply.values[:2])
    return status_record_transition(_status_record(*reply.values[:3]), status, runner_id)


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
    return (
        invocation.invocation_id,
        invocation_record(invocation.to_dto()),
        call_arguments(invocation.call.to_dto()),
        invocation.task.task_id.key,
        *control(invocation),
    )
