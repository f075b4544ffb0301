"""Runs of triggers: what fired, when, and what came of it."""

from __future__ import annotations

import time
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from pynenc.trigger.monitoring import TriggerRunRecord

from pynenc_redis_lua.codec import pack, to_bytes, to_text
from pynenc_redis_lua.component import PAGE, SWEEP_SECONDS, by_id, paged, paged_entries, swept
from pynenc_redis_lua.operation import consumer_id, new_operation
from pynenc_redis_lua.records import MICROSECONDS
from pynenc_redis_lua.scripts.runner import batches
from pynenc_redis_lua.trigger.core import TriggerCore
from pynenc_redis_lua.trigger.events import FIRST_US, LAST_US, clamped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

# What is removed in one step: it stays below ten milliseconds of the server's time.
_STEP = 50


class Runs(TriggerCore):
    """Which triggers fired."""

    def store_trigger_run(self, run: TriggerRunRecord) -> None:
        """Store a run in place of an older record of it."""
        self.scripts.trigger_store_run(
            run_id=run.trigger_run_id,
            at_us=run_time(run),
            prefixes=run_prefixes(run),
            event_ids=run_events(run),
            run=to_bytes(run.to_json()),
        )

    def get_trigger_run(self, trigger_run_id: str) -> TriggerRunRecord | None:
        """Return a run, or None if it is not stored."""
        return self.get_trigger_runs_batch([trigger_run_id])[trigger_run_id]

    def get_trigger_runs_batch(self, run_ids: Sequence[str]) -> dict[str, TriggerRunRecord | None]:
        """Return runs by their ids, None for one that is not stored."""
        stored = by_id(run_ids, lambda ids: self.scripts.trigger_get_runs(items=ids).values[0])
        return {
            id_: None if found is None else TriggerRunRecord.from_json(to_text(found))
            for id_, found in stored.items()
        }

    def get_trigger_runs_for_event(self, event_id: str) -> list[TriggerRunRecord]:
        """Return the runs that an event had a part in, the oldest first."""
        return list(self._runs("event", event_id))

    def get_trigger_runs_for_invocation(self, invocation_id: str) -> list[TriggerRunRecord]:
        """Return the runs that started an invocation, the oldest first."""
        return list(self._runs("invocation", invocation_id))

    def get_trigger_runs_sourced_by_invocation(self, invocation_id: str) -> list[TriggerRunRecord]:
        """Return the runs that a change of an invocation had a part in, the oldest first."""
        return list(self._runs("source", invocation_id))

    def get_trigger_runs_for_valid_condition(
        self, valid_condition_id: str
    ) -> list[TriggerRunRecord]:
        """Return the runs that a valid condition had a part in, the oldest first."""
        return list(self._runs("valid", valid_condition_id))

    def get_trigger_runs_in_timerange(
        self,
        start_time: datetime,
        end_time: datetime,
        *,
        event_code: str | None = None,
        task_id_key: str | None = None,
        limit: int | None = None,
    ) -> list[TriggerRunRecord]:
        """Return the runs between two times (inclusive), the oldest first."""
        times = clamped(start_time), clamped(end_time)
        if task_id_key is not None:
            runs = self._runs("task", task_id_key, times=times)
        elif event_code is not None:
            runs = self._runs("code", event_code, times=times)
        else:
            runs = self._runs("all", times=times)
        if task_id_key is not None and event_code is not None:
            of_code = {run.trigger_run_id for run in self._runs("code", event_code, times=times)}
            runs = (run for run in runs if run.trigger_run_id in of_code)
        return list(islice(runs, limit if limit is None else max(limit, 0)))

    def _runs(
        self, *prefix: str, times: tuple[int, int] = (FIRST_US, LAST_US)
    ) -> Iterator[TriggerRunRecord]:
        def page_behind(after: bytes) -> list[list[bytes]]:
            entries: list[list[bytes]] = self.scripts.trigger_runs_page(
                prefix=pack(*prefix), from_us=times[0], to_us=times[1], after=after, count=PAGE
            ).values[0]
            return entries

        for _, stored in paged_entries(page_behind):
            yield TriggerRunRecord.from_json(to_text(stored))

    def get_referenced_atomic_service_run_ids(self) -> set[str]:
        """Return the atomic service runs that started something that is still recorded."""

        def page_behind(after: bytes) -> list[bytes]:
            ids: list[bytes] = self.scripts.trigger_services_page(after=after, count=PAGE).values[0]
            return ids

        return set(map(to_text, paged(page_behind)))

    def claim_trigger_run(self, trigger_run_id: str, expiration_seconds: int = 60) -> bool:
        """Claim a run for a time, unless somebody else's claim of it stands.

        Only where firing is not one commit anyway: where orchestrator, state backend, broker and
        this component are not all ours and on one server.
        """
        reply = self.scripts.trigger_claim_run(
            run_id=trigger_run_id,
            lease_us=int(expiration_seconds * MICROSECONDS),
            consumer=consumer_id(),
            op=new_operation(),
        )
        return reply.tag == "CLAIMED"

    # Retention

    def _age_purge_trigger_runs(self, threshold: datetime) -> int:
        return self._expire_runs(clamped(threshold), 0)

    def _cap_purge_trigger_runs(self) -> int:
        return self._expire_runs(FIRST_US, max(self.conf.trigger_run_max_records, 0))

    def _expire_runs(self, before_us: int, keep: int) -> int:
        step = partial(
            self.scripts.trigger_expire_runs, before_us=before_us, keep=keep, count=_STEP
        )
        return sum(swept(step, time.monotonic() + SWEEP_SECONDS))

    def _cascade_delete_runs_for_events(self, event_ids: list[str]) -> int:
        removed = 0
        for batch in batches([(event_id,) for event_id in event_ids], _STEP):
            step = partial(self.scripts.trigger_remove_runs_of, count=_STEP, items=batch)
            while found := step().values[0]:
                removed += found
        return removed


def run_time(run: TriggerRunRecord) -> int:
    """Return the time of a run in µs; 0 if it has none."""
    at = run.executed_at or run.claimed_at
    return FIRST_US if at is None else clamped(at)


def run_events(run: TriggerRunRecord) -> bytes:
    """Return the events that had a part in a run, packed."""
    ids = dict.fromkeys([*run.event_ids, *_of_participants(run, "event_id")])
    return pack(*filter(None, ids))


def run_prefixes(run: TriggerRunRecord) -> bytes:
    """Return where a run stands in the index, packed."""
    relations: dict[str, list[str | None]] = {
        "event": [*run.event_ids, *_of_participants(run, "event_id")],
        "source": [*run.source_invocation_ids, *_of_participants(run, "source_invocation_id")],
        "valid": [*run.valid_condition_ids, *_of_participants(run, "valid_condition_id")],
        "invocation": [run.triggered_invocation_id],
        "service": [run.atomic_service_run_id],
        "task": [run.task_id_key],
    }
    members = [pack("all")]
    members += [
        pack(relation, id_)
        for relation, ids in relations.items()
        for id_ in dict.fromkeys(ids)
        if id_
    ]
    return pack(*members)


def _of_participants(run: TriggerRunRecord, name: str) -> list[str | None]:
    return [getattr(one, name) for one in run.participants or []]
