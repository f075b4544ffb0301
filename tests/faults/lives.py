"""Lives in which every script that writes is called, in processes that may be killed at any call.

Each is a process that is client, worker and caretaker of its app at once.
"""

from __future__ import annotations

import uuid
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pynenc import PynencBuilder
from pynenc.app_info import AppInfo
from pynenc.exceptions import InvocationStatusError
from pynenc.orchestrator.atomic_service import AtomicServiceExecutionStatus, AtomicServiceRun
from pynenc.trigger.trigger_builder import TriggerBuilder

from faults import fault_tasks as tasks
from faults.oracle import Oracle
from life.tools import bind, claim, orchestrator, runner, without_core_tasks
from pynenc_redis_lua.consistency import check
from pynenc_redis_lua.scripts.runner import ScriptRunner
from triggers.tools import EVERY_HOUR, make_due

if TYPE_CHECKING:
    from pynenc import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.runner.runner_context import RunnerContext
    from pynenc.task import Task

    from faults.tools import Where

LARGE = "large " * 2**19
SETTINGS = {
    # Whoever is not heard of at this moment is dead.
    "max_pending_seconds": 0.0,
    "runner_considered_dead_after_minutes": 0.0,
    # A large value is several chunks, and nothing is kept for later.
    "compression_enabled": False,
    "auto_final_invocation_purge_hours": 0.0,
    "event_max_records": 2,
    "trigger_run_max_records": 2,
    "atomic_service_execution_max_records": 1,
}


def whole(where: Where) -> Pynenc:
    """The app of which all is ours."""
    app = where.app(**SETTINGS)
    _register(app)
    return app


def mixed(where: Where, database: str) -> Pynenc:
    """The app whose broker is not ours: pynenc's own chain of calls leads."""
    builder = PynencBuilder().app_id(where.app_id).sqlite(database).thread_runner()
    ours = {
        name: f"Redis{kind}"
        for name, kind in (
            ("state_backend_cls", "StateBackend"),
            ("orchestrator_cls", "Orchestrator"),
            ("trigger_cls", "Trigger"),
            ("client_data_store_cls", "ClientDataStore"),
        )
    }
    values = {"redis_url": where.server.url, "logging_level": "critical", "cached_status_time": 0.0}
    app = builder.custom_config(**ours, **values, **SETTINGS).build()
    without_core_tasks(app)
    _register(app)
    return app


def _register(app: Pynenc) -> None:
    for code, task in (("ping", tasks.work), ("pong", tasks.once)):
        trigger = TriggerBuilder().on_event(code).with_args_from_event(tasks.of_event)
        app.trigger.register_task_triggers(bind(app, task), trigger)
    of_result = TriggerBuilder().on_any_result(bind(app, tasks.flaky))
    app.trigger.register_task_triggers(
        bind(app, tasks.follow_up), of_result.with_args_from_result(tasks.of_result)
    )
    app.trigger.register_condition(EVERY_HOUR)


class Life:
    """A process and its app.

    Args:
        app: The app.
        file: The file of the oracle.
    """

    def __init__(self, app: Pynenc, file: str) -> None:
        self.app, self.oracle = app, Oracle(file)
        self.who = runner(f"runner {uuid.uuid4().hex}")

    def submit(self, task: Task, *more: Any, count: int = 1) -> list[DistributedInvocation]:
        tokens = [f"token {uuid.uuid4().hex}" for _ in range(count)]
        bound, calls = bind(self.app, task), [(self.oracle.path, each, *more) for each in tokens]
        if count == 1:
            return self.oracle.submit(tokens, lambda: [bound(*calls[0])])
        return self.oracle.submit(tokens, lambda: bound.parallelize(calls).invocations)

    def emit(self, code: str) -> None:
        token = f"event {uuid.uuid4().hex}"
        self.oracle.note("submitted", token)
        self.app.trigger.emit_event(code, {"file": self.oracle.path, "token": token})
        self.oracle.note("emitted", token)

    def run_all(self) -> None:
        work_off(self.app, self.who)

    def live(self) -> None:
        """All that happens to invocations, and what keeps an app in order."""
        state, orch = self.app.state_backend, self.app.orchestrator
        # As every runner does that starts.
        _register(self.app)
        state.store_app_info(AppInfo.from_app(self.app))
        state.store_runner_context(runner(f"another {uuid.uuid4().hex}"))
        orch.register_runner_heartbeats([self.who.runner_id], can_run_atomic_service=True)
        [first], [second] = self.submit(tasks.work), self.submit(tasks.work)
        self.submit(tasks.fail)
        self.submit(tasks.flaky)
        self.submit(tasks.workflow)
        self.submit(tasks.work, count=3)
        # The same content twice, and of no other life.
        value = f"{LARGE}{uuid.uuid4()}"
        self.submit(tasks.large, value)
        self.submit(tasks.large, value)
        orch.index_arguments_for_concurrency_control(first)
        self.wait_and_go_back(first, second)
        self.run_all()
        orch.increment_invocation_retries(first.invocation_id)
        orch.set_up_invocation_auto_purge(first.invocation_id)
        self.by_hand()
        self.take_care()
        self.run_all()

    def wait_and_go_back(self, first: DistributedInvocation, second: DistributedInvocation) -> None:
        """One waits for another; both go back to their queue."""
        orch = self.app.orchestrator
        claim(self.app, self.who, 2)
        with suppress(InvocationStatusError):
            orch.waiting_for_results(first.invocation_id, [second.invocation_id])
            orch.blocking_control.release_waiters(second.invocation_id)
            ids = {first.invocation_id, second.invocation_id}
            orch.reroute_invocations(ids, self.who)

    def by_hand(self) -> None:
        """Take something out of the queue and leave it to recovery; queue something twice."""
        _first, last = self.submit(tasks.work, count=2)
        self.app.broker.retrieve_invocation()
        self.app.broker.route_invocation(last.invocation_id, "default", 0.5)

    def take_care(self) -> None:
        """Triggers, the atomic service, recovery, retention."""
        make_due(self.app)
        self.emit("ping")
        # The second one finds what the first one started.
        self.emit("pong")
        self.emit("pong")
        orch, run = self.app.orchestrator, AtomicServiceRun(runner_id=self.who.runner_id)
        orch.record_atomic_service_execution_start(run, None)
        self.app.trigger.trigger_loop_iteration(run)
        self.app.trigger.auto_purge_events()
        orchestrator(self.app).recover_invocations(self.who)
        orch.auto_purge()
        ended = datetime.now(UTC)
        orch.finalize_atomic_service_execution(run, ended, AtomicServiceExecutionStatus.COMPLETED)


def work_off(app: Pynenc, who: RunnerContext) -> None:
    """Run everything that is queued."""
    while claimed := claim(app, who, 100):
        for invocation in claimed:
            with suppress(ValueError):
                invocation.run(who)


def live(app: Pynenc, file: str, *, purge: bool) -> Counter[str]:
    """Live such a life to its end, and tell which scripts were called how often."""
    calls: Counter[str] = Counter()
    send = ScriptRunner._send

    def counted(self: ScriptRunner, prepared: Any, *call: Any) -> Any:
        calls[prepared.name] += 1
        return send(self, prepared, *call)

    ScriptRunner._send = counted  # type: ignore[method-assign]
    Life(app, file).live()
    if purge:
        app.purge()
    return calls


def rescue(app: Pynenc) -> None:
    """One cycle of what the living do for the dead."""
    who = runner("rescuer")
    orchestrator(app).recover_invocations(who)
    app.trigger.trigger_loop_iteration(AtomicServiceRun(runner_id=who.runner_id))
    work_off(app, who)


def repair(app: Pynenc) -> None:
    """Mend whatever is damaged."""
    for problem in check(orchestrator(app).scripts, repair=True):
        assert problem.repaired, problem
