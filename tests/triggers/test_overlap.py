"""Two processes run the trigger loop at the same time: none is lost, none is doubled.

Five rounds of 200 conditions that are met; 20 with `KILLS=300`.
"""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

import servers
from triggers import tools, workers
from triggers.tools import Started
from triggers.workers import FORKS, Child

if TYPE_CHECKING:
    from pynenc import Pynenc

    from triggers.tools import Where

# Events: those that meet one condition, and those that meet two.
QUIET, LOUD = 96, 51
PENDING = QUIET + 2 * LOUD + 2
ROUNDS = 20 if int(os.environ.get("KILLS", "40")) >= 300 else 5

pytestmark = pytest.mark.parametrize("server", servers.names()[:1], indirect=True)


def test_two_loops_at_once_fire_each_trigger_once(app: Pynenc, where: Where) -> None:
    tools.register(app, tools.by_events(app))
    total, shared = 0, 0
    for number in range(ROUNDS):
        began = datetime.now(UTC)
        events, expected = emit_events(app, f"round {number}")
        assert tools.count(app, "valid_conditions") == PENDING == 200
        job, together = workers.loop_together, FORKS.Barrier(2)
        loops = [Child(where, tools.by_events, job, together) for _ in range(2)]
        for loop in loops:
            loop.go()
        for loop in loops:
            loop.wait()
        runs = app.trigger.get_trigger_runs_in_timerange(began, datetime.now(UTC))
        assert len(runs) == expected.total()
        shared += len({run.atomic_service_runner_id for run in runs}) == 2
        # What one fired the first trigger for, and the other the second, is still to be cleared.
        workers.loop(app)
        started = tools.take_started(app)
        assert Counter(started.values()) == expected
        tools.assert_linked(app, events, started)
        tools.assert_nothing_pending(app)
        total += len(started)
        assert tools.count(app, "trigger_runs") == tools.count(app, "statuses") == total
    print(f"{ROUNDS} rounds, {shared} with firings of both, {total} firings")  # noqa: T201


def emit_events(app: Pynenc, token: str) -> tuple[list[str], Counter[Started]]:
    """Emit events; return their ids and what is to be started."""

    def emit(code: str, *, loud: bool = False) -> str:
        return app.trigger.emit_event(code, {"token": token, "loud": loud})

    quiet = [emit("ping") for _ in range(QUIET)]
    loud = [emit("ping", loud=True) for _ in range(LOUD)]
    both = [emit("left"), emit("right")]
    expected = Counter(Started("by_event", token, frozenset([id_])) for id_ in quiet + loud)
    expected.update(Started("by_event_too", token, frozenset([id_])) for id_ in loud)
    expected[Started("by_both", token, frozenset(both))] = 1
    return quiet + loud + both, expected
