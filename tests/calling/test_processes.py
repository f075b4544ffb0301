"""One connection in many threads and processes: each process has a pool of its own."""

from __future__ import annotations

import multiprocessing
import pickle
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest
import redis
from redis.cluster import RedisCluster

from calling.tools import scripts_on, settings_of
from pynenc_redis_lua.client import connection_to
from pynenc_redis_lua.scripts.api import Scripts
from pynenc_redis_lua.scripts.library import library

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from servers import Server

FORK = multiprocessing.get_context("fork")


def call_in_turn(scripts: Scripts, name: str, rounds: int) -> int:
    """Store and read in turn what nobody else stores; how often that was what had been stored."""
    right = 0
    for number in range(rounds):
        value = f"{name} {number}".encode()
        scripts.state_set_result(invocation_id=name, serialized=value)
        right += scripts.state_get_result(invocation_id=name) == ("FOUND", [value])
    return right


@pytest.fixture
def scripts_shared(server: Server, app_id: str) -> Iterator[Scripts]:
    """Scripts on the connection that the whole process shares."""
    scripts = scripts_on(connection_to(settings_of(server)), app_id)
    yield scripts
    scripts.state_purge()


class Fork[T]:
    """A forked child that calls a function."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._pipe, theirs = FORK.Pipe(duplex=False)
        self._process = FORK.Process(target=lambda: theirs.send(function()), daemon=True)
        self._process.start()
        theirs.close()

    def result(self) -> T:
        """What the function returned, when the child has ended well."""
        result: T = self._pipe.recv()
        self._process.join()
        assert self._process.exitcode == 0
        return result


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
class TestFork:
    def test_leaves_parent_and_child_their_own_replies(self, scripts_shared: Scripts) -> None:
        stopped = threading.Event()

        def call_until_stopped(name: str) -> int:
            rounds = 0
            while not stopped.is_set():
                assert call_in_turn(scripts_shared, name, rounds=5) == 5
                rounds += 1
            return rounds

        with ThreadPoolExecutor(3) as executor:
            parents = [executor.submit(call_until_stopped, f"parent {n}") for n in range(3)]
            try:
                names = [f"child {n}" for n in range(4)]
                children = [Fork(partial(call_in_turn, scripts_shared, name, 30)) for name in names]
                assert [child.result() for child in children] == [30] * 4
            finally:
                stopped.set()
            assert all(parent.result() for parent in parents)

    def test_gives_the_child_a_connection_of_its_own(self, one_server: Server) -> None:
        connection = connection_to(settings_of(one_server))

        def client_id() -> int:
            assert isinstance(connection.client, redis.Redis)
            return int(connection.client.client_id())

        mine = client_id()
        assert Fork(client_id).result() != mine
        assert client_id() == mine


SPAWNED = """
import pickle, sys
from pynenc_redis_lua.client import connection_to
from pynenc_redis_lua.scripts.api import Scripts
from pynenc_redis_lua.scripts.library import library

connection, app_id = pickle.load(sys.stdin.buffer)
assert connection is connection_to(connection.settings)
scripts = Scripts(connection, app_id, library())
print(scripts.state_get_result(invocation_id="i").values[0].decode())
scripts.state_set_result(invocation_id="i", serialized=b"from the child")
"""


class TestSpawn:
    def test_takes_a_pickled_connection_along(self, scripts_shared: Scripts, app_id: str) -> None:
        scripts_shared.state_set_result(invocation_id="i", serialized=b"from the parent")
        child = subprocess.run(
            [sys.executable, "-c", SPAWNED],
            input=pickle.dumps((scripts_shared.connection, app_id)),
            capture_output=True,
            check=False,
        )
        assert (child.stdout, child.stderr) == (b"from the parent\n", b"")
        reply = scripts_shared.state_get_result(invocation_id="i")
        assert reply == ("FOUND", [b"from the child"])


class TestPool:
    def test_lets_calls_wait_for_a_free_connection(self, server: Server, app_id: str) -> None:
        name = f"pool-{uuid.uuid4().hex}"
        few = settings_of(
            server, redis_url=f"{server.url}?client_name={name}", redis_pool_max_connections=2
        )
        scripts = Scripts(connection_to(few), app_id, library())
        most = 0
        with ThreadPoolExecutor(20) as executor:
            calls = [executor.submit(call_in_turn, scripts, f"thread {n}", 10) for n in range(20)]
            running = True
            while running:
                running = not all(call.done() for call in calls)
                most = max(most, open_connections(server, name))
            assert [call.result() for call in calls] == [10] * 20
        scripts.state_purge()
        assert 1 <= most <= 2


def open_connections(server: Server, name: str) -> int:
    """How many connections of this name a node of the server has, at the most."""
    with server.client() as client:
        nodes = [client]
        if isinstance(client, RedisCluster):
            nodes = [node.redis_connection for node in client.get_primaries()]
        lists = [node.client_list() for node in nodes]
    return max(len([entry for entry in entries if entry["name"] == name]) for entries in lists)
