"""Two processes run the trigger loop at the same time: none is lost, none is doubled."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

import servers
from faults.scale import scaled
from life.tools import bind, client_of, key_of
from processes import FORKS
from triggers import tools, workers
from triggers import trigger_tasks as tasks
from triggers.tools import Started
from triggers.workers import Child

if TYPE_CHECKING:
    from collections.abc import Callable

    from pynenc import Pynenc

    from triggers.tools import Where

# Events: those that meet one condition, and those that meet two.
QUIET, LOUD = 96, 51
CHANGES = 100
PENDING = QUIET + 2 * LOUD + 2
ROUNDS = scaled(3, 20)

pytestmark = pytest.mark.parametrize("server", servers.names()[:1], indirect=True)


def loop_twice(where: Where, triggers: Callable[[Pynenc], Any], step: str) -> None:
    """Run two loops, each of which has read all there is before the other goes on with it."""
    together = FORKS.Barrier(2)
    loops = [Child(where, triggers, workers.loop_together, step, together) for _ in range(2)]
    for loop in loops:
        loop.go()
    for loop in loops:
        loop.wait()


def test_two_loops_at_once_fire_each_trigger_once(
    app: Pynenc, where: Where, figure: Callable[[str], None]
) -> None:
    tools.register(app, tools.by_events(app))
    total = shared = 0
    for number in range(ROUNDS):
        began = datetime.now(UTC)
        events, expected = emit_events(app, f"round {number}")
        assert tools.count(app, "valid_conditions") == PENDING == 200
        loop_twice(where, tools.by_events, "_waiting_triggers")
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
    figure(
        f"{ROUNDS} rounds of two loops, {shared} with firings of both, {total:,} firings: 0 lost,"
        " 0 doubled"
    )


def test_two_loops_at_once_evaluate_each_change_once(
    app: Pynenc, where: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools.register(app, tools.every_status(app))
    with monkeypatch.context() as patch:
        # Who submits them does not come to evaluate what the commits noted.
        patch.setattr(app.trigger, "evaluate_changes", lambda *_: None)
        tokens = [f"token {number}" for number in range(CHANGES)]
        submitted = bind(app, tasks.watched).parallelize([(token, "return") for token in tokens])
    assert client_of(app).zcard(key_of(app, "changes")) == CHANGES
    loop_twice(where, tools.every_status, "evaluate_changes")
    workers.loop(app)
    tools.assert_nothing_pending(app)
    queued = [it for it in tools.take_all(app) if it.invocation_id not in submitted.invocation_map]
    assert Counter(tools.started_by(app, it) for it in queued) == Counter(
        Started("by_status", it.call.arguments.kwargs["token"], frozenset([id_]), "registered")
        for id_, it in submitted.invocation_map.items()
    )


def emit_events(app: Pynenc, token: str) -> tuple[list[str], Counter[Started]]:
    """Emit events; return their ids and what is to be started."""

    def emit(code: str, *, loud: bool = False) -> str:
        return app.trigger.emit_event(code, {"token": token, "loud": loud})

    quiet = [emit("ping") for _ in range(QUIET)]
    loud = [emit("ping", loud=True) for _ in range(LOUD)]
    both = [emit("left"), emit("right")]
    expected = Counter(Started("by_event", token, frozenset([id_])) for id_ in quiet + loud)
    for function in ("by_event_too", "by_either"):
        expected.update(Started(function, token, frozenset([id_])) for id_ in loud)
    expected[Started("by_both", token, frozenset(both))] = 1
    return quiet + loud + both, expected
