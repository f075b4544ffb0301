"""Fixtures of the tests of faults: an app that processes of their own work on, and its oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import processes
import servers
from calling.tools import OwnServer
from faults.oracle import Oracle
from faults.tools import Where
from life.tools import remove

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pynenc import Pynenc

    from servers import Server


@pytest.fixture(scope="session", autouse=True)
def _ready_to_fork() -> None:
    processes.get_ready()


@pytest.fixture
def oracle(tmp_path: Path) -> Oracle:
    return Oracle(tmp_path / "oracle")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[OwnServer]:
    """A server that keeps its data on disk, and that the test may kill and start again."""
    programs = [path for name, path in servers.binaries().items() if name in servers.names()]
    if not programs:
        pytest.skip("the servers of this run are not ours to start")
    own = OwnServer(programs[0], tmp_path, ["--appendonly", "yes"])
    own.start()
    yield own
    own.kill()


@pytest.fixture
def where(server: Server, app_id: str) -> Where:
    return Where(server, app_id)


@pytest.fixture
def app(where: Where) -> Iterator[Pynenc]:
    app = where.app()
    yield app
    remove(app)
