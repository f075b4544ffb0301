"""Fixtures: an app with triggers, and processes that start quickly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import processes
from life.tools import remove
from triggers import tools
from triggers.tools import Where

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pynenc import Pynenc

    from servers import Server


@pytest.fixture(scope="session", autouse=True)
def _ready_to_fork() -> None:
    processes.get_ready()


@pytest.fixture
def where(server: Server, app_id: str) -> Where:
    return Where(server, app_id)


@pytest.fixture
def app(where: Where) -> Iterator[Pynenc]:
    app = tools.build_app(where)
    yield app
    remove(app)
