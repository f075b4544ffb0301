"""Fixtures of the tests of faults: figures for the report, and processes that start quickly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import processes
import servers
from calling.tools import OwnServer
from faults import report
from faults.oracle import Oracle
from faults.scale import FULL
from faults.tools import Where
from life.tools import remove

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pynenc import Pynenc

    from servers import Server

_figures = pytest.StashKey[dict[str, list[str]]]()


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Note what was measured, in words: it is printed, and `make faults` puts it into the docs."""
    measured = request.config.stash.setdefault(_figures, {})
    test = f"tests/faults/{request.path.name}"

    def note(text: str) -> None:
        print(f"{test}: {text}")  # noqa: T201
        measured.setdefault(test, []).append(text)

    return note


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


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write docs/guarantees.md after a full run in which nothing failed."""
    if FULL and not session.testsfailed:
        report.write(session.config.stash.get(_figures, {}))
