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


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Note what was measured, in words: `make faults` puts it into docs/guarantees.md."""

    def note(text: str) -> None:
        print(text)  # noqa: T201
        record_property("figure", text)

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write docs/guarantees.md after a full run in which nothing failed."""
    stats = terminalreporter.stats
    if FULL and not stats.get("failed") and not stats.get("error"):
        report.write(stats.get("passed", []))


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
