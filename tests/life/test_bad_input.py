"""What can't be done ends in an error of a known type, and nothing is written."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from pynenc.call import Call
from pynenc.exceptions import (
    ConfigError,
    InvocationNotFoundError,
    InvocationStatusOwnershipError,
    InvocationStatusTransitionError,
    RetryError,
)
from pynenc.identifiers.invocation_id import InvocationId
from pynenc.invocation.dist_invocation import DistributedInvocation
from pynenc.invocation.status import InvocationStatus

from life import life_tasks
from life.tools import bind, claim, client_of, key_of, runner, snapshot, started
from pynenc_redis_lua.errors import NewerSchemaError, WrongTypeError
from pynenc_redis_lua.keys import key_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pynenc import Pynenc

OWNER, OTHER = runner("owner"), runner("other")


@contextmanager
def refused(app: Pynenc, error: type[Exception], match: str = "") -> Iterator[None]:
    """Expect an error that says this, and no change."""
    before = snapshot(app)
    with pytest.raises(error, match=match):
        yield
    assert snapshot(app) == before


STEPS: dict[str, Callable[[Pynenc, DistributedInvocation], object]] = {
    "status": lambda app, it: app.orchestrator.set_invocation_status(
        it.invocation_id, InvocationStatus.KILLED, OTHER
    ),
    "result": lambda app, it: app.orchestrator.set_invocation_result(it, 1, OTHER),
    "exception": lambda app, it: app.orchestrator.set_invocation_exception(it, ValueError(), OTHER),
    "retry": lambda app, it: app.orchestrator.set_invocation_retry(it, RetryError(), OTHER),
}


class TestUnknownInvocation:
    @pytest.fixture
    def unknown(self, app: Pynenc) -> DistributedInvocation:
        """One that was made and never registered."""
        return DistributedInvocation.isolated(Call(bind(app, life_tasks.noop)))

    @pytest.mark.parametrize("step", STEPS)
    def test_takes_no_step(self, app: Pynenc, unknown: DistributedInvocation, step: str) -> None:
        with refused(app, KeyError, unknown.invocation_id):
            STEPS[step](app, unknown)

    def test_is_not_rerouted(self, app: Pynenc, unknown: DistributedInvocation) -> None:
        with refused(app, KeyError, unknown.invocation_id):
            app.orchestrator.reroute_invocations({unknown.invocation_id}, OTHER)

    def test_has_no_status(self, app: Pynenc, unknown: DistributedInvocation) -> None:
        with refused(app, KeyError, unknown.invocation_id):
            app.orchestrator.get_invocation_status(unknown.invocation_id)

    def test_has_no_result_and_no_exception(self, app: Pynenc) -> None:
        with refused(app, KeyError, "nobody"):
            app.state_backend.get_result(InvocationId("nobody"))
        with refused(app, KeyError, "nobody"):
            app.state_backend.get_exception(InvocationId("nobody"))

    def test_is_not_found(self, app: Pynenc) -> None:
        with refused(app, InvocationNotFoundError, "nobody"):
            app.state_backend.get_invocation(InvocationId("nobody"))

    def test_is_waited_for_by_nobody(self, app: Pynenc) -> None:
        waiting = started(app, OWNER, life_tasks.noop)
        app.orchestrator.waiting_for_results(waiting.invocation_id, [InvocationId("nobody")])
        assert "waits" not in snapshot(app)

    def test_in_a_queue_is_passed_over(self, app: Pynenc) -> None:
        app.broker.route_invocation(InvocationId("nobody"), "default", 0.5)
        submitted = bind(app, life_tasks.noop)()
        assert [it.invocation_id for it in claim(app, OWNER, 2)] == [submitted.invocation_id]
        assert app.broker.count_invocations() == 0


class TestForeignOwner:
    @pytest.mark.parametrize("step", STEPS)
    def test_takes_no_step(self, app: Pynenc, step: str) -> None:
        invocation = started(app, OWNER, life_tasks.noop)
        with refused(app, InvocationStatusOwnershipError, "owner"):
            STEPS[step](app, invocation)

    def test_does_not_start_what_another_claimed(self, app: Pynenc) -> None:
        bind(app, life_tasks.noop)()
        [claimed] = claim(app, OWNER)
        with refused(app, InvocationStatusOwnershipError, "owner"):
            app.orchestrator.set_invocation_status(
                claimed.invocation_id, InvocationStatus.RUNNING, OTHER
            )


class TestForbiddenTransition:
    @pytest.mark.parametrize("step", STEPS)
    def test_from_registered(self, app: Pynenc, step: str) -> None:
        invocation = bind(app, life_tasks.noop)()
        with refused(app, InvocationStatusTransitionError, "(?i)registered"):
            STEPS[step](app, invocation)

    @pytest.mark.parametrize("step", STEPS)
    def test_from_a_final_status(self, app: Pynenc, step: str) -> None:
        invocation = started(app, OTHER, life_tasks.noop)
        app.orchestrator.set_invocation_result(invocation, None, OTHER)
        with refused(app, InvocationStatusTransitionError, "(?i)success"):
            STEPS[step](app, invocation)


class TestQueue:
    @pytest.mark.parametrize("name", ["", "two words", "a:b", "é", "a/b"])
    def test_of_an_invalid_name_is_refused(self, app: Pynenc, name: str) -> None:
        with refused(app, ConfigError, "queue name"):
            app.broker.route_invocation(InvocationId("i"), name, 0.5)
        with refused(app, ConfigError, "queue name"):
            app.broker.retrieve_invocation(name)
        with refused(app, ConfigError, "queue name"):
            app.broker.count_invocations([name])

    @pytest.mark.parametrize("priority", [float("nan"), float("inf"), -101.0, 101.0, "high"])
    def test_takes_no_invalid_priority(self, app: Pynenc, priority: float) -> None:
        with refused(app, ConfigError, "priority"):
            app.broker.route_invocation(InvocationId("i"), "default", priority)

    def test_that_is_not_configured_takes_no_task_where_that_is_forbidden(
        self, make_app: Callable[..., Pynenc]
    ) -> None:
        app = make_app(raise_on_queue_mismatch=True)
        with refused(app, ConfigError, "elsewhere"):
            bind(app, life_tasks.noop_elsewhere)()


class TestForeignKey:
    @pytest.mark.parametrize("name", ["statuses", "queue", "history", "queue_sequence", "open"])
    def test_of_another_type_stops_a_submission(self, app: Pynenc, name: str) -> None:
        other = "list" if key_table().keys[name].type == "string" else "string"
        client = client_of(app)
        write = {"string": client.set, "list": client.rpush}[other]
        write(key_of(app, name), "not ours")
        existing = client.exists(*(key_of(app, key) for key in key_table().keys if key != "apps"))
        with pytest.raises(WrongTypeError, match=name):
            bind(app, life_tasks.noop)()
        assert client.exists(*(key_of(app, key) for key in key_table().keys if key != "apps")) == (
            existing
        )


class TestNewerSchema:
    """Data that a later release wrote is left as it is."""

    @pytest.fixture
    def newer(self, app: Pynenc) -> DistributedInvocation:
        invocation = started(app, OWNER, life_tasks.noop)
        client_of(app).set(key_of(app, "schema"), key_table().schema_version + 1)
        return invocation

    def test_takes_no_submission(self, app: Pynenc, newer: DistributedInvocation) -> None:
        del newer
        with refused(app, NewerSchemaError, "schema"):
            bind(app, life_tasks.noop)()
        with refused(app, NewerSchemaError, "schema"):
            bind(app, life_tasks.add).parallelize([(1, 2), (3, 4)])

    def test_gives_no_work(self, app: Pynenc, newer: DistributedInvocation) -> None:
        del newer
        with refused(app, NewerSchemaError, "schema"):
            claim(app, OWNER)

    @pytest.mark.parametrize("step", STEPS)
    def test_takes_no_step(self, app: Pynenc, newer: DistributedInvocation, step: str) -> None:
        with refused(app, NewerSchemaError, "schema"):
            STEPS[step](app, newer)

    def test_takes_no_heartbeat(self, app: Pynenc, newer: DistributedInvocation) -> None:
        del newer
        with refused(app, NewerSchemaError, "schema"):
            app.orchestrator.register_runner_heartbeats(["owner"])
