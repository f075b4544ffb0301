"""State backend: invocations, their history, results and exceptions, workflows and runners.

Each method is one call of one script (a batch, one call per thousand items); reads of unbounded
size are iterators that fetch a page at a time.
"""

from __future__ import annotations

import math
import threading
import time
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pynenc.app_info import AppInfo
from pynenc.call import LazyCall
from pynenc.identifiers.invocation_id import InvocationId
from pynenc.identifiers.task_id import TaskId
from pynenc.invocation.dist_invocation import DistributedInvocation
from pynenc.invocation.status import InvocationStatus, InvocationStatusRecord
from pynenc.runner.runner_context import RunnerContext
from pynenc.state_backend.base_state_backend import BaseStateBackend, InvocationHistory
from pynenc.types import Params, Result
from pynenc.workflow.workflow_identity import WorkflowIdentity

from pynenc_redis_lua.client import Settings, connection_to
from pynenc_redis_lua.codec import pack, to_bytes, to_text, unpack, unpack_text
from pynenc_redis_lua.component import PAGE, RedisComponent, paged, scanned
from pynenc_redis_lua.conf import ConfigStateBackendRedis
from pynenc_redis_lua.records import (
    call_arguments,
    history_record,
    invocation_record,
    packed_contexts,
    to_dtos,
    to_history,
    to_microseconds,
)
from pynenc_redis_lua.scripts.api import Scripts
from pynenc_redis_lua.scripts.library import library
from pynenc_redis_lua.scripts.runner import MAX_INTEGER, batches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from pynenc.app import Pynenc
    from pynenc.models.call_dto import CallDTO
    from pynenc.models.invocation_dto import InvocationDTO

# How often a process sends its contexts again: retention forgets those that nobody sends.
RESEND_CONTEXTS_SECONDS = 3600
# The largest result that comes along with a status, and for how long it is at hand.
RESULT_BYTES = 4_096
_AT_HAND_SECONDS = 1.0


class RedisStateBackend(RedisComponent, BaseStateBackend[Params, Result]):
    """State backend on Redis or Valkey.

    Args:
        app: The app whose data it keeps; apps on one server share nothing but the list of apps.

    Every method raises, besides what is said there, the errors of
    :meth:`~pynenc_redis_lua.scripts.runner.ScriptRunner.call`.
    """

    # Where discovery looks: the settings of the backend that this process made last.
    _latest: Settings | None = None

    def __init__(self, app: Pynenc) -> None:
        super().__init__(app)
        self.connect(app, self.conf)
        self._deferring = threading.local()
        self._at_hand = threading.local()
        self._contexts_sent: dict[str, float] = {}
        RedisStateBackend._latest = self.connection.settings

    @cached_property
    def conf(self) -> ConfigStateBackendRedis:
        """The settings."""
        return ConfigStateBackendRedis(
            config_values=self.app.config_values, config_filepath=self.app.config_filepath
        )

    def purge(self) -> None:
        """Remove all data of the app, at once. The app stays listed for discovery."""
        self.scripts.state_purge()
        # Of all threads.
        self._at_hand = threading.local()
        self._runner_context_cache.clear()
        self._contexts_sent.clear()

    # Invocations

    @contextmanager
    def upserts_deferred(self) -> Iterator[None]:
        """Leave it to the caller to store the invocations that this thread makes meanwhile.

        An invocation stores itself when it is made; whoever submits it stores it in the commit that
        registers and queues it, so that a crash can't leave it without the rest.
        """
        self._deferring.active = True
        try:
            yield
        finally:
            self._deferring.active = False

    def upsert_invocations(self, invocations: list[DistributedInvocation[Params, Result]]) -> None:
        """Store invocations, unless that is deferred."""
        if not getattr(self._deferring, "active", False):
            super().upsert_invocations(invocations)

    def _upsert_invocations(self, entries: list[tuple[InvocationDTO, CallDTO]]) -> None:
        """Insert or update invocations and their indexes; one commit per 1,000 of them."""
        self._upsert((dto, call, None) for dto, call in entries)

    def upsert_with_history(
        self,
        invocations: Sequence[DistributedInvocation[Params, Result]],
        status_record: InvocationStatusRecord,
        runner_context: RunnerContext,
    ) -> None:
        """Insert or update invocations, each with a history record, in one commit per 1,000.

        It stands for `upsert_invocations` followed by `add_histories`, without the window between
        them in which a crash leaves invocations that have no history.
        """
        contexts = self.new_contexts(runner_context)
        self._upsert(
            (
                (
                    invocation.to_dto(),
                    invocation.call.to_dto(),
                    _first_record(invocation, status_record, runner_context),
                )
                for invocation in invocations
            ),
            contexts,
        )

    def _upsert(
        self,
        rows: Iterable[tuple[InvocationDTO, CallDTO, InvocationHistory | None]],
        contexts: Sequence[RunnerContext] = (),
    ) -> None:
        items = (
            (
                dto.invocation_id,
                invocation_record(dto, dto.call_id),
                call_arguments(call.serialized_arguments),
                history_record(history) if history else b"",
                to_microseconds(history.timestamp) if history else 0,
            )
            for dto, call, history in rows
        )
        for batch in batches(items):
            self.scripts.state_upsert_invocations(contexts=packed_contexts(contexts), items=batch)
            self.remember_contexts(contexts)

    def _get_invocation(self, invocation_id: InvocationId) -> tuple[InvocationDTO, CallDTO] | None:
        """Return an invocation and its call, or None if it is not stored."""
        reply = self.scripts.state_get_invocation(invocation_id=invocation_id)
        if reply.tag == "NONE":
            return None
        return to_dtos(invocation_id, *reply.values)

    def to_invocation(
        self, invocation_id: bytes, record: bytes, arguments: bytes
    ) -> DistributedInvocation[Params, Result]:
        """Return the invocation that a script replied."""
        dto, call = to_dtos(InvocationId(to_text(invocation_id)), record, arguments)
        return DistributedInvocation.from_dto(dto, call=LazyCall.from_dto(self.app, call))

    def get_child_invocations(self, parent_invocation_id: InvocationId) -> Iterator[InvocationId]:
        """Iterate over the invocations that a parent made, in the order of their ids."""
        return self._related_ids("parent", parent_invocation_id)

    def get_invocations_by_parent_event(self, parent_event_id: str) -> Iterator[InvocationId]:
        """Iterate over the invocations that an event made, in the order of their ids."""
        return self._related_ids("event", parent_event_id)

    def get_invocation_ids_by_workflow(
        self, workflow_id: str | None = None, workflow_type_key: str | None = None
    ) -> Iterator[InvocationId]:
        """Iterate over the invocations of a workflow, of a workflow type, or of both at once.

        With neither, over all that belong to any workflow.
        """
        if workflow_id and workflow_type_key:
            return self._related_ids("workflow", workflow_id, workflow_type_key)
        if workflow_id:
            return self._related_ids("workflow", workflow_id)
        return self._related_ids("type", *([workflow_type_key] if workflow_type_key else []))

    def _related_ids(self, *prefix: str) -> Iterator[InvocationId]:
        for member in self._related(*prefix):
            yield InvocationId(member[-1])

    def _related(self, *prefix: str) -> Iterator[list[str]]:
        """Iterate over the members of the index that begin with some fields.

        Whatever is in the index all the time is yielded exactly once, whatever is added or removed
        meanwhile.
        """

        def page_behind(after: bytes) -> list[bytes]:
            members: list[bytes] = self.scripts.state_related_page(
                prefix=pack(*prefix), after=after, count=PAGE
            ).values[0]
            return members

        for member in paged(page_behind):
            yield [field or "" for field in unpack_text(member)]

    # History

    def add_histories(
        self,
        invocations: list[DistributedInvocation[Params, Result]],
        status_record: InvocationStatusRecord,
        runner_context: RunnerContext,
    ) -> None:
        """Append a record to each invocation and store the runner's context.

        One commit per 1,000 invocations.
        """
        records = [
            (invocation.invocation_id, _first_record(invocation, status_record, runner_context))
            for invocation in invocations
        ]
        self._append(records, runner_context)

    def add_history(
        self,
        invocation_id: InvocationId,
        status_record: InvocationStatusRecord,
        runner_context: RunnerContext,
    ) -> None:
        """Append a record to an invocation and store the runner's context, in one commit."""
        record = InvocationHistory(invocation_id, status_record, runner_context.runner_id)
        self._append([(invocation_id, record)], runner_context)

    def _add_history(
        self, invocation: DistributedInvocation[Params, Result], history: InvocationHistory
    ) -> None:
        self._append([(invocation.invocation_id, history)])

    def _add_histories(
        self, invocation_ids: list[InvocationId], invocation_history: InvocationHistory
    ) -> None:
        """Append the same record to each invocation."""
        self._append([(invocation_id, invocation_history) for invocation_id in invocation_ids])

    def _append(
        self,
        records: Iterable[tuple[InvocationId, InvocationHistory]],
        runner_context: RunnerContext | None = None,
    ) -> None:
        contexts = self.new_contexts(runner_context)
        items = (
            (invocation_id, history_record(history), to_microseconds(history.timestamp))
            for invocation_id, history in records
        )
        for batch in batches(items):
            self.scripts.state_add_histories(contexts=packed_contexts(contexts), items=batch)
            self.remember_contexts(contexts)

    def _get_history(self, invocation_id: InvocationId) -> list[InvocationHistory]:
        """Return the records of an invocation, ordered by time."""
        packed: bytes = self.scripts.state_get_history(invocation_id=invocation_id).values[0]
        records = [to_history(invocation_id, record) for record in unpack(packed) if record]
        return sorted(records, key=lambda record: record.timestamp)

    def iter_history_in_timerange(
        self, start_time: datetime, end_time: datetime, batch_size: int = 100
    ) -> Iterator[list[InvocationHistory]]:
        """Iterate over the records of all invocations in a time range, oldest first.

        Memory and the cost of a page do not depend on how many records there are; records that are
        added meanwhile move no page.
        """
        after, member, end = *_range_start(start_time), _clamped(end_time)
        while True:
            reply = self.scripts.state_history_page(
                after_us=after, after_member=member, end_us=end, count=batch_size
            )
            if not reply.values:
                return
            time, member, entries = reply.values
            after = int(time)
            if entries:
                yield [to_history(InvocationId(to_text(id_)), record) for id_, record in entries]

    def iter_invocations_in_timerange(
        self, start_time: datetime, end_time: datetime, batch_size: int = 100
    ) -> Iterator[list[InvocationId]]:
        """Iterate over the invocations with history in a time range, each once.

        They come in the order of that record in the range which was recorded first. A page may
        hold fewer than `batch_size`.
        """
        after, member, end = *_range_start(start_time), _clamped(end_time)
        start = after
        while True:
            reply = self.scripts.state_invocations_page(
                start_us=start, after_us=after, after_member=member, end_us=end, count=batch_size
            )
            if not reply.values:
                return
            time, member, ids = reply.values
            after = int(time)
            if ids:
                yield [InvocationId(to_text(id_)) for id_ in ids]

    # Results and exceptions

    def keep_result(self, invocation_id: InvocationId, serialized: bytes) -> None:
        """Keep a result that came with a status for this thread's next `get_result`.

        It is of the moment of the status: whoever waits for an invocation asks for both.
        """
        self._at_hand.result = (invocation_id, serialized, time.monotonic() + _AT_HAND_SECONDS)

    def _take_result(self, invocation_id: InvocationId) -> bytes | None:
        at_hand = getattr(self._at_hand, "result", None)
        self._at_hand.result = None
        if at_hand is None:
            return None
        id_, serialized, until = at_hand
        return serialized if id_ == invocation_id and time.monotonic() < until else None

    def _set_result(self, invocation_id: InvocationId, serialized_result: str) -> None:
        self._at_hand.result = None
        self.scripts.state_set_result(
            invocation_id=invocation_id, serialized=to_bytes(serialized_result)
        )

    def _get_result(self, invocation_id: InvocationId) -> str:
        """Return the serialized result.

        Raises:
            KeyError: If none is stored.
        """
        if (kept := self._take_result(invocation_id)) is not None:
            return to_text(kept)
        reply = self.scripts.state_get_result(invocation_id=invocation_id)
        if reply.tag == "NONE":
            raise KeyError(f"no result is stored for invocation {invocation_id}")
        return to_text(reply.values[0])

    def _set_exception(self, invocation_id: InvocationId, serialized_exception: str) -> None:
        self.scripts.state_set_exception(
            invocation_id=invocation_id, serialized=to_bytes(serialized_exception)
        )

    def _get_exception(self, invocation_id: InvocationId) -> str:
        """Return the serialized exception.

        Raises:
            KeyError: If none is stored.
        """
        reply = self.scripts.state_get_exception(invocation_id=invocation_id)
        if reply.tag == "NONE":
            raise KeyError(f"no exception is stored for invocation {invocation_id}")
        return to_text(reply.values[0])

    # Workflows

    def set_workflow_data(self, workflow_identity: WorkflowIdentity, key: str, value: Any) -> None:
        """Store a value under a key of a workflow; the last write wins."""
        self.scripts.state_set_workflow_data(
            field=pack(workflow_identity.workflow_id, key), serialized=self._serialize(value)
        )

    def get_workflow_data(
        self, workflow_identity: WorkflowIdentity, key: str, default: Any = None
    ) -> Any:
        """Return what is stored under a key of a workflow, None included, or else `default`."""
        reply = self.scripts.state_get_workflow_data(field=pack(workflow_identity.workflow_id, key))
        return default if reply.tag == "NONE" else self._deserialize(reply.values[0])

    def set_workflow_deterministic_value(
        self, workflow_identity: WorkflowIdentity, key: str, value: Any
    ) -> Any:
        """Store a value unless there is one, and return the one that stands.

        The first write wins: racing workers and later replays all go on with its value.
        """
        reply = self.scripts.state_set_workflow_value(
            field=pack(workflow_identity.workflow_id, key), serialized=self._serialize(value)
        )
        return self._deserialize(reply.values[0])

    def get_workflow_deterministic_value(
        self, workflow_identity: WorkflowIdentity, key: str
    ) -> Any:
        """Return the value that the first writer stored, or None."""
        reply = self.scripts.state_get_workflow_value(
            field=pack(workflow_identity.workflow_id, key)
        )
        return None if reply.tag == "NONE" else self._deserialize(reply.values[0])

    def _serialize(self, value: Any) -> bytes:
        return to_bytes(self.app.client_data_store.serialize(value))

    def _deserialize(self, serialized: bytes) -> Any:
        return self.app.client_data_store.deserialize(to_text(serialized))

    def store_workflow_run(self, workflow_identity: WorkflowIdentity) -> None:
        """List a run of a workflow; storing it again changes nothing."""
        workflow_type = workflow_identity.workflow_type
        member = pack(
            "run",
            workflow_type.module,
            workflow_type.func_name,
            workflow_identity.workflow_id,
            workflow_identity.parent_workflow_id,
        )
        self.scripts.state_relate(items=[(member,)])

    def get_all_workflow_types(self) -> Iterator[TaskId]:
        """Iterate over the types that have runs."""

        def page_behind(after: bytes) -> list[bytes]:
            types: list[bytes] = self.scripts.state_workflow_types_page(
                after=after, count=PAGE
            ).values[0]
            return types

        for packed in paged(page_behind):
            module, func_name = unpack_text(packed)
            yield TaskId(module or "", func_name or "")

    def get_all_workflow_runs(self) -> Iterator[WorkflowIdentity]:
        """Iterate over the runs of all workflows."""
        return self._workflow_runs()

    def get_workflow_runs(self, workflow_type: TaskId) -> Iterator[WorkflowIdentity]:
        """Iterate over the runs of one type."""
        return self._workflow_runs(workflow_type.module, workflow_type.func_name)

    def _workflow_runs(self, *workflow_type: str) -> Iterator[WorkflowIdentity]:
        for _, module, func_name, workflow_id, parent in self._related("run", *workflow_type):
            yield WorkflowIdentity(
                InvocationId(workflow_id),
                TaskId(module, func_name),
                InvocationId(parent) if parent else None,
            )

    def store_workflow_sub_invocation(
        self, parent_workflow_id: InvocationId, sub_invocation_id: InvocationId
    ) -> None:
        """List an invocation as running inside a workflow; once more changes nothing."""
        self.scripts.state_relate(items=[(pack("sub", parent_workflow_id, sub_invocation_id),)])

    def get_workflow_sub_invocations(self, workflow_id: InvocationId) -> Iterator[InvocationId]:
        """Iterate over the invocations that run inside a workflow, in the order of their ids."""
        return self._related_ids("sub", workflow_id)

    # Runner contexts

    def store_runner_context(self, runner_context: RunnerContext) -> None:
        """Store a runner's context and those above it, in one commit, if not done before."""
        contexts = self.new_contexts(runner_context)
        if contexts:
            self._store_contexts(contexts)
            self.remember_contexts(contexts)

    def _store_runner_context(self, runner_context: RunnerContext) -> None:
        self._store_contexts([runner_context])

    def _store_contexts(self, contexts: Iterable[RunnerContext]) -> None:
        self.scripts.state_store_runner_contexts(
            items=[(context.runner_id, to_bytes(context.to_json())) for context in contexts]
        )

    def new_contexts(self, runner_context: RunnerContext | None) -> list[RunnerContext]:
        """Return the context and those above it that this process has to send (again)."""
        found = []
        sent_since = time.monotonic() - RESEND_CONTEXTS_SECONDS
        while runner_context is not None:
            if self._contexts_sent.get(runner_context.runner_id, -math.inf) < sent_since:
                found.append(runner_context)
            runner_context = runner_context.parent_ctx
        return found

    def remember_contexts(self, contexts: Sequence[RunnerContext]) -> None:
        """Note contexts as sent: only after the commit that stored them."""
        if not contexts:
            return
        now = time.monotonic()
        for runner_id, sent in list(self._contexts_sent.items()):
            if sent < now - RESEND_CONTEXTS_SECONDS:
                self._contexts_sent.pop(runner_id, None)
        for context in contexts:
            self._contexts_sent[context.runner_id] = now
            self._runner_context_cache[context.runner_id] = context

    def _get_runner_context(self, runner_id: str) -> RunnerContext | None:
        """Return the context of a runner, or None if it is not stored."""
        return next(iter(self._get_runner_contexts([runner_id])), None)

    def _get_runner_contexts(self, runner_ids: list[str]) -> list[RunnerContext]:
        """Return the contexts of those runners that are stored."""
        return [
            RunnerContext.from_json(to_text(context))
            for batch in batches([(runner_id,) for runner_id in runner_ids])
            for context in self.scripts.state_get_runner_contexts(items=batch).values[0]
        ]

    def get_matching_runner_contexts(self, partial_id: str) -> Iterator[RunnerContext]:
        """Iterate over the contexts of the runners whose id contains a text, taken literally."""

        def page_at(cursor: str) -> tuple[bytes, list[list[bytes]]]:
            page, pairs = self.scripts.state_match_runner_contexts(
                cursor=cursor, part=partial_id, count=PAGE
            ).values
            return page, pairs

        seen: set[bytes] = set()
        for pairs in scanned(page_at):
            for runner_id, context in pairs:
                if runner_id not in seen:
                    seen.add(runner_id)
                    yield RunnerContext.from_json(to_text(context))

    # Discovery

    def store_app_info(self, app_info: AppInfo) -> None:
        """List the app, so that a monitor finds it."""
        self.scripts.app_store_info(app_id=app_info.app_id, info=to_bytes(app_info.to_json()))

    def get_app_info(self) -> AppInfo:
        """Return what is listed of this app.

        Raises:
            ValueError: If it is not listed.
        """
        reply = self.scripts.app_get_info(app_id=self.app.app_id)
        if reply.tag == "NONE":
            raise ValueError(f"no app {self.app.app_id!r} on {self.connection.settings.address}")
        return AppInfo.from_json(to_text(reply.values[0]))

    @staticmethod
    def discover_app_infos() -> dict[str, AppInfo]:
        """Return all apps on the server that this process is configured for.

        That is the server of the backend that the process made last or, if it made none, the one
        that the environment and the configuration files name.
        """
        settings = RedisStateBackend._latest or Settings.from_conf(ConfigStateBackendRedis())
        scripts = Scripts(connection_to(settings), "discovery", library())

        def page_at(cursor: str) -> tuple[bytes, list[bytes]]:
            page, fields = scripts.app_infos_page(cursor=cursor, count=PAGE).values
            return page, fields

        return {
            to_text(app_id): AppInfo.from_json(to_text(info))
            for fields in scanned(page_at)
            for app_id, info in zip(fields[::2], fields[1::2], strict=True)
        }

    @staticmethod
    def get_all_app_infos() -> dict[str, AppInfo]:
        """Return the same as :meth:`discover_app_infos`."""
        return RedisStateBackend.discover_app_infos()


def _first_record(
    invocation: DistributedInvocation[Params, Result],
    status_record: InvocationStatusRecord,
    runner_context: RunnerContext,
) -> InvocationHistory:
    """Return the record that pynenc writes of a batch; a registration names its parent."""
    registered = status_record.status == InvocationStatus.REGISTERED
    return InvocationHistory(
        invocation_id=invocation.invocation_id,
        status_record=status_record,
        runner_context_id=runner_context.runner_id,
        registered_by_inv_id=invocation.parent_invocation_id if registered else None,
    )


def _clamped(time: datetime) -> int:
    """Return µs for a bound of a range; beyond ±2^53 (the year 2255) there are no records."""
    return max(-MAX_INTEGER, min(MAX_INTEGER, to_microseconds(time)))


def _range_start(time: datetime) -> tuple[int, bytes]:
    return _clamped(time), b""
