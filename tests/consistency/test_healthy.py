"""A healthy app is consistent, whatever its workers do meanwhile."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from pynenc.invocation.status import InvocationStatus
from pynenc.trigger.trigger_builder import TriggerBuilder

import servers
from life import life_tasks
from life.tools import bind, build_app, orchestrator, remove, working
from lua.model import Record
from lua.model import check as check_model
from pynenc_redis_lua.consistency import COLLECTIONS, check

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pynenc import Pynenc

    from consistency.busy import Busy
    from servers import Server

ROUNDS = 20


def test_busy_app_is_consistent(busy: Busy) -> None:
    looked_at = Counter[str]()
    assert list(check(busy.scripts, looked_at=looked_at)) == []
    check_model(busy.stored())
    # Something of everything was looked at.
    assert {it.key for it in COLLECTIONS} == {key for key, number in looked_at.items() if number}
    statuses = busy.raw.hvals(busy.key("statuses"))
    passing = {InvocationStatus.CONCURRENCY_CONTROLLED}
    assert {Record.read(it).status for it in statuses} == set(InvocationStatus) - passing


def test_repair_of_a_consistent_app_changes_nothing(busy: Busy) -> None:
    before = busy.stored()
    assert list(check(busy.scripts, repair=True)) == []
    assert busy.stored() == before


def _submit(app: Pynenc, number: int) -> list[object]:
    """Calls that take all ways: children and waits, retries, failures, slots, large values, events."""
    app.trigger.emit_event("happened", {"number": number})
    calls = [
        bind(app, life_tasks.add_all)([1, 2, 3]),
        bind(app, life_tasks.flaky)(2),
        bind(app, life_tasks.fail)("on purpose"),
        bind(app, life_tasks.alone)(number),
        bind(app, life_tasks.alone)(number),
        bind(app, life_tasks.once_by_key)("key", str(number)),
        bind(app, life_tasks.echo)(f"{number}" * 2_000),
    ]
    return [*calls, *bind(app, life_tasks.add).parallelize([(number, 1)] * 5).invocations]


@pytest.fixture
def working_app(server: Server, app_id: str) -> Iterator[Pynenc]:
    app = build_app(server, app_id, auto_final_invocation_purge_hours=0.0)
    builders = [TriggerBuilder().on_event("happened")]
    app.trigger.register_task_triggers(bind(app, life_tasks.noop), builders)
    watching = TriggerBuilder().on_status(bind(app, life_tasks.echo), InvocationStatus.SUCCESS)
    app.trigger.register_task_triggers(bind(app, life_tasks.urgent), watching)
    yield app
    remove(app)


def test_working_app_is_consistent_at_every_moment(working_app: Pynenc) -> None:
    """Also while retention removes what has ended, and the trigger loop fires."""
    scripts = orchestrator(working_app).scripts
    looked_at, checks = Counter[str](), 0
    with working(working_app):
        for number in range(ROUNDS):
            _submit(working_app, number)
            orchestrator(working_app).auto_purge()
            assert list(check(scripts, looked_at=looked_at)) == []
            checks += 1

        def is_done() -> bool:
            assert list(check(scripts)) == []
            return scripts.orchestrator_page(
                task="", offset=0, count=1, items=[(it.value,) for it in unfinished()]
            ).values[0] == []

        servers.wait_for(is_done, 60, "all that was submitted has ended")
    assert list(check(scripts)) == []
    # Checks that found nothing had something to find.
    for key in ("statuses", "queue", "open", "expiring", "waits", "history", "index", "results"):
        assert looked_at[key], key


def unfinished() -> list[InvocationStatus]:
    return [status for status in InvocationStatus if not status.is_final()]
