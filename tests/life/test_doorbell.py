"""An idle worker wakes when there is work, and costs little until then."""

from __future__ import annotations

import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import redis
from pynenc.invocation.status import InvocationStatus

import servers
from life import life_tasks
from life.tools import (
    bind,
    build_app,
    client_of,
    key_of,
    orchestrator,
    remove,
    result_of,
    runner,
    snapshot,
    started,
    working,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from pynenc import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.runner.runner_context import RunnerContext

    from servers import Server

ONE = runner("one")
FIRST = servers.names()[:1]


class Worker:
    """Asks for work in a loop, as a runner does, and notes when it got what."""

    def __init__(self, app: Pynenc, name: str) -> None:
        self.got: dict[str, float] = {}
        self.rounds = 0
        self._app, self._runner = app, runner(name)
        self._stopped = threading.Event()
        app.runner.running = True
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        while not self._stopped.is_set():
            for invocation in self._app.orchestrator.get_invocations_to_run(1, self._runner):
                self.got[invocation.invocation_id] = time.perf_counter()
            self.rounds += 1

    def wait_for(self, invocation: DistributedInvocation) -> float:
        """When it got this invocation."""
        return servers.wait_for(
            lambda: self.got.get(invocation.invocation_id), message="the worker got the invocation"
        )

    def stop(self) -> None:
        self._stopped.set()
        self._app.runner.running = False
        self._thread.join(10)
        assert not self._thread.is_alive()


def wait_until_waiting(client: redis.Redis | redis.RedisCluster, count: int) -> None:
    """Wait until so many clients of the server hang on a doorbell."""

    def waiting() -> int:
        if isinstance(client, redis.RedisCluster):
            nodes = client.info("clients", target_nodes=redis.RedisCluster.ALL_NODES)
            return sum(node["blocked_clients"] for node in nodes.values())
        return int(client.info("clients")["blocked_clients"])

    servers.wait_for(lambda: waiting() >= count, message=f"{count} workers wait")


@contextmanager
def asking(app: Pynenc) -> Iterator[Future[list[str]]]:
    """Ask for an invocation in a thread; the ids of those that it gets."""
    with ThreadPoolExecutor(1) as executor:
        yield executor.submit(
            lambda: [it.invocation_id for it in app.orchestrator.get_invocations_to_run(1, ONE)]
        )


def break_off_waits(client: redis.Redis) -> None:
    """End what hangs on a doorbell by an error, as a server does that becomes a replica."""
    for connected in client.client_list():
        if "b" in connected["flags"]:
            client.client_unblock(int(connected["id"]), error=True)


def moments(count: int, seconds: float) -> Iterator[None]:
    """Come round so many times, so many seconds apart."""
    begin = time.perf_counter()
    for number in range(count):
        threading.Event().wait(begin + number * seconds - time.perf_counter())
        yield


def sent_to(client: redis.Redis) -> int:
    """How many commands clients sent, those within scripts left out."""
    stats = client.info("commandstats")
    names = ("evalsha", "evalsha_ro", "eval", "eval_ro", "blpop", "ping")
    return sum(stats[f"cmdstat_{name}"]["calls"] for name in names if f"cmdstat_{name}" in stats)


def test_new_work_is_claimed_within_milliseconds(make_app: Callable[..., Pynenc]) -> None:
    app = make_app(queue_timeout_sec=0.2)
    worker = Worker(app, "idle")
    try:
        delays = []
        for _ in range(15):
            wait_until_waiting(client_of(app), 1)
            before = time.perf_counter()
            invocation = bind(app, life_tasks.noop)()
            delays.append(worker.wait_for(invocation) - before)
        print(f"claimed after {statistics.median(delays) * 1000:.1f} ms")  # noqa: T201
        assert statistics.median(delays) < 0.02, delays
    finally:
        worker.stop()


@pytest.mark.parametrize("timeout", [0.0, 0.05, 0.4])
def test_the_queue_timeout_is_how_long_it_waits(
    make_app: Callable[..., Pynenc], timeout: float
) -> None:
    app = make_app(queue_timeout_sec=timeout)
    before = time.perf_counter()
    assert list(app.orchestrator.get_invocations_to_run(1, ONE)) == []
    # A server looks at its timeouts ten times a second.
    assert timeout * 0.9 < time.perf_counter() - before < timeout + 0.5


@pytest.mark.parametrize("server", FIRST, indirect=True)
def test_who_is_not_to_wait_does_not_race(make_app: Callable[..., Pynenc]) -> None:
    app = make_app(queue_timeout_sec=0.0)
    # The first call looks into the queue; the others wait for a hundredth of a second each.
    assert list(app.orchestrator.get_invocations_to_run(1, ONE)) == []
    before = time.perf_counter()
    for _ in range(5):
        assert list(app.orchestrator.get_invocations_to_run(1, ONE)) == []
    assert time.perf_counter() - before > 0.03


def test_a_wait_ends_before_the_socket_gives_up(make_app: Callable[..., Pynenc]) -> None:
    app = make_app(queue_timeout_sec=60.0, socket_timeout=0.4)
    before = time.perf_counter()
    assert list(app.orchestrator.get_invocations_to_run(1, ONE)) == []
    assert 0.1 < time.perf_counter() - before < 5


@pytest.mark.parametrize("server", FIRST, indirect=True)
def test_a_wait_that_the_server_breaks_off_ends_no_worker(
    server: Server, make_app: Callable[..., Pynenc]
) -> None:
    app = make_app(queue_timeout_sec=10.0)
    with server.client() as client, asking(app) as got:
        wait_until_waiting(client, 1)
        break_off_waits(client)
        assert got.result(5) == []


@pytest.mark.parametrize("server", FIRST, indirect=True)
def test_work_is_found_though_another_took_the_ring(
    server: Server, make_app: Callable[..., Pynenc]
) -> None:
    app = make_app(queue_timeout_sec=0.1)
    # A worker that dies between hearing the bell and claiming: first in line, it takes the ring.
    with server.client() as client, ThreadPoolExecutor(1) as other:
        heard = other.submit(client.blpop, [key_of(app, "doorbell", "default")], 20)
        with server.client() as looking:
            wait_until_waiting(looking, 1)
            worker = Worker(app, "idle")
            wait_until_waiting(looking, 2)
        try:
            before = time.perf_counter()
            invocation = bind(app, life_tasks.noop)()
            assert worker.wait_for(invocation) - before < 2.5
            assert heard.result() is not None
        finally:
            worker.stop()


@pytest.mark.parametrize("server", FIRST, indirect=True)
def test_an_idle_runner_hears_most_of_the_time(server: Server, app_id: str) -> None:
    # With settings as delivered: pynenc's loop sleeps 0.2 s after each wait.
    app = build_app(server, app_id, runner_loop_sleep_time_sec=0.1)
    try:
        with working(app), server.client() as client:
            wait_until_waiting(client, 1)
            before = sent_to(client)
            heard = [int(client.info("clients")["blocked_clients"]) for _ in moments(200, 0.02)]
            each = (sent_to(client) - before) / (200 * 0.02)
        print(f"hears {statistics.mean(heard):.0%} of the time, {each:.1f} commands/s")  # noqa: T201
        assert statistics.mean(heard) > 0.87
        assert each < 3
    finally:
        remove(app)


def test_a_stop_does_not_wait_for_the_doorbell(make_app: Callable[..., Pynenc]) -> None:
    app = make_app(queue_timeout_sec=2.0, runner_loop_sleep_time_sec=0.1)
    with working(app) as worker:
        wait_until_waiting(client_of(app), 1)
        before = time.perf_counter()
        app.runner.stop_runner_loop()
        worker.result(10)
        # What is left are the two sleeps of pynenc's loop.
        assert time.perf_counter() - before < 1.0


def test_a_wait_that_was_given_up_leaves_no_reply_behind(make_app: Callable[..., Pynenc]) -> None:
    app = make_app(redis_pool_max_connections=1)
    connection, bell = orchestrator(app).connection, key_of(app, "doorbell", "default")
    for _ in range(3):
        looks = iter([True, False])
        assert not connection.pop_first([bell], 5.0, lambda looks=looks: next(looks))
        # On the one connection that there is.
        assert connection.client.rpush(bell, "1") == 1
        assert connection.pop_first([bell], 5.0, lambda: True)
        assert connection.client.exists(bell) == 0


@pytest.mark.parametrize("server", FIRST, indirect=True)
@pytest.mark.parametrize(
    ("values", "children", "least", "most"),
    [
        ({}, {}, 2.3, 2.9),
        # It resumes children that waited for a result.
        ({}, {"child": None}, 0.08, 0.4),
        # Triggers and recovery are due as often as that.
        ({"atomic_service_check_interval_minutes": 0.4 / 60}, {}, 0.08, 0.4),
        # What runs needs the connection, too.
        ({"redis_pool_max_connections": 1}, {}, 0.08, 0.4),
    ],
    ids=["idle", "children", "frequent services", "one connection"],
)
def test_what_else_a_runner_has_to_do_is_not_held_up(
    make_app: Callable[..., Pynenc],
    values: dict[str, float],
    children: dict[str, None],
    least: float,
    most: float,
) -> None:
    app = make_app(runner_cls="ProcessRunner", **values)
    app.runner.child_runner_ids = children
    before = time.perf_counter()
    assert list(app.orchestrator.get_invocations_to_run(1, ONE)) == []
    assert least < time.perf_counter() - before < most


@pytest.mark.parametrize("server", FIRST, indirect=True)
def test_what_was_held_back_is_looked_at_again_soon(make_app: Callable[..., Pynenc]) -> None:
    app = make_app()
    started(app, runner("other"), life_tasks.alone, 1)
    bind(app, life_tasks.alone)(2)
    # The first call hears the bell of the submission.
    for _ in range(3):
        before = time.perf_counter()
        assert list(app.orchestrator.get_invocations_to_run(1, ONE)) == []
    assert time.perf_counter() - before < 0.4


@pytest.mark.parametrize("server", FIRST, indirect=True)
@pytest.mark.parametrize(
    ("runner_cls", "running", "who", "values"),
    [
        ("ThreadRunner", False, None, {}),
        # What runs needs the connection.
        ("ThreadRunner", True, None, {"redis_pool_max_connections": 1}),
        ("ThreadRunner", True, ONE, {}),
        # It starts nothing before it has the whole list.
        ("ProcessRunner", True, None, {}),
    ],
    ids=["not running", "one connection", "somebody else", "another runner"],
)
def test_who_got_something_is_not_kept_for_more(
    make_app: Callable[..., Pynenc],
    runner_cls: str,
    running: bool,
    who: RunnerContext | None,
    values: dict[str, int],
) -> None:
    app = make_app(runner_cls=runner_cls, **values)
    app.runner.running = running
    invocation = bind(app, life_tasks.noop)()
    before = time.perf_counter()
    who = who or app.runner.runner_context
    got = [it.invocation_id for it in app.orchestrator.get_invocations_to_run(2, who)]
    assert got == [invocation.invocation_id]
    assert time.perf_counter() - before < 1.5


@pytest.mark.parametrize("server", FIRST, indirect=True)
def test_a_thread_runner_starts_in_one_round_what_comes_in_it(
    make_app: Callable[..., Pynenc],
) -> None:
    # Each round ends with two sleeps of a second.
    app = make_app(runner_loop_sleep_time_sec=1.0, min_threads=2, max_threads=2)
    with working(app):
        wait_until_waiting(client_of(app), 1)
        before = time.perf_counter()
        assert [result_of(bind(app, life_tasks.add)(number, 1)) for number in range(3)] == [1, 2, 3]
        group = bind(app, life_tasks.add).parallelize([(number, 1) for number in range(9)])
        assert sorted(group.results) == list(range(1, 10))
        assert time.perf_counter() - before < 1.0


@pytest.mark.parametrize("server", FIRST, indirect=True)
def test_a_thread_runner_runs_no_more_at_once_than_it_may(make_app: Callable[..., Pynenc]) -> None:
    app = make_app(min_threads=3, max_threads=3)
    seen = set()

    def are_done() -> bool:
        taken = [InvocationStatus.PENDING, InvocationStatus.RUNNING]
        seen.add(app.orchestrator.count_invocations(statuses=taken))
        return app.orchestrator.count_invocations(statuses=[InvocationStatus.SUCCESS]) == 12

    with working(app):
        bind(app, life_tasks.pause).parallelize([(0.1,)] * 12)
        servers.wait_for(are_done)
    assert 0 < max(seen) <= 3


@pytest.mark.parametrize("server", FIRST, indirect=True)
def test_a_stop_sends_nothing_back_that_has_ended(
    make_app: Callable[..., Pynenc], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()
    sent_back: list[str] = []
    monkeypatch.setattr(app.runner, "_kill_and_reroute", sent_back.append)
    with working(app):
        assert result_of(bind(app, life_tasks.add)(1, 2)) == 3
        wait_until_waiting(client_of(app), 1)
    assert sent_back == []


@pytest.mark.parametrize("server", FIRST, indirect=True)
def test_a_runner_that_is_stopped_gets_no_more(
    make_app: Callable[..., Pynenc], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(min_threads=2)
    app.runner.on_start()
    first = bind(app, life_tasks.noop)()
    given = app.orchestrator.get_invocations_to_run(2, app.runner.runner_context)
    assert next(given).invocation_id == first.invocation_id
    second = bind(app, life_tasks.noop)()
    # As a signal may come.
    monkeypatch.setattr(time, "sleep", lambda _: setattr(app.runner, "running", False))
    assert list(given) == []
    assert second.status == InvocationStatus.REGISTERED


@pytest.mark.parametrize("server", FIRST, indirect=True)
def test_waits_that_the_server_breaks_off_do_not_make_a_runner_race(
    server: Server, make_app: Callable[..., Pynenc]
) -> None:
    app = make_app(queue_timeout_sec=1.0)
    with server.client() as client, asking(app) as got:
        before = sent_to(client)
        while not got.done():
            break_off_waits(client)
        assert got.result() == []
        # A look and a wait each tenth of a second.
        assert sent_to(client) - before < 30


@pytest.mark.parametrize("server", FIRST, indirect=True)
def test_who_finds_that_another_was_first_goes_on_waiting(make_app: Callable[..., Pynenc]) -> None:
    app = make_app(queue_timeout_sec=2.0)
    app.runner.running = True
    with asking(app) as got:
        wait_until_waiting(client_of(app), 1)
        client_of(app).rpush(key_of(app, "doorbell", "default"), "1")
        servers.wait_for(lambda: client_of(app).exists(key_of(app, "doorbell", "default")) == 0)
        wait_until_waiting(client_of(app), 1)
        invocation = bind(app, life_tasks.noop)()
        assert got.result(5) == [invocation.invocation_id]


def test_many_wake_for_many(make_app: Callable[..., Pynenc]) -> None:
    app = make_app(queue_timeout_sec=0.3)
    workers = [Worker(app, f"idle-{number}") for number in range(4)]
    try:
        wait_until_waiting(client_of(app), 4)
        group = bind(app, life_tasks.add).parallelize([(number, 1) for number in range(60)])
        got = servers.wait_for(
            lambda: (
                found
                if len(found := [id_ for worker in workers for id_ in worker.got]) >= 60
                else None
            )
        )
        assert sorted(got) == sorted(group.invocation_map)
    finally:
        for worker in workers:
            worker.stop()


def test_an_idle_runner_leaves_nothing(make_app: Callable[..., Pynenc]) -> None:
    app = make_app(queue_timeout_sec=0.05)
    list(app.orchestrator.get_invocations_to_run(1, ONE))
    before = snapshot(app)
    # A ProcessRunner asks as another child each time.
    for number in range(3):
        orchestrator(app)._look_again_at = 0.0
        assert list(app.orchestrator.get_invocations_to_run(1, runner(f"child-{number}"))) == []
    assert snapshot(app) == before


@pytest.mark.parametrize("server", FIRST, indirect=True)
def test_eight_idle_workers_are_cheap(server: Server, app_id: str) -> None:
    # Each its own app, as eight processes would have them.
    apps = [build_app(server, app_id) for _ in range(8)]
    workers = [Worker(app, f"idle-{number}") for number, app in enumerate(apps)]
    try:
        wait_until_waiting(client_of(apps[0]), 8)
        with server.client() as client:
            before, begin = sent_to(client), time.perf_counter()
            threading.Event().wait(3)
            each = (sent_to(client) - before) / (time.perf_counter() - begin)
        print(f"8 idle workers: {each:.0f} commands/s")  # noqa: T201
        assert 4 < each < 30
    finally:
        for worker in workers:
            worker.stop()
        remove(apps[0])


@pytest.mark.parametrize("server", FIRST, indirect=True)
def test_an_idle_thread_runner_answers_at_once(make_app: Callable[..., Pynenc]) -> None:
    app = make_app(queue_timeout_sec=1.0)
    with working(app):
        took = []
        for _ in range(10):
            before = time.perf_counter()
            assert result_of(bind(app, life_tasks.add)(1, 2)) == 3
            took.append(time.perf_counter() - before)
    assert statistics.median(took) < 0.2, took
