"""The tasks of the tests of faults: each notes that it runs, and returns its token."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from pynenc import PynencBuilder, context
from pynenc.exceptions import RetryError

from faults.oracle import Oracle
from life.life_tasks import mine

if TYPE_CHECKING:
    from pynenc.invocation.dist_invocation import DistributedInvocation

app = PynencBuilder().app_id("tasks of tests/faults").memory().build()


def _this() -> DistributedInvocation:
    running = context.get_current_app()
    assert running is not None
    invocation = context.get_dist_invocation_context(running.app_id)
    assert invocation is not None
    return invocation


def _begin(file: str, token: str) -> Oracle:
    oracle = Oracle(file)
    oracle.note("began", token, id=_this().invocation_id)
    return oracle


@app.task
def work(file: str, token: str, seconds: float = 0.0) -> str:
    """Work for a time."""
    _begin(file, token)
    time.sleep(seconds)
    return token


@app.task
def fail(file: str, token: str) -> str:
    _begin(file, token)
    raise ValueError(token)


@app.task(max_retries=2)
def flaky(file: str, token: str) -> str:
    """Succeed at the third time."""
    _begin(file, token)
    if _this().num_retries < 2:
        raise RetryError
    return token


@app.task
def family(file: str, token: str, children: int = 3) -> str:
    """Have sub-invocations work, and wait for them."""
    oracle = _begin(file, token)
    tokens = [f"{token} {number} {time.time_ns()}" for number in range(children)]
    calls = [(file, each) for each in tokens]
    made = oracle.submit(tokens, lambda: mine(work).parallelize(calls).invocations)
    assert [each.result for each in made] == tokens
    return token


@app.task
def hold(file: str, token: str, gate: str) -> str:
    """Work until a file is there."""
    _begin(file, token)
    while not Path(gate).exists():
        time.sleep(0.005)
    return token
