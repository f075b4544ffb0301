"""Cron: each tick is taken once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pynenc.trigger.conditions import CronCondition, CronContext, ValidCondition
from pynenc.trigger.log_messages import TriggerLogMsg, join_tokens, ref

from pynenc_redis_lua.codec import to_text
from pynenc_redis_lua.component import by_id
from pynenc_redis_lua.operation import new_operation
from pynenc_redis_lua.trigger.conditions import Conditions, ValidItem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pynenc.orchestrator.atomic_service import AtomicServiceRun


class Cron(Conditions):
    """When time meets a condition."""

    def get_last_cron_execution(self, condition_id: str) -> datetime | None:
        """Return the time of the last tick that somebody took, or None."""
        return self._last_ticks([condition_id])[condition_id]

    def _last_ticks(self, condition_ids: Sequence[str]) -> dict[str, datetime | None]:
        ticks = by_id(condition_ids, lambda ids: self.scripts.trigger_get_cron(items=ids).values[0])
        return {
            id_: None if tick is None else _aware(datetime.fromisoformat(to_text(tick)))
            for id_, tick in ticks.items()
        }

    def store_last_cron_execution(
        self,
        condition_id: str,
        execution_time: datetime,
        expected_last_execution: datetime | None = None,
    ) -> bool:
        """Take a tick, if the last one is still the expected one (None: there was none)."""
        return self._take(condition_id, execution_time, expected_last_execution, [])

    def _take(
        self,
        condition_id: str,
        tick: datetime,
        expected: datetime | None,
        items: list[ValidItem],
    ) -> bool:
        reply = self.scripts.trigger_store_cron(
            condition_id=condition_id,
            tick=_aware(tick).isoformat(),
            expected=_aware(expected).isoformat() if expected else "",
            op=new_operation(),
            items=items,
        )
        return reply.tag == "STORED"

    def check_time_based_triggers(
        self,
        current_time: datetime | None = None,
        *,
        atomic_service_run: AtomicServiceRun,
    ) -> None:
        """Take every tick that is due, and record in the same commit that its condition is met.

        A condition that never ticked is due when its schedule says so, not at the first look.
        """
        if not self.conf.enable_scheduler:
            return
        now = _aware(current_time or datetime.now(UTC))
        conditions = [
            condition
            for condition in self._readable_conditions("kind", "cron")
            if isinstance(condition, CronCondition)
        ]
        last_ticks = self._last_ticks([condition.condition_id for condition in conditions])
        for condition in conditions:
            last = last_ticks[condition.condition_id]
            context = CronContext(timestamp=now, last_execution=last)
            if not self.is_met(condition, context):
                continue
            item = self.valid_item(ValidCondition(condition, context))
            taken = self._take(condition.condition_id, now, last, [item])
            self.app.logger.info(
                join_tokens(
                    TriggerLogMsg.CRON_CLAIMED if taken else TriggerLogMsg.CRON_SKIPPED,
                    ref("atomic-service-run", atomic_service_run.atomic_service_run_id),
                    ref("condition", condition.condition_id),
                    f"timestamp:{now.isoformat()}" if taken else "reason:already-claimed",
                )
            )


def _aware(time: datetime) -> datetime:
    """Return a time with its zone; as in pynenc, one without is UTC."""
    return time if time.tzinfo else time.replace(tzinfo=UTC)
