"""Cron: each tick is taken by one, and by one only, whoever dies and whoever is restarted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

import pytest
from pynenc.orchestrator.atomic_service import AtomicServiceRun
from pynenc.trigger.trigger_builder import TriggerBuilder

import servers
from faults.scale import scaled
from processes import FORKS, Kill
from triggers import tools, workers
from triggers import trigger_tasks as tasks
from triggers.tools import EVERY_HOUR, Started
from triggers.workers import Child

if TYPE_CHECKING:
    from collections.abc import Callable

    from pynenc import Pynenc

    from triggers.tools import Where

RACERS = 8
TICKS = scaled(75, 1_250)
RUN = AtomicServiceRun(runner_id="runner")
TICKED = [Started("by_clock", None, frozenset())]

pytestmark = pytest.mark.parametrize("server", servers.names()[:1], indirect=True)


def test_each_tick_is_taken_by_one(
    app: Pynenc, where: Where, figure: Callable[[str], None]
) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    ticks = [start + timedelta(minutes=number) for number in range(TICKS)]
    id_, together = EVERY_HOUR.condition_id, FORKS.Barrier(RACERS)
    racers = [
        Child(where, tools.by_clock, workers.take_ticks, id_, ticks, together)
        for _ in range(RACERS)
    ]
    for racer in racers:
        racer.go()
    taken = [racer.wait() for racer in racers]
    assert [sum(of_tick) for of_tick in zip(*taken, strict=True)] == [1] * TICKS
    assert sum(map(any, taken)) > 1
    assert app.trigger.get_last_cron_execution(id_) == ticks[-1]
    figure(f"{(RACERS - 1) * TICKS + 1:,} attempts to take {TICKS:,} ticks: each taken by one")


def test_a_tick_whose_taker_is_killed_is_fired_once(app: Pynenc, where: Where) -> None:
    tools.register(app, tools.by_clock(app))
    taken = 0
    for number in count(1):
        tools.make_due(app)
        before = app.trigger.get_last_cron_execution(EVERY_HOUR.condition_id)
        kill = Kill(number, after=True)
        killed = Child(where, tools.by_clock, workers.look_at_the_clock, kill=kill).is_killed()
        taken += app.trigger.get_last_cron_execution(EVERY_HOUR.condition_id) != before
        for started in (TICKED, []):
            workers.loop(app)
            assert list(tools.take_started(app).values()) == started
        tools.assert_nothing_pending(app)
        if not killed:
            break
    # The last call of those that died took it, and who was not killed.
    assert number > 2
    assert taken == 2


def test_the_schedule_holds_at_the_first_look(app: Pynenc) -> None:
    tools.register(app, {tasks.by_clock: TriggerBuilder().on_cron("0 0 1 1 *")})
    app.trigger.check_time_based_triggers(
        datetime(2024, 6, 15, 12, tzinfo=UTC), atomic_service_run=RUN
    )
    assert app.trigger.get_last_cron_execution("cron_0 0 1 1 *") is None
    tools.assert_nothing_pending(app)
    new_year = datetime(2025, 1, 1, 0, 0, 30, tzinfo=UTC)
    app.trigger.check_time_based_triggers(new_year, atomic_service_run=RUN)
    assert app.trigger.get_last_cron_execution("cron_0 0 1 1 *") == new_year
    assert tools.count(app, "valid_conditions") == 1


def test_a_restart_does_not_tick_once_more(app: Pynenc, where: Where) -> None:
    tools.register(app, tools.by_clock(app))
    workers.loop(app)
    assert list(tools.take_started(app).values()) == TICKED
    # In a process of its own, and as another instance in this one: each registers its triggers.
    Child(where, tools.by_clock, workers.loop).result()
    again = tools.build_app(where)
    tools.register(again, tools.by_clock(again))
    workers.loop(again)
    assert tools.take_started(app) == {}
    tools.assert_nothing_pending(app)
