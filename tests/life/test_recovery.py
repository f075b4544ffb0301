"""What a crash leaves behind is found, put back into its queue and run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from pynenc.exceptions import RetryError
from pynenc.invocation.status import InvocationStatus

from life import life_tasks
from life.tools import (
    as_runner,
    bind,
    claim,
    client_of,
    history_of,
    key_of,
    orchestrator,
    runner,
    snapshot,
    started,
    watch,
)
from pynenc_redis_lua.codec import pack, unpack
from pynenc_redis_lua.state_backend import RESEND_CONTEXTS_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pynenc import Pynenc
    from pynenc.identifiers.invocation_id import InvocationId

DEAD, ALIVE, NEXT = runner("dead"), runner("alive"), runner("next")
S = InvocationStatus
# How an invocation comes into each status that is not final.
PATHS: dict[InvocationStatus, list[InvocationStatus]] = {
    S.REGISTERED: [],
    S.PENDING: [S.PENDING],
    S.PENDING_RECOVERY: [S.PENDING, S.PENDING_RECOVERY],
    S.RUNNING: [S.PENDING, S.RUNNING],
    S.PAUSED: [S.PENDING, S.RUNNING, S.PAUSED],
    S.RUNNING_RECOVERY: [S.PENDING, S.RUNNING, S.RUNNING_RECOVERY],
    S.KILLED: [S.PENDING, S.RUNNING, S.KILLED],
    S.RETRY: [S.PENDING, S.RUNNING, S.RETRY],
    S.CONCURRENCY_CONTROLLED: [S.CONCURRENCY_CONTROLLED],
    S.REROUTED: [S.CONCURRENCY_CONTROLLED, S.REROUTED],
}
OPEN = [status for status in S if not status.is_final()]


@pytest.fixture
def app(make_app: Callable[..., Pynenc]) -> Pynenc:
    """An app that takes a pending invocation for stuck at once."""
    return make_app(max_pending_seconds=0.0)


def leave(app: Pynenc, status: InvocationStatus) -> InvocationId:
    """Leave an invocation in a status, in no queue, as a crash between two steps could."""
    invocation_id = bind(app, life_tasks.add)(1, 2).invocation_id
    assert app.broker.retrieve_invocation() == invocation_id
    for step in PATHS[status]:
        app.orchestrator.set_invocation_status(invocation_id, step, DEAD)
    assert app.broker.count_invocations() == 0
    return invocation_id


class TestSweep:
    @pytest.mark.parametrize("status", OPEN)
    def test_puts_back_what_stands_still_in(self, app: Pynenc, status: InvocationStatus) -> None:
        invocation_id = leave(app, status)
        assert app.orchestrator.get_invocation_status(invocation_id) == status
        assert orchestrator(app).recover_invocations(ALIVE) == [invocation_id]
        assert orchestrator(app).recover_invocations(ALIVE) == []
        [claimed] = claim(app, NEXT)
        assert claimed.invocation_id == invocation_id
        claimed.run(NEXT)
        assert app.state_backend.get_result(invocation_id) == 3
        assert history_of(app, invocation_id)[-3:] == [S.PENDING, S.RUNNING, S.SUCCESS]
        assert app.broker.count_invocations() == 0

    def test_puts_all_of_them_back_at_once(self, app: Pynenc) -> None:
        ids = [leave(app, status) for status in OPEN for _ in range(15)]
        assert sorted(orchestrator(app).recover_invocations(ALIVE)) == sorted(ids)
        assert sorted(it.invocation_id for it in claim(app, NEXT, 1_000)) == sorted(ids)

    def test_puts_each_back_into_its_own_queue(self, make_app: Callable[..., Pynenc]) -> None:
        app = make_app(max_pending_seconds=0.0, queues=("default", "elsewhere"))
        bind(app, life_tasks.noop)()
        other = bind(app, life_tasks.noop_elsewhere)()
        claim(app, DEAD)
        claim(app, DEAD, queues=["elsewhere"])
        assert len(orchestrator(app).recover_invocations(ALIVE)) == 2
        assert app.broker.count_invocations(["default"]) == 1
        assert app.broker.retrieve_invocation("elsewhere") == other.invocation_id

    def test_leaves_alone_what_is_where_it_should_be(self, make_app: Callable[..., Pynenc]) -> None:
        app = make_app(max_pending_seconds=60.0)
        app.orchestrator.register_runner_heartbeats([ALIVE.runner_id])
        running = started(app, ALIVE, life_tasks.noop)
        paused = started(app, ALIVE, life_tasks.noop)
        app.orchestrator.set_invocation_status(paused.invocation_id, S.PAUSED, ALIVE)
        done = started(app, ALIVE, life_tasks.noop)
        app.orchestrator.set_invocation_result(done, None, ALIVE)
        pending = bind(app, life_tasks.noop)()
        claim(app, ALIVE)
        retried = started(app, ALIVE, life_tasks.flaky, 1)
        app.orchestrator.set_invocation_retry(retried, RetryError(), ALIVE)
        bind(app, life_tasks.noop)()
        assert running.status == S.RUNNING
        assert pending.status == S.PENDING
        before = snapshot(app)
        assert orchestrator(app).recover_invocations(NEXT) == []
        assert snapshot(app) == before

    def test_takes_a_runner_for_dead_that_is_silent_for_too_long(
        self, make_app: Callable[..., Pynenc]
    ) -> None:
        app = make_app(max_pending_seconds=60.0, runner_considered_dead_after_minutes=1.0)
        app.orchestrator.register_runner_heartbeats([DEAD.runner_id, ALIVE.runner_id])
        lost = started(app, DEAD, life_tasks.noop)
        started(app, ALIVE, life_tasks.noop)
        heartbeats = key_of(app, "heartbeats")
        client_of(app).zincrby(heartbeats, -59_000_000, DEAD.runner_id)
        assert orchestrator(app).recover_invocations(NEXT) == []
        client_of(app).zincrby(heartbeats, -2_000_000, DEAD.runner_id)
        assert orchestrator(app).recover_invocations(NEXT) == [lost.invocation_id]

    def test_takes_nobody_for_dead_after_an_outage(self, make_app: Callable[..., Pynenc]) -> None:
        app = make_app(max_pending_seconds=60.0, runner_considered_dead_after_minutes=1.0)
        app.orchestrator.register_runner_heartbeats([DEAD.runner_id, ALIVE.runner_id])
        lost = started(app, DEAD, life_tasks.noop)
        own = started(app, ALIVE, life_tasks.noop)
        heartbeats = key_of(app, "heartbeats")
        for each in (DEAD, ALIVE):
            client_of(app).zincrby(heartbeats, -61_000_000, each.runner_id)
        app.orchestrator.register_runner_heartbeats([ALIVE.runner_id])
        assert list(app.orchestrator.get_running_invocations_for_recovery()) == []
        assert orchestrator(app).recover_invocations(ALIVE) == []
        # It had the dead limit to be heard of again.
        ended, last = unpack(client_of(app).get(key_of(app, "heartbeats_since")))
        earlier = pack(int(ended) - 61_000_000, last)
        client_of(app).set(key_of(app, "heartbeats_since"), earlier)
        assert orchestrator(app).recover_invocations(ALIVE) == [lost.invocation_id]
        assert own.status == S.RUNNING

    def test_keeps_the_count_of_retries(self, app: Pynenc) -> None:
        retried = started(app, DEAD, life_tasks.flaky, 1)
        app.orchestrator.set_invocation_retry(retried, RetryError(), DEAD)
        [again] = claim(app, DEAD)
        assert orchestrator(app).recover_invocations(ALIVE) == [again.invocation_id]
        assert app.orchestrator.get_invocation_retries(again.invocation_id) == 1

    def test_goes_on_past_what_changed_meanwhile(
        self, app: Pynenc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        finished, gone, stuck = (leave(app, S.RUNNING) for _ in range(3))
        orch = orchestrator(app)
        found = list(orch._stale("", 0))

        def meanwhile(*_: object) -> object:
            invocation = app.state_backend.get_invocation(finished)
            app.orchestrator.set_invocation_result(invocation, 3, DEAD)
            client_of(app).hdel(key_of(app, "statuses"), gone)
            return iter(found)

        # The sweep has found three; before it puts them back, one ends and one disappears.
        monkeypatch.setattr(orch, "_stale", meanwhile)
        assert orch.recover_invocations(ALIVE) == [stuck]
        assert app.orchestrator.get_invocation_status(finished) == S.SUCCESS

    def test_ends_its_round_in_time_whatever_the_number_of_queues(
        self, make_app: Callable[..., Pynenc], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        app = make_app(max_pending_seconds=0.0, queues=("default", "elsewhere"))
        ids = {
            bind(app, task)().invocation_id for task in (life_tasks.noop, life_tasks.noop_elsewhere)
        }
        for queue in ("default", "elsewhere"):
            claim(app, DEAD, queues=[queue])
        monkeypatch.setattr("pynenc_redis_lua.orchestrator.recovery.SWEEP_SECONDS", 0.0)
        rounds = [orchestrator(app).recover_invocations(ALIVE) for _ in range(3)]
        assert [len(found) for found in rounds] == [1, 1, 0]
        assert {id_ for found in rounds for id_ in found} == ids

    @pytest.mark.parametrize("status", [S.RUNNING_RECOVERY, S.REROUTED])
    def test_tells_the_triggers(self, app: Pynenc, status: InvocationStatus) -> None:
        leave(app, S.RUNNING)
        watch(app, life_tasks.add, status)
        orchestrator(app).recover_invocations(ALIVE)
        assert len(app.trigger.get_valid_conditions()) == 1

    def test_lets_the_parent_go_on_that_waits_for_what_it_puts_back(self, app: Pynenc) -> None:
        parent = started(app, DEAD, life_tasks.noop)
        child = leave(app, S.RUNNING)
        app.orchestrator.waiting_for_results(parent.invocation_id, [child])
        orchestrator(app).recover_invocations(ALIVE)
        # What others wait for is claimed first.
        assert list(app.orchestrator.get_blocking_invocations(5)) == [child]
        assert claim(app, NEXT)[0].invocation_id == child

    def test_is_told_by_pynenc_what_is_stuck_as_well(self, app: Pynenc) -> None:
        pending, running = leave(app, S.PENDING), leave(app, S.RUNNING)
        assert list(app.orchestrator.get_pending_invocations_for_recovery()) == [pending]
        assert list(app.orchestrator.get_running_invocations_for_recovery()) == [running]


class TestAtomicService:
    @pytest.fixture
    def app(self, make_app: Callable[..., Pynenc]) -> Pynenc:
        return make_app(
            max_pending_seconds=0.0,
            auto_final_invocation_purge_hours=0.0,
            atomic_service_max_start_slot_fraction=1.0,
        )

    def test_brings_recovery_and_retention(self, app: Pynenc) -> None:
        done = started(app, ALIVE, life_tasks.noop)
        app.orchestrator.set_invocation_result(done, None, ALIVE)
        stuck = leave(app, S.RUNNING)
        run = app.orchestrator.try_claim_atomic_service_run(ALIVE)
        assert run is not None
        assert [it.invocation_id for it in claim(app, NEXT)] == [stuck]
        with pytest.raises(KeyError):
            app.orchestrator.get_invocation_status(done.invocation_id)

    def test_is_one_runners_at_a_time(self, app: Pynenc) -> None:
        run = app.orchestrator.try_claim_atomic_service_run(ALIVE)
        assert run is not None
        stuck = leave(app, S.RUNNING)
        assert app.orchestrator.try_claim_atomic_service_run(NEXT) is None
        assert app.orchestrator.try_claim_atomic_service_run(ALIVE) is None
        assert app.orchestrator.get_invocation_status(stuck) == S.RUNNING
        [execution] = app.orchestrator.get_active_atomic_service_executions()
        assert execution.runner_id == ALIVE.runner_id

    def test_is_run_by_any_of_five_runners_that_have_no_slots(
        self, make_app: Callable[..., Pynenc]
    ) -> None:
        """What pynenc starts from: a margin of a minute in an interval of five."""
        app = make_app(max_pending_seconds=0.0)
        runners = [runner(f"runner-{number}") for number in range(5)]
        for each in runners:
            app.orchestrator.register_runner_heartbeats(
                [each.runner_id], can_run_atomic_service=True
            )
        stuck = leave(app, S.RUNNING)
        assert [app.orchestrator.try_claim_atomic_service_run(each) for each in runners] == [
            None
        ] * 5
        # Half a minute later.
        said = key_of(app, "runners")
        for each in runners:
            created, *rest = unpack(client_of(app).hget(said, each.runner_id))
            earlier = pack(int(created) - 31_000_000, *rest)
            client_of(app).hset(said, each.runner_id, earlier)
        runs = [app.orchestrator.try_claim_atomic_service_run(each) for each in runners]
        assert [run is not None for run in runs] == [True, *[False] * 4]
        assert app.orchestrator.get_invocation_status(stuck) == S.REROUTED

    def test_is_given_back_when_its_work_fails(self, app: Pynenc) -> None:
        # Something else holds a key that retention needs.
        client_of(app).set(key_of(app, "client_data_idle"), "not ours")
        with pytest.raises(Exception, match="client_data_idle"):
            app.orchestrator.try_claim_atomic_service_run(ALIVE)
        assert app.orchestrator.get_active_atomic_service_executions() == []
        client_of(app).delete(key_of(app, "client_data_idle"))
        assert app.orchestrator.try_claim_atomic_service_run(ALIVE) is not None


class TestRetention:
    def test_forgets_runners_that_are_gone(self, make_app: Callable[..., Pynenc]) -> None:
        # A ProcessRunner gives each invocation a process of its own, which is a runner.
        app = make_app(auto_final_invocation_purge_hours=0.0)
        gone = [runner(f"gone-{number}") for number in range(20)]
        app.orchestrator.register_runner_heartbeats([ALIVE.runner_id])
        for each in gone:
            app.orchestrator.register_runner_heartbeats([each.runner_id])
            bind(app, life_tasks.noop)()
            claim(app, each)[0].run(each)
            client_of(app).zadd(key_of(app, "heartbeats"), {each.runner_id: 1})
            client_of(app).zadd(key_of(app, "context_times"), {each.runner_id: 1})
        app.orchestrator.register_runner_heartbeats([ALIVE.runner_id])
        orchestrator(app).auto_purge()
        kept = {
            name: client_of(app).hlen(key_of(app, name)) for name in ("runners", "runner_contexts")
        }
        assert max(kept.values()) <= 2, kept

    def test_forgets_clients_that_only_submitted(self, make_app: Callable[..., Pynenc]) -> None:
        app = make_app(auto_final_invocation_purge_hours=0.0)
        times = key_of(app, "context_times")
        for number in range(20):
            with as_runner(app, runner(f"client-{number}")):
                bind(app, life_tasks.noop)()
        assert client_of(app).zcard(times) == 20
        client_of(app).zadd(times, {f"client-{number}": 1 for number in range(19)})
        orchestrator(app).auto_purge()
        assert client_of(app).hkeys(key_of(app, "runner_contexts")) == [b"client-19"]

    def test_keeps_the_context_of_a_client_that_goes_on(
        self, make_app: Callable[..., Pynenc], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        app = make_app(auto_final_invocation_purge_hours=0.0)
        times = key_of(app, "context_times")
        with as_runner(app, ALIVE):
            bind(app, life_tasks.noop)()
            client_of(app).zadd(times, {ALIVE.runner_id: 1})
            bind(app, life_tasks.noop)()
            assert client_of(app).zscore(times, ALIVE.runner_id) == 1
            later = time.monotonic() + RESEND_CONTEXTS_SECONDS + 1
            monkeypatch.setattr("pynenc_redis_lua.state_backend.time.monotonic", lambda: later)
            bind(app, life_tasks.noop)()
        orchestrator(app).auto_purge()
        assert client_of(app).hkeys(key_of(app, "runner_contexts")) == [ALIVE.runner_id.encode()]

    def test_leaves_what_is_not_final(self, make_app: Callable[..., Pynenc]) -> None:
        app = make_app(auto_final_invocation_purge_hours=0.0)
        ids = [leave(app, status) for status in OPEN]
        orchestrator(app).auto_purge()
        assert app.orchestrator.filter_by_status(ids, frozenset(OPEN)) == ids

    def test_leaves_what_is_young(self, make_app: Callable[..., Pynenc]) -> None:
        app = make_app(auto_final_invocation_purge_hours=1.0)
        invocation = started(app, ALIVE, life_tasks.noop)
        app.orchestrator.set_invocation_result(invocation, 7, ALIVE)
        orchestrator(app).auto_purge()
        assert invocation.result == 7
        client_of(app).zincrby(key_of(app, "expiring"), -3_601_000_000, invocation.invocation_id)
        orchestrator(app).auto_purge()
        with pytest.raises(KeyError):
            app.state_backend.get_result(invocation.invocation_id)


def test_what_is_put_back_keeps_its_priority(app: Pynenc) -> None:
    bind(app, life_tasks.urgent)()
    [stuck] = claim(app, DEAD)
    bind(app, life_tasks.noop)()
    assert orchestrator(app).recover_invocations(ALIVE) == [stuck.invocation_id]
    assert [it.invocation_id for it in claim(app, NEXT)] == [stuck.invocation_id]
