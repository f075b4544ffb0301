"""Who was taken for dead changes nothing any more, however late it comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pynenc.exceptions import InvocationStatusError, RetryError
from pynenc.invocation.status import InvocationStatus

from life import life_tasks
from life.tools import bind, claim, history_of, orchestrator, runner, snapshot, started

if TYPE_CHECKING:
    from collections.abc import Callable

    from pynenc import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation

OLD, NEW = runner("old"), runner("new")
Act = "Callable[[Pynenc, DistributedInvocation], None]"


def to_status(status: InvocationStatus) -> Act:
    return lambda app, zombie: app.orchestrator.set_invocation_status(
        zombie.invocation_id, status, OLD
    )


ACTS: dict[str, Act] = {
    "stores its result": lambda app, zombie: app.orchestrator.set_invocation_result(
        zombie, "late", OLD
    ),
    "stores its exception": lambda app, zombie: app.orchestrator.set_invocation_exception(
        zombie, ValueError("late"), OLD
    ),
    "retries": lambda app, zombie: app.orchestrator.set_invocation_retry(zombie, RetryError(), OLD),
    "reroutes": lambda app, zombie: app.orchestrator.reroute_invocations(
        {zombie.invocation_id}, OLD
    ),
    "starts": to_status(InvocationStatus.RUNNING),
    "pauses": to_status(InvocationStatus.PAUSED),
    "is killed": to_status(InvocationStatus.KILLED),
}


def queued(_app: Pynenc) -> None: ...


def claimed(app: Pynenc) -> DistributedInvocation:
    [invocation] = claim(app, NEW)
    return invocation


def running(app: Pynenc) -> DistributedInvocation:
    invocation = claimed(app)
    app.orchestrator.set_invocation_status(invocation.invocation_id, InvocationStatus.RUNNING, NEW)
    return invocation


def finished(app: Pynenc) -> None:
    app.orchestrator.set_invocation_result(running(app), "from the new owner", NEW)


@pytest.fixture
def zombie(app: Pynenc) -> DistributedInvocation:
    """An invocation in the hands of a runner that was recovered from it."""
    invocation = started(app, OLD, life_tasks.echo, "x")
    assert orchestrator(app).recover_invocations(NEW) == [invocation.invocation_id]
    return invocation


@pytest.mark.parametrize("meanwhile", [queued, claimed, running, finished])
@pytest.mark.parametrize("act", ACTS)
def test_changes_nothing_when_it(
    app: Pynenc,
    zombie: DistributedInvocation,
    meanwhile: Callable[[Pynenc], object],
    act: str,
) -> None:
    meanwhile(app)
    before = snapshot(app)
    with pytest.raises(InvocationStatusError):
        ACTS[act](app, zombie)
    assert snapshot(app) == before


def test_runs_to_its_end_without_effect(app: Pynenc, zombie: DistributedInvocation) -> None:
    before = snapshot(app)
    zombie.run(OLD)
    assert snapshot(app) == before


def test_leaves_the_result_to_the_new_owner(app: Pynenc, zombie: DistributedInvocation) -> None:
    new = claimed(app)
    assert new.invocation_id == zombie.invocation_id
    new.run(NEW)
    for act in ACTS.values():
        with pytest.raises(InvocationStatusError):
            act(app, zombie)
    assert app.state_backend.get_result(zombie.invocation_id) == "x"
    assert app.orchestrator.get_invocation_retries(zombie.invocation_id) == 0
    assert history_of(app, zombie.invocation_id) == [
        InvocationStatus.REGISTERED,
        InvocationStatus.PENDING,
        InvocationStatus.RUNNING,
        InvocationStatus.RUNNING_RECOVERY,
        InvocationStatus.REROUTED,
        InvocationStatus.PENDING,
        InvocationStatus.RUNNING,
        InvocationStatus.SUCCESS,
    ]


def test_is_refused_its_claim_when_it_was_pending_for_too_long(
    make_app: Callable[..., Pynenc],
) -> None:
    app = make_app(max_pending_seconds=0.0)
    submitted = bind(app, life_tasks.echo)("x")
    [old] = claim(app, OLD)
    assert orchestrator(app).recover_invocations(NEW) == [submitted.invocation_id]
    before = snapshot(app)
    for act in ACTS.values():
        with pytest.raises(InvocationStatusError):
            act(app, old)
    assert snapshot(app) == before
