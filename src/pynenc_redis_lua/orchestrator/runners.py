"""Runners: which of them are alive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pynenc_redis_lua.codec import pack
from pynenc_redis_lua.orchestrator.core import OrchestratorCore
from pynenc_redis_lua.records import MICROSECONDS, runner_info
from pynenc_redis_lua.scripts.runner import batches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pynenc.orchestrator.atomic_service import ActiveRunnerInfo

# Nobody's heartbeat for this share of the dead limit is an outage of the server: runners that were
# cut off have the rest of the limit to be heard of again.
_OUTAGE_SHARE = 0.75
_SHORTEST_OUTAGE_US = 5 * MICROSECONDS


class Runners(OrchestratorCore):
    """What is known of runners."""

    def register_runner_heartbeats(
        self,
        runner_ids: list[str],
        can_run_atomic_service: bool = False,  # noqa: FBT001, FBT002 - pynenc's signature
        consumed_queues: Sequence[str] | None = None,
    ) -> None:
        """Note that runners are alive; one commit per 1,000 of them."""
        items = [(runner_id,) for runner_id in runner_ids]
        outage_us = max(int(self._dead_us * _OUTAGE_SHARE), _SHORTEST_OUTAGE_US)
        for batch in batches(items):
            self.scripts.orchestrator_heartbeat(
                eligible="1" if can_run_atomic_service else "",
                queues=pack(*(consumed_queues or ())),
                keeps_queues=int(consumed_queues is None),
                outage_us=outage_us,
                items=batch,
            )

    def _get_active_runners(
        self,
        timeout_seconds: float,
        can_run_atomic_service: bool | None = None,  # noqa: FBT001 - pynenc's signature
    ) -> list[ActiveRunnerInfo]:
        """Return the runners heard of within a time, by the time of their first heartbeat."""
        within = int(timeout_seconds * MICROSECONDS)
        found = self.scripts.orchestrator_active_runners(within_us=within).values[0]
        runners = [runner_info(*fields) for fields in found]
        return sorted(
            (
                runner
                for runner in runners
                if can_run_atomic_service in {None, runner.allow_to_run_atomic_service}
            ),
            key=lambda runner: (runner.creation_time, runner.runner_id),
        )
