"""What an invocation costs: every message that a client sends is counted, and its script named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pynenc.exceptions import RetryError

from life import life_tasks
from life.tools import Sent, bind, client_of, key_of, load_scripts, runner, started

if TYPE_CHECKING:
    from pynenc import Pynenc

SUBMIT, CLAIM, COMMIT = (f"orchestrator/{name}" for name in ("submit", "claim", "commit_status"))
STATUS = "orchestrator/get_status"
ONE = runner("one")


@pytest.fixture
def sent(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What is sent once the server knows all scripts, and the runner and the nodes are known."""
    load_scripts(app)
    run_to_result(app, life_tasks.noop)
    return Sent(monkeypatch)


def run_to_result(app: Pynenc, task: object, *arguments: object) -> object:
    invocation = bind(app, task)(*arguments)
    [claimed] = app.orchestrator.get_invocations_to_run(1, ONE)
    claimed.run(ONE)
    return invocation.result


class TestOneInvocation:
    @pytest.mark.parametrize(
        ("task", "arguments", "result"),
        [(life_tasks.noop, (), None), (life_tasks.add, (1, 2), 3)],
        ids=["without arguments", "with arguments"],
    )
    def test_costs_five_round_trips(
        self, app: Pynenc, sent: Sent, task: object, arguments: tuple[int, ...], result: object
    ) -> None:
        assert run_to_result(app, task, *arguments) == result
        assert sent.round_trips == 5
        assert sent.take() == [SUBMIT, CLAIM, COMMIT, COMMIT, STATUS]

    def test_costs_as_much_for_a_new_runner(self, app: Pynenc, sent: Sent) -> None:
        invocation = bind(app, life_tasks.noop)()
        new = runner("new")
        [claimed] = app.orchestrator.get_invocations_to_run(1, new)
        claimed.run(new)
        assert invocation.result is None
        assert sent.take() == [SUBMIT, CLAIM, COMMIT, COMMIT, STATUS]

    def test_costs_one_commit_more_for_the_parent_that_waits(self, app: Pynenc, sent: Sent) -> None:
        child = bind(app, life_tasks.noop)()
        sent.take()
        app.orchestrator.waiting_for_results("parent", [child.invocation_id])
        assert sent.take() == ["orchestrator/wait"]


class TestEachStep:
    def test_of_an_exception_is_one_commit(self, app: Pynenc, sent: Sent) -> None:
        invocation = started(app, ONE, life_tasks.noop)
        sent.take()
        app.orchestrator.set_invocation_exception(invocation, ValueError("no"), ONE)
        assert sent.take() == [COMMIT]

    def test_of_a_retry_is_one_commit(self, app: Pynenc, sent: Sent) -> None:
        invocation = started(app, ONE, life_tasks.noop)
        sent.take()
        app.orchestrator.set_invocation_retry(invocation, RetryError(), ONE)
        assert sent.take() == ["orchestrator/requeue"]

    def test_of_unique_registration_is_one_commit(self, app: Pynenc, sent: Sent) -> None:
        bind(app, life_tasks.once)("a", "b")
        assert sent.take() == [SUBMIT]

    def test_of_finding_nothing_is_one_look_and_then_waiting_alone(
        self, app: Pynenc, sent: Sent
    ) -> None:
        app.broker.conf.queue_timeout_sec = 0.2
        client_of(app).delete(key_of(app, "doorbell", "default"))
        sent.take()
        assert list(app.orchestrator.get_invocations_to_run(1, ONE)) == []
        assert sent.take() == [CLAIM, "BLPOP"]
        assert list(app.orchestrator.get_invocations_to_run(1, ONE)) == []
        assert sent.take() == ["BLPOP"]


class TestManyInvocations:
    def test_a_thousand_are_submitted_in_at_most_twenty_round_trips(
        self, app: Pynenc, sent: Sent
    ) -> None:
        group = bind(app, life_tasks.add).parallelize([(number, 1) for number in range(1_000)])
        assert len(group.invocation_map) == 1_000
        assert sent.round_trips <= 20
        assert set(sent.take()) == {SUBMIT}

    def test_a_batch_is_claimed_in_one_round_trip(self, app: Pynenc, sent: Sent) -> None:
        bind(app, life_tasks.add).parallelize([(number, 1) for number in range(10)])
        sent.take()
        claimed = list(app.orchestrator.get_invocations_to_run(10, ONE))
        assert sent.take() == [CLAIM]
        assert len(claimed) == 10
