"""What the tests of triggers share: an app with triggers of every kind, and what came of them."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from pynenc import PynencBuilder
from pynenc.invocation.status import InvocationStatus
from pynenc.trigger.conditions import CronCondition
from pynenc.trigger.trigger_builder import TriggerBuilder

from life.tools import bind, claim, client_of, key_of, runner, without_core_tasks
from pynenc_redis_lua.trigger import RedisTrigger
from servers import Server  # noqa: TC001 - a process unpickles it
from triggers import trigger_tasks as tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pynenc import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.runner.runner_context import RunnerContext
    from pynenc.task import Task

# Due whenever its last tick is two hours old, and not once more before the test is over.
EVERY_HOUR = CronCondition("* * * * *", min_interval_seconds=3600)
ALL_STATUSES = list(InvocationStatus)


class Where(NamedTuple):
    """Which app a test is in; each process builds its own."""

    server: Server
    app_id: str


def build_app(where: Where, **values: object) -> Pynenc:
    """An app of which all is ours, and to whose recovery everyone is dead."""
    settings = {
        "redis_cluster": where.server.cluster,
        "redis_outage_budget": 10.0,
        "logging_level": "critical",
        "cached_status_time": 0.0,
        "max_pending_seconds": 0.0,
        **values,
    }
    builder = PynencBuilder().app_id(where.app_id).thread_runner().redis(url=where.server.url)
    app = builder.custom_config(**settings).build()
    without_core_tasks(app)
    return app


def trigger_of(app: Pynenc) -> RedisTrigger:
    assert isinstance(app.trigger, RedisTrigger)
    return app.trigger


# Triggers


def every_kind(app: Pynenc) -> dict[Task, TriggerBuilder]:
    """A trigger of every kind; some wait for the same conditions."""
    watched = bind(app, tasks.watched)
    return {
        tasks.by_event: TriggerBuilder().on_event("ping").with_args_from_event(tasks.of_event),
        tasks.by_event_too: TriggerBuilder()
        .on_event("ping", {"loud": True})
        .with_args_from_event(tasks.of_event),
        tasks.by_status: TriggerBuilder()
        .on_status(watched, InvocationStatus.SUCCESS)
        .with_args_from_status(tasks.of_status),
        tasks.by_result: TriggerBuilder()
        .on_any_result(watched)
        .with_args_from_result(tasks.of_result),
        tasks.by_exception: TriggerBuilder()
        .on_exception(watched, "ValueError")
        .with_args_from_exception(tasks.of_exception),
        tasks.by_either: TriggerBuilder()
        .on_event("ping")
        .on_status(watched, InvocationStatus.SUCCESS)
        .with_logic("or")
        .with_args_from_trigger_context(tasks.of_either),
        tasks.by_both: TriggerBuilder()
        .on_event("left")
        .on_event("right")
        .with_logic("and")
        .with_args_from_event(tasks.of_event),
        tasks.by_late: TriggerBuilder()
        .on_event("early")
        .on_event("late")
        .with_logic("and")
        .with_args_from_event(tasks.of_event),
        tasks.by_clock: TriggerBuilder().add_condition(EVERY_HOUR),
    }


def every_status(app: Pynenc) -> dict[Task, TriggerBuilder]:
    """Triggers for each change of status of a task, for its result and for its exception."""
    of_kind = every_kind(app)
    return {
        tasks.by_status: TriggerBuilder()
        .on_status(bind(app, tasks.watched), ALL_STATUSES)
        .with_args_from_status(tasks.of_status),
        tasks.by_result: of_kind[tasks.by_result],
        tasks.by_exception: of_kind[tasks.by_exception],
    }


def by_ping(app: Pynenc) -> dict[Task, TriggerBuilder]:
    """Two triggers for one code of events, the second of which takes only loud ones."""
    of_kind = every_kind(app)
    return {task: of_kind[task] for task in (tasks.by_event, tasks.by_event_too)}


def by_events(app: Pynenc) -> dict[Task, TriggerBuilder]:
    """The same, another for the loud ones, and one that waits for two events."""
    another = TriggerBuilder().on_event("ping", {"loud": True})
    return {
        **by_ping(app),
        tasks.by_either: another.with_args_from_event(tasks.of_event),
        tasks.by_both: every_kind(app)[tasks.by_both],
    }


def by_clock(_app: Pynenc) -> dict[Task, TriggerBuilder]:
    return {tasks.by_clock: TriggerBuilder().add_condition(EVERY_HOUR)}


def once_by_ping(_app: Pynenc) -> dict[Task, TriggerBuilder]:
    """A trigger whose task is registered only once at a time."""
    return {tasks.once: TriggerBuilder().on_event("ping")}


def register(app: Pynenc, triggers: dict[Task, TriggerBuilder]) -> None:
    """Register triggers, as every runner does when it starts."""
    for task, trigger in triggers.items():
        app.trigger.register_task_triggers(bind(app, task), trigger)


def make_due(app: Pynenc) -> None:
    """Let the last tick of the cron condition be long ago."""
    id_ = EVERY_HOUR.condition_id
    last = app.trigger.get_last_cron_execution(id_)
    assert app.trigger.store_last_cron_execution(
        id_, datetime.now(UTC) - timedelta(hours=2), expected_last_execution=last
    )


def run(invocation: DistributedInvocation, who: RunnerContext) -> None:
    """Run an invocation as a runner does, which goes on when a task fails."""
    with suppress(ValueError):
        invocation.run(who)


# What came of them


@dataclass(frozen=True)
class Started:
    """An invocation that a trigger started: its function, its token, and what it is for."""

    function: str
    token: str | None
    origins: frozenset[str]
    status: str | None = None


def started_by(app: Pynenc, invocation: DistributedInvocation) -> Started:
    """What started an invocation: exactly one run, which knows the invocation."""
    id_ = invocation.invocation_id
    [run] = app.trigger.get_trigger_runs_for_invocation(id_)
    assert run.triggered_invocation_id == id_
    assert run.task_id_key == invocation.task.task_id.key
    arguments = invocation.call.arguments.kwargs
    return Started(
        invocation.task.task_id.func_name,
        arguments.get("token"),
        frozenset([*run.event_ids, *run.source_invocation_ids]),
        arguments.get("status"),
    )


def take_all(app: Pynenc) -> Iterator[DistributedInvocation]:
    """Claim everything that is queued, and what is queued meanwhile."""
    while claimed := claim(app, runner("taker"), 100):
        yield from claimed


def take_started(app: Pynenc) -> dict[str, Started]:
    """Claim everything that triggers started, by invocation id."""
    return {it.invocation_id: started_by(app, it) for it in take_all(app)}


def assert_linked(app: Pynenc, event_ids: list[str], started: dict[str, Started]) -> None:
    """Each event knows exactly the invocations that it had a part in."""
    for event_id in event_ids:
        event = app.trigger.get_event(event_id)
        assert event is not None
        assert event.matched
        assert Counter(event.triggered_invocation_ids) == Counter(
            id_ for id_, it in started.items() if event_id in it.origins
        )


def assert_nothing_pending(app: Pynenc) -> None:
    for name in ("valid_conditions", "valid_order", "changes", "trigger_claims"):
        assert client_of(app).exists(key_of(app, name)) == 0, name


def count(app: Pynenc, name: str) -> int:
    """How many fields a hash of the app has."""
    return client_of(app).hlen(key_of(app, name))
