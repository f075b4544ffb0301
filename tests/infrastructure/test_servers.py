"""The servers that every other test runs on are what they say, and end with the tests."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

import servers
from servers import Server, wait_for

# What the machine starts itself, and so has to stop.
OWN = [name for name in servers.names() if name != "url"]

START = "import os, sys, servers; url = servers.running(sys.argv[1]).url;"
FORK = "os.fork() or sys.exit(); os.wait();"
SAY = "print(url, flush=True);"
HANG = "sys.stdin.read();"


@pytest.fixture(params=servers.names())
def server(request: pytest.FixtureRequest) -> Server:
    return servers.running(request.param)


@pytest.fixture(scope="module")
def binary() -> Path:
    """A server program, whichever servers were chosen for this run."""
    for path in servers.binaries().values():
        return path
    pytest.skip("this machine has no server program")


@contextmanager
def program(source: str, name: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another test process, and the URL of the server that it started."""
    path = os.pathsep.join([str(Path(servers.__file__).parent), *sys.path])
    with subprocess.Popen(
        [sys.executable, "-c", source, name],
        env={**os.environ, "PYTHONPATH": path, "TMPDIR": str(folder), "TEST_SERVERS": name},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, retry=None, socket_timeout=1) as client:
            return client.ping()
    except redis.RedisError:
        return False


class TestServer:
    def test_answers(self, server: Server) -> None:
        with server.client() as client:
            assert client.ping()

    def test_reports_the_version_of_its_name(self, server: Server) -> None:
        product, _, version = server.name.partition("-")
        assert server.version.startswith(version)
        assert product in {server.product, "cluster", "docker", "url"}

    def test_keeps_nothing_on_disk(self, server: Server) -> None:
        if server.name == "url":
            pytest.skip("the server is not ours to configure")
        with server.client() as client:
            assert client.config_get("save")["save"] == ""
            assert client.config_get("appendonly")["appendonly"] == "no"

    def test_allows_debug(self, server: Server) -> None:
        if server.name == "url":
            pytest.skip("the server is not ours to configure")
        with redis.Redis.from_url(server.url) as client:
            assert client.execute_command("DEBUG", "SLEEP", 0) == b"OK"

    def test_passes_options_to_its_client(self, server: Server) -> None:
        with server.client() as one, server.client(decode_responses=True) as other:
            one.set("test_servers", "word", ex=60)
            assert one.get("test_servers") == b"word"
            assert other.get("test_servers") == "word"
            one.delete("test_servers")

    def test_starts_once(self, server: Server) -> None:
        assert servers.running(server.name) is server


@pytest.mark.parametrize("name", [name for name in servers.names() if name.startswith("cluster-")])
class TestCluster:
    def test_has_three_primaries_and_every_slot(self, name: str) -> None:
        server = servers.running(name)
        with redis.Redis.from_url(server.url) as client:
            ranges = sorted(client.execute_command("CLUSTER SLOTS"))
        covered = [slot for first, last, *_ in ranges for slot in range(first, last + 1)]
        assert covered == list(range(servers.SLOTS))
        with server.client() as cluster:
            assert len(cluster.get_primaries()) == len(cluster.get_nodes()) == 3
            assert {node.host for node in cluster.get_nodes()} == {servers.HOST}

    def test_runs_a_script_on_any_slot(self, name: str) -> None:
        script = "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[2])"
        with servers.running(name).client() as cluster:
            for tag in range(20):  # enough to visit all three nodes
                keys = (f"{{{tag}}}:a", f"{{{tag}}}:a")
                assert cluster.eval(script, 2, *keys, "value") == b"value"
                cluster.delete(*keys)

    def test_refuses_keys_of_two_slots(self, name: str) -> None:
        with (
            redis.Redis.from_url(servers.running(name).url) as node,
            pytest.raises(redis.ResponseError, match="don't hash to the same slot"),
        ):
            node.execute_command("EVAL", "return 1", 2, "{a}", "{b}")


class TestMatrix:
    @pytest.fixture(autouse=True)
    def _no_choice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for variable in ("REDIS_URL", "REDIS_CLUSTER", "REDIS_IMAGE", "TEST_SERVERS"):
            monkeypatch.delenv(variable, raising=False)

    def test_an_unknown_name_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TEST_SERVERS", "redis-1.0")
        with pytest.raises(RuntimeError, match=r"asks for redis-1\.0"):
            servers.names()

    @pytest.mark.usefixtures("binary")
    def test_names_restrict(self, monkeypatch: pytest.MonkeyPatch) -> None:
        first, *_, last = (leg.name for leg in servers._local_legs())
        monkeypatch.setenv("TEST_SERVERS", f" {last},{first},")
        assert servers.names() == [first, last]
        with pytest.raises(RuntimeError, match="no server is named redis-1"):
            servers.running("redis-1")

    @pytest.mark.parametrize(("variable", "cluster"), [("0", False), ("1", True)])
    def test_a_url_is_the_whole_matrix(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, cluster: bool
    ) -> None:
        monkeypatch.setenv("REDIS_URL", "redis://example.invalid")
        monkeypatch.setenv("REDIS_CLUSTER", variable)
        (leg,) = servers.available()
        with leg.start(tmp_path) as server:
            assert server == Server("url", "redis://example.invalid", cluster=cluster)

    def test_a_name_beside_the_url_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("REDIS_URL", "redis://example.invalid")
        monkeypatch.setenv("TEST_SERVERS", "docker")
        with pytest.raises(RuntimeError, match="asks for docker; this machine has url"):
            servers.names()

    def test_an_image_that_was_chosen_must_be_had(self, monkeypatch: pytest.MonkeyPatch) -> None:
        image = "127.0.0.1:1/no-such-image:0"
        monkeypatch.setenv("REDIS_IMAGE", image)
        with pytest.raises(RuntimeError, match=f"REDIS_IMAGE={image}"):
            servers.names()

    def test_an_image_is_no_matter_where_docker_is_not_wanted(
        self, monkeypatch: pytest.MonkeyPatch, binary: Path
    ) -> None:
        name = servers._name(binary)
        monkeypatch.setenv("REDIS_IMAGE", "127.0.0.1:1/no-such-image:0")
        monkeypatch.setenv("TEST_SERVERS", name)
        assert servers.names() == [name]


class TestProcess:
    def test_has_a_unix_socket_on_request(self, binary: Path, tmp_path: Path) -> None:
        with servers.start_standalone(binary, tmp_path, unix=True) as server:
            assert server.url == f"unix://{tmp_path}/server.sock?db=0"
            assert server.client().ping()
        assert not answers(server.url)

    def test_takes_options(self, binary: Path, tmp_path: Path) -> None:
        with servers.start_standalone(binary, tmp_path, args=("--maxclients", "77")) as server:
            assert server.client().config_get("maxclients") == {"maxclients": "77"}

    def test_says_why_it_does_not_start(self, binary: Path, tmp_path: Path) -> None:
        failing = servers.start_standalone(binary, tmp_path, args=("--no-such-option", "1"))
        with pytest.raises(RuntimeError, match="no-such-option"), failing:
            pass

    def test_takes_another_port_when_its_own_is_taken(
        self, binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "other").mkdir()
        with servers.start_standalone(binary, tmp_path) as first:
            ports = iter([int(first.url.rpartition(":")[2][:-2]), servers._free_port()])
            monkeypatch.setattr(servers, "_free_port", lambda: next(ports))
            with servers.start_standalone(binary, tmp_path / "other") as second:
                assert answers(first.url)
                assert answers(second.url)
                assert first != second

    @pytest.mark.skipif(sys.platform != "linux", reason="only there does the thread matter")
    def test_starts_in_the_main_thread_only(self, binary: Path, tmp_path: Path) -> None:
        errors: list[str] = []

        def start() -> None:
            try:
                servers.start_standalone(binary, tmp_path).__enter__()
            except RuntimeError as error:
                errors.append(str(error))

        thread = threading.Thread(target=start)
        thread.start()
        thread.join()
        assert errors == ["start servers from the main thread: they die with their thread"]


@pytest.mark.parametrize("name", OWN)
class TestEnd:
    def test_ends_when_its_process_is_killed(self, name: str, tmp_path: Path) -> None:
        if name != "docker" and sys.platform != "linux":
            pytest.skip("needs PR_SET_PDEATHSIG")
        with program(START + SAY + HANG, name, tmp_path) as (process, url):
            assert answers(url)
            process.send_signal(signal.SIGKILL)
            process.wait()
            wait_for(lambda: not answers(url), timeout=20, message=f"{name} is gone")

    def test_ends_with_its_process_and_not_with_a_fork(self, name: str, tmp_path: Path) -> None:
        with program(START + FORK + SAY + HANG, name, tmp_path) as (process, url):
            assert answers(url)
            assert list(tmp_path.iterdir())  # the server's log
            process.communicate("")
            assert process.returncode == 0
            assert not answers(url)
            assert not list(tmp_path.iterdir())


class TestWaitFor:
    def test_gives_the_value(self) -> None:
        values = iter([None, 0, "third"])
        assert wait_for(lambda: next(values)) == "third"

    def test_gives_up(self) -> None:
        with pytest.raises(TimeoutError, match="in vain until it rains"):
            wait_for(lambda: False, timeout=0.01, message="it rains")
