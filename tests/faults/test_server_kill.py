"""SIGKILL of the server under load, and the loss of its machine's last second."""

from __future__ import annotations

import time
from collections import deque
from random import Random
from typing import TYPE_CHECKING, Self

import pytest

import servers
from calling.tools import OwnServer
from faults.oracle import judge
from faults.scale import scaled
from faults.tools import Client, Fleet, Where, submit, wait_for_more, wait_for_the_end
from processes import Child
from pynenc_redis_lua.consistency import check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pynenc import Pynenc

    from faults.oracle import Oracle
    from servers import Server

RESTARTS = scaled(2, 20)
WORKERS = 2
SEED = 20_261_127
# Redis writes to its file before it replies, and every second to the disk: what a crash of the
# machine can lose, https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/
UNSYNCED = 1.0
LOST_AT_MOST = 2.0
DYING = "a client that dies with the server"


@pytest.fixture
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OwnServer]:
    programs = [path for name, path in servers.binaries().items() if name in servers.names()]
    if not programs:
        pytest.skip("the servers of this run are not ours to start")
    options = ["--appendonly", "yes", "--appendfsync", request.param]
    own = OwnServer(programs[0], tmp_path, options)
    own.start()
    yield own
    own.kill()


@pytest.fixture
def server(own: OwnServer) -> Server:
    return own.server


@pytest.fixture
def app(where: Where) -> Pynenc:
    return where.app()


class Disk:
    """What of the server's file is on disk, if each write takes `UNSYNCED` seconds to get there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sizes: deque[tuple[float, int]] = deque()

    @property
    def _file(self) -> Path:
        [file] = (self._folder / "appendonlydir").glob("*.incr.aof")
        return file

    def watch(self, seconds: float) -> Self:
        """Note the size of the file for a time."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            self._sizes.append((now, self._file.stat().st_size))
            time.sleep(0.01)
        return self

    def lose_the_rest(self) -> int:
        """Cut off what was written in the last second, and tell how much that was."""
        since = time.monotonic() - UNSYNCED
        kept = max((size for at, size in self._sizes if at <= since), default=None)
        assert kept is not None
        lost = self._file.stat().st_size - kept
        with self._file.open("r+b") as file:
            file.truncate(kept)
        self._sizes.clear()
        return lost


@pytest.mark.parametrize("own", ["always"], indirect=True)
def test_loses_nothing_that_was_acknowledged(
    app: Pynenc, where: Where, own: OwnServer, oracle: Oracle, figure: Callable[[str], None]
) -> None:
    rng = Random(SEED)
    with Fleet([where.app] * WORKERS) as fleet:
        with Client(app, oracle, Random(SEED)):
            for _ in range(RESTARTS):
                wait_for_more(app, 50)
                time.sleep(rng.uniform(0, 0.5))
                own.kill()
                own.start()
            wait_for_more(app)
        wait_for_the_end(app)
        assert fleet.exits() == 0
    verdict = judge(app, oracle)
    verdict.assert_clean()
    assert list(check(app.orchestrator.scripts)) == []
    figure(f"`always`: {RESTARTS} kills, 0 of {verdict.acknowledged:,} acknowledged lost")


@pytest.mark.parametrize("own", ["everysec"], indirect=True)
def test_loses_the_last_second_with_its_machine(
    app: Pynenc,
    where: Where,
    own: OwnServer,
    oracle: Oracle,
    tmp_path: Path,
    figure: Callable[[str], None],
) -> None:
    rng = Random(SEED)
    disk, crashes, lost_bytes = Disk(tmp_path), [], 0
    with Fleet([where.app] * WORKERS) as fleet:
        with Client(app, oracle, Random(SEED)):
            for number in range(RESTARTS):
                dying = Child(where.app, submit, oracle.path, f"{DYING} {number}")
                dying.go()
                wait_for_more(app, 5)
                disk.watch(UNSYNCED + rng.uniform(0.1, 0.5))
                crashes.append(time.time())
                dying.kill()
                own.kill()
                lost_bytes += disk.lose_the_rest()
                own.start()
                # Whatever was lost: what is there agrees.
                assert list(check(app.orchestrator.scripts)) == []
            wait_for_more(app)
        wait_for_the_end(app)
        assert fleet.exits() == 0
    assert lost_bytes > 0
    verdict = judge(app, oracle)
    # What ran in the lost second runs again, and who waited for what is lost fails.
    verdict.assert_clean(but=("lost", "unexplained", "wrong_result"))
    assert list(check(app.orchestrator.scripts)) == []
    lost = [line for line in oracle.lines("acknowledged") if line["id"] in verdict.lost]
    # Who lives has written it again.
    assert [line["token"] for line in lost if not line["token"].startswith(DYING)] == []
    for line in lost:
        assert any(-LOST_AT_MOST < line["at"] - crash < 0.1 for crash in crashes), line
    figure(
        f"`everysec`, the last second of the file cut off: {RESTARTS} crashes, of"
        f" {verdict.acknowledged:,} acknowledged 0 of living clients lost, and {len(lost)} of"
        f" clients that died with the server, each within {LOST_AT_MOST:g} s of it; 0 inconsistent"
        " records"
    )
