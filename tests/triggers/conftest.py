"""Fixtures: an app with triggers, and processes that start quickly."""

from __future__ import annotations

import os
import sys
from multiprocessing import forkserver
from typing import TYPE_CHECKING

import pytest

from life.tools import remove
from triggers import tools
from triggers.tools import Where
from triggers.workers import FORKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pynenc import Pynenc

    from servers import Server


@pytest.fixture(scope="session", autouse=True)
def _ready_to_fork() -> None:
    # The fork server takes the path for its imports from the environment alone.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        FORKS.set_forkserver_preload(["triggers.preload"])
        forkserver.ensure_running()


@pytest.fixture
def where(server: Server, app_id: str) -> Where:
    return Where(server, app_id)


@pytest.fixture
def app(where: Where) -> Iterator[Pynenc]:
    app = tools.build_app(where)
    yield app
    remove(app)
