"""Registration: the conditions there are, and the triggers that wait for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pynenc.identifiers.task_id import TaskId
from pynenc.invocation.status import InvocationStatus
from pynenc.models.trigger_definition_dto import TriggerDefinitionDTO
from pynenc.trigger.conditions import (
    CompositeLogic,
    CronCondition,
    EventCondition,
    ExceptionContext,
    ResultContext,
    StatusCondition,
    TriggerCondition,
)
from pynenc.trigger.trigger_definitions import TriggerDefinition

from pynenc_redis_lua.codec import pack, to_bytes, to_text, unpack, unpack_text
from pynenc_redis_lua.component import PAGE, by_id, paged_entries
from pynenc_redis_lua.scripts.runner import batches
from pynenc_redis_lua.trigger.core import TriggerCore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pynenc.app import Pynenc
    from pynenc.task import Task
    from pynenc.trigger.conditions import ConditionContext
    from pynenc.trigger.trigger_builder import TriggerBuilder

type Condition = TriggerCondition[Any]
type Item = tuple[str, str, bytes, bytes]


class Registration(TriggerCore):
    """Which conditions and triggers there are."""

    def __init__(self, app: Pynenc) -> None:
        super().__init__(app)
        self._builders: dict[TaskId, tuple[Task[Any, Any], list[TriggerBuilder]]] = {}

    def register_task_triggers(
        self,
        task: Task[Any, Any],
        triggers: TriggerBuilder | list[TriggerBuilder] | None = None,
    ) -> None:
        """Put these triggers in place of all that the task had, in one commit."""
        builders = triggers if isinstance(triggers, list) else [triggers] if triggers else []
        self._builders[task.task_id] = (task, builders)
        items: list[Item] = []
        for builder in builders:
            for condition in builder.conditions:
                self._registered_conditions[condition.condition_id] = condition
                items += self._condition_items(condition)
            items.append(_trigger_item(builder.build(task.task_id).to_dto(self.app)))
        self.scripts.trigger_register(task=task.task_id.key, items=items)

    def reload_task_conditions(self) -> None:
        """Register once more what this process has registered: after a purge it is gone."""
        self._last_cron_execution_cache.clear()
        self._registered_conditions = {}
        self._source_task_conditions.clear()
        for task, builders in list(self._builders.values()):
            if builders:
                self.register_task_triggers(task, builders)

    def restore_registration(self) -> None:
        """Register everything again if another process has purged it."""
        ids = [
            (condition.condition_id,)
            for _, builders in self._builders.values()
            for builder in builders
            for condition in builder.conditions
        ]
        for batch in batches(ids):
            if None in self.scripts.trigger_get_conditions(items=batch).values[0]:
                self.reload_task_conditions()
                return

    def clean_task_trigger_definitions(self, task_id: TaskId) -> None:
        """Remove the triggers of a task; their conditions stay."""
        self._builders.pop(task_id, None)
        self.scripts.trigger_register(task=task_id.key, items=[])

    def _register_condition(self, condition: Condition) -> None:
        self.scripts.trigger_register(task="", items=self._condition_items(condition))

    def _condition_items(self, condition: Condition) -> list[Item]:
        id_ = condition.condition_id
        members = [_kind_member(condition)]
        for task_id in condition.get_source_task_ids():
            members += _source_members(task_id, id_, condition)
        return [("condition", id_, to_bytes(condition.to_json(self.app)), pack(*members))]

    def _register_source_task_condition(self, task_id: TaskId, condition_id: str) -> None:
        condition = self._registered_conditions.get(condition_id) or self.get_condition(
            condition_id
        )
        members = pack(*_source_members(task_id, condition_id, condition))
        self.scripts.trigger_register(task="", items=[("condition", condition_id, b"", members)])

    def register_trigger(self, trigger: TriggerDefinitionDTO) -> None:
        """Store a trigger."""
        self.scripts.trigger_register(task="", items=[_trigger_item(trigger)])

    # Conditions

    def get_condition(self, condition_id: str) -> Condition | None:
        """Return a condition, or None if it is not stored."""
        return self.get_conditions_batch([condition_id])[condition_id]

    def get_conditions_batch(self, condition_ids: Sequence[str]) -> dict[str, Condition | None]:
        """Return conditions by their ids, None for one that is not stored."""
        stored = by_id(
            condition_ids, lambda ids: self.scripts.trigger_get_conditions(items=ids).values[0]
        )
        return {
            id_: None if found is None else TriggerCondition.from_json(to_text(found), self.app)
            for id_, found in stored.items()
        }

    def _get_all_conditions(self) -> list[Condition]:
        return list(self._stored_conditions("kind"))

    def get_conditions_sourced_from_task(
        self, task_id: TaskId, context_type: type[ConditionContext] | None = None
    ) -> list[Condition]:
        """Return the conditions that watch a task, of one type of context or of all."""
        return [
            condition
            for condition in self._stored_conditions("task", task_id.key)
            if context_type in {None, condition.context_type}
        ]

    def _stored_conditions(self, *prefix: str) -> Iterator[Condition]:
        """Iterate over the conditions that are stored under a beginning of the index."""
        for _, stored in self._stored(*prefix):
            yield TriggerCondition.from_json(stored, self.app)

    def _readable_conditions(self, *prefix: str) -> Iterator[Condition]:
        """Iterate over the same, but for what only the code of another release can read."""
        for condition_id, stored in self._stored(*prefix):
            try:
                yield TriggerCondition.from_json(stored, self.app)
            except Exception:
                self.app.logger.exception("condition:%s can't be read", condition_id)

    def _stored(self, *prefix: str) -> Iterator[tuple[str, str]]:
        """Iterate over the ids of conditions and the conditions as JSON."""

        def page_behind(after: bytes) -> list[list[bytes]]:
            entries: list[list[bytes]] = self.scripts.trigger_conditions_page(
                prefix=pack(*prefix), after=after, count=PAGE
            ).values[0]
            return entries

        for member, stored in paged_entries(page_behind):
            if stored is not None:
                yield unpack_text(member)[-1] or "", to_text(stored)

    # Triggers

    def _get_trigger(self, trigger_id: str) -> TriggerDefinitionDTO | None:
        return self._triggers([trigger_id])[trigger_id]

    def get_triggers_batch(self, trigger_ids: Sequence[str]) -> dict[str, TriggerDefinition | None]:
        """Return triggers by their ids, None for one that is not stored."""
        return {
            id_: None if dto is None else TriggerDefinition.from_dto(dto, self.app)
            for id_, dto in self._triggers(trigger_ids).items()
        }

    def _triggers(self, trigger_ids: Sequence[str]) -> dict[str, TriggerDefinitionDTO | None]:
        stored = by_id(
            trigger_ids, lambda ids: self.scripts.trigger_get_triggers(items=ids).values[0]
        )
        return {
            id_: None if found is None else _trigger_dto(id_, found)
            for id_, found in stored.items()
        }

    def get_triggers_for_condition(self, condition_id: str) -> list[TriggerDefinitionDTO]:
        """Return the triggers that wait for a condition."""
        return self.triggers_by_condition([condition_id])[condition_id]

    def triggers_by_condition(
        self, condition_ids: Sequence[str]
    ) -> dict[str, list[TriggerDefinitionDTO]]:
        """Return the triggers that wait for each of some conditions."""
        stored = by_id(
            condition_ids, lambda ids: self.scripts.trigger_triggers_of(items=ids).values[0]
        )
        return {
            id_: [_trigger_dto(to_text(trigger_id), trigger) for trigger_id, trigger in found or ()]
            for id_, found in stored.items()
        }

    def _purge(self) -> None:
        self.scripts.trigger_purge()


def _kind_member(condition: Condition) -> bytes:
    id_ = condition.condition_id
    if isinstance(condition, EventCondition):
        return pack("kind", "event", condition.event_code, id_)
    return pack("kind", "cron" if isinstance(condition, CronCondition) else "other", id_)


def _source_members(
    task_id: TaskId, condition_id: str, condition: Condition | None
) -> Iterator[bytes]:
    yield pack("task", task_id.key, condition_id)
    for status in _watched_statuses(condition):
        yield pack("watch", task_id.key, status.value, condition_id)


def _watched_statuses(condition: Condition | None) -> Sequence[InvocationStatus]:
    """Return the statuses at which a condition has to be looked at."""
    if condition is None:
        return ()
    if condition.context_type == ResultContext:
        return (InvocationStatus.SUCCESS,)
    if condition.context_type == ExceptionContext:
        return (InvocationStatus.FAILED,)
    if isinstance(condition, StatusCondition):
        return tuple(condition.statuses)
    return tuple(InvocationStatus)


def _trigger_item(trigger: TriggerDefinitionDTO) -> Item:
    task = trigger.task_id.key
    members = [
        pack("by", condition_id, trigger.trigger_id) for condition_id in trigger.condition_ids
    ]
    members.append(pack("triggers", task, trigger.trigger_id))
    stored = pack(
        task, trigger.logic.value, trigger.argument_provider_json, pack(*trigger.condition_ids)
    )
    return ("trigger", trigger.trigger_id, stored, pack(*members))


def _trigger_dto(trigger_id: str, stored: bytes) -> TriggerDefinitionDTO:
    task, logic, provider, condition_ids = unpack(stored)
    return TriggerDefinitionDTO(
        trigger_id=trigger_id,
        task_id=TaskId.from_key(to_text(task or b"")),
        condition_ids=[id_ or "" for id_ in unpack_text(condition_ids or b"")],
        logic=CompositeLogic(to_text(logic or b"")),
        argument_provider_json=None if provider is None else to_text(provider),
    )
