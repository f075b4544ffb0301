"""The server goes away and comes back: workers stay, and nothing that was submitted is lost.

An outage lasts 3 seconds here; `OUTAGE_SECONDS=10` makes it longer.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from pynenc.exceptions import RetryError
from pynenc.invocation.status import InvocationStatus

import servers
from calling.tools import OwnServer
from life import life_tasks
from life.tools import (
    bind,
    build_app,
    client_of,
    history_of,
    key_of,
    result_of,
    runner,
    started,
    working,
)
from pynenc_redis_lua.errors import ServerOutOfMemoryError, ServerUnavailableError
from servers import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pynenc import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation

    End = Callable[[Pynenc, DistributedInvocation[Any, Any]], None]

OUTAGE_SECONDS = float(os.environ.get("OUTAGE_SECONDS", "3"))
PASSWORD = "hunter2"
ONE = runner("one")
PROGRAMS = [path for name, path in servers.binaries().items() if name in servers.names()]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[OwnServer]:
    """A server that keeps its data on disk, and that the test may kill and start again."""
    if not PROGRAMS:
        pytest.skip("the servers of this run are not ours to start")
    own = OwnServer(PROGRAMS[0], tmp_path, ["--appendonly", "yes"])
    own.start()
    yield own
    own.kill()


@pytest.fixture
def app(own: OwnServer, app_id: str) -> Pynenc:
    return build_app(own.server, app_id, redis_outage_budget=60.0)


class Caller:
    """Submits calls without a pause, from a thread of its own."""

    def __init__(self, app: Pynenc) -> None:
        self.calls: list[DistributedInvocation[Any, Any]] = []
        self._task = bind(app, life_tasks.add)
        self._stopped = threading.Event()
        self._executor = ThreadPoolExecutor(1)
        self._calling = self._executor.submit(self._call)

    def _call(self) -> None:
        # No faster than they are worked off.
        while not self._stopped.wait(0.01):
            self.calls.append(self._task(len(self.calls), 1))

    def stop(self) -> list[DistributedInvocation[Any, Any]]:
        """Let it end; an error of a call is raised here."""
        self._stopped.set()
        self._executor.shutdown()
        self._calling.result()
        return self.calls


def finished(app: Pynenc) -> int:
    """How many results there are."""
    return client_of(app).hlen(key_of(app, "results"))


def wait_for_more(app: Pynenc, timeout: float) -> None:
    before = finished(app)
    servers.wait_for(
        lambda: finished(app) > before + 5, timeout=timeout, message="five more are finished"
    )


def assert_all_finish(app: Pynenc, calls: list[DistributedInvocation[Any, Any]]) -> None:
    servers.wait_for(
        lambda: finished(app) == len(calls),
        timeout=30,
        message="all that was submitted is finished",
    )
    assert [result_of(call) for call in calls] == list(range(1, len(calls) + 1))
    assert app.orchestrator.count_invocations() == len(calls)
    assert app.broker.count_invocations() == 0


def test_work_goes_on_when_the_server_is_back(app: Pynenc, own: OwnServer) -> None:
    with working(app) as worker:
        caller = Caller(app)
        try:
            wait_for_more(app, 10)
            own.kill()
            # The outage itself; what is tested comes after it.
            threading.Event().wait(OUTAGE_SECONDS)
            assert worker.running()
            own.start()
            back = time.monotonic()
            wait_for_more(app, 10)
            assert time.monotonic() - back < 5
            assert worker.running()
        finally:
            calls = caller.stop()
        assert_all_finish(app, calls)
    for call in calls:
        assert len(history_of(app, call.invocation_id)) >= 4


def test_work_goes_on_through_many_short_outages(app: Pynenc, own: OwnServer) -> None:
    with working(app) as worker:
        caller = Caller(app)
        try:
            for _ in range(4):
                wait_for_more(app, 10)
                own.kill()
                own.start()
            wait_for_more(app, 10)
            assert worker.running()
        finally:
            calls = caller.stop()
        assert_all_finish(app, calls)


def test_work_goes_on_when_scripts_are_flushed(app: Pynenc) -> None:
    with working(app) as worker:
        caller = Caller(app)
        try:
            for _ in range(15):
                wait_for_more(app, 10)
                client_of(app).script_flush()
            assert worker.running()
        finally:
            calls = caller.stop()
        assert_all_finish(app, calls)


ENDS: dict[str, End] = {
    "result": lambda app, run: app.orchestrator.set_invocation_result(run, 3, ONE),
    "exception": lambda app, run: app.orchestrator.set_invocation_exception(
        run, ValueError("3"), ONE
    ),
    "retry": lambda app, run: app.orchestrator.set_invocation_retry(run, RetryError(), ONE),
}

AFTER = {
    "result": InvocationStatus.SUCCESS,
    "exception": InvocationStatus.FAILED,
    "retry": InvocationStatus.RETRY,
}


class TestEndOfARun:
    """It is stored however long that takes: a retry would run the work once more."""

    @pytest.fixture
    def given_up(self, app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
        """The errors that it was not stored for."""
        errors: list[Exception] = []
        monkeypatch.setattr(app.logger, "warning", lambda _, error: errors.append(error))
        return errors

    @pytest.fixture
    def app(self, own: OwnServer, app_id: str) -> Pynenc:
        return build_app(own.server, app_id, redis_outage_budget=0.2)

    @pytest.mark.parametrize("end", ENDS)
    def test_outlasts_the_outage_budget(
        self, app: Pynenc, own: OwnServer, given_up: list[Exception], end: str
    ) -> None:
        run = started(app, ONE, life_tasks.flaky, 0)
        own.kill()
        with ThreadPoolExecutor(1) as executor:
            try:
                ending = executor.submit(ENDS[end], app, run)
                servers.wait_for(lambda: len(given_up) >= 2, message="it is tried again")
            finally:
                own.start()
            ending.result(10)
        assert {type(error) for error in given_up} == {ServerUnavailableError}
        assert app.orchestrator.get_invocation_status(run.invocation_id) == AFTER[end]

    @pytest.mark.parametrize("end", ENDS)
    def test_outlasts_a_full_server(self, app: Pynenc, given_up: list[Exception], end: str) -> None:
        run = started(app, ONE, life_tasks.flaky, 0)
        client_of(app).config_set("maxmemory", 1)
        with ThreadPoolExecutor(1) as executor:
            try:
                ending = executor.submit(ENDS[end], app, run)
                servers.wait_for(lambda: len(given_up) >= 2, message="it is tried again")
            finally:
                client_of(app).config_set("maxmemory", 0)
            ending.result(10)
        assert {type(error) for error in given_up} == {ServerOutOfMemoryError}
        assert app.orchestrator.get_invocation_status(run.invocation_id) == AFTER[end]


class TestNobodyThere:
    """From the start, no server answers."""

    @pytest.fixture
    def app(self, app_id: str) -> Pynenc:
        url = f"redis://someone:{PASSWORD}@{servers.HOST}:{self.port}/0"
        return build_app(Server("none", url), app_id, redis_outage_budget=0.5)

    port = servers._free_port()

    @pytest.mark.parametrize(
        "act",
        [
            lambda app: bind(app, life_tasks.noop)(),
            lambda app: app.orchestrator.count_invocations(),
            lambda app: app.client_data_store.serialize("x" * 5_000),
            lambda app: app.runner.run(),
        ],
        ids=["submit", "count", "store", "run"],
    )
    def test_is_one_clear_error_after_the_patience_that_was_asked_for(
        self, app: Pynenc, act: Callable[[Pynenc], object]
    ) -> None:
        begin = time.monotonic()
        with pytest.raises(ServerUnavailableError) as caught:
            act(app)
        assert 0.5 <= time.monotonic() - begin < 5
        assert f"{servers.HOST}:{self.port}" in str(caught.value)
        assert "0.5 s" in str(caught.value)
        assert PASSWORD not in "".join(traceback.format_exception(caught.value))
