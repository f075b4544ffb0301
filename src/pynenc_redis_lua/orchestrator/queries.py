"""Queries: what is known of invocations."""

from __future__ import annotations

from itertools import batched
from typing import TYPE_CHECKING

from pynenc.identifiers.invocation_id import InvocationId
from pynenc.invocation.status import InvocationStatus, InvocationStatusRecord

from pynenc_redis_lua.codec import pack, to_text, unpack_text
from pynenc_redis_lua.component import PAGE, paged
from pynenc_redis_lua.operation import new_operation
from pynenc_redis_lua.orchestrator.concurrency import argument_digests, digest
from pynenc_redis_lua.orchestrator.core import OrchestratorCore
from pynenc_redis_lua.records import call_name, status_record
from pynenc_redis_lua.scripts.runner import batches
from pynenc_redis_lua.state_backend import RESULT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pynenc.identifiers.call_id import CallId
    from pynenc.identifiers.task_id import TaskId
    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.task import Task
    from pynenc.types import Params, Result


# An entry of orchestrator/task_page is the time of registration, then the id.
_TIME_DIGITS = 16
# Entries of a page that the server merges from as many ranges as there are statuses.
_MERGED_PAGE = 200


class Queries(OrchestratorCore):
    """What is known of invocations."""

    def get_invocation_status_record(self, invocation_id: InvocationId) -> InvocationStatusRecord:
        """Return the status of an invocation, its owner and its time.

        Raises:
            KeyError: If the invocation is not known.
        """
        reply = self.scripts.orchestrator_get_status(
            invocation_id=invocation_id, result_bytes=RESULT_BYTES if self._state else 0
        )
        if reply.tag == "UNKNOWN":
            raise KeyError(f"no invocation {invocation_id}")
        status, owner, time_us, *_, result = reply.values
        if self._state and result is not None:
            self._state.keep_result(invocation_id, result)
        return status_record(status, owner, time_us)

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
        if key_serialized_arguments:
            return self._matching(task.task_id.key, key_serialized_arguments, names)
        return self._of_task(task.task_id, names)

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
                count=PAGE,
                items=[(status,) for status in statuses],
            ).values
            yield from map(_id, ids)
            if not after:
                return

    def get_task_invocation_ids(self, task_id: TaskId) -> Iterator[InvocationId]:
        """Iterate over the invocations of a task, the oldest first.

        None that is there all the time is missed or repeated, however it changes meanwhile.
        """
        return self._of_task(task_id, [])

    def _of_task(self, task_id: TaskId, statuses: list[str]) -> Iterator[InvocationId]:
        size = PAGE if len(statuses) == 1 else _MERGED_PAGE

        def page_behind(after: bytes) -> list[bytes]:
            entries: list[bytes] = self.scripts.orchestrator_task_page(
                task=task_id.key,
                after=after,
                count=size,
                items=[(status,) for status in statuses],
            ).values[0]
            return entries

        return (_id(entry[_TIME_DIGITS:]) for entry in paged(page_behind, size))

    def get_call_invocation_ids(self, call_id: CallId) -> Iterator[InvocationId]:
        """Iterate over the invocations of a call."""
        prefix = pack("call", call_name(call_id))

        def page_behind(after: bytes) -> list[bytes]:
            members: list[bytes] = self.scripts.state_related_page(
                prefix=prefix, after=after, count=PAGE
            ).values[0]
            return members

        ids = (InvocationId(unpack_text(member)[-1] or "") for member in paged(page_behind))
        # What the state backend keeps of it may not be registered, or not any more.
        for some in batched(ids, PAGE):
            yield from self.filter_by_status(list(some), frozenset(InvocationStatus))

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
        return [_id(id_) for id_ in reply.values[0]]

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
        reply = self.scripts.orchestrator_get_status(invocation_id=invocation_id, result_bytes=0)
        return 0 if reply.tag == "UNKNOWN" else int(reply.values[3])

    def index_arguments_for_concurrency_control(
        self, invocation: DistributedInvocation[Params, Result]
    ) -> None:
        """Make an invocation findable by the values of its arguments."""
        self.scripts.orchestrator_index_arguments(
            invocation_id=invocation.invocation_id,
            digests=argument_digests(invocation.call.serialized_arguments),
        )


def _id(id_: bytes) -> InvocationId:
    return InvocationId(to_text(id_))
