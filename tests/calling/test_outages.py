"""Calls outlive what passes: a flush, a restart, a busy or read-only server, cut connections.

A call that must wait is made in a thread, and the test goes on when it was seen to try again.
"""

from __future__ import annotations

import signal
import socket
import threading
import time
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Self

import pytest
import redis

import servers
from calling.tools import OwnServer, Watched, commands, scripts_on, settings_of
from faults.proxy import proxied
from pynenc_redis_lua.client import Connection
from pynenc_redis_lua.errors import RedisLuaError, ServerUnavailableError
from pynenc_redis_lua.scripts.library import library
from servers import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from faults.proxy import Command
    from pynenc_redis_lua.scripts.api import Scripts
    from pynenc_redis_lua.scripts.runner import Reply

PASSWORD = "hunter2"
FOUND = ("FOUND", [b"x"])
AUTHENTICATION = (redis.AuthenticationError, RedisLuaError)


def put(scripts: Scripts, invocation_id: str = "i") -> Reply:
    return scripts.state_set_result(invocation_id=invocation_id, serialized=b"x")


def get(scripts: Scripts, invocation_id: str = "i") -> Reply:
    return scripts.state_get_result(invocation_id=invocation_id)


@contextmanager
def in_thread[T](call: Callable[[], T]) -> Iterator[Future[T]]:
    """Make a call while the test goes on."""
    with ThreadPoolExecutor(1) as executor:
        yield executor.submit(call)


class Load:
    """Threads that call without a pause; every one of their calls must succeed."""

    def __init__(self, scripts: Scripts, threads: int = 6) -> None:
        self.calls = 0
        self._scripts = scripts
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(threads)
        self._workers = [self._executor.submit(self._work, str(n)) for n in range(threads)]

    def _work(self, name: str) -> None:
        while not self._stopped.is_set():
            assert put(self._scripts, name) == ("OK", [])
            assert get(self._scripts, name).tag in {"FOUND", "NONE"}
            with self._lock:
                self.calls += 2

    def wait_for_calls(self, count: int) -> None:
        """Wait until so many further calls have succeeded."""
        last = self.calls + count

        def done() -> bool:
            for worker in self._workers:
                if worker.done():
                    worker.result()
            return self.calls >= last

        servers.wait_for(done, timeout=20, message=f"{count} calls have succeeded")

    def __enter__(self) -> Self:
        self.wait_for_calls(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._executor.shutdown()
        for worker in self._workers:
            worker.result()


class TestScriptCache:
    def test_is_filled_again_after_a_flush(self, scripts: Scripts) -> None:
        sums = [library().script(f"state/{name}_result").rendered.sha1 for name in ("set", "get")]
        for _ in range(2):
            scripts.connection.client.script_flush()
            assert not any(scripts.connection.client.script_exists(*sums))
            assert put(scripts) == ("OK", [])
            assert get(scripts) == FOUND

    def test_may_be_flushed_amid_calls(self, scripts: Scripts) -> None:
        with Load(scripts) as load:
            for _ in range(100):
                scripts.connection.client.script_flush()
            load.wait_for_calls(20)


class TestReadOnly:
    def test_calls_are_sent_as_such(self, program: Path, start: Callable[..., Server]) -> None:
        server = start(program)
        scripts = scripts_on(Connection(settings_of(server)), "app")
        get(scripts)
        with server.client() as client:
            before = commands(client)
            get(scripts)
            assert difference(before, commands(client)) == {"evalsha_ro": 1, "hget": 1}

    def test_calls_on_a_cluster_are_one_command(self, cluster: Server) -> None:
        scripts = scripts_on(Connection(settings_of(cluster)), "one command")
        get(scripts)
        with ExitStack() as stack, cluster.client() as client:
            nodes = [
                stack.enter_context(redis.Redis(host=node.host, port=node.port))
                for node in client.get_nodes()
            ]
            before = [commands(node) for node in nodes]
            get(scripts)
            after = [commands(node) for node in nodes]
        changes = [difference(*counts) for counts in zip(before, after, strict=True)]
        assert [change for change in changes if change] == [{"evalsha_ro": 1, "hget": 1}]


def difference(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: n - before.get(name, 0) for name, n in after.items() if n != before.get(name)}


class TestRestart:
    def test_is_waited_for_by_all_calls(self, own: OwnServer) -> None:
        connection = Watched(settings_of(own.server))
        with Load(scripts_on(connection, "app")) as load:
            for _ in range(3):
                own.kill()
                connection.wait_for_attempts(30)
                own.start()
                load.wait_for_calls(100)

    def test_is_waited_for_by_the_first_call(self, own: OwnServer) -> None:
        own.kill()
        connection = Watched(settings_of(own.server))
        with in_thread(lambda: put(scripts_on(connection, "app"))) as reply:
            connection.wait_for_attempts(3)
            assert not reply.done()
            own.start()
        assert reply.result() == ("OK", [])

    def test_of_a_server_that_hung_is_waited_for(self, own: OwnServer) -> None:
        connection = Watched(settings_of(own.server, socket_timeout=0.1))
        scripts = scripts_on(connection, "app")
        put(scripts)
        own.process.send_signal(signal.SIGSTOP)
        with in_thread(lambda: get(scripts)) as reply:
            connection.wait_for_attempts(3)
            assert not reply.done()
            own.process.send_signal(signal.SIGCONT)
        assert reply.result() == FOUND


class TestBudget:
    @pytest.fixture
    def locked(self, one_program: Path, tmp_path: Path) -> Iterator[OwnServer]:
        """A server with a password."""
        own = OwnServer(one_program, tmp_path, ("--requirepass", PASSWORD))
        own.start()
        yield own
        own.kill()

    @pytest.mark.parametrize("budget", [0.0, 0.3])
    @pytest.mark.parametrize("known", [True, False], ids=["server gone", "server never there"])
    def test_ends_the_waiting(self, locked: OwnServer, budget: float, known: bool) -> None:
        values = {"redis_password": PASSWORD, "redis_outage_budget": budget}
        scripts = scripts_on(Connection(settings_of(locked.server, **values)), "app")
        if known:
            put(scripts)
        locked.kill()
        begin = time.monotonic()
        with pytest.raises(ServerUnavailableError) as caught:
            put(scripts)
        assert budget <= time.monotonic() - begin < budget + 2
        assert f"{servers.HOST}:{locked.port}" in str(caught.value)
        assert f"within {budget:g} s (redis_outage_budget)" in str(caught.value)
        assert PASSWORD not in "".join(traceback.format_exception(caught.value))

    def test_ends_the_waiting_for_a_server_that_hangs(self, locked: OwnServer) -> None:
        values = {"redis_password": PASSWORD, "redis_outage_budget": 0.5, "socket_timeout": 0.1}
        scripts = scripts_on(Connection(settings_of(locked.server, **values)), "app")
        put(scripts)
        locked.process.send_signal(signal.SIGSTOP)
        begin = time.monotonic()
        with pytest.raises(ServerUnavailableError, match=str(locked.port)):
            put(scripts)
        assert 0.5 <= time.monotonic() - begin < 2.5

    def test_is_new_for_each_call(self, locked: OwnServer) -> None:
        values = {"redis_password": PASSWORD, "redis_outage_budget": 0.1}
        scripts = scripts_on(Connection(settings_of(locked.server, **values)), "app")
        locked.kill()
        for _ in range(2):
            with pytest.raises(ServerUnavailableError):
                put(scripts)
        locked.start()
        assert put(scripts) == ("OK", [])


class TestBusy:
    ENDLESS = "while true do end"

    @pytest.fixture
    def server(self, program: Path, start: Callable[..., Server]) -> Server:
        return start(program, "--lua-time-limit", "50")

    def test_is_waited_for_and_not_killed(self, server: Server) -> None:
        connection = Watched(settings_of(server))
        scripts = scripts_on(connection, "app")
        put(scripts)
        with server.client(retry=None) as other, server.client(retry=None) as killer:
            with in_thread(lambda: self.run_until_killed(other)) as error:
                servers.wait_for(lambda: self.is_busy(killer), message="the server is busy")
                with in_thread(lambda: get(scripts)) as reply:
                    connection.wait_for_attempts(4)
                    assert not reply.done()
                    killer.script_kill()
            assert "killed by user" in error.result()
        assert reply.result() == FOUND

    def run_until_killed(self, client: redis.Redis) -> str:
        with pytest.raises(redis.ResponseError) as caught:
            client.eval(self.ENDLESS, 0)
        return str(caught.value)

    @staticmethod
    def is_busy(client: redis.Redis) -> bool:
        try:
            return not client.ping()
        except redis.ResponseError as error:
            return str(error).startswith("BUSY")


class TestReplica:
    @pytest.fixture
    def pair(
        self, program: Path, start: Callable[..., Server]
    ) -> Iterator[tuple[Server, redis.Redis]]:
        """A replica, its client, and data of its primary in it."""
        primary = start(program, "--repl-diskless-sync-delay", "0")
        server = start(program)
        put(scripts_on(Connection(settings_of(primary)), "app"))
        with server.client() as client:
            client.replicaof(servers.HOST, primary.url.rpartition(":")[2].removesuffix("/0"))
            servers.wait_for(
                lambda: client.info("replication")["master_link_status"] == "up",
                message="the replica is in step",
            )
            yield server, client

    def test_that_becomes_the_primary_is_waited_for(self, pair: tuple[Server, redis.Redis]) -> None:
        server, client = pair
        connection = Watched(settings_of(server))
        scripts = scripts_on(connection, "app")
        with in_thread(lambda: put(scripts, "j")) as reply:
            connection.wait_for_attempts(4)
            assert not reply.done()
            client.replicaof("NO", "ONE")
        assert reply.result() == ("OK", [])
        assert get(scripts, "j") == FOUND

    def test_is_read_from(self, pair: tuple[Server, redis.Redis]) -> None:
        assert get(scripts_on(Connection(settings_of(pair[0])), "app")) == FOUND


class Wrapped:
    """A socket as gevent has it: one of Python's is inside."""

    def __init__(self, inside: Any) -> None:
        self._inside = inside

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)


class TestCutConnections:
    def test_fail_no_call(self, program: Path, start: Callable[..., Server]) -> None:
        server = start(program)
        scripts = scripts_on(Connection(settings_of(server)), "app")
        with server.client() as client, Load(scripts) as load:
            cut = 0
            while cut < 100:
                cut += client.execute_command("CLIENT KILL", "TYPE", "normal", "SKIPME", "yes")
                load.wait_for_calls(5)

    def test_are_made_anew_without_waiting(self, one_server: Server) -> None:
        settings = settings_of(one_server, redis_outage_budget=0.0)
        scripts = scripts_on(Connection(settings), "app")
        assert put(scripts) == ("OK", [])
        with one_server.client() as client:
            client.execute_command("CLIENT KILL", "TYPE", "normal", "SKIPME", "yes")
        assert get(scripts) == FOUND

    def test_are_made_anew_whatever_the_caller_handles(self, one_server: Server) -> None:
        settings = settings_of(one_server, redis_outage_budget=0.0)
        scripts = scripts_on(Connection(settings), "app")
        assert put(scripts) == ("OK", [])
        first, second = socket.socketpair()
        with first, second:
            first.setblocking(False)
            try:
                first.recv(1)
            except BlockingIOError:
                with one_server.client() as client:
                    client.execute_command("CLIENT KILL", "TYPE", "normal", "SKIPME", "yes")
                assert get(scripts) == FOUND

    def test_that_can_not_be_made_keep_no_place_in_the_pool(
        self, one_server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scripts = scripts_on(
            Connection(settings_of(one_server, redis_pool_max_connections=1)), "app"
        )
        made = redis.Connection.__init__

        def fails(*_args: object, **_options: object) -> None:
            raise MemoryError

        monkeypatch.setattr(redis.Connection, "__init__", fails)
        with pytest.raises(MemoryError):
            put(scripts)
        monkeypatch.setattr(redis.Connection, "__init__", made)
        assert put(scripts) == ("OK", [])

    def test_of_another_kind_of_socket_keep_their_timeout(
        self, own: OwnServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connect = redis.Connection._connect
        monkeypatch.setattr(redis.Connection, "_connect", lambda self: Wrapped(connect(self)))
        values = {"redis_outage_budget": 0.0, "socket_timeout": 0.5}
        scripts = scripts_on(Connection(settings_of(own.server, **values)), "app")
        put(scripts)
        own.process.send_signal(signal.SIGSTOP)
        with pytest.raises(ServerUnavailableError, match="Timeout"):
            get(scripts)

    def test_that_hang_are_not_tried_twice(self, own: OwnServer) -> None:
        values = {"redis_outage_budget": 0.0, "socket_timeout": 1.0}
        scripts = scripts_on(Connection(settings_of(own.server, **values)), "app")
        put(scripts)
        own.process.send_signal(signal.SIGSTOP)
        begin = time.monotonic()
        with pytest.raises(ServerUnavailableError, match=r"within 1 s \(socket_timeout\)"):
            get(scripts)
        assert 1.0 <= time.monotonic() - begin < 1.9


class TestCluster:
    def test_that_is_not_there_is_waited_for(self, own: OwnServer) -> None:
        own.kill()
        settings = settings_of(own.server, redis_cluster=True, redis_outage_budget=0.3)
        begin = time.monotonic()
        with pytest.raises(ServerUnavailableError, match=f"{servers.HOST}:{own.port}"):
            put(scripts_on(Connection(settings), "app"))
        assert 0.3 <= time.monotonic() - begin < 2.3


@contextmanager
def refused_at_once(
    kinds: type[Exception] | tuple[type[Exception], ...], match: str
) -> Iterator[pytest.ExceptionInfo[Exception]]:
    """An error of these types, and long before the default outage budget is used up."""
    begin = time.monotonic()
    with pytest.raises(kinds, match=match) as caught:
        yield caught
    assert not isinstance(caught.value, ServerUnavailableError)
    assert time.monotonic() - begin < 2


class TestWrongSetting:
    """Waiting would not help."""

    @pytest.fixture
    def budget(self) -> dict[str, float]:
        return {"redis_outage_budget": 4.0}

    def test_of_a_password_is_told_at_once(self, server: Server, budget: dict[str, float]) -> None:
        wrong = settings_of(server, redis_username="nobody", redis_password=PASSWORD, **budget)
        with refused_at_once(AUTHENTICATION, match=r"password") as caught:
            put(scripts_on(Connection(wrong), "app"))
        assert PASSWORD not in "".join(traceback.format_exception(caught.value))

    def test_of_no_password_is_told_at_once(
        self, one_program: Path, start: Callable[..., Server], budget: dict[str, float]
    ) -> None:
        server = start(one_program)
        with server.client() as client:
            client.config_set("requirepass", PASSWORD)
        with refused_at_once(AUTHENTICATION, match=r"(?i)authentic"):
            put(scripts_on(Connection(settings_of(server, **budget)), "app"))

    def test_of_a_cluster_that_is_none_is_told_at_once(
        self, own: OwnServer, budget: dict[str, float]
    ) -> None:
        settings = settings_of(own.server, redis_cluster=True, **budget)
        with refused_at_once(RedisLuaError, match=r"redis_cluster"):
            put(scripts_on(Connection(settings), "app"))

    def test_of_no_cluster_where_it_is_one_is_told_at_once(
        self, cluster: Server, budget: dict[str, float]
    ) -> None:
        node = Connection(settings_of(cluster, redis_cluster=False, **budget))
        with refused_at_once(RedisLuaError, match=r"redis_cluster"):
            for number in range(20):  # so many apps are not all on this node
                put(scripts_on(node, str(number)))


class TestLateReply:
    """A reply that nobody waits for any more: the next call must not take it for its own."""

    @pytest.fixture
    def late(self, one_server: Server) -> Iterator[LateReply]:
        if one_server.cluster:
            pytest.skip("a proxy stands before one server")
        with LateReply(one_server) as late:
            yield late

    def test_is_left_by_a_call_that_waited_too_long(self, late: LateReply) -> None:
        with pytest.raises(ServerUnavailableError):
            get(late.scripts, "slow")
        assert get(late.scripts, "next") == ("FOUND", [b"of next"])

    def test_is_left_by_a_call_that_was_interrupted(self, late: LateReply) -> None:
        caller = threading.get_ident()
        late.on_arrival = lambda: signal.pthread_kill(caller, signal.SIGUSR1)
        before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
        try:
            with pytest.raises(KeyboardInterrupt):
                get(late.scripts, "slow")
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert get(late.scripts, "next") == ("FOUND", [b"of next"])

    def test_is_left_by_a_call_that_was_interrupted_before_it_waited(
        self, late: LateReply, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send = redis.Connection.send_packed_command

        def send_and_be_interrupted(self: redis.Connection, command: Any) -> None:
            send(self, command)
            raise KeyboardInterrupt

        assert get(late.scripts, "next") == ("FOUND", [b"of next"])
        monkeypatch.setattr(redis.Connection, "send_packed_command", send_and_be_interrupted)
        with pytest.raises(KeyboardInterrupt):
            get(late.scripts, "slow")
        monkeypatch.undo()
        assert get(late.scripts, "next") == ("FOUND", [b"of next"])


class LateReply:
    """A server whose reply to the request about `slow` comes when the next one is asked for.

    Attributes:
        scripts: How to call it; a call is tried once.
        on_arrival: Called when the request has arrived, while its client waits.
    """

    def __init__(self, server: Server) -> None:
        self.on_arrival: Callable[[], object] = lambda: None
        self._asked = threading.Event()
        self._stack = ExitStack()
        proxy = self._stack.enter_context(proxied(server))
        self._direct = scripts_on(Connection(settings_of(server)), "late reply")
        for id_ in ("slow", "next"):
            self._direct.state_set_result(invocation_id=id_, serialized=f"of {id_}".encode())
        values = {"redis_outage_budget": 0.0, "socket_timeout": 1.0}
        self.scripts = scripts_on(Connection(settings_of(proxy.server, **values)), "late reply")
        proxy.plan = self._hold

    def _hold(self, command: Command) -> None:
        if command[-1] == b"slow":
            self.on_arrival()
            assert self._asked.wait(20)
        elif command[-1] == b"next":
            self._asked.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._asked.set()
        self._direct.state_purge()
        self._stack.close()
