"""Atomic services: one runner at a time runs what keeps the app in order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pynenc.orchestrator.atomic_service import (
    AtomicServiceExecutionStatus,
    AtomicServiceId,
    AtomicServiceRun,
)

from pynenc_redis_lua.component import PAGE, left_when_full
from pynenc_redis_lua.orchestrator.recovery import Recovery
from pynenc_redis_lua.orchestrator.retention import Retention
from pynenc_redis_lua.records import (
    MICROSECONDS,
    from_microseconds,
    service_execution,
    to_microseconds,
)

if TYPE_CHECKING:
    from pynenc.orchestrator.atomic_service import AtomicServiceExecution
    from pynenc.runner.runner_context import RunnerContext

    from pynenc_redis_lua.scripts.runner import Reply

# Executions that are looked at in one call: it stays below ten milliseconds of the server's time.
_TRIM_STEP = 500


class Services(Recovery, Retention):
    """What the runner does that holds the atomic service."""

    _trimmed_to = 0

    def try_claim_atomic_service_run(self, runner_ctx: RunnerContext) -> AtomicServiceRun | None:
        """Claim the atomic service; who gets it also runs recovery and retention.

        The runner whose turn it is by pynenc's schedule gets it, or any other one if nobody has run
        it for `atomic_service_check_interval_minutes`: with the settings that pynenc starts from,
        five runners leave each other no slot at all.
        """
        run = super().try_claim_atomic_service_run(runner_ctx) or self._claim_overdue(runner_ctx)
        if run is not None:
            try:
                with left_when_full(self.app):
                    self.recover_invocations(runner_ctx)
                self.auto_purge()
            except Exception as error:
                # The runner ends only a run that it got; this one would hold the service for good.
                self.finalize_atomic_service_execution(
                    run,
                    datetime.now(UTC),
                    AtomicServiceExecutionStatus.ABANDONED,
                    f"exception:{type(error).__name__}",
                )
                raise
        return run

    def _claim_overdue(self, runner_ctx: RunnerContext) -> AtomicServiceRun | None:
        run = AtomicServiceRun(AtomicServiceId(runner_ctx.runner_id), cycle_start=datetime.now(UTC))
        minutes = self.app.conf.atomic_service_check_interval_minutes
        reply = self._start(run, overdue_us=max(int(minutes * 60 * MICROSECONDS), 1))
        return run if reply.tag == "STARTED" else None

    def record_atomic_service_execution_start(
        self,
        atomic_service_run: AtomicServiceRun,
        started_at: datetime | None,
        status: AtomicServiceExecutionStatus = AtomicServiceExecutionStatus.RUNNING,
        reason: str = "",
    ) -> bool:
        """Record the start of an execution; False if another one is running."""
        reply = self._start(atomic_service_run, started_at, status, reason)
        if reply.tag == "BLOCKED":
            self.purge_atomic_service_executions()
        return reply.tag == "STARTED"

    def _start(
        self,
        run: AtomicServiceRun,
        started_at: datetime | None = None,
        status: AtomicServiceExecutionStatus = AtomicServiceExecutionStatus.RUNNING,
        reason: str = "",
        *,
        overdue_us: int = 0,
    ) -> Reply:
        service = run.atomic_service_id
        reply = self.scripts.orchestrator_service_start(
            service_id=service.atomic_service_run_id,
            runner_id=service.runner_id,
            start=str(to_microseconds(started_at)) if started_at else "",
            status=status.value,
            reason=reason,
            dead_us=self._dead_us,
            overdue_us=overdue_us,
        )
        run.started_at = from_microseconds(int(reply.values[0]))
        return reply

    def finalize_atomic_service_execution(
        self,
        atomic_service_run: AtomicServiceRun,
        end_time: datetime,
        status: AtomicServiceExecutionStatus,
        reason: str = "",
    ) -> None:
        """Record the end of an execution; the first end stands."""
        service = atomic_service_run.atomic_service_id
        self.scripts.orchestrator_service_end(
            service_id=service.atomic_service_run_id,
            runner_id=service.runner_id,
            ended=to_microseconds(end_time),
            status=status.value,
            reason=reason,
        )
        self.purge_atomic_service_executions()

    def get_active_atomic_service_executions(self) -> list[AtomicServiceExecution]:
        """Return the execution that is running, in a list."""
        reply = self.scripts.orchestrator_service_active()
        return [] if reply.tag == "NONE" else [service_execution(*reply.values)]

    def get_atomic_service_executions_in_timerange(
        self,
        start_time: datetime,
        end_time: datetime,
        limit: int = 1000,
        *,
        runner_id: str | None = None,
        min_duration_seconds: float = 0.0,
    ) -> list[AtomicServiceExecution]:
        """Return the executions that overlap a time range, the newest first."""
        found: list[AtomicServiceExecution] = []
        offset = 0
        while len(found) < limit:
            page = self.scripts.orchestrator_services_page(
                until_us=to_microseconds(end_time), offset=offset, count=PAGE
            ).values[0]
            executions = (service_execution(*fields) for fields in page)
            found += [
                execution
                for execution in executions
                if (execution.end_time or execution.start_time) >= start_time
                and runner_id in {None, execution.runner_id}
                and execution.duration_seconds >= min_duration_seconds
            ]
            if len(page) < PAGE:
                break
            offset += PAGE
        return found[: max(limit, 0)]

    def purge_atomic_service_executions(self) -> int:
        """Remove old executions, by age and by number; return how many."""
        conf = self.app.conf
        # Of ours the script looks into the index.
        protected: set[str] = set()
        if self._trigger is None:
            protected = self.app.trigger.get_referenced_atomic_service_run_ids()
        removed, stayed = self.scripts.orchestrator_services_trim(
            age_us=int(conf.atomic_service_execution_retention_minutes * 60 * MICROSECONDS),
            keep=int(conf.atomic_service_execution_max_records),
            offset=self._trimmed_to,
            count=_TRIM_STEP,
            items=[(str(id_),) for id_ in protected],
        ).values
        # The next call goes on behind those that stay, and after the last one begins again.
        self._trimmed_to = self._trimmed_to + stayed if removed + stayed == _TRIM_STEP else 0
        return int(removed)
