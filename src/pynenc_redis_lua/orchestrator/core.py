"""What every part of the orchestrator needs."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from pynenc.identifiers.invocation_id import InvocationId
from pynenc.identifiers.task_id import TaskId
from pynenc.invocation.status import InvocationStatus
from pynenc.orchestrator.base_orchestrator import BaseOrchestrator
from pynenc.trigger.conditions.status import StatusContext

from pynenc_redis_lua.broker import RedisBroker
from pynenc_redis_lua.codec import to_text
from pynenc_redis_lua.component import RedisComponent, left_when_full
from pynenc_redis_lua.conf import ConfigOrchestratorRedis
from pynenc_redis_lua.orchestrator.blocking_control import RedisBlockingControl
from pynenc_redis_lua.records import MICROSECONDS
from pynenc_redis_lua.state_backend import RedisStateBackend
from pynenc_redis_lua.trigger import RedisTrigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pynenc.app import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.trigger.conditions import ConditionContext


class OrchestratorCore(RedisComponent, BaseOrchestrator):
    """What every part of the orchestrator needs."""

    def __init__(self, app: Pynenc) -> None:
        super().__init__(app)
        self.connect(app, self.conf)
        self._blocking_control = RedisBlockingControl(self.scripts)

    @cached_property
    def conf(self) -> ConfigOrchestratorRedis:
        """The settings."""
        return ConfigOrchestratorRedis(
            config_values=self.app.config_values, config_filepath=self.app.config_filepath
        )

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

    @cached_property
    def _trigger(self) -> RedisTrigger | None:
        """The trigger component if our commits note changes for it, or None: then it is told."""
        trigger = self.app.trigger
        if self._state is None or not isinstance(trigger, RedisTrigger):
            return None
        if trigger.connection is self.connection:
            return trigger
        self.app.logger.warning(
            "the trigger component has other settings of Redis than the orchestrator: changes are"
            " reported to it, not noted in their commits"
        )
        return None

    @property
    def commits_triggers(self) -> bool:
        """Whether commits note changes for triggers, and triggers fire in commits that submit."""
        return self._trigger is not None

    def after_commit(
        self,
        noted: list[bytes],
        report: Callable[[], None],
        at_hand: Sequence[DistributedInvocation[Any, Any]] = (),
        outcome: Any = None,
    ) -> None:
        """Let the trigger component know what a commit changed.

        Args:
            noted: The changes that the commit noted.
            report: Tells a component that our commits note nothing for.
            at_hand: Invocations that changed and need not be read.
            outcome: The result or the exception that the one at hand ended with.
        """
        if self._trigger is None:
            report()
        elif noted:
            try:
                with left_when_full(self.app):
                    self._trigger.evaluate_changes(noted, at_hand, outcome)
            except Exception:
                # The changes are noted: the trigger loop evaluates them, and what was committed is
                # no failure of the task.
                self.app.logger.exception("changes are left to the trigger loop")

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

    @property
    def _pending_us(self) -> int:
        return int(self.app.conf.max_pending_seconds * MICROSECONDS)

    @property
    def _dead_us(self) -> int:
        return int(self.app.conf.runner_considered_dead_after_minutes * 60 * MICROSECONDS)
