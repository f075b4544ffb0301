"""Events: what was emitted, and what came of it."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from typing import TYPE_CHECKING, Any, override

from pynenc import context as pynenc_context
from pynenc.trigger.conditions import EventContext, ValidCondition
from pynenc.trigger.log_messages import TriggerLogMsg, join_tokens, ref
from pynenc.trigger.monitoring import EventMarker, EventMarkerPage, EventRecord

from pynenc_redis_lua.codec import pack, to_bytes, to_text, unpack_text
from pynenc_redis_lua.component import PAGE, SWEEP_SECONDS, by_id, paged, swept
from pynenc_redis_lua.records import from_microseconds, to_microseconds
from pynenc_redis_lua.scripts.runner import batches
from pynenc_redis_lua.trigger.conditions import Conditions, ValidItem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

# The range of times that events and runs have: 1970 to 2112, in µs.
FIRST_US, LAST_US = 0, 2**52 - 1
# Events that are read in one call, and those that are removed with all that belongs to them: the
# server is held up for a few milliseconds.
_STEP = 200
_REMOVED = 50
# States of the timeline: what they ask of (matched, triggered).
_STATES: dict[str, tuple[bool | None, bool | None]] = {
    "matched": (True, None),
    "unmatched": (False, None),
    "triggered": (None, True),
    "untriggered": (None, False),
}


class Events(Conditions):
    """Which events were emitted."""

    def emit_event(self, event_code: str, payload: dict[str, Any]) -> str:
        """Store an event and the conditions that it meets, in one commit; return its id."""
        event_id = str(uuid.uuid4())
        context = EventContext(event_code=event_code, payload=payload, event_id=event_id)
        runner_context = pynenc_context.get_or_create_runner_context(self.app.app_id)
        event = self._build_event_record(
            event_id, event_code, payload, context.timestamp, runner_context.runner_id
        )
        met = [
            ValidCondition(condition, context)
            for condition in self._readable_conditions("kind", "event", event_code)
            if self.is_met(condition, context)
        ]
        event.matched_condition_ids = [valid.condition.condition_id for valid in met]
        event.valid_condition_ids = [valid.valid_condition_id for valid in met]
        self.app.state_backend.store_runner_context(runner_context)
        self._store(event, [self.valid_item(valid) for valid in met])
        self.app.logger.info(
            join_tokens(
                TriggerLogMsg.EVENT_EMITTED,
                ref("event", event_id),
                f"code:{event_code}",
                ref("invocation", event.emitted_by_invocation_id),
                f"task:{event.emitted_by_task_id}" if event.emitted_by_task_id else "",
            )
        )
        for valid in met:
            self._log_condition_matched(valid.condition, context, valid)
        return event_id

    def store_event(self, event: EventRecord) -> None:
        """Store an event in place of an older record; what it triggered is never forgotten."""
        self._store(event, [])

    def _store(self, event: EventRecord, items: list[ValidItem]) -> None:
        self.scripts.trigger_store_event(
            event_id=event.event_id,
            code=event.event_code,
            at_us=clamped(event.timestamp),
            matched="1" if event.matched else "0",
            emitter=pack(
                event.emitted_by_invocation_id,
                event.emitted_by_task_id,
                event.emitted_by_runner_context_id,
            ),
            event=to_bytes(event.to_json(self.app)),
            links=pack(*event.triggered_invocation_ids),
            items=items,
        )

    def get_event(self, event_id: str) -> EventRecord | None:
        """Return an event, or None if it is not stored."""
        return self.get_events_batch([event_id])[event_id]

    def get_events_batch(self, event_ids: Sequence[str]) -> dict[str, EventRecord | None]:
        """Return events by their ids, None for one that is not stored."""
        stored = by_id(event_ids, lambda ids: self.scripts.trigger_get_events(items=ids).values[0])
        return {
            id_: None if found is None else self._event(*found) for id_, found in stored.items()
        }

    def _event(self, stored: bytes, links: bytes) -> EventRecord:
        event = EventRecord.from_json(to_text(stored), self.app)
        event.triggered_invocation_ids = [id_ or "" for id_ in unpack_text(links)]
        return event

    @override
    def get_events(
        self,
        *,
        event_code: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        matched: bool | None = None,
        triggered: bool | None = None,
        emitted_by_invocation_id: str | None = None,
        emitted_by_task_id: str | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[EventRecord]:
        """Return a page of events, the newest first."""
        if limit <= 0:
            return []
        index, others = _index_of(event_code, emitted_by_invocation_id, emitted_by_task_id)
        ranges = _Ranges.of(index, matched, triggered, start_time, end_time)
        if not others:
            return [self._event(*entry[7:]) for entry in self._page(ranges, offset, limit)]
        return list(islice(self._filtered(ranges, others), offset, offset + limit))

    @override
    def count_events(
        self,
        *,
        event_code: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        matched: bool | None = None,
        triggered: bool | None = None,
        emitted_by_invocation_id: str | None = None,
        emitted_by_task_id: str | None = None,
    ) -> int:
        """Count events."""
        index, others = _index_of(event_code, emitted_by_invocation_id, emitted_by_task_id)
        ranges = _Ranges.of(index, matched, triggered, start_time, end_time)
        if others:
            return sum(1 for _ in self._filtered(ranges, others))
        return self._count(ranges)

    def _count(self, ranges: _Ranges) -> int:
        count: int = self.scripts.trigger_count_events(
            from_us=ranges.first_us, to_us=ranges.last_us, items=ranges.prefixes
        ).values[0]
        return count

    def _page(
        self, ranges: _Ranges, offset: int, limit: int, *, for_timeline: bool = False
    ) -> list[list[Any]]:
        """Return whole events, newest first; for a timeline their outlines, oldest first."""
        entries: list[list[Any]] = []
        while len(entries) < limit:
            step = min(limit - len(entries), _STEP)
            found = self.scripts.trigger_events_page(
                from_us=ranges.first_us,
                to_us=ranges.last_us,
                offset=offset + len(entries),
                count=step,
                newest_first=int(not for_timeline),
                whole=int(not for_timeline),
                items=ranges.prefixes,
            ).values[0]
            entries += found
            if len(found) < step:
                break
        return entries

    def _filtered(self, ranges: _Ranges, others: dict[str, str]) -> Iterator[EventRecord]:
        """Iterate over one emitter's events that have further properties."""
        for offset in count(0, PAGE):
            page = self._page(ranges, offset, PAGE)
            for entry in page:
                event = self._event(*entry[7:])
                if all(getattr(event, name) == value for name, value in others.items()):
                    yield event
            if len(page) < PAGE:
                return

    def list_event_codes(self) -> list[str]:
        """Return the codes of all stored events, in order."""

        def page_behind(after: bytes) -> list[bytes]:
            codes: list[bytes] = self.scripts.trigger_event_codes(after=after, count=PAGE).values[0]
            return codes

        return sorted(map(to_text, paged(page_behind)))

    @override
    def get_event_markers_in_timerange(
        self,
        start_time: datetime,
        end_time: datetime,
        *,
        event_code: str | None = None,
        state: str = "all",
        limit: int = 1000,
        offset: int = 0,
    ) -> EventMarkerPage:
        """Return a page of what a timeline shows of events, the oldest first."""
        index, _ = _index_of(event_code, None, None)
        matched, triggered = _STATES.get(state, (None, None))
        ranges = _Ranges.of(index, matched, triggered, start_time, end_time)
        total = self._count(ranges)
        page = self._page(ranges, offset, limit, for_timeline=True) if limit > 0 else []
        markers = [_marker(entry) for entry in page]
        return EventMarkerPage(markers, total, truncated=offset + len(markers) < total)

    @override
    def link_trigger_run_to_events(
        self, event_ids: list[str], invocation_id: str, *, trigger_run_id: str
    ) -> None:
        """Note that events triggered an invocation, in one commit."""
        for batch in batches([(event_id,) for event_id in event_ids]):
            self.scripts.trigger_link_events(invocation_id=invocation_id, items=batch)

    def get_invocations_triggered_by_event(self, event_id: str) -> list[str]:
        """Return the invocations that an event triggered, in the order in which it did."""
        if not event_id:
            return []
        packed = self.scripts.trigger_triggered_by(event_id=event_id).values[0]
        return [id_ or "" for id_ in unpack_text(packed)]

    # Retention

    def _age_purge_events(self, threshold: datetime) -> list[str]:
        return self._expire(clamped(threshold), 0)

    def _cap_purge_events(self) -> list[str]:
        return self._expire(FIRST_US, max(self.conf.event_max_records, 0))

    def _expire(self, before_us: int, keep: int) -> list[str]:
        step = partial(
            self.scripts.trigger_expire_events, before_us=before_us, keep=keep, count=_REMOVED
        )
        steps = swept(step, time.monotonic() + SWEEP_SECONDS)
        return [to_text(event_id) for found in steps for event_id in found]


def clamped(at: datetime) -> int:
    """Return µs; what is out of range is as far as the range goes."""
    return max(FIRST_US, min(LAST_US, to_microseconds(at)))


@dataclass(frozen=True)
class _Ranges:
    """Ranges of the index that are read as one: their beginnings, and two times."""

    prefixes: list[tuple[bytes]]
    first_us: int
    last_us: int

    @classmethod
    def of(
        cls,
        index: bytes,
        matched: bool | None,  # noqa: FBT001 - as the queries have it
        triggered: bool | None,  # noqa: FBT001
        start: datetime | None,
        end: datetime | None,
    ) -> _Ranges:
        """Return the ranges of those that matched and triggered as asked for, or either way."""
        prefixes = [
            (index + pack(int(is_matched), int(is_triggered)),)
            for is_matched in (False, True)
            for is_triggered in (False, True)
            if matched in {None, is_matched} and triggered in {None, is_triggered}
        ]
        first = FIRST_US if start is None else clamped(start)
        return cls(prefixes, first, LAST_US if end is None else clamped(end))


def _index_of(
    code: str | None, invocation_id: str | None, task: str | None
) -> tuple[bytes, dict[str, str]]:
    """Return the narrowest beginning of the index, and the properties that it leaves open."""
    asked = {
        name: value
        for name, value in (
            ("emitted_by_invocation_id", invocation_id),
            ("emitted_by_task_id", task),
            ("event_code", code),
        )
        if value is not None
    }
    if not asked:
        return pack("all"), {}
    name = next(iter(asked))
    relation = {"emitted_by_invocation_id": "invocation", "emitted_by_task_id": "task"}
    return pack(relation.get(name, "code"), asked.pop(name)), asked


def _marker(entry: list[Any]) -> EventMarker:
    event_id, code, time, matched, triggered, invocation_id, runner_context_id = entry
    return EventMarker(
        to_text(event_id),
        to_text(code),
        from_microseconds(int(time)),
        matched == b"1",
        triggered == b"1",
        None if invocation_id is None else to_text(invocation_id),
        None if runner_context_id is None else to_text(runner_context_id),
    )
