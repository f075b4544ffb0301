"""What a worker can't load stays where recovery finds it, and takes nothing along."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import pytest
from pynenc.invocation.status import InvocationStatus

from life import life_tasks
from life.tools import bind, claim, orchestrator, result_of, runner, working

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pynenc import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation

ONE, TWO = runner("one"), runner("two")
MODULE = "tasks_that_vanish"
SOURCE = """
from pynenc import PynencBuilder

app = PynencBuilder().app_id("tasks that vanish").memory().build()


@app.task
def gone():
    return "here again"
"""


@pytest.fixture
def submit(
    app: Pynenc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], DistributedInvocation]]:
    """Submit a call of a task whose module no worker has any more."""
    monkeypatch.syspath_prepend(tmp_path)
    source = tmp_path / f"{MODULE}.py"

    def submitted() -> DistributedInvocation:
        source.write_text(SOURCE, encoding="utf-8")
        importlib.invalidate_caches()
        invocation = bind(app, importlib.import_module(MODULE).gone)()
        vanish()
        return invocation

    def vanish() -> None:
        source.unlink(missing_ok=True)
        sys.modules.pop(MODULE, None)
        importlib.invalidate_caches()

    yield submitted
    vanish()


@pytest.fixture
def worker(make_app: Callable[..., Pynenc]) -> Pynenc:
    """Another process's copy of the app, which has not loaded the task yet."""
    return make_app(max_pending_seconds=0.0)


def test_takes_nothing_of_its_batch_along(
    app: Pynenc, worker: Pynenc, submit: Callable[[], DistributedInvocation]
) -> None:
    before = bind(app, life_tasks.noop)()
    unknown = submit()
    after = bind(app, life_tasks.noop)()
    claimed = [it.invocation_id for it in claim(worker, ONE, 3)]
    assert claimed == [before.invocation_id, after.invocation_id]
    assert unknown.status == InvocationStatus.PENDING


def test_is_not_claimed_beyond_what_was_asked_for(
    worker: Pynenc, submit: Callable[[], DistributedInvocation]
) -> None:
    unknown = [submit() for _ in range(4)]
    assert claim(worker, ONE) == []
    statuses = [it.status for it in unknown]
    assert statuses == [InvocationStatus.PENDING, *[InvocationStatus.REGISTERED] * 3]


def test_runs_where_it_can_be_loaded_once_it_was_recovered(
    app: Pynenc, worker: Pynenc, submit: Callable[[], DistributedInvocation]
) -> None:
    unknown = submit()
    assert claim(worker, ONE) == []
    assert orchestrator(worker).recover_invocations(TWO) == [unknown.invocation_id]
    [claimed] = claim(app, TWO)
    claimed.run(TWO)
    assert unknown.result == "here again"


def test_ends_no_worker(
    app: Pynenc, worker: Pynenc, submit: Callable[[], DistributedInvocation]
) -> None:
    submit()
    with working(worker):
        assert result_of(bind(app, life_tasks.add)(1, 2)) == 3
