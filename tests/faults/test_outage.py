"""The server goes away and comes back: workers stay, and nothing that was submitted is lost."""

from __future__ import annotations

import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from pynenc.exceptions import RetryError
from pynenc.invocation.status import InvocationStatus

import servers
from faults.oracle import judge
from faults.scale import scaled
from faults.tools import Client, Fleet, Where, wait_for_more, wait_for_the_end
from life import life_tasks
from life.tools import as_runner, bind, build_app, client_of, runner, started
from pynenc_redis_lua.errors import ServerOutOfMemoryError, ServerUnavailableError
from servers import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pynenc import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation

    from calling.tools import OwnServer
    from faults.oracle import Oracle

    End = Callable[[Pynenc, DistributedInvocation[Any, Any]], None]

PASSWORD = "hunter2"
ONE = runner("one")
SEED = 20_261_125
WORKERS = 2
# With the default budget, which is as long as the longest outage, runners and clients alike; a
# client waits for as long as it is told to.
OUTAGES = scaled([1.0], [1.0, 10.0, 60.0])
# Of the server's return.
WORKING_AGAIN = 5.0


@pytest.fixture
def server(own: OwnServer) -> Server:
    return own.server


@pytest.fixture
def app(where: Where) -> Pynenc:
    return where.app(redis_outage_budget=120.0)


@pytest.fixture
def at_work(app: Pynenc, where: Where, oracle: Oracle) -> Iterator[Callable[[], Any]]:
    """Give a fleet and a client that works, and judge what came of it all."""

    @contextmanager
    def at_work(**values: Any) -> Iterator[Fleet]:
        with Fleet([partial(where.app, **values)] * WORKERS) as fleet:
            with Client(app, oracle, Random(SEED)):
                wait_for_more(app)
                yield fleet
                wait_for_more(app)
            wait_for_the_end(app)
            assert fleet.exits() == 0
        verdict = judge(app, oracle)
        verdict.assert_clean()
        # What was claimed right before a long outage may be given to another one: it has not run.
        assert verdict.extra == 0

    return at_work


@pytest.mark.parametrize("seconds", OUTAGES)
def test_work_goes_on_when_the_server_is_back(
    app: Pynenc, own: OwnServer, at_work: Any, figure: Callable[[str], None], seconds: float
) -> None:
    # Half of it: a runner waits for longer than that.
    with at_work(redis_outage_budget=seconds / 2):
        own.kill()
        # The outage itself; what is tested comes after it.
        threading.Event().wait(seconds)
        own.start()
        took = wait_for_more(app, 5)
        assert took < WORKING_AGAIN
    figure(f"{seconds:g} s without a server: 0 exits, working again after {took:.1f} s")


def test_work_goes_on_through_many_short_outages(
    app: Pynenc, own: OwnServer, at_work: Any, figure: Callable[[str], None]
) -> None:
    times = scaled(3, 20)
    with at_work():
        for _ in range(times):
            own.kill()
            own.start()
            wait_for_more(app, 5)
    figure(f"{times} restarts: 0 exits")


def test_work_goes_on_when_all_connections_are_cut(
    app: Pynenc, at_work: Any, figure: Callable[[str], None]
) -> None:
    cut = 0
    with at_work():
        for _ in range(scaled(10, 100)):
            cut += client_of(app).execute_command("CLIENT KILL", "TYPE", "normal", "SKIPME", "yes")
            wait_for_more(app, 5)
    assert cut > 20
    figure(f"{cut} connections cut: 0 exits")


def test_work_goes_on_when_scripts_are_flushed(
    app: Pynenc, at_work: Any, figure: Callable[[str], None]
) -> None:
    flushes = scaled(20, 200)
    with at_work():
        for _ in range(flushes):
            client_of(app).script_flush()
            wait_for_more(app, 3)
    figure(f"{flushes} flushes of all scripts: 0 exits")


def test_work_goes_on_when_a_replica_is_a_primary_again(
    app: Pynenc, own: OwnServer, at_work: Any, figure: Callable[[str], None]
) -> None:
    """As after a failover that was undone: what writes is told READONLY meanwhile."""
    nobody = servers._free_port()
    times = scaled(2, 10)
    with at_work(), own.server.client() as client:
        for _ in range(times):
            client.replicaof(servers.HOST, str(nobody))
            threading.Event().wait(1)
            client.replicaof("NO", "ONE")
            assert wait_for_more(app, 5) < WORKING_AGAIN
        refused = client.info("errorstats")["errorstat_READONLY"]["count"]
    assert refused > times
    figure(f"{times} times a read-only replica, {refused} calls refused: 0 exits")


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
    def waited(self, app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
        """The errors that a client would have got."""
        errors: list[Exception] = []
        monkeypatch.setattr(app.logger, "warning", lambda _, error: errors.append(error))
        return errors

    @pytest.fixture
    def app(self, own: OwnServer, app_id: str) -> Pynenc:
        return build_app(own.server, app_id, redis_outage_budget=0.2)

    @pytest.mark.parametrize("end", ENDS)
    def test_outlasts_the_outage_budget(
        self, app: Pynenc, own: OwnServer, waited: list[Exception], end: str
    ) -> None:
        run = started(app, ONE, life_tasks.flaky, 0)
        own.kill()
        with ThreadPoolExecutor(1) as executor:
            try:
                ending = executor.submit(self.end, app, end, run)
                servers.wait_for(lambda: len(waited) >= 2, message="it is tried again")
            finally:
                own.start()
            ending.result(10)
        assert {type(error) for error in waited} == {ServerUnavailableError}
        assert app.orchestrator.get_invocation_status(run.invocation_id) == AFTER[end]

    @pytest.mark.parametrize("end", ENDS)
    def test_outlasts_a_full_server(self, app: Pynenc, waited: list[Exception], end: str) -> None:
        run = started(app, ONE, life_tasks.flaky, 0)
        client_of(app).config_set("maxmemory", 1)
        with ThreadPoolExecutor(1) as executor:
            try:
                ending = executor.submit(self.end, app, end, run)
                servers.wait_for(lambda: len(waited) >= 2, message="it is tried again")
            finally:
                client_of(app).config_set("maxmemory", 0)
            ending.result(10)
        assert {type(error) for error in waited} == {ServerOutOfMemoryError}
        assert app.orchestrator.get_invocation_status(run.invocation_id) == AFTER[end]

    def test_is_tried_again_in_peace_with_no_budget(
        self, own: OwnServer, app_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        app = build_app(own.server, app_id, redis_outage_budget=0.0)
        run = started(app, ONE, life_tasks.flaky, 0)
        warned: list[float] = []
        monkeypatch.setattr(app.logger, "warning", lambda *_: warned.append(time.monotonic()))
        with ThreadPoolExecutor(1) as executor:
            try:
                client_of(app).config_set("min-replicas-to-write", 1)
                ending = executor.submit(self.end, app, "result", run)
                servers.wait_for(lambda: len(warned) >= 2, message="it is tried again")
            finally:
                client_of(app).config_set("min-replicas-to-write", 0)
            ending.result(10)
        assert warned[1] - warned[0] >= 1.0

    def end(self, app: Pynenc, how: str, run: DistributedInvocation[Any, Any]) -> None:
        with as_runner(app, ONE):
            ENDS[how](app, run)

    def test_of_a_client_is_given_up(self, app: Pynenc, own: OwnServer) -> None:
        run = started(app, ONE, life_tasks.flaky, 0)
        own.kill()
        with pytest.raises(ServerUnavailableError):
            ENDS["result"](app, run)

    def test_of_a_runner_that_is_told_to_stop_is_given_up(
        self, app: Pynenc, own: OwnServer, waited: list[Exception]
    ) -> None:
        started(app, ONE, life_tasks.flaky, 0)
        with ThreadPoolExecutor(1) as executor:
            running = executor.submit(app.runner.run)
            servers.wait_for(lambda: app.runner.running, message="it runs")
            own.kill()
            servers.wait_for(lambda: len(waited) >= 2, message="it waits")
            app.runner.running = False
            assert isinstance(running.exception(10), ServerUnavailableError)


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
