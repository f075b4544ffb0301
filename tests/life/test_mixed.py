"""Our components beside those of others: pynenc's own chain of calls leads, and ours take part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pynenc import Pynenc, PynencBuilder
from pynenc.invocation.status import InvocationStatus

import servers
from life import life_tasks
from life.tools import bind, history_of, result_of, without_core_tasks, working

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servers import Server

STATE, ORCHESTRATOR, BROKER = (
    {"state_backend_cls": "RedisStateBackend"},
    {"orchestrator_cls": "RedisOrchestrator"},
    {"broker_cls": "RedisBroker"},
)
# What is ours; the rest is SQLite.
OURS: dict[str, dict[str, str]] = {
    "orchestrator and broker": ORCHESTRATOR | BROKER,
    "orchestrator and state backend": ORCHESTRATOR | STATE,
    "orchestrator alone": ORCHESTRATOR,
    "state backend and broker": STATE | BROKER,
    "broker alone": BROKER,
    "state backend alone": STATE,
    "all three": ORCHESTRATOR | STATE | BROKER,
}


@pytest.fixture(params=OURS)
def app(
    request: pytest.FixtureRequest, one_server: Server, tmp_path: Path, app_id: str
) -> Iterator[Pynenc]:
    app = (
        PynencBuilder()
        .app_id(app_id)
        .sqlite(str(tmp_path / "pynenc.db"))
        .thread_runner(min_threads=4)
        .custom_config(
            **OURS[request.param],
            redis_url=one_server.url,
            runner_loop_sleep_time_sec=0.005,
            invocation_wait_results_sleep_time_sec=0.005,
            cached_status_time=0.0,
            logging_level="critical",
        )
        .build()
    )
    without_core_tasks(app)
    yield app
    app.purge()


def test_run_every_kind_of_task(app: Pynenc) -> None:
    added = bind(app, life_tasks.add).parallelize([(number, 1) for number in range(10)])
    echoed = bind(app, life_tasks.echo)("x" * 3_000)
    parents = [bind(app, life_tasks.add_all)([number, 2]) for number in range(3)]
    retried = bind(app, life_tasks.flaky)(2)
    exhausted = bind(app, life_tasks.flaky)(9)
    failed = bind(app, life_tasks.fail)("on purpose")
    alone = [bind(app, life_tasks.alone)(number) for number in range(3)]
    once = [bind(app, life_tasks.once_by_key)("a", value) for value in ("1", "2")]
    assert once[0].invocation_id == once[1].invocation_id
    every = [*added.invocations, echoed, *parents, retried, exhausted, failed, *alone, *once]
    with working(app):
        servers.wait_for(
            lambda: all(it.status.is_final() for it in every), timeout=40, message="all are final"
        )
    assert sorted(map(result_of, added.invocations)) == list(range(1, 11))
    assert result_of(echoed) == "x" * 3_000
    assert list(map(result_of, parents)) == [4, 5, 6]
    assert result_of(retried) == 2
    assert exhausted.status == InvocationStatus.FAILED
    assert list(map(result_of, alone)) == [0, 1, 2]
    assert result_of(once[0]) == "a1"
    with pytest.raises(ValueError, match="on purpose"):
        result_of(failed)
    assert app.broker.count_invocations() == 0
    assert list(app.orchestrator.get_blocking_invocations(10)) == []
    ids = app.orchestrator.get_invocation_ids_paginated(limit=100)
    assert len(ids) == len({it.invocation_id for it in every}) + 3 * 2
    for invocation_id in ids:
        statuses = history_of(app, invocation_id)
        assert statuses[0] == InvocationStatus.REGISTERED
        assert statuses[-1] == app.orchestrator.get_invocation_status(invocation_id)
