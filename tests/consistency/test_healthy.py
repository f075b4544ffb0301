"""A healthy app is consistent, whatever its workers do meanwhile."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from pynenc import PynencBuilder
from pynenc.invocation.status import InvocationStatus
from pynenc.trigger.trigger_builder import TriggerBuilder

import servers
from conftest import keys_of
from consistency.busy import loop
from life import life_tasks
from life.tools import bind, build_app, orchestrator, remove, runner, working
from lua.model import Record
from lua.model import check as check_model
from pynenc_redis_lua.consistency import COLLECTIONS, check

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pynenc import Pynenc

    from consistency.busy import Busy
    from pynenc_redis_lua.scripts.api import Scripts
    from servers import Server

ROUNDS = 20
UNFINISHED = [status for status in InvocationStatus if not status.is_final()]


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
    """Calls that take all ways: children, retries, failures, slots, large values, events."""
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
    app = build_app(server, app_id)
    builders = [TriggerBuilder().on_event("happened")]
    app.trigger.register_task_triggers(bind(app, life_tasks.noop), builders)
    watching = TriggerBuilder().on_status(bind(app, life_tasks.echo), InvocationStatus.SUCCESS)
    app.trigger.register_task_triggers(bind(app, life_tasks.urgent), watching)
    yield app
    remove(app)


# A task that fails raises in its thread.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_working_app_is_consistent_at_every_moment(working_app: Pynenc) -> None:
    """Also while the trigger loop fires, and then while retention removes what has ended."""
    scripts = orchestrator(working_app).scripts
    looked_at = Counter[str]()

    def is_done() -> bool:
        assert list(check(scripts, looked_at=looked_at)) == []
        return scripts.orchestrator_page(
            task="", offset=0, count=1, items=[(status.value,) for status in UNFINISHED]
        ).values == [[]]

    with working(working_app):
        for number in range(ROUNDS):
            _submit(working_app, number)
            loop(working_app)
            is_done()
        servers.wait_for(is_done, 60, "all that was submitted has ended")
    # What found nothing had something to look at.
    for key in ("statuses", "expiring", "history", "index", "results", "events", "trigger_runs"):
        assert looked_at[key], key

    def expire() -> None:
        while scripts.orchestrator_expire(age_us=0, count=5).values[0]:
            pass

    with ThreadPoolExecutor(1) as pool:
        expiring = pool.submit(expire)
        while not expiring.done():
            assert list(check(scripts)) == []
        expiring.result()
    assert list(check(scripts)) == []


# What is ours; the rest is SQLite.
OURS = {
    "orchestrator": ["orchestrator"],
    "state backend": ["state_backend"],
    "orchestrator and state backend": ["orchestrator", "state_backend"],
    "orchestrator and broker": ["orchestrator", "broker"],
    "state backend and broker": ["state_backend", "broker"],
}
CLASSES = {
    "orchestrator": "RedisOrchestrator",
    "state_backend": "RedisStateBackend",
    "broker": "RedisBroker",
}


@pytest.mark.parametrize("ours", OURS)
def test_repair_leaves_an_app_alone_that_is_ours_in_part(
    one_server: Server, tmp_path: Path, app_id: str, ours: str
) -> None:
    """Of an invocation, a part is kept elsewhere: that is no damage."""
    settings = {f"{kind}_cls": CLASSES[kind] for kind in OURS[ours]}
    builder = PynencBuilder().app_id(app_id).sqlite(str(tmp_path / "pynenc.db"))
    app = builder.custom_config(**settings, redis_url=one_server.url).build()
    scripts = getattr(app, OURS[ours][0]).scripts
    try:
        invocations = [bind(app, life_tasks.add)(number, 1) for number in range(10)]
        invocations.append(bind(app, life_tasks.once_by_key)("key", "value"))
        one = runner("one")
        to_run = app.orchestrator.get_invocations_to_run
        for claimed in list(to_run(5, one, lambda: ["default"], lambda _: None)):
            claimed.run(one)
        before = stored_by(scripts, app_id)
        assert before
        assert list(check(scripts, repair=True)) == []
        assert stored_by(scripts, app_id) == before
        statuses = [invocation.status for invocation in invocations]
        assert statuses.count(InvocationStatus.SUCCESS) == 5
    finally:
        app.purge()


def stored_by(scripts: Scripts, app_id: str) -> dict[bytes, bytes]:
    """All that is ours of an app, as DUMP has it."""
    names = keys_of(scripts.connection, app_id)
    # A repair stamps the schema, as every write does.
    return {it: scripts.connection.client.dump(it) for it in names if not it.endswith(b":schema")}
