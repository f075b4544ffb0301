"""A server comes back without what it had acknowledged: who wrote it writes it again."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from pynenc.exceptions import InvocationStatusError
from pynenc.invocation.status import InvocationStatus

import servers
from calling.tools import OwnServer
from life import life_tasks
from life.tools import bind, build_app, claim, client_of, history_of, key_of, runner, snapshot
from pynenc_redis_lua.consistency import check
from pynenc_redis_lua.scripts import recent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pynenc import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation

ONE, OTHER = runner("one"), runner("other")
S = InvocationStatus


@pytest.fixture
def own(program: Path, tmp_path: Path) -> Iterator[OwnServer]:
    """A server that keeps nothing."""
    own = OwnServer(program, tmp_path)
    own.start()
    yield own
    own.kill()


@pytest.fixture
def app(own: OwnServer, app_id: str) -> Pynenc:
    return build_app(own.server, app_id)


@pytest.fixture
def lose_all(own: OwnServer) -> Callable[[], None]:
    def lose_all() -> None:
        own.kill()
        own.start()

    return lose_all


def test_a_submission_is_there_again(app: Pynenc, lose_all: Callable[[], None]) -> None:
    made = bind(app, life_tasks.add).parallelize([(1, 1), (2, 2)]).invocations
    lose_all()
    assert app.orchestrator.count_invocations() == 2
    assert [it.invocation_id for it in claim(app, ONE, 5)] == [it.invocation_id for it in made]
    assert list(check(app.orchestrator.scripts)) == []


def test_what_ended_runs_again_where_its_claim_is_lost(
    app: Pynenc, lose_all: Callable[[], None]
) -> None:
    bind(app, life_tasks.add)(1, 1)
    [first] = claim(app, ONE)
    first.run(ONE)
    lose_all()
    [again] = claim(app, OTHER)
    again.run(OTHER)
    assert again.invocation_id == first.invocation_id
    assert history_of(app, first.invocation_id) == [S.REGISTERED, S.PENDING, S.RUNNING, S.SUCCESS]
    assert app.state_backend.get_result(first.invocation_id) == 2


def test_an_end_is_there_again_where_its_start_is_known(
    app: Pynenc, lose_all: Callable[[], None]
) -> None:
    """Otherwise it would be running for good, for a runner that is alive."""
    bind(app, life_tasks.add)(1, 1)
    [run] = claim(app, ONE)
    app.orchestrator.set_invocation_status(run.invocation_id, S.RUNNING, ONE)
    client = client_of(app)
    known = {key: client.dump(key) for key in client.scan_iter()}
    app.orchestrator.set_invocation_result(run, 2, ONE)
    lose_all()
    for key, dumped in known.items():
        client.restore(key, 0, dumped)
    assert app.orchestrator.get_invocation_status(run.invocation_id) == S.SUCCESS
    assert app.state_backend.get_result(run.invocation_id) == 2
    assert list(check(app.orchestrator.scripts)) == []


def test_what_is_known_stays_as_it_is(app: Pynenc, own: OwnServer) -> None:
    made = bind(app, life_tasks.flaky)(1)
    for _ in range(2):
        [run] = claim(app, ONE)
        run.run(ONE)
    client = client_of(app)
    known = {key: client.dump(key) for key in client.scan_iter()}
    before = snapshot(app)
    own.kill()
    own.start()
    for key, dumped in known.items():
        client.restore(key, 0, dumped)
    assert made.status == S.SUCCESS
    after = snapshot(app)
    # Contexts were sent once more, and that is all.
    assert dict(after.pop("context_times")).keys() == dict(before.pop("context_times")).keys()
    assert after == before


def test_is_not_written_again_after_cut_connections(app: Pynenc) -> None:
    made = bind(app, life_tasks.noop)()
    client_of(app).flushall()
    client_of(app).execute_command("CLIENT KILL", "TYPE", "normal", "SKIPME", "yes")
    client_of(app).connection_pool.disconnect()
    with pytest.raises(KeyError):
        app.orchestrator.get_invocation_status(made.invocation_id)


def test_is_not_written_again_where_nobody_may_ask_for_the_server(
    app: Pynenc, lose_all: Callable[[], None]
) -> None:
    client_of(app).execute_command("ACL SETUSER", "default", "-info")
    bind(app, life_tasks.noop)()
    lose_all()
    client_of(app).execute_command("ACL SETUSER", "default", "-info")
    assert app.orchestrator.count_invocations() == 0


def test_is_kept_for_seconds_and_within_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("pynenc_redis_lua.scripts.recent.time.monotonic", lambda: now[0])
    kept: recent.RecentCalls[str] = recent.RecentCalls()
    calls = [recent.Call(str(number), [], [b"x" * 2**20]) for number in range(30)]
    for number, call in enumerate(calls):
        now[0] = 100.0 + number
        kept.note(call)
    assert [call.script for call in kept] == ["24", "25", "26", "27", "28", "29"]
    now[0] = 1_000.0
    assert len(list(kept)) == 6
    for call in calls:
        kept.note(call)
    assert [call.script for call in kept] == [str(number) for number in range(14, 30)]


@pytest.mark.parametrize("notices", [True, False], ids=["outage", "silence"])
def test_is_kept_through_an_outage_but_not_for_good(
    app: Pynenc, own: OwnServer, monkeypatch: pytest.MonkeyPatch, notices: bool
) -> None:
    """After a day it may have been removed by retention, or by a purge: it must not run again."""
    late = [0.0]
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + late[0])
    monkeypatch.setattr(recent, "time", clock)
    bind(app, life_tasks.noop)()
    own.kill()
    with ThreadPoolExecutor(1) as executor:
        if notices:
            counting = executor.submit(app.orchestrator.count_invocations)
            servers.wait_for(lambda: app.orchestrator.scripts._is_away)
        late[0] = 86_400.0
        if not notices:
            counting = executor.submit(app.orchestrator.count_invocations)
        own.start()
        assert counting.result(10) == int(notices)


def test_is_nothing_where_the_key_is_gone_for_another_reason(app: Pynenc) -> None:
    """The same server: what is missing was removed on purpose."""
    made = bind(app, life_tasks.noop)()
    app.purge()
    assert app.orchestrator.count_invocations() == 0
    assert client_of(app).exists(key_of(app, "statuses")) == 0
    with pytest.raises(KeyError):
        app.orchestrator.get_invocation_status(made.invocation_id)


class TestNothingWasLost:
    """A restart after which all is there: nothing may be changed by what is sent again."""

    @pytest.fixture
    def restart(self, app: Pynenc, own: OwnServer) -> Callable[[], None]:
        def restart() -> None:
            client = client_of(app)
            known = {key: client.dump(key) for key in client.scan_iter()}
            own.kill()
            own.start()
            for key, dumped in known.items():
                client.restore(key, 0, dumped)

        return restart

    @pytest.mark.parametrize("status", [S.PENDING, S.RUNNING])
    def test_a_retry_that_goes_on_is_not_ended_by_the_one_before(
        self, app: Pynenc, restart: Callable[[], None], status: S
    ) -> None:
        made = bind(app, life_tasks.flaky)(1)
        [first] = claim(app, ONE)
        first.run(ONE)
        [second] = claim(app, ONE)
        if status == S.RUNNING:
            app.orchestrator.set_invocation_status(second.invocation_id, S.RUNNING, ONE)
        before = history_of(app, made.invocation_id)
        restart()
        assert made.status == status
        assert history_of(app, made.invocation_id) == before
        assert app.orchestrator.get_invocation_retries(made.invocation_id) == 1
        assert claim(app, OTHER) == []

    def test_a_pause_is_not_repeated(self, app: Pynenc, restart: Callable[[], None]) -> None:
        made = bind(app, life_tasks.noop)()
        claim(app, ONE)
        for status in (S.RUNNING, S.PAUSED, S.RUNNING):
            app.orchestrator.set_invocation_status(made.invocation_id, status, ONE)
        before = history_of(app, made.invocation_id)
        restart()
        assert made.status == S.RUNNING
        assert history_of(app, made.invocation_id) == before

    def test_what_was_reused_is_not_made(self, app: Pynenc, restart: Callable[[], None]) -> None:
        once = bind(app, life_tasks.once)
        first, again = once("k", "v"), once("k", "v")
        assert first.invocation_id == again.invocation_id
        [run] = claim(app, ONE)
        run.run(ONE)
        restart()
        assert app.orchestrator.count_invocations() == 1
        assert claim(app, OTHER) == []

    def test_what_was_refused_stays_so(self, app: Pynenc, restart: Callable[[], None]) -> None:
        """Otherwise it would be running for good, and nobody runs it."""
        made = bind(app, life_tasks.noop)()
        claim(app, ONE)
        with pytest.raises(InvocationStatusError):
            app.orchestrator.set_invocation_status(made.invocation_id, S.RUNNING, OTHER)
        app.orchestrator.reroute_invocations({made.invocation_id}, ONE)
        claim(app, OTHER)
        restart()
        assert made.status == S.PENDING


def test_is_there_for_all_threads(app: Pynenc, lose_all: Callable[[], None]) -> None:
    """None of them is answered by a server that was not told yet."""
    made = [bind(app, life_tasks.noop)() for _ in range(200)]
    ended = threading.Event()

    def look(invocation: DistributedInvocation) -> None:
        while not ended.is_set():
            assert app.orchestrator.get_invocation_status(invocation.invocation_id) == S.REGISTERED

    with ThreadPoolExecutor(8) as executor:
        looking = [executor.submit(look, invocation) for invocation in made[-8:]]
        try:
            lose_all()
            servers.wait_for(lambda: app.orchestrator.count_invocations() == 200)
        finally:
            ended.set()
        for each in looking:
            each.result()


def test_waits_for_memory_and_keeps_nobody_from_making_room(
    app: Pynenc, own: OwnServer, lose_all: Callable[[], None]
) -> None:
    made = bind(app, life_tasks.noop)()
    lose_all()
    with own.server.client() as other:
        other.config_set("maxmemory", 1)
        app.orchestrator.auto_purge()
        assert app.orchestrator.count_invocations() == 0
        other.config_set("maxmemory", 0)
    assert made.status == S.REGISTERED


def test_needs_no_info(one_program: Path, tmp_path: Path, app_id: str) -> None:
    """A server that has renamed it is one that nobody can tell from another."""
    own = OwnServer(one_program, tmp_path)
    renamed = (*own._args, "--rename-command", "INFO", "hidden")
    with servers._process(*own._command, renamed):
        app = build_app(own.server, app_id)
        bind(app, life_tasks.noop)()
        assert app.orchestrator.count_invocations() == 1
