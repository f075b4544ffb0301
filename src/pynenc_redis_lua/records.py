"""What is kept of invocations and their history, as `lua/keys.toml` describes it, and back."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pynenc.identifiers.call_id import CallId
from pynenc.identifiers.invocation_id import InvocationId
from pynenc.identifiers.task_id import TaskId
from pynenc.invocation.status import InvocationStatus, InvocationStatusRecord
from pynenc.models.call_dto import CallDTO
from pynenc.models.invocation_dto import InvocationDTO
from pynenc.orchestrator.atomic_service import (
    ActiveRunnerInfo,
    AtomicServiceExecution,
    AtomicServiceExecutionStatus,
)
from pynenc.state_backend.base_state_backend import InvocationHistory
from pynenc.workflow.workflow_identity import WorkflowIdentity

from pynenc_redis_lua.codec import pack, to_bytes, to_text, unpack, unpack_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.runner.runner_context import RunnerContext

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Of a second.
MICROSECONDS = 1_000_000


def to_microseconds(time: datetime) -> int:
    """Return µs since 1970; as in pynenc, a time without zone is UTC."""
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """Return the time in UTC."""
    return _EPOCH + microseconds * _MICROSECOND


def call_arguments(serialized: Mapping[str, str]) -> bytes:
    """Return what is kept of the arguments of a call; nothing if it has none."""
    return pack(*[part for item in serialized.items() for part in item])


def call_name(call_id: CallId) -> bytes:
    """Return how a call is named in the index: by its id, or by the digest of a long one."""
    name = to_bytes(call_id.key)
    digest = hashlib.sha1(name, usedforsecurity=False).hexdigest()
    return digest.encode() if len(name) > len(digest) else name


def invocation_record(
    invocation: InvocationDTO | DistributedInvocation[Any, Any], call: CallId
) -> bytes:
    """Return what is kept of an invocation."""
    workflow = invocation.workflow
    return pack(
        call.task_id.module,
        call.task_id.func_name,
        call.args_id,
        invocation.parent_invocation_id,
        invocation.parent_event_id,
        workflow.workflow_id if workflow else None,
        workflow.workflow_type.module if workflow else None,
        workflow.workflow_type.func_name if workflow else None,
        workflow.parent_workflow_id if workflow else None,
    )


def to_dtos(
    invocation_id: InvocationId, record: bytes, arguments: bytes
) -> tuple[InvocationDTO, CallDTO]:
    """Return the invocation and the call that were kept."""
    (
        module, func_name, args_id, parent, event, workflow_id, workflow_module, workflow_func,
        parent_workflow,
    ) = unpack_text(record)  # fmt: skip
    workflow = None
    if workflow_id is not None:
        workflow = WorkflowIdentity(
            InvocationId(workflow_id),
            TaskId(workflow_module or "", workflow_func or ""),
            None if parent_workflow is None else InvocationId(parent_workflow),
        )
    call_id = CallId(TaskId(module or "", func_name or ""), args_id or "")
    dto = InvocationDTO(
        invocation_id=invocation_id,
        call_id=call_id,
        workflow=workflow,
        parent_invocation_id=None if parent is None else InvocationId(parent),
        parent_event_id=event,
    )
    texts = [text or "" for text in unpack_text(arguments)]
    return dto, CallDTO(call_id, dict(zip(texts[::2], texts[1::2], strict=True)))


def history_record(history: InvocationHistory) -> bytes:
    """Return what is kept of a history record."""
    status = history.status_record
    time, status_time = to_microseconds(history.timestamp), to_microseconds(status.timestamp)
    return pack(
        time,
        status.status.value,
        status.runner_id,
        status_time if status_time != time else None,
        history.runner_context_id if history.runner_context_id != status.runner_id else None,
        history.registered_by_inv_id,
    )


def to_history(invocation_id: InvocationId, record: bytes) -> InvocationHistory:
    """Return the history record that was kept."""
    time, status, owner, status_time, context_id, registered_by = unpack_text(record)
    history = InvocationHistory(
        invocation_id=invocation_id,
        status_record=InvocationStatusRecord(
            InvocationStatus(status or ""), owner, from_microseconds(int(status_time or time or 0))
        ),
        runner_context_id=(owner if context_id is None else context_id) or "",
        registered_by_inv_id=registered_by,
    )
    history._timestamp = from_microseconds(int(time or 0))  # noqa: SLF001 - pynenc gives no other way
    return history


def status_record(status: bytes, owner: bytes, time_us: bytes) -> InvocationStatusRecord:
    """Return the status that was kept; `owner` is packed."""
    [runner_id] = unpack_text(owner)
    return InvocationStatusRecord(
        InvocationStatus(status.decode()), runner_id, from_microseconds(int(time_us))
    )


def packed_contexts(contexts: Iterable[RunnerContext]) -> bytes:
    """Return runner contexts as scripts take them."""
    return pack(*[part for context in contexts for part in (context.runner_id, context.to_json())])


def runner_info(runner_id: bytes, heard_us: bytes, said: bytes) -> ActiveRunnerInfo:
    """Return what is known of a runner."""
    created, eligible, queues = unpack(said)
    return ActiveRunnerInfo(
        runner_id=to_text(runner_id),
        creation_time=from_microseconds(int(created or 0)),
        last_heartbeat=from_microseconds(int(heard_us)),
        allow_to_run_atomic_service=eligible == b"1",
        consumed_queues=tuple(name or "" for name in unpack_text(queues or b"")),
    )


def service_execution(id_: bytes, packed: bytes) -> AtomicServiceExecution:
    """Return the execution of an atomic service that was kept."""
    runner_id, start, end, status, reason = unpack_text(packed)
    return AtomicServiceExecution.from_raw(
        runner_id=runner_id or "",
        atomic_service_run_id=to_text(id_),
        start_time=from_microseconds(int(start or 0)),
        end_time=None if end is None else from_microseconds(int(end)),
        status=AtomicServiceExecutionStatus(status or ""),
        reason=reason or "",
    )
