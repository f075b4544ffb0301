"""What a process can't read (its code is another release's) keeps nothing else from firing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pynenc.invocation.status import InvocationStatus
from pynenc.trigger.trigger_builder import TriggerBuilder

import servers
from life.tools import bind, claim, client_of, key_of, runner
from triggers import tools, workers
from triggers import trigger_tasks as tasks

if TYPE_CHECKING:
    from pynenc import Pynenc

pytestmark = pytest.mark.parametrize("server", servers.names()[:1], indirect=True)


@pytest.fixture(autouse=True)
def _takes_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pynenc_redis_lua.trigger.conditions._ABANDONED_US", 0)


def functions(app: Pynenc) -> list[str]:
    return sorted(started.function for started in tools.take_started(app).values())


def test_a_trigger_waits_for_who_can_read_it(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    loud = TriggerBuilder().on_event("ping", {"loud": True})
    other = loud.with_args_from_trigger_context(tasks.of_either)
    tools.register(app, {**tools.by_ping(app), tasks.by_either: other})
    workers.emit(app, "x")
    with monkeypatch.context() as patch:
        patch.delattr(tasks, "of_either")
        workers.loop(app)
        assert functions(app) == ["by_event", "by_event_too"]
    workers.loop(app)
    assert functions(app) == ["by_either"]
    tools.assert_nothing_pending(app)


def test_a_change_waits_for_who_can_read_what_watches_it(
    app: Pynenc, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = bind(app, tasks.watched)
    picky = TriggerBuilder().on_status(watched, InvocationStatus.SUCCESS, tasks.is_any)
    by_status = picky.with_args_from_status(tasks.of_status)
    tools.register(app, {**tools.by_ping(app), tasks.by_status: by_status})
    with monkeypatch.context() as patch:
        patch.delattr(tasks, "is_any")
        watched("x", "return")
        [invocation] = claim(app, runner("maker"))
        tools.run(invocation, runner("maker"))
        workers.emit(app, "x")
        workers.loop(app)
        assert functions(app) == ["by_event", "by_event_too"]
        assert client_of(app).zcard(key_of(app, "changes")) == 1
    workers.loop(app)
    assert functions(app) == ["by_status"]
    tools.assert_nothing_pending(app)


def test_an_emitter_meets_no_condition_that_it_cannot_read(
    app: Pynenc, monkeypatch: pytest.MonkeyPatch
) -> None:
    picky = (
        TriggerBuilder()
        .on_event("ping", tasks.is_any)
        .with_args_from_trigger_context(tasks.of_either)
    )
    tools.register(app, {**tools.by_ping(app), tasks.by_either: picky})
    with monkeypatch.context() as patch:
        patch.delattr(tasks, "is_any")
        workers.emit(app, "x")
        workers.loop(app)
    assert functions(app) == ["by_event", "by_event_too"]


def test_more_changes_than_a_page_that_nobody_can_read_hide_no_other(
    app: Pynenc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pynenc_redis_lua.trigger.conditions.PAGE", 5)
    watched = bind(app, tasks.watched)
    by_status = TriggerBuilder().on_status(watched, InvocationStatus.SUCCESS)
    tools.register(app, {tasks.by_status: by_status.with_args_from_status(tasks.of_status)})
    poison = {f"not a change {number}": number for number in range(12)}
    client_of(app).zadd(key_of(app, "changes"), poison)
    watched("x", "return")
    [invocation] = claim(app, runner("maker"))
    with monkeypatch.context() as crash:
        crash.setattr(type(app.trigger), "evaluate_changes", lambda *_: None)
        tools.run(invocation, runner("maker"))
    workers.loop(app)
    assert functions(app) == ["by_status"]
    # Retention removes what nobody could read.
    assert client_of(app).zcard(key_of(app, "changes")) == 0
