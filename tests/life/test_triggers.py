"""Triggers: what changes is noted with the change, and what is met fires once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pynenc import PynencBuilder
from pynenc.exceptions import RetryError
from pynenc.invocation.status import InvocationStatus
from pynenc.orchestrator.atomic_service import AtomicServiceId, AtomicServiceRun
from pynenc.trigger.conditions import CompositeLogic
from pynenc.trigger.trigger_builder import TriggerBuilder

from life import life_tasks
from life.tools import (
    Sent,
    bind,
    claim,
    client_of,
    key_of,
    load_scripts,
    orchestrator,
    remove,
    runner,
    started,
    watch,
    without_core_tasks,
)
from pynenc_redis_lua.errors import ServerUnavailableError
from pynenc_redis_lua.trigger import RedisTrigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pynenc import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation

    from servers import Server

ONE, TWO = runner("one"), runner("two")
S = InvocationStatus
type Step = Callable[[Pynenc], Any]


def trigger_of(app: Pynenc) -> RedisTrigger:
    assert isinstance(app.trigger, RedisTrigger)
    return app.trigger


def loop(app: Pynenc) -> None:
    """One round of the trigger loop."""
    service = AtomicServiceId(ONE.runner_id)
    app.trigger.trigger_loop_iteration(AtomicServiceRun(service, cycle_start=datetime.now(UTC)))


def on(app: Pynenc, task: Any, *builders: TriggerBuilder) -> None:
    """Have triggers start a task."""
    app.trigger.register_task_triggers(bind(app, task), list(builders))


def queued(app: Pynenc, task: Any) -> list[DistributedInvocation[Any, Any]]:
    """The invocations of a task that wait to be run."""
    ids = app.orchestrator.get_existing_invocations(bind(app, task), statuses=[S.REGISTERED])
    return [app.state_backend.get_invocation(id_) for id_ in ids]


def pending(app: Pynenc) -> int:
    """How many valid conditions no trigger has fired for."""
    return len(app.trigger.get_valid_conditions())


def noted(app: Pynenc) -> int:
    """How many changes nobody has evaluated."""
    return client_of(app).zcard(key_of(app, "changes"))


def event_text(context: Any) -> dict[str, Any]:
    return {"value": context.payload["text"]}


def no_arguments(_: Any) -> dict[str, Any]:
    raise LookupError("no arguments for you")


def broken_filter(_: Any) -> bool:
    raise LookupError("a filter of the user's")


# How a task comes into each status, in as many steps as it takes.
def _fail(app: Pynenc) -> None:
    invocation = started(app, ONE, life_tasks.noop)
    app.orchestrator.set_invocation_exception(invocation, ValueError("no"), ONE)


def _finish(app: Pynenc) -> None:
    invocation = started(app, ONE, life_tasks.noop)
    app.orchestrator.set_invocation_result(invocation, 7, ONE)


def _retry(app: Pynenc) -> None:
    invocation = started(app, ONE, life_tasks.noop)
    app.orchestrator.set_invocation_retry(invocation, RetryError(), ONE)


def _reroute(app: Pynenc) -> None:
    bind(app, life_tasks.noop)()
    [claimed] = claim(app, ONE)
    app.orchestrator.reroute_invocations({claimed.invocation_id}, ONE)


def _recover(app: Pynenc) -> None:
    started(app, ONE, life_tasks.noop)
    orchestrator(app).recover_invocations(TWO)


STEPS: dict[InvocationStatus, Step] = {
    S.REGISTERED: lambda app: bind(app, life_tasks.noop)(),
    S.PENDING: lambda app: (bind(app, life_tasks.noop)(), claim(app, ONE)),
    S.RUNNING: lambda app: started(app, ONE, life_tasks.noop),
    S.SUCCESS: _finish,
    S.FAILED: _fail,
    S.RETRY: _retry,
    S.REROUTED: _reroute,
    S.RUNNING_RECOVERY: _recover,
}


class TestChanges:
    @pytest.mark.parametrize("status", STEPS)
    def test_that_are_watched_meet_their_condition(
        self, app: Pynenc, status: InvocationStatus
    ) -> None:
        watch(app, life_tasks.noop, status)
        STEPS[status](app)
        [valid] = app.trigger.get_valid_conditions().values()
        assert valid.context.status == status
        assert noted(app) == 0

    @pytest.mark.parametrize("status", STEPS)
    def test_survive_a_crash_right_after_them(
        self, app: Pynenc, status: InvocationStatus, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch(app, life_tasks.noop, status)
        with monkeypatch.context() as crash:
            # Nothing that comes after the commit happens.
            crash.setattr(RedisTrigger, "evaluate_changes", lambda *_: None)
            STEPS[status](app)
        assert (noted(app), pending(app)) == (1, 0)
        # As long as its maker may be about to evaluate it, the loop leaves it alone.
        trigger_of(app).evaluate_abandoned_changes()
        assert (noted(app), pending(app)) == (1, 0)
        monkeypatch.setattr("pynenc_redis_lua.trigger.conditions._ABANDONED_US", 0)
        trigger_of(app).evaluate_abandoned_changes()
        assert (noted(app), pending(app)) == (0, 1)
        trigger_of(app).evaluate_abandoned_changes()
        assert pending(app) == 1

    def test_that_nobody_watches_are_not_noted(self, app: Pynenc) -> None:
        watch(app, life_tasks.noop, S.FAILED)
        watch(app, life_tasks.add, S.SUCCESS)
        _finish(app)
        assert (noted(app), pending(app)) == (0, 0)

    def test_are_evaluated_once_if_two_do_so(
        self, app: Pynenc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch(app, life_tasks.noop, S.SUCCESS)
        monkeypatch.setattr("pynenc_redis_lua.trigger.conditions._ABANDONED_US", 0)
        evaluate = RedisTrigger.evaluate_changes

        def twice(trigger: RedisTrigger, changes: list[bytes], *rest: Any) -> None:
            evaluate(trigger, changes)
            evaluate(trigger, changes, *rest)

        monkeypatch.setattr(RedisTrigger, "evaluate_changes", twice)
        _finish(app)
        assert pending(app) == 1

    def test_bring_results_and_exceptions(self, app: Pynenc) -> None:
        add = bind(app, life_tasks.add)
        on(app, life_tasks.noop, TriggerBuilder().on_result(add, filter_result=3))
        on(app, life_tasks.echo, TriggerBuilder().on_exception(add, exception_types=["KeyError"]))
        for number in (2, 3):
            invocation = started(app, ONE, life_tasks.add, number, 0)
            app.orchestrator.set_invocation_result(invocation, number, ONE)
        for error in (KeyError("k"), ValueError("v")):
            invocation = started(app, ONE, life_tasks.add, 1, 1)
            app.orchestrator.set_invocation_exception(invocation, error, ONE)
        result, failure = (valid.context for valid in app.trigger.get_valid_conditions().values())
        assert (result.result, failure.exception_type) == (3, "KeyError")

    def test_bring_them_after_a_crash_too(
        self, app: Pynenc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        noop = bind(app, life_tasks.noop)
        on(app, life_tasks.echo, TriggerBuilder().on_result(noop, filter_result=7))
        on(app, life_tasks.add, TriggerBuilder().on_exception(noop, exception_types=["ValueError"]))
        with monkeypatch.context() as crash:
            crash.setattr(RedisTrigger, "evaluate_changes", lambda *_: None)
            _finish(app)
            _fail(app)
        monkeypatch.setattr("pynenc_redis_lua.trigger.conditions._ABANDONED_US", 0)
        trigger_of(app).evaluate_abandoned_changes()
        result, failure = (valid.context for valid in app.trigger.get_valid_conditions().values())
        assert (result.result, failure.exception_message) == (7, "no")

    def test_of_an_invocation_that_is_gone_fire_nothing(
        self, app: Pynenc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch(app, life_tasks.noop, S.SUCCESS)
        monkeypatch.setattr("pynenc_redis_lua.trigger.conditions._ABANDONED_US", 0)
        with monkeypatch.context() as crash:
            crash.setattr(RedisTrigger, "evaluate_changes", lambda *_: None)
            _finish(app)
        app.state_backend.purge()
        trigger_of(app).evaluate_abandoned_changes()
        assert (noted(app), pending(app)) == (0, 0)

    def test_fail_no_task_by_a_filter_that_fails(self, app: Pynenc) -> None:
        noop = bind(app, life_tasks.noop)
        broken = TriggerBuilder().on_status(noop, S.SUCCESS, call_arguments=broken_filter)
        on(app, life_tasks.echo, broken)
        watch(app, life_tasks.noop, S.SUCCESS)
        invocation = started(app, ONE, life_tasks.noop)
        app.orchestrator.set_invocation_result(invocation, 7, ONE)
        assert app.orchestrator.get_invocation_status(invocation.invocation_id) == S.SUCCESS
        # What else watches it is met.
        assert (noted(app), pending(app)) == (0, 1)

    def test_are_kept_by_an_outage_in_the_middle_of_their_evaluation(
        self, app: Pynenc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        noop = bind(app, life_tasks.noop)
        on(app, life_tasks.echo, TriggerBuilder().on_result(noop, filter_result=7))
        monkeypatch.setattr("pynenc_redis_lua.trigger.conditions._ABANDONED_US", 0)

        def away(*_: Any) -> None:
            raise ServerUnavailableError("away")

        with monkeypatch.context() as crash:
            crash.setattr(RedisTrigger, "evaluate_changes", lambda *_: None)
            _finish(app)
        with monkeypatch.context() as outage:
            outage.setattr(app.state_backend, "get_result", away)
            with pytest.raises(ServerUnavailableError):
                trigger_of(app).evaluate_abandoned_changes()
        assert (noted(app), pending(app)) == (1, 0)
        trigger_of(app).evaluate_abandoned_changes()
        assert (noted(app), pending(app)) == (0, 1)

    def test_cost_nothing_any_more_when_their_triggers_are_gone(self, app: Pynenc) -> None:
        watch(app, life_tasks.noop, S.SUCCESS)
        app.trigger.clean_task_trigger_definitions(life_tasks.noop.task_id)
        _finish(app)
        assert (noted(app), pending(app)) == (0, 0)

    def test_of_a_batch_are_evaluated_without_reading_it_back(
        self, app: Pynenc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch(app, life_tasks.add, S.REGISTERED)
        load_scripts(app)
        bind(app, life_tasks.noop)()
        sent = Sent(monkeypatch)
        bind(app, life_tasks.add).parallelize([(number, 1) for number in range(10)])
        assert sent.take() == [
            "orchestrator/submit",
            "trigger/conditions_page",
            "trigger/record",
        ]
        assert pending(app) == 10


class TestCosts:
    def test_nothing_where_no_trigger_watches(
        self, app: Pynenc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch(app, life_tasks.add, S.SUCCESS)
        load_scripts(app)
        bind(app, life_tasks.noop)()
        claim(app, ONE)[0].run(ONE)
        sent = Sent(monkeypatch)
        invocation = bind(app, life_tasks.noop)()
        claim(app, ONE)[0].run(ONE)
        assert invocation.result is None
        commit = "orchestrator/commit_status"
        assert sent.take() == [
            "orchestrator/submit",
            "orchestrator/claim",
            commit,
            commit,
            "orchestrator/get_status",
        ]

    def test_a_look_and_a_record_for_a_change_that_is_watched(
        self, app: Pynenc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch(app, life_tasks.noop, S.SUCCESS)
        load_scripts(app)
        invocation = started(app, ONE, life_tasks.noop)
        sent = Sent(monkeypatch)
        app.orchestrator.set_invocation_result(invocation, 7, ONE)
        assert sent.take() == [
            "orchestrator/commit_status",
            "trigger/conditions_page",
            "trigger/record",
        ]

    def test_one_commit_to_fire(self, app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
        on(app, life_tasks.noop, TriggerBuilder().on_event("happened"))
        load_scripts(app)
        app.trigger.emit_event("happened", {})
        sent = Sent(monkeypatch)
        loop(app)
        writes = [name for name in sent.take() if name in {"trigger/fire", "orchestrator/submit"}]
        assert writes == ["trigger/fire"]


class TestFiring:
    def test_starts_the_task_with_its_arguments_and_records_the_run(self, app: Pynenc) -> None:
        on(
            app,
            life_tasks.echo,
            TriggerBuilder().on_event("happened").with_args_from_event(event_text),
        )
        event_id = app.trigger.emit_event("happened", {"text": "hello"})
        assert pending(app) == 1
        loop(app)
        [invocation] = queued(app, life_tasks.echo)
        assert invocation.arguments.kwargs == {"value": "hello"}
        assert invocation.parent_event_id == event_id
        [run] = app.trigger.get_trigger_runs_for_event(event_id)
        assert run.triggered_invocation_id == invocation.invocation_id
        event = app.trigger.get_event(event_id)
        assert event is not None
        assert event.triggered_invocation_ids == [invocation.invocation_id]
        assert (pending(app), noted(app)) == (0, 0)
        loop(app)
        assert len(queued(app, life_tasks.echo)) == 1
        [claimed] = claim(app, ONE)
        claimed.run(ONE)
        assert claimed.result == "hello"

    def test_happens_for_every_failure_with_the_same_exception(self, app: Pynenc) -> None:
        """pynenc has one id for all of them."""
        noop = bind(app, life_tasks.noop)
        on(app, life_tasks.echo, TriggerBuilder().on_exception(noop).with_arguments({"value": "x"}))
        for _ in range(3):
            _fail(app)
        loop(app)
        assert len(claim(app, TWO, 10)) == 3
        _fail(app)
        loop(app)
        assert len(claim(app, TWO, 10)) == 1
        always = (datetime.fromtimestamp(0, UTC), datetime.now(UTC) + timedelta(minutes=1))
        assert len(app.trigger.get_trigger_runs_in_timerange(*always)) == 4

    def test_of_both_conditions_waits_for_both(self, app: Pynenc) -> None:
        both = TriggerBuilder().on_event("first").on_event("second")
        on(app, life_tasks.noop, both.with_logic(CompositeLogic.AND))
        app.trigger.emit_event("first", {})
        loop(app)
        assert (len(queued(app, life_tasks.noop)), pending(app)) == (0, 1)
        app.trigger.emit_event("second", {})
        loop(app)
        assert (len(queued(app, life_tasks.noop)), pending(app)) == (1, 0)
        # Another one of the first kind starts a new wait: it is not joined to what has fired.
        app.trigger.emit_event("first", {})
        loop(app)
        assert (len(queued(app, life_tasks.noop)), pending(app)) == (1, 1)

    def test_leaves_a_condition_to_those_that_still_wait_for_it(self, app: Pynenc) -> None:
        on(app, life_tasks.noop, TriggerBuilder().on_event("first"))
        both = TriggerBuilder().on_event("first").on_event("second")
        on(
            app,
            life_tasks.echo,
            both.with_logic(CompositeLogic.AND).with_arguments({"value": "both"}),
        )
        app.trigger.emit_event("first", {})
        for _ in range(3):
            loop(app)
        # Fired for one trigger, and kept for the other.
        assert (len(queued(app, life_tasks.noop)), pending(app)) == (1, 1)
        app.trigger.emit_event("second", {})
        loop(app)
        assert len(queued(app, life_tasks.noop)) == 1
        assert len(queued(app, life_tasks.echo)) == 1
        assert pending(app) == 0

    def test_that_fails_keeps_no_other_from_firing(self, app: Pynenc) -> None:
        poisoned = TriggerBuilder().on_event("happened").with_args_from_event(no_arguments)
        on(app, life_tasks.echo, poisoned)
        on(app, life_tasks.noop, TriggerBuilder().on_event("happened"))
        app.trigger.emit_event("happened", {"text": "late"})
        for _ in range(3):
            loop(app)
        assert (len(queued(app, life_tasks.noop)), len(queued(app, life_tasks.echo))) == (1, 0)
        # A new release mends it: what it fires for has been kept.
        mended = TriggerBuilder().on_event("happened").with_args_from_event(event_text)
        on(app, life_tasks.echo, mended)
        loop(app)
        [invocation] = queued(app, life_tasks.echo)
        assert invocation.arguments.kwargs == {"value": "late"}
        assert pending(app) == 0

    def test_finds_the_invocation_that_is_registered_already(self, app: Pynenc) -> None:
        on(
            app,
            life_tasks.once,
            TriggerBuilder().on_event("again").with_arguments({"first": "a", "second": "b"}),
        )
        there = bind(app, life_tasks.once)("a", "b")
        event_id = app.trigger.emit_event("again", {})
        loop(app)
        assert [it.invocation_id for it in queued(app, life_tasks.once)] == [there.invocation_id]
        [run] = app.trigger.get_trigger_runs_for_event(event_id)
        assert run.triggered_invocation_id == there.invocation_id
        assert app.trigger.get_invocations_triggered_by_event(event_id) == [there.invocation_id]
        assert pending(app) == 0

    def test_goes_on_past_what_cannot_be_read(self, app: Pynenc) -> None:
        on(app, life_tasks.noop, TriggerBuilder().on_event("happened"))
        app.trigger.emit_event("happened", {})
        key = key_of(app, "valid_conditions")
        [(entry, stored)] = client_of(app).hgetall(key).items()
        app.trigger.emit_event("happened", {})
        client_of(app).hset(key, entry, stored.replace(b"EventCondition", b"UnheardCondit."))
        loop(app)
        assert len(queued(app, life_tasks.noop)) == 1

    def test_drops_what_no_trigger_waits_for_any_more(self, app: Pynenc) -> None:
        on(app, life_tasks.noop, TriggerBuilder().on_event("happened"))
        app.trigger.emit_event("happened", {})
        app.trigger.clean_task_trigger_definitions(life_tasks.noop.task_id)
        loop(app)
        assert (len(queued(app, life_tasks.noop)), pending(app)) == (0, 0)

    def test_chains(self, app: Pynenc) -> None:
        """What a trigger starts is watched as everything else is."""
        on(app, life_tasks.noop, TriggerBuilder().on_event("happened"))
        watched = TriggerBuilder().on_status(bind(app, life_tasks.noop), S.REGISTERED)
        on(app, life_tasks.echo, watched.with_arguments({"value": "next"}))
        app.trigger.emit_event("happened", {})
        loop(app)
        loop(app)
        assert len(queued(app, life_tasks.echo)) == 1

    def test_takes_its_own_invocation_and_not_what_an_import_submits(
        self, app: Pynenc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        on(app, life_tasks.noop, TriggerBuilder().on_event("happened"))
        event_id = app.trigger.emit_event("happened", {})
        get_task = type(app).get_task

        def imported(self: Pynenc, task_id: Any) -> Any:
            if task_id == life_tasks.noop.task_id and trigger_of(app).firing:
                get_task(self, life_tasks.echo.task_id)("submitted by an import")
            return get_task(self, task_id)

        monkeypatch.setattr(type(app), "get_task", imported)
        loop(app)
        [run] = app.trigger.get_trigger_runs_for_event(event_id)
        assert run.triggered_invocation_id == queued(app, life_tasks.noop)[0].invocation_id

    def test_of_several_conditions_takes_no_more_than_a_step_can_settle(self, app: Pynenc) -> None:
        both = TriggerBuilder().on_event("first").on_event("second")
        on(app, life_tasks.noop, both.with_logic(CompositeLogic.AND))
        for _ in range(130):
            app.trigger.emit_event("first", {})
        newest = app.trigger.emit_event("first", {})
        app.trigger.emit_event("second", {})
        loop(app)
        [run] = app.trigger.get_trigger_runs_for_event(newest)
        assert len(run.valid_condition_ids) == 21
        # All that was met is settled by it, as pynenc has it.
        assert (len(queued(app, life_tasks.noop)), pending(app)) == (1, 0)

    def test_leaves_what_takes_too_long_to_the_next_round(
        self, app: Pynenc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        on(app, life_tasks.noop, TriggerBuilder().on_event("happened"))
        on(app, life_tasks.urgent, TriggerBuilder().on_event("happened"))
        for _ in range(5):
            app.trigger.emit_event("happened", {})
        with monkeypatch.context() as patch:
            patch.setattr("pynenc_redis_lua.trigger.firing._ROUND_SECONDS", 0.0)
            loop(app)
        assert pending(app) == 5
        loop(app)
        assert len(queued(app, life_tasks.noop)) == len(queued(app, life_tasks.urgent)) == 5

    def test_gives_each_trigger_its_turn(
        self, app: Pynenc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A round that ends early must not have been one trigger's alone."""
        on(app, life_tasks.noop, TriggerBuilder().on_event("often"))
        on(app, life_tasks.urgent, TriggerBuilder().on_event("once"))
        for code in (*["often"] * 5, "once"):
            app.trigger.emit_event(code, {})
        fired: list[str] = []
        execute = RedisTrigger.execute_task

        def noted_first(trigger: RedisTrigger, task_id: Any, *args: Any, **kwargs: Any) -> Any:
            fired.append(task_id.func_name)
            return execute(trigger, task_id, *args, **kwargs)

        monkeypatch.setattr(RedisTrigger, "execute_task", noted_first)
        loop(app)
        assert sorted(fired[:2]) == ["noop", "urgent"]
        assert fired[2:] == ["noop"] * 4

    def test_is_claimed_where_tasks_run_within_the_loop(
        self, make_app: Callable[..., Pynenc], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        app = make_app(dev_mode_force_sync_tasks=True)
        on(app, life_tasks.noop, TriggerBuilder().on_event("happened"))
        event_id = app.trigger.emit_event("happened", {})
        claims: list[str] = []
        claim_run = RedisTrigger.claim_trigger_run

        def claimed(trigger: RedisTrigger, run_id: str) -> bool:
            claims.append(run_id)
            return claim_run(trigger, run_id)

        monkeypatch.setattr(RedisTrigger, "claim_trigger_run", claimed)
        loop(app)
        loop(app)
        [run] = app.trigger.get_trigger_runs_for_event(event_id)
        assert claims == [run.trigger_run_id]
        assert pending(app) == 0


class TestEvents:
    def test_with_a_filter_that_fails_meet_what_else_waits_for_them(self, app: Pynenc) -> None:
        broken = TriggerBuilder().on_event("happened", broken_filter)
        on(app, life_tasks.urgent, broken)
        on(app, life_tasks.noop, TriggerBuilder().on_event("happened"))
        event_id = app.trigger.emit_event("happened", {"a": 1})
        loop(app)
        assert len(queued(app, life_tasks.noop)) == 1
        assert queued(app, life_tasks.urgent) == []
        assert app.trigger.get_event(event_id) is not None

    def test_that_are_gone_keep_no_links(self, make_app: Callable[..., Pynenc]) -> None:
        app = make_app(event_max_records=2)
        on(app, life_tasks.noop, TriggerBuilder().on_event("happened"))
        for _ in range(6):
            app.trigger.emit_event("happened", {})
        app.trigger.auto_purge_events()
        loop(app)
        assert len(queued(app, life_tasks.noop)) == 6
        assert client_of(app).hlen(key_of(app, "event_links")) <= 2

    @pytest.mark.parametrize("unknown", ["", "unknown"])
    def test_that_nobody_knows(self, app: Pynenc, unknown: str) -> None:
        trigger = trigger_of(app)
        assert trigger.get_event(unknown) is None
        assert trigger.get_trigger(unknown) is None
        assert trigger.get_condition(unknown) is None
        assert trigger.get_trigger_run(unknown) is None
        assert trigger.get_last_cron_execution(unknown) is None
        assert trigger.get_triggers_for_condition(unknown) == []
        assert trigger.get_invocations_triggered_by_event(unknown) == []


class TestRegistration:
    def test_replaces_the_triggers_of_a_task(self, app: Pynenc) -> None:
        on(app, life_tasks.noop, TriggerBuilder().on_event("old"))
        on(app, life_tasks.noop, TriggerBuilder().on_event("new"))
        for code in ("old", "new"):
            app.trigger.emit_event(code, {})
        loop(app)
        [invocation] = queued(app, life_tasks.noop)
        event = app.trigger.get_event(invocation.parent_event_id or "")
        assert event is not None
        assert event.event_code == "new"

    def test_comes_back_after_a_purge(self, app: Pynenc, make_app: Callable[..., Pynenc]) -> None:
        on(app, life_tasks.noop, TriggerBuilder().on_event("happened"))
        # A monitor purges the app: it has registered nothing.
        make_app().purge()
        app.trigger.emit_event("happened", {})
        assert pending(app) == 0
        loop(app)
        app.trigger.emit_event("happened", {})
        loop(app)
        assert len(queued(app, life_tasks.noop)) == 1

    def test_comes_back_though_that_of_another_process_did_before(
        self, app: Pynenc, make_app: Callable[..., Pynenc]
    ) -> None:
        other = make_app()
        on(app, life_tasks.noop, TriggerBuilder().on_event("happened"))
        on(other, life_tasks.urgent, TriggerBuilder().on_event("else"))
        make_app().purge()
        for each in (other, app):
            loop(each)
        for code in ("happened", "else"):
            app.trigger.emit_event(code, {})
        loop(app)
        assert len(queued(app, life_tasks.noop)) == len(queued(app, life_tasks.urgent)) == 1

    def test_that_was_taken_back_stays_so(self, app: Pynenc) -> None:
        on(app, life_tasks.noop, TriggerBuilder().on_event("happened"))
        on(app, life_tasks.urgent, TriggerBuilder().on_event("happened"))
        app.trigger.clean_task_trigger_definitions(life_tasks.noop.task_id)
        app.purge()
        app.trigger.emit_event("happened", {})
        loop(app)
        assert (len(queued(app, life_tasks.noop)), len(queued(app, life_tasks.urgent))) == (0, 1)

    def test_survives_a_purge_of_its_own(self, app: Pynenc) -> None:
        on(app, life_tasks.noop, TriggerBuilder().on_event("happened"))
        app.purge()
        app.trigger.emit_event("happened", {})
        loop(app)
        assert len(queued(app, life_tasks.noop)) == 1


class TestRetention:
    def test_of_everything_leaves_nothing(self, make_app: Callable[..., Pynenc]) -> None:
        app = make_app(event_retention_days=1)
        large = "x" * 5_000
        on(
            app,
            life_tasks.echo,
            TriggerBuilder().on_event("happened").with_args_from_event(event_text),
        )
        for number in range(5):
            app.trigger.emit_event("happened", {"text": f"{number}{large}"})
        loop(app)
        app.trigger.emit_event("unheard", {"text": large})
        for key, members in (
            ("events", client_of(app).hlen),
            ("trigger_runs", client_of(app).hlen),
        ):
            assert members(key_of(app, key)) > 0
        later = datetime.now(UTC) + timedelta(days=2)
        trigger = trigger_of(app)
        events = trigger._age_purge_events(later)
        trigger._age_purge_trigger_runs(later)
        assert len(events) == 6
        for name in ("events", "event_index", "event_links", "trigger_runs", "trigger_run_index"):
            assert not client_of(app).exists(key_of(app, name)), name

    def test_forgets_a_condition_whose_other_half_never_came(
        self, make_app: Callable[..., Pynenc]
    ) -> None:
        app = make_app(event_retention_days=1)
        both = TriggerBuilder().on_event("first").on_event("second")
        on(app, life_tasks.noop, both.with_logic(CompositeLogic.AND))
        app.trigger.emit_event("first", {"text": "x" * 5_000})
        loop(app)
        assert pending(app) == 1
        day = 24 * 3600 * 1_000_000
        order = key_of(app, "valid_order")
        [entry] = client_of(app).zrange(order, 0, -1)
        client_of(app).zincrby(order, -day - 1_000_000, entry)
        loop(app)
        assert pending(app) == 0


# Beside components of others


@pytest.fixture(params=["orchestrator of SQLite", "trigger in memory"])
def mixed(
    request: pytest.FixtureRequest, one_server: Server, tmp_path: Path, app_id: str
) -> Iterator[Pynenc]:
    builder = PynencBuilder().app_id(app_id).sqlite(str(tmp_path / "pynenc.db"))
    if request.param == "trigger in memory":
        builder = builder.redis(url=one_server.url).mem_trigger()
    ours = {"trigger_cls": "RedisTrigger"} if "SQLite" in request.param else {}
    app = builder.custom_config(
        redis_url=one_server.url, logging_level="critical", cached_status_time=0.0, **ours
    ).build()
    without_core_tasks(app)
    yield app
    app.purge()
    if not ours:
        remove(app)


def test_changes_are_met_once_where_the_trigger_has_other_settings(
    make_app: Callable[..., Pynenc],
) -> None:
    app = make_app()
    other = make_app(app.app_id, redis_outage_budget=11.0)
    app._trigger = other.trigger
    watch(app, life_tasks.noop, S.SUCCESS)
    _finish(app)
    assert (noted(app), pending(app)) == (0, 1)
    loop(app)
    assert len(queued(app, life_tasks.noop)) == 1


@pytest.mark.parametrize("status", [it for it in STEPS if it != S.RUNNING_RECOVERY])
def test_changes_are_reported_where_no_commit_notes_them(
    mixed: Pynenc, status: InvocationStatus
) -> None:
    watch(mixed, life_tasks.noop, status)
    STEPS[status](mixed)
    assert pending(mixed) >= 1


def test_results_and_exceptions_are_reported_as_well(mixed: Pynenc) -> None:
    noop = bind(mixed, life_tasks.noop)
    on(mixed, life_tasks.echo, TriggerBuilder().on_result(noop, filter_result=7))
    on(mixed, life_tasks.add, TriggerBuilder().on_exception(noop))
    _finish(mixed)
    _fail(mixed)
    assert pending(mixed) == 2


def test_firing_is_claimed_where_it_is_not_one_commit(mixed: Pynenc) -> None:
    on(mixed, life_tasks.noop, TriggerBuilder().on_event("happened"))
    for _ in range(3):
        mixed.trigger.emit_event("happened", {})
    loop(mixed)
    loop(mixed)
    assert len(queued(mixed, life_tasks.noop)) == 3
    assert pending(mixed) == 0


def test_what_somebody_else_has_claimed_is_left_alone(mixed: Pynenc) -> None:
    both = TriggerBuilder().on_event("first").on_event("second")
    on(mixed, life_tasks.noop, both.with_logic(CompositeLogic.AND))
    for _ in range(30):
        mixed.trigger.emit_event("first", {})
    mixed.trigger.emit_event("second", {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(mixed.trigger), "claim_trigger_run", lambda *_: False)
        loop(mixed)
    assert queued(mixed, life_tasks.noop) == []
    if isinstance(mixed.trigger, RedisTrigger):
        assert pending(mixed) == 31
        loop(mixed)
        assert (len(queued(mixed, life_tasks.noop)), pending(mixed)) == (1, 0)
