"""Fixtures: servers of the test's own, for what must not happen to a shared one."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

import servers
from calling.tools import OwnServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from servers import Server

# Of the servers that this run is about, those whose program is here.
PROGRAMS = {name: path for name, path in servers.binaries().items() if name in servers.names()}


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> Path:
    """Each server program in turn."""
    return PROGRAMS[request.param]


@pytest.fixture
def one_program() -> Path:
    """One server program, for what does not depend on its version."""
    for program in PROGRAMS.values():
        return program
    pytest.skip("the servers of this run are not ours to start")


@pytest.fixture
def cluster() -> Server:
    """A cluster that nobody else uses at this moment."""
    for name in servers.names():
        if name.startswith("cluster-"):
            return servers.running(name)
    pytest.skip("this run has no cluster of its own")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start a program with options; it is stopped after the test."""
    with ExitStack() as stack:

        def start(program: Path, *args: str) -> Server:
            return stack.enter_context(servers.start_standalone(program, tmp_path, args=args))

        yield start


@pytest.fixture
def own(one_program: Path, tmp_path: Path) -> Iterator[OwnServer]:
    """A server that the test may kill and start again."""
    own = OwnServer(one_program, tmp_path)
    own.start()
    yield own
    own.kill()
