"""Valid conditions: what is met and has not been acted upon yet."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pynenc.exceptions import InvocationNotFoundError
from pynenc.identifiers.invocation_id import InvocationId
from pynenc.invocation.status import InvocationStatus
from pynenc.trigger.conditions import (
    ExceptionContext,
    ResultContext,
    StatusContext,
    TriggerCondition,
    ValidCondition,
)

from pynenc_redis_lua.codec import to_bytes, to_text, unpack_text
from pynenc_redis_lua.component import PAGE
from pynenc_redis_lua.errors import ServerUnavailableError
from pynenc_redis_lua.operation import consumer_id, new_operation
from pynenc_redis_lua.scripts.runner import batches
from pynenc_redis_lua.trigger.registration import Registration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.trigger.conditions import ConditionContext

    from pynenc_redis_lua.trigger.registration import Condition

# Valid conditions of one call, which holds the server up for a few milliseconds.
_STEP = 200
# Changes of status that the process which made them has not evaluated for so long are left to the
# loop: it has died, or its server was away.
_ABANDONED_US = 5_000_000


# Of a valid condition: its entry, its condition, and itself as JSON.
type ValidItem = tuple[str, str, bytes]


@dataclass(frozen=True)
class Recorded:
    """A valid condition as it is recorded.

    Attributes:
        entry_id: Its id in the store.
        version: Which of the records under that id it is.
        condition_id: The condition that is met.
        fired: The triggers that have fired for it.
        valid: The valid condition.
    """

    entry_id: str
    version: int
    condition_id: str
    fired: frozenset[str]
    valid: ValidCondition


class Conditions(Registration):
    """Which conditions are met."""

    def record_valid_condition(self, valid_condition: ValidCondition) -> None:
        """Record that a condition is met."""
        self.record_valid_conditions([valid_condition])

    def record_valid_conditions(self, valid_conditions: list[ValidCondition]) -> None:
        """Record that conditions are met, in one commit per 200 of them."""
        for batch in batches(map(self.valid_item, valid_conditions), _STEP):
            self._record([(b"", *item) for item in batch])

    def _record(self, rows: list[tuple[bytes, str, str, bytes]]) -> None:
        self.scripts.trigger_record(consumer=consumer_id(), op=new_operation(), items=rows)

    def valid_item(self, valid: ValidCondition) -> ValidItem:
        """Return what scripts take of a valid condition."""
        return _entry_id(valid), valid.condition.condition_id, to_bytes(valid.to_json(self.app))

    def get_valid_conditions(self) -> dict[str, ValidCondition]:
        """Return all conditions that are met, in the order in which they were recorded."""
        return {one.valid.valid_condition_id: one.valid for one in self.recorded_conditions()}

    def recorded_conditions(self) -> Iterator[Recorded]:
        """Iterate over what is recorded, the oldest first.

        What this process can't read (its code is older or newer than the writer's) is left out.
        """
        after = 0
        while True:
            page = self.scripts.trigger_valid_page(after=after, count=_STEP).values[0]
            for entry_id, version, condition_id, stored, fired in page:
                after = int(version)
                try:
                    valid = ValidCondition.from_json(to_text(stored), self.app)
                except Exception:
                    self.app.logger.exception(
                        "valid condition of condition:%s can't be read", to_text(condition_id)
                    )
                    continue
                yield Recorded(
                    to_text(entry_id),
                    after,
                    to_text(condition_id),
                    frozenset(id_ or "" for id_ in unpack_text(fired)),
                    valid,
                )
            if len(page) < _STEP:
                return

    def clear_valid_conditions(self, conditions: Iterable[ValidCondition]) -> None:
        """Remove valid conditions."""
        for batch in batches([(_entry_id(valid),) for valid in conditions], _STEP):
            self.scripts.trigger_clear(items=batch)

    # Changes of status

    def evaluate_changes(
        self,
        changes: Iterable[bytes],
        at_hand: Iterable[DistributedInvocation[Any, Any]] = (),
        outcome: Any = None,
    ) -> None:
        """Evaluate the conditions that watch changes which a commit noted.

        Args:
            changes: As scripts reply them.
            at_hand: Invocations that need not be read.
            outcome: The result or the exception that the one at hand ended with.
        """
        invocations = {str(invocation.invocation_id): invocation for invocation in at_hand}
        watching: dict[tuple[str, str], list[Condition]] = {}
        rows: list[tuple[bytes, str, str, bytes]] = []
        for change in changes:
            id_, task, status, _ = (text or "" for text in unpack_text(change))
            invocation = invocations.get(id_) or self._invocation(id_)
            met: list[ValidItem] = []
            if invocation is not None:
                if (task, status) not in watching:
                    watching[task, status] = list(self._watching(task, status))
                for condition in watching[task, status]:
                    valid = self._met(condition, invocation, InvocationStatus(status), outcome)
                    met += [self.valid_item(valid)] if valid else []
            # All that a change meets goes in one call: with the first one the change is done with.
            rows += [(change, *item) for item in met or [("", "", b"")]]
            if len(rows) >= _STEP:
                self._record(rows)
                rows = []
        if rows:
            self._record(rows)

    def _invocation(self, id_: str) -> DistributedInvocation[Any, Any] | None:
        try:
            return self.app.state_backend.get_invocation(InvocationId(id_))
        except InvocationNotFoundError:
            self.app.logger.warning("invocation:%s is gone, no trigger fires for it", id_)
            return None

    def _watching(self, task: str, status: str) -> Iterator[Condition]:
        """Iterate over the conditions that watch a status and that triggers wait for.

        Raises:
            Exception: Whatever it is that keeps this process from reading one of them.
        """
        for condition_id, stored in self._stored("watch", task, status):
            try:
                yield TriggerCondition.from_json(stored, self.app)
            except Exception:
                # A condition stays when its triggers go, and so may one that nobody can read.
                if self.get_triggers_for_condition(condition_id):
                    raise

    def evaluate_abandoned_changes(self, deadline: float = math.inf) -> None:
        """Evaluate the changes whose makers have not done so."""
        left, page = 0, [b""] * PAGE
        while len(page) == PAGE and time.monotonic() < deadline:
            page = self.scripts.trigger_changes_page(
                age_us=_ABANDONED_US, offset=left, count=PAGE
            ).values[0]
            for change in page:
                try:
                    self.evaluate_changes([change])
                except ServerUnavailableError:
                    raise
                except Exception:
                    # Another process may be able to read what watches it.
                    self.app.logger.exception("a change of status can't be evaluated")
                    left += 1

    def _met(
        self,
        condition: Condition,
        invocation: DistributedInvocation[Any, Any],
        status: InvocationStatus,
        outcome: Any,
    ) -> ValidCondition | None:
        context = self._context(condition, invocation, status, outcome)
        if not self.is_met(condition, context):
            return None
        valid = ValidCondition(condition, context)
        self._log_condition_matched(condition, context, valid)
        return valid

    def is_met(self, condition: Condition, context: ConditionContext) -> bool:
        """Tell whether a condition is met; one whose filter fails is not.

        A filter is the user's code: it must fail neither the task that it watches nor the emitter
        of an event, nor what else is to be evaluated.
        """
        try:
            return condition.is_satisfied_by(context)
        except Exception:
            self.app.logger.exception("condition:%s can't be evaluated", condition.condition_id)
            return False

    def _context(
        self,
        condition: Condition,
        invocation: DistributedInvocation[Any, Any],
        status: InvocationStatus,
        outcome: Any,
    ) -> ConditionContext:
        common = StatusContext.from_invocation(invocation, status)
        fields: dict[str, Any] = {
            "call_id": common.call_id,
            "invocation_id": common.invocation_id,
            "arguments": common.arguments,
            "status": status,
            "disable_cache_args": common.disable_cache_args,
        }
        state = self.app.state_backend
        if condition.context_type == ResultContext:
            result = state.get_result(common.invocation_id) if outcome is None else outcome
            return ResultContext(**fields, result=result)
        if condition.context_type == ExceptionContext:
            error = outcome or state.get_exception(common.invocation_id)
            return ExceptionContext(
                **fields, exception_type=type(error).__name__, exception_message=str(error)
            )
        return common


def _entry_id(valid: ValidCondition) -> str:
    # pynenc's id is the same for every failure with one type of exception, and for every retry of
    # an invocation: the time and the invocation tell them apart.
    context = valid.context
    invocation_id = getattr(context, "invocation_id", None)
    return json.dumps([valid.valid_condition_id, context.timestamp.isoformat(), invocation_id])
