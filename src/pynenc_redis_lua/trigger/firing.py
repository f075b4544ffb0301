"""Firing: triggers whose conditions are met start their tasks, once each.

Where all components are ours, a trigger fires in one commit: the invocation is submitted, the run
is recorded, and what it fired for is settled. Killed before it, nothing has happened, and the next
loop of any worker does it; killed after it, all has.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from pynenc.trigger.conditions import CompositeLogic, EventContext
from pynenc.trigger.trigger_context import TriggerContext
from pynenc.trigger.trigger_definitions import TriggerDefinition

from pynenc_redis_lua.component import SWEEP_SECONDS, left_when_full, swept
from pynenc_redis_lua.errors import (
    RedisLuaError,
    ServerOutOfMemoryError,
    ServerUnavailableError,
)
from pynenc_redis_lua.records import MICROSECONDS
from pynenc_redis_lua.scripts.runner import batches
from pynenc_redis_lua.trigger.conditions import Conditions, Recorded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pynenc.app import Pynenc
    from pynenc.invocation.base_invocation import BaseInvocation
    from pynenc.models.trigger_definition_dto import TriggerDefinitionDTO
    from pynenc.orchestrator.atomic_service import AtomicServiceRun
    from pynenc.trigger.monitoring import TriggerRunRecord

# What is settled or removed in one step: it stays below ten milliseconds of the server's time.
_STEP = 100
# Valid conditions of one condition that a run of a trigger for several conditions is made of.
_OF_ONE_CONDITION = 20
# How long one round may take: the runner's own loop waits, and so does its heartbeat.
_ROUND_SECONDS = 10.0


class FiringSettledError(RedisLuaError):
    """Somebody else has fired the trigger, or what it fires for has changed; nothing was done."""


@dataclass
class Firing:
    """A trigger that is about to fire.

    Attributes:
        run_id: The run that it makes.
        trigger: The trigger.
        entries: What it fires for.
        items: The same as scripts take it: entry, version, whether nobody else waits for it.
        service: The atomic service that fires it.
        claimed_at: When it was about to.
        settled: Whether it is noted that the trigger has fired, and the run recorded.
    """

    run_id: str
    trigger: TriggerDefinition
    entries: list[Recorded]
    items: list[tuple[str, int, int]]
    service: AtomicServiceRun
    claimed_at: datetime
    settled: bool = False

    @property
    def context(self) -> TriggerContext:
        """What it fires for, as pynenc has it."""
        return _context(self.entries)


class Firings(Conditions):
    """When triggers fire."""

    def __init__(self, app: Pynenc) -> None:
        super().__init__(app)
        self._of_thread = threading.local()

    @property
    def firing(self) -> Firing | None:
        """The trigger that this thread is firing: who submits its task commits both at once."""
        return getattr(self._of_thread, "firing", None)

    def _process_loop_iteration_body(self, atomic_service_run: AtomicServiceRun) -> None:
        with left_when_full(self.app):
            self._fire_round(atomic_service_run)
        self._expire_pending()

    def _fire_round(self, atomic_service_run: AtomicServiceRun) -> None:
        deadline = time.monotonic() + _ROUND_SECONDS
        self.restore_registration()
        self.check_time_based_triggers(atomic_service_run=atomic_service_run)
        self.evaluate_abandoned_changes(deadline)
        recorded = list(self.recorded_conditions())
        triggers, waiting = self._waiting_triggers(recorded)
        # Nobody waits for these: their triggers are gone, or have fired already.
        done = [(entry.entry_id,) for entry in recorded if not waiting[entry.entry_id]]
        for batch in batches(done, _STEP):
            self.scripts.trigger_clear(items=batch)
        for trigger, some in _in_turn(triggers):
            if time.monotonic() > deadline:
                break
            self._fire(trigger, some, waiting, atomic_service_run)

    def _waiting_triggers(
        self, recorded: list[Recorded]
    ) -> tuple[list[tuple[TriggerDefinition, list[Recorded]]], dict[str, set[str]]]:
        """Return the triggers with what they may fire for, and who waits for each entry."""
        definitions: dict[str, TriggerDefinition | None] = {}
        entries: dict[str, list[Recorded]] = defaultdict(list)
        waiting: dict[str, set[str]] = defaultdict(set)
        by_condition = self.triggers_by_condition(list({one.condition_id for one in recorded}))
        for one in recorded:
            for dto in by_condition[one.condition_id]:
                if dto.trigger_id not in one.fired:
                    if dto.trigger_id not in definitions:
                        definitions[dto.trigger_id] = self._definition(dto)
                    entries[dto.trigger_id].append(one)
                    waiting[one.entry_id].add(dto.trigger_id)
        readable = [
            (trigger, entries[id_]) for id_, trigger in definitions.items() if trigger is not None
        ]
        return readable, waiting

    def _definition(self, dto: TriggerDefinitionDTO) -> TriggerDefinition | None:
        """Return a trigger, or None if this process can't read it: another one can, or none."""
        try:
            return TriggerDefinition.from_dto(dto, self.app)
        except Exception:
            self.app.logger.exception("trigger:%s can't be read", dto.trigger_id)
            return None

    def _fire(
        self,
        trigger: TriggerDefinition,
        entries: list[Recorded],
        waiting: dict[str, set[str]],
        atomic_service_run: AtomicServiceRun,
    ) -> None:
        def items(some: list[Recorded]) -> list[tuple[str, int, int]]:
            others = ((one, waiting[one.entry_id] - {trigger.trigger_id}) for one in some)
            return [(one.entry_id, one.version, int(not waiters)) for one, waiters in others]

        taken, surplus = _taken(entries)
        firing = Firing(
            _run_id(trigger, taken),
            trigger,
            taken,
            items(taken),
            atomic_service_run,
            datetime.now(UTC),
        )
        try:
            self._execute(firing)
            for batch in batches(items(surplus) if firing.settled else [], _STEP):
                self.scripts.trigger_settle(trigger_id=trigger.trigger_id, items=batch)
        except (ServerUnavailableError, ServerOutOfMemoryError):
            raise
        except FiringSettledError:
            self.app.logger.debug("trigger:%s fired already", trigger.trigger_id)
        except Exception:
            # What one trigger meets must not keep the others from firing; it is tried again.
            self.app.logger.exception("trigger:%s can't fire", trigger.trigger_id)
        if firing.settled:
            for one in entries:
                waiting[one.entry_id].discard(trigger.trigger_id)

    def _execute(self, firing: Firing) -> None:
        orchestrator, forced = self.app.orchestrator, self.app.conf.dev_mode_force_sync_tasks
        in_one_commit = getattr(orchestrator, "commits_triggers", False) and not forced
        if not in_one_commit and not self.claim_trigger_run(firing.run_id):
            return
        trigger, context = firing.trigger, firing.context
        self._log_run_claimed(firing.run_id, trigger, context, firing.service)
        arguments = trigger.get_arguments(context)
        self._of_thread.firing = firing
        try:
            invocation = self.execute_task(
                trigger.task_id, arguments, parent_event_id=_event_of(context)
            )
        finally:
            self._of_thread.firing = None
        if not firing.settled:
            self.scripts.trigger_settle(trigger_id=trigger.trigger_id, items=firing.items)
            firing.settled = True
            self._record_trigger_run(
                run_id=firing.run_id,
                trigger=trigger,
                context=context,
                invocation=invocation,
                claimed_at=firing.claimed_at,
                executed_at=datetime.now(UTC),
                atomic_service_run=firing.service,
            )
        self._log_run_executed(firing.run_id, trigger, context, invocation, firing.service)

    def run_of(self, firing: Firing, invocation: BaseInvocation[Any, Any]) -> TriggerRunRecord:
        """Return the record of the run in which a trigger starts an invocation."""
        return self._build_trigger_run_record(
            firing.run_id,
            firing.trigger,
            firing.context,
            invocation,
            firing.claimed_at,
            datetime.now(UTC),
            firing.service,
        )

    def _expire_pending(self) -> None:
        """Remove what nothing came of for as long as events are kept."""
        age_us = int(self.conf.event_retention_days * 24 * 3600 * MICROSECONDS)
        step = partial(self.scripts.trigger_expire_pending, age_us=age_us, count=_STEP)
        for _ in swept(step, time.monotonic() + SWEEP_SECONDS):
            pass


def _in_turn(
    triggers: list[tuple[TriggerDefinition, list[Recorded]]],
) -> Iterator[tuple[TriggerDefinition, list[Recorded]]]:
    """Go through what triggers may fire for, one of each in turn: none waits for all of another."""
    groups = [
        [(trigger, some) for some in _contexts(trigger, entries)] for trigger, entries in triggers
    ]
    for each in zip_longest(*groups):
        yield from filter(None, each)


def _taken(entries: list[Recorded]) -> tuple[list[Recorded], list[Recorded]]:
    """Return what a run is made of, the newest of each condition, and the rest."""
    taken: list[Recorded] = []
    surplus: list[Recorded] = []
    seen: Counter[str] = Counter()
    for one in reversed(entries):
        seen[one.condition_id] += 1
        (taken if seen[one.condition_id] <= _OF_ONE_CONDITION else surplus).append(one)
    return taken[::-1], surplus


def _contexts(trigger: TriggerDefinition, entries: list[Recorded]) -> Iterator[list[Recorded]]:
    """Group what a trigger may fire for: one group a run."""
    if trigger.logic == CompositeLogic.OR or len(trigger.condition_ids) == 1:
        yield from ([one] for one in entries)
    elif {one.condition_id for one in entries} >= set(trigger.condition_ids):
        yield entries


def _context(entries: list[Recorded]) -> TriggerContext:
    return TriggerContext(
        valid_conditions={one.valid.valid_condition_id: one.valid for one in entries}
    )


def _run_id(trigger: TriggerDefinition, entries: list[Recorded]) -> str:
    # pynenc's id of a run, and which of the records it fires for: a condition that is met again
    # makes another run.
    digest = hashlib.sha256()
    for run_id in trigger.generate_trigger_run_ids(_context(entries)):
        digest.update(run_id.encode())
    for version in sorted(one.version for one in entries):
        digest.update(b"%d," % version)
    return digest.hexdigest()


def _event_of(context: TriggerContext) -> str | None:
    """Return the first event that had a part in it: the parent of what it starts."""
    for valid in context.valid_conditions.values():
        if isinstance(valid.context, EventContext) and valid.context.event_id:
            return valid.context.event_id
    return None
