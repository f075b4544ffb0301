"""The tasks of the tests of faults: each notes that it runs, and returns its token."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pynenc import PynencBuilder, context
from pynenc.conf.config_task import ConcurrencyControlType
from pynenc.exceptions import RetryError

from faults.oracle import Oracle
from life.life_tasks import mine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.trigger.conditions import EventContext, ResultContext

app = PynencBuilder().app_id("tasks of tests/faults").memory().build()


def _this() -> DistributedInvocation:
    running = context.get_current_app()
    assert running is not None
    invocation = context.get_dist_invocation_context(running.app_id)
    assert invocation is not None
    return invocation


@contextmanager
def _noted(file: str, token: str) -> Iterator[Oracle]:
    """Note that a body begins, and that it has come to its end."""
    oracle = Oracle(file)
    oracle.note("began", token, id=_this().invocation_id)
    yield oracle
    oracle.note("ended", token, id=_this().invocation_id)


@app.task
def work(file: str, token: str, seconds: float = 0.0) -> str:
    """Work for a time."""
    with _noted(file, token):
        time.sleep(seconds)
    return token


@app.task
def fail(file: str, token: str) -> str:
    with _noted(file, token):
        pass
    raise ValueError(token)


@app.task(max_retries=2)
def flaky(file: str, token: str) -> str:
    """Succeed at the third time."""
    with _noted(file, token):
        if _this().num_retries < 2:
            raise RetryError
    return token


@app.task
def family(file: str, token: str, children: int = 3) -> str:
    """Have sub-invocations work, and wait for them."""
    with _noted(file, token) as oracle:
        tokens = [f"{token} {number} {time.time_ns()}" for number in range(children)]
        calls = [(file, each) for each in tokens]
        made = oracle.submit(tokens, lambda: mine(work).parallelize(calls).invocations)
        assert [each.result for each in made] == tokens
    return token


@app.task
def hold(file: str, token: str, gates: str) -> str:
    """Work until there is a file with the number of this execution, from 1."""
    id_ = _this().invocation_id
    number = 1 + sum(line["id"] == id_ for line in Oracle(file).lines("began"))
    with _noted(file, token):
        while not (Path(gates) / str(number)).exists():
            time.sleep(0.005)
    return token


@app.task
def follow_up(file: str, token: str) -> str:
    with _noted(file, token):
        pass
    return token


@app.task
def large(file: str, token: str, value: str) -> str:
    """Work on an argument that is kept as client data."""
    with _noted(file, token):
        assert value
    return token


@app.task(registration_concurrency=ConcurrencyControlType.TASK)
def once(file: str, token: str) -> str:
    """Work; only one may be registered at a time."""
    with _noted(file, token):
        pass
    return token


@app.workflow
def workflow(file: str, token: str) -> str:
    """Keep data of a workflow."""
    with _noted(file, token):
        state, identity = _this().app.state_backend, _this().workflow
        assert identity is not None
        state.set_workflow_data(identity, "key", token)
        state.set_workflow_deterministic_value(identity, "key", token)
    return token


def of_event(event: EventContext) -> dict[str, str]:
    return {name: event.payload[name] for name in ("file", "token")}


def of_result(result: ResultContext) -> dict[str, str]:
    """Another invocation for the one that has a result."""
    file, token = result.arguments.kwargs["file"], f"after {result.result}"
    Oracle(file).note("submitted", token)
    return {"file": file, "token": token}
