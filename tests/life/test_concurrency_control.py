"""Which invocations exclude each other: at registration, and at running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pynenc.conf.config_task import ConcurrencyControlType
from pynenc.exceptions import (
    InvocationConcurrencyWithDifferentArgumentsError,
    InvocationStatusError,
    InvocationStatusTransitionError,
    RetryError,
)
from pynenc.invocation.dist_invocation import ReusedInvocation
from pynenc.invocation.status import InvocationStatus

import servers
from life import life_tasks
from life.tools import (
    bind,
    claim,
    client_of,
    history_of,
    key_of,
    runner,
    snapshot,
    started,
    watch,
    working,
)
from pynenc_redis_lua.keys import key_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from pynenc import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.task import Task

ONE, TWO = runner("one"), runner("two")
A1, A2, B1 = ("a", "1"), ("a", "2"), ("b", "1")


def start(app: Pynenc, invocation: DistributedInvocation) -> None:
    app.orchestrator.set_invocation_status(invocation.invocation_id, InvocationStatus.RUNNING, ONE)


class TestRegistration:
    @pytest.mark.parametrize(
        ("task", "calls", "registered"),
        [
            (life_tasks.join_texts, [A1, A1, A2], 3),
            (life_tasks.once, [A1, A1, A2, B1], 1),
            (life_tasks.once_by_arguments, [A1, A2, A1, B1, A2], 3),
            (life_tasks.once_by_key, [A1, A2, A1, B1], 2),
        ],
        ids=["disabled", "task", "arguments", "keys"],
    )
    def test_unites_calls_by_mode(
        self, app: Pynenc, task: Task, calls: list[tuple[str, str]], registered: int
    ) -> None:
        invocations = [bind(app, task)(*call) for call in calls]
        ids = {invocation.invocation_id for invocation in invocations}
        assert len(ids) == registered
        assert app.orchestrator.count_invocations() == registered
        assert app.broker.count_invocations() == registered
        assert sum(isinstance(it, ReusedInvocation) for it in invocations) == (
            len(calls) - registered
        )

    def test_ends_with_the_claim(self, app: Pynenc) -> None:
        first = bind(app, life_tasks.once)(*A1)
        assert [it.invocation_id for it in claim(app, ONE)] == [first.invocation_id]
        second = bind(app, life_tasks.once)(*A1)
        assert second.invocation_id != first.invocation_id
        assert bind(app, life_tasks.once)(*A1).invocation_id == second.invocation_id

    def test_gives_the_arguments_that_differ(self, app: Pynenc) -> None:
        first = bind(app, life_tasks.once_by_key)(*A1)
        again = bind(app, life_tasks.once_by_key)(*A2)
        assert isinstance(again, ReusedInvocation)
        assert again.invocation_id == first.invocation_id
        assert again.diff_arg is not None
        assert again.diff_arg.kwargs == {"key": "a", "value": "2"}
        assert again.arguments.kwargs == {"key": "a", "value": "1"}
        same = bind(app, life_tasks.once_by_key)(*A1)
        assert isinstance(same, ReusedInvocation)
        assert same.diff_arg is None

    def test_raises_for_arguments_that_differ_if_asked_to(self, app: Pynenc) -> None:
        task = bind(app, life_tasks.once_by_key_strict)
        first = task(*A1)
        before = snapshot(app)
        with pytest.raises(InvocationConcurrencyWithDifferentArgumentsError):
            task(*A2)
        assert snapshot(app) == before
        assert task(*A1).invocation_id == first.invocation_id
        assert task(*B1).invocation_id != first.invocation_id


class TestRunning:
    @pytest.mark.parametrize(
        ("task", "calls", "claimed"),
        [
            (life_tasks.join_texts, [A1, A1], [0, 1]),
            (life_tasks.alone_by_arguments, [A1, A1, A2, B1], [0, 2, 3]),
            (life_tasks.alone_by_key, [A1, A2, B1, A1], [0, 2]),
        ],
        ids=["disabled", "arguments", "keys"],
    )
    def test_lets_one_of_each_kind_be_claimed(
        self, app: Pynenc, task: Task, calls: list[tuple[str, str]], claimed: list[int]
    ) -> None:
        ids = [bind(app, task)(*call).invocation_id for call in calls]
        assert [ids.index(it.invocation_id) for it in claim(app, ONE, 10)] == claimed

    def test_holds_for_the_whole_task(self, app: Pynenc) -> None:
        ids = [bind(app, life_tasks.alone)(number).invocation_id for number in range(3)]
        for expected in ids:
            [claimed] = claim(app, ONE, 10)
            assert claimed.invocation_id == expected
            assert claim(app, TWO, 10) == []
            start(app, claimed)
            assert claim(app, TWO, 10) == []
            app.orchestrator.set_invocation_result(claimed, 0, ONE)

    def test_puts_back_what_it_holds_back(self, app: Pynenc) -> None:
        first, second = (bind(app, life_tasks.alone)(number) for number in range(2))
        claimed = claim(app, ONE, 10)
        assert [it.invocation_id for it in claimed] == [first.invocation_id]
        assert app.broker.count_invocations() == 1
        assert history_of(app, second.invocation_id) == [
            InvocationStatus.REGISTERED,
            InvocationStatus.CONCURRENCY_CONTROLLED,
            InvocationStatus.REROUTED,
        ]

    def test_ends_what_it_holds_back_if_the_task_says_so(self, app: Pynenc) -> None:
        _, second = (bind(app, life_tasks.alone_or_never)(number) for number in range(2))
        assert len(claim(app, ONE, 10)) == 1
        assert app.broker.count_invocations() == 0
        assert history_of(app, second.invocation_id) == [
            InvocationStatus.REGISTERED,
            InvocationStatus.CONCURRENCY_CONTROLLED_FINAL,
        ]

    def test_lets_all_go_on_that_wait_for_what_it_ends(self, app: Pynenc) -> None:
        # One commit releases 250 of them.
        started(app, ONE, life_tasks.alone_or_never, 0)
        ended = bind(app, life_tasks.alone_or_never)(1)
        waiting = bind(app, life_tasks.noop).parallelize([()] * 600).invocations
        for each in waiting:
            app.orchestrator.waiting_for_results(each.invocation_id, [ended.invocation_id])
        claim(app, TWO)
        assert ended.status == InvocationStatus.CONCURRENCY_CONTROLLED_FINAL
        assert "waits" not in snapshot(app)

    def test_frees_its_slot_for_a_retry(self, app: Pynenc) -> None:
        first, second = (bind(app, life_tasks.alone_flaky)(number) for number in range(2))
        [claimed] = claim(app, ONE)
        start(app, claimed)
        app.orchestrator.set_invocation_retry(claimed, RetryError(), ONE)
        assert [it.invocation_id for it in claim(app, ONE)] == [second.invocation_id]
        assert app.orchestrator.get_invocation_status(first.invocation_id) == (
            InvocationStatus.RETRY
        )

    def test_holds_back_a_retry_as_pynenc_allows(self, app: Pynenc) -> None:
        retried, other = (bind(app, life_tasks.alone_flaky)(number) for number in range(2))
        [claimed] = claim(app, ONE)
        start(app, claimed)
        app.orchestrator.set_invocation_retry(claimed, RetryError(), ONE)
        [holder] = claim(app, ONE)
        assert holder.invocation_id == other.invocation_id
        assert claim(app, TWO) == []
        # From RETRY pynenc allows PENDING alone: `history_of` checks each step.
        history_of(app, retried.invocation_id)
        start(app, holder)
        app.orchestrator.set_invocation_result(holder, 1, ONE)
        assert [it.invocation_id for it in claim(app, TWO)] == [retried.invocation_id]

    def test_costs_no_memory_for_as_long_as_it_holds_something_back(self, app: Pynenc) -> None:
        # Each worker looks several times a second, and a slot may be held for hours.
        _, held_back = (bind(app, life_tasks.alone)(number) for number in range(2))
        [_] = claim(app, ONE)
        claim(app, TWO)
        lengths = []
        for _ in range(2):
            for _ in range(10):
                assert claim(app, TWO) == []
            history = key_of(app, "history")
            lengths.append(client_of(app).hstrlen(history, held_back.invocation_id))
        assert lengths[0] == lengths[1]

    @pytest.mark.parametrize(
        ("task", "status"),
        [
            (life_tasks.alone, InvocationStatus.CONCURRENCY_CONTROLLED),
            (life_tasks.alone, InvocationStatus.REROUTED),
            (life_tasks.alone_or_never, InvocationStatus.CONCURRENCY_CONTROLLED_FINAL),
        ],
    )
    def test_tells_the_triggers_what_it_holds_back(
        self, app: Pynenc, task: Task, status: InvocationStatus
    ) -> None:
        watch(app, task, status)
        started(app, ONE, task, 0)
        bind(app, task)(1)
        assert app.trigger.get_valid_conditions() == {}
        assert claim(app, TWO) == []
        assert len(app.trigger.get_valid_conditions()) == 1

    def test_holds_for_what_was_submitted_before_the_task_had_it(self, app: Pynenc) -> None:
        conf = bind(app, life_tasks.alone).conf
        mode = conf.running_concurrency
        conf.running_concurrency = ConcurrencyControlType.DISABLED
        older = bind(app, life_tasks.alone)(0)
        conf.running_concurrency = mode
        [claimed] = claim(app, TWO)
        assert claimed.invocation_id == older.invocation_id
        assert app.orchestrator.is_authorize_to_run_by_concurrency_control(older)
        started(app, ONE, life_tasks.alone, 1)
        assert not app.orchestrator.is_authorize_to_run_by_concurrency_control(older)

    def test_refuses_a_start_while_another_runs(self, app: Pynenc) -> None:
        holder, other = (bind(app, life_tasks.alone)(number) for number in range(2))
        for each, who in ((holder, ONE), (other, TWO)):
            app.broker.retrieve_invocation()
            app.orchestrator.set_invocation_status(
                each.invocation_id, InvocationStatus.PENDING, who
            )
        start(app, holder)
        with pytest.raises(InvocationStatusTransitionError):
            app.orchestrator.set_invocation_status(
                other.invocation_id, InvocationStatus.RUNNING, TWO
            )
        assert history_of(app, other.invocation_id)[-1] == InvocationStatus.REROUTED
        assert app.broker.retrieve_invocation() == other.invocation_id

    def test_refuses_a_start_though_the_runner_claims_it_once_more_meanwhile(
        self, app: Pynenc, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # All threads of a ThreadRunner are one runner. One of them is refused its start; before it
        # is told so, the slot becomes free and another thread claims what was just put back.
        holder, other = (bind(app, life_tasks.alone)(number) for number in range(2))
        for each in (holder, other):
            app.broker.retrieve_invocation()
            app.orchestrator.set_invocation_status(
                each.invocation_id, InvocationStatus.PENDING, ONE
            )
        start(app, holder)
        reroute = app.orchestrator.reroute_invocations

        def and_claim_again(*arguments: Any) -> None:
            reroute(*arguments)
            app.orchestrator.set_invocation_result(holder, 0, ONE)
            [again] = claim(app, ONE)
            assert again.invocation_id == other.invocation_id

        monkeypatch.setattr(app.orchestrator, "reroute_invocations", and_claim_again)
        with pytest.raises(InvocationStatusError):
            start(app, other)

    @pytest.mark.parametrize("server", servers.names()[:1], indirect=True)
    def test_passes_the_slot_on_without_delay(self, app: Pynenc) -> None:
        # Eight of a tenth of a second, one after the other; at one a second they would take eight.
        calls = [bind(app, life_tasks.alone_pause)(number) for number in range(8)]
        with working(app):
            servers.wait_for(
                lambda: all(it.status.is_final() for it in calls),
                timeout=4,
                message="8 invocations that exclude each other are done",
            )


class TestArgumentValues:
    SECRET = "hunter2-is-a-secret"

    @pytest.mark.parametrize(
        "task",
        [
            life_tasks.once_by_arguments,
            life_tasks.once_by_key,
            life_tasks.alone_by_arguments,
            life_tasks.alone_by_key,
            life_tasks.join_texts,
        ],
        ids=lambda task: task.task_id.func_name,
    )
    def test_are_kept_in_arguments_alone(self, app: Pynenc, task: Task) -> None:
        bind(app, task)(self.SECRET, self.SECRET)
        bind(app, task)(self.SECRET, self.SECRET)
        claim(app, ONE, 10)
        assert self.places(app) == {"arguments"}

    def places(self, app: Pynenc) -> set[str]:
        """The keys in which the secret is found, by a search of all that the server keeps."""
        client, found = client_of(app), set()
        for name, key in key_table().keys.items():
            assert self.SECRET.encode() not in key_of(app, name, "default")
            if key.in_slot and self.SECRET in contents(client, key_of(app, name, "default")):
                found.add(name)
        return found


def contents(client: Any, key: bytes) -> str:
    """All fields, members and values of a key, as one text."""
    kind = client.type(key).decode()
    read: dict[str, Callable[[], object]] = {
        "none": lambda: b"",
        "string": lambda: client.get(key),
        "hash": lambda: client.hgetall(key),
        "list": lambda: client.lrange(key, 0, -1),
        "zset": lambda: client.zrange(key, 0, -1),
    }
    return repr(read[kind]())
