"""SIGKILL at every point: no firing is lost, none is doubled.

Real processes die right before or right after each of the script calls that they make, and at
random times; this process then takes over. In full, what otherwise is killed after its writes
alone is killed before and after each call.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from itertools import count
from typing import TYPE_CHECKING

import pytest
from pynenc.invocation.status import InvocationStatus
from pynenc.trigger.trigger_builder import TriggerBuilder

import servers
from faults.scale import FULL, scaled
from life.tools import bind, claim, client_of, history_of, key_of, runner
from processes import Kill
from triggers import tools, workers
from triggers import trigger_tasks as tasks
from triggers.tools import Started
from triggers.workers import Child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pynenc import Pynenc

    from triggers.tools import Where

KILLS = scaled(40, 300)
SEED = 20_240_817
WATCHED = tasks.watched.task_id

pytestmark = pytest.mark.parametrize("server", servers.names()[:1], indirect=True)


@pytest.fixture(autouse=True)
def _takes_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pynenc_redis_lua.trigger.conditions._ABANDONED_US", 0)


def at_each_call(*, before: bool = True) -> Iterator[Kill]:
    for number in count(1):
        if before:
            yield Kill(number, after=False)
        yield Kill(number)


def after_each_write() -> Iterator[Kill]:
    return (Kill(number, writing=True) for number in count(1))


class Batch:
    """Something of every kind that triggers wait for, and that no loop has seen yet."""

    def __init__(self, app: Pynenc, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.token = token
        who = runner("maker")
        ids = []
        for how in ("return", "raise"):
            bind(app, tasks.watched)(token, how)
            [invocation] = claim(app, who)
            with monkeypatch.context() as patch:
                if how == "raise":
                    # Its maker does not come to evaluate what the commit noted.
                    patch.setattr(app.trigger, "evaluate_changes", lambda *_: None)
                tools.run(invocation, who)
            ids.append(invocation.invocation_id)
        self.returned, self.raised = ids
        self.events: dict[str, str] = {}
        for code in ("ping", "left", "right", "early"):
            self.emit(app, code)
        tools.make_due(app)

    def emit(self, app: Pynenc, code: str) -> None:
        payload = {"token": self.token, "loud": True}
        self.events[code] = app.trigger.emit_event(code, payload)

    @property
    def expected(self) -> Counter[Started]:
        """What the triggers of `every_kind` make of it, the late event included."""
        ping = frozenset([self.events["ping"]])
        both = frozenset([self.events["left"], self.events["right"]])
        late = frozenset([self.events["early"], self.events["late"]])
        returned, raised = frozenset([self.returned]), frozenset([self.raised])
        return Counter(
            [
                Started("by_event", self.token, ping),
                Started("by_event_too", self.token, ping),
                Started("by_either", self.token, ping),
                Started("by_either", self.token, returned),
                Started("by_status", self.token, returned, InvocationStatus.SUCCESS.value),
                Started("by_result", self.token, returned),
                Started("by_exception", self.token, raised),
                Started("by_both", self.token, both),
                Started("by_late", self.token, late),
                Started("by_clock", None, frozenset()),
            ]
        )


class World:
    """The app of a test of the loop: makes batches, and checks what became of each."""

    def __init__(self, app: Pynenc, where: Where, monkeypatch: pytest.MonkeyPatch) -> None:
        self.app, self.where = app, where
        self.kills = 0
        self._monkeypatch = monkeypatch
        self._tokens = count(1)
        self._runs = 0
        tools.register(app, tools.every_kind(app))

    def batch(self) -> Batch:
        return Batch(self.app, f"token {next(self._tokens)}", self._monkeypatch)

    def is_killed(self, kill: Kill | None, within: float | None = None) -> bool:
        child = Child(self.where, tools.every_kind, workers.loop, kill=kill)
        killed = child.is_killed(within)
        self.kills += killed
        return killed

    def take_over(self, batch: Batch) -> None:
        """Run the loop as the next worker does; all has fired once then, and nothing is left."""
        batch.emit(self.app, "late")
        workers.loop(self.app)
        started = tools.take_started(self.app)
        assert Counter(started.values()) == batch.expected
        tools.assert_linked(self.app, list(batch.events.values()), started)
        tools.assert_nothing_pending(self.app)
        self._runs += len(started)
        # Nothing was started, and no run recorded, that the queue does not know of.
        assert tools.count(self.app, "trigger_runs") == self._runs
        sources = 2 * int(batch.token.removeprefix("token "))
        assert tools.count(self.app, "statuses") == self._runs + sources


@pytest.fixture
def world(app: Pynenc, where: Where, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(app, where, monkeypatch)


def test_a_loop_that_is_killed_loses_and_doubles_no_firing(
    world: World, figure: Callable[[str], None]
) -> None:
    for kill in at_each_call(before=FULL):
        batch = world.batch()
        killed = world.is_killed(kill)
        world.take_over(batch)
        if not killed:
            break
    at_calls, calls = world.kills, kill.number - 1
    assert calls > 20

    # At any time, and the next worker as well, again and again before one comes through.
    rng = random.Random(SEED)
    batch = world.batch()
    began_loop = time.monotonic()
    workers.loop(world.app)
    whole = time.monotonic() - began_loop
    world.take_over(batch)
    while world.kills < KILLS:
        batch = world.batch()
        for _ in range(rng.randint(1, 3)):
            if rng.random() < 0.5:
                world.is_killed(None, within=rng.uniform(0, whole))
            else:
                world.is_killed(Kill(rng.randint(1, calls), after=rng.random() < 0.5))
        world.take_over(batch)
    figure(
        f"{world.kills} kills in the loop, {at_calls} of them at each of its {calls} calls,"
        f" {world._runs:,} firings: 0 lost, 0 doubled"
    )


@pytest.mark.parametrize("how", ["raise", "retry"])
def test_who_is_killed_right_after_a_change_loses_no_trigger(
    app: Pynenc, where: Where, figure: Callable[[str], None], how: str
) -> None:
    """Each change in the history of an invocation starts one invocation, whoever made it."""
    tools.register(app, tools.every_status(app))
    known: set[str] = set()
    killed = 0
    for kill in at_each_call() if FULL else after_each_write():
        token = f"{how} {kill.number} {kill.after}"
        child = Child(where, tools.every_status, workers.live, token, how, kill=kill)
        is_killed = child.is_killed()
        killed += is_killed
        started = live_on(app)
        tools.assert_nothing_pending(app)
        found = {id_.decode() for id_ in client_of(app).hkeys(key_of(app, "history"))} - known
        known |= found
        assert_each_change_fired(app, found - started.keys(), started, token, how)
        if not is_killed:
            break
    assert tools.count(app, "trigger_runs") == tools.count(app, "statuses") - lives(app)
    assert killed >= 8
    figure(f"{killed} kills of makers of changes ({how}): 0 lost, 0 doubled")


def live_on(app: Pynenc) -> dict[str, Started]:
    """Recover, run and let fire what a dead process left; what triggers started is claimed."""
    who = runner("heir")
    started: dict[str, Started] = {}
    workers.rescue(app)
    workers.loop(app)
    while claimed := claim(app, who, 100):
        for invocation in claimed:
            if invocation.task.task_id != WATCHED:
                started[invocation.invocation_id] = tools.started_by(app, invocation)
            tools.run(invocation, who)
        workers.loop(app)
    return started


def assert_each_change_fired(
    app: Pynenc, sources: set[str], started: dict[str, Started], token: str, how: str
) -> None:
    assert len(sources) <= 1
    expected: Counter[Started] = Counter()
    for id_ in sources:
        history = history_of(app, id_)
        origins = frozenset([id_])
        expected.update(Started("by_status", token, origins, status.value) for status in history)
        ended = Started("by_exception" if how == "raise" else "by_result", token, origins)
        expected[ended] += 1
    assert Counter(started.values()) == expected


def lives(app: Pynenc) -> int:
    return len(list(app.orchestrator.get_existing_invocations(bind(app, tasks.watched))))


def test_an_event_is_there_with_its_conditions_or_not_at_all(app: Pynenc, where: Where) -> None:
    tools.register(app, tools.by_ping(app))
    events = 0
    for kill in at_each_call():
        token = f"{kill.number} {kill.after}"
        killed = Child(where, tools.by_ping, workers.emit, token, kill=kill).is_killed()
        new = [event for event in app.trigger.get_events() if event.payload["token"] == token]
        events += len(new)
        assert tools.count(app, "events") == events
        assert tools.count(app, "valid_conditions") == 2 * len(new)
        workers.loop(app)
        started = tools.take_started(app)
        assert Counter(started.values()) == Counter(
            Started(function, token, frozenset([event.event_id]))
            for event in new
            for function in ("by_event", "by_event_too")
        )
        tools.assert_linked(app, [event.event_id for event in new], started)
        tools.assert_nothing_pending(app)
        if not killed:
            break
    assert events == 2
    assert kill.number > 2


def test_what_stands_for_a_firing_is_its_run_s_invocation(app: Pynenc, where: Where) -> None:
    """The task is registered already: its trigger starts nothing, and that is recorded once."""
    tools.register(app, tools.once_by_ping(app))
    invocations, seen = 0, set()
    for number, kill in enumerate(at_each_call() if FULL else after_each_write(), 1):
        standing = bind(app, tasks.once)()
        event_id = workers.emit(app, "x")
        killed = Child(where, tools.once_by_ping, workers.loop, kill=kill).is_killed()
        fired = tools.count(app, "trigger_runs") == number
        # It is on its way now: the next worker starts another, if the trigger has not fired.
        [taken] = tools.take_all(app)
        assert taken.invocation_id == standing.invocation_id
        workers.loop(app)
        others = list(tools.take_all(app))
        assert len(others) == (not fired)
        [invocation] = others or [taken]
        started = {invocation.invocation_id: tools.started_by(app, invocation)}
        assert started[invocation.invocation_id].origins == {event_id}
        tools.assert_linked(app, [event_id], started)
        tools.assert_nothing_pending(app)
        invocations += 1 + len(others)
        assert tools.count(app, "trigger_runs") == number
        assert tools.count(app, "statuses") == invocations
        seen.add(fired)
        if not killed:
            break
    assert seen == {True, False}


def test_a_firing_that_its_task_refuses_is_tried_again(app: Pynenc) -> None:
    """Another call of the same key is registered: once that is on its way, the trigger fires."""
    arguments = {"token": "x", "value": 1}
    trigger = TriggerBuilder().on_event("ping").with_args_static(arguments)
    tools.register(app, {tasks.once_by_token: trigger})
    bind(app, tasks.once_by_token)("x", 2)
    event_id = workers.emit(app, "x")
    workers.loop(app)
    assert tools.count(app, "trigger_runs") == 0
    [other] = claim(app, runner("taker"))
    assert other.call.arguments.kwargs["value"] == 2
    workers.loop(app)
    started = tools.take_started(app)
    assert list(started.values()) == [Started("once_by_token", "x", frozenset([event_id]))]
    tools.assert_nothing_pending(app)
