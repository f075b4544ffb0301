"""Copies of finished invocations are what the scripts would have written."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from pynenc.invocation.status import InvocationStatus

from benchmarks import fill
from life import life_tasks
from life.tools import bind, build_app, client_of, history_of, remove, runner, snapshot
from pynenc_redis_lua.consistency import check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pynenc import Pynenc

    from servers import Server

APP = "filled"
ONE = runner("one")
DONE = 5


@pytest.fixture
def app(one_server: Server) -> Iterator[Pynenc]:
    app = build_app(one_server, APP)
    remove(app)
    app.orchestrator.register_runner_heartbeats([ONE.runner_id])
    bind(app, life_tasks.add).parallelize([(number, 1) for number in range(DONE)])
    for claimed in app.orchestrator.get_invocations_to_run(DONE, ONE):
        claimed.run(ONE)
    yield app
    remove(app)


def shape(data: Any, id_: str) -> Any:
    """What is there of an invocation, with any id, time, operation and argument made equal."""
    named = (id_.encode(), uuid.UUID(id_).bytes)
    if isinstance(data, dict):
        found = {
            shape(key, id_): shape(value, id_)
            for key, value in data.items()
            if any(name in key for name in named)
        }
        return sorted(found.items())
    if isinstance(data, list):
        return sorted(
            (shape(member, id_), score > 0)
            for member, score in data
            if any(name in member for name in named)
        )
    for name in named:
        data = data.replace(name, b"ID")
    data = re.sub(rb"1[789]\d{14}", b"TIME", data)
    return re.sub(rb"[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{16}", b"HEX", data)


def per_invocation(app: Pynenc, id_: str) -> dict[str, Any]:
    whole = {key: of for key, of in snapshot(app).items() if isinstance(of, dict | list)}
    lists = {"doorbell", "replies", "context_times", "heartbeats"}
    return {key: shape(of, id_) for key, of in whole.items() if key not in lists}


def test_a_copy_is_as_the_original(app: Pynenc) -> None:
    ids = fill.copy(client_of(app), APP, 13)
    assert len(set(ids)) == 13
    shapes = [per_invocation(app, id_) for id_ in ids]
    assert len(shapes[0]["history_times"]) == 4
    # Sums differ, as 1 and 2 do; nothing else does.
    without = [
        {key: of for key, of in one.items() if key not in {"results", "arguments"}}
        for one in shapes
    ]
    assert all(one == without[0] for one in without)
    assert shapes[DONE] == shapes[0]


def test_copies_are_read_as_any_other(app: Pynenc) -> None:
    ids = fill.copy(client_of(app), APP, 12)
    orchestrator = app.orchestrator
    assert orchestrator.count_invocations(statuses=[InvocationStatus.SUCCESS]) == 12
    assert set(orchestrator.get_invocation_ids_paginated(limit=100)) == set(ids)
    assert app.state_backend.get_result(ids[DONE]) == app.state_backend.get_result(ids[0])
    assert len(history_of(app, ids[-1])) == 4
    first, copied = (app.state_backend.get_history(id_)[0] for id_ in (ids[0], ids[DONE]))
    assert copied.timestamp < first.timestamp


def test_copies_are_consistent_and_retention_removes_them(app: Pynenc) -> None:
    fill.copy(client_of(app), APP, 29)
    assert list(check(app.state_backend.scripts)) == []
    app.orchestrator.conf.auto_final_invocation_purge_hours = 0.0
    app.orchestrator.auto_purge()
    assert app.orchestrator.count_invocations() == 0
    assert "history" not in snapshot(app)
