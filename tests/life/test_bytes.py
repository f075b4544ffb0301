"""What an invocation takes of the server's memory, and that it is given back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import servers
from life import life_tasks
from life.tools import bind, build_app, claim, client_of, load_scripts, orchestrator, runner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pynenc import Pynenc

COUNT = 2_000
ONE = runner("one")
# Buffers of clients and the last few entries: what differs from one reading to the next.
TOLERANCE = 250_000

PROGRAMS = {
    name: path
    for name, path in servers.binaries().items()
    if name in servers.names() and name in {"valkey-9.1", "redis-7.0"}
}


@pytest.fixture(params=PROGRAMS or ["none"])
def app(request: pytest.FixtureRequest, tmp_path: Path, app_id: str) -> Iterator[Pynenc]:
    """An app on a server that nobody else uses, which has worked before."""
    if request.param not in PROGRAMS:
        pytest.skip("the servers of this run are not ours to start")
    with servers.start_standalone(PROGRAMS[request.param], tmp_path) as server:
        app = build_app(server, app_id, auto_final_invocation_purge_hours=0.0)
        load_scripts(app)
        run(app, 100)
        app.purge()
        yield app


def run(app: Pynenc, count: int) -> None:
    bind(app, life_tasks.noop).parallelize([()] * count)
    while claimed := claim(app, ONE, 100):
        for invocation in claimed:
            invocation.run(ONE)


def used(app: Pynenc) -> int:
    return int(client_of(app).info("memory")["used_memory"])


def wait_until_given_back(app: Pynenc, before: int) -> None:
    """The server frees in the background."""
    servers.wait_for(
        lambda: used(app) - before < TOLERANCE,
        message=f"memory is back within {TOLERANCE} bytes of {before}",
    )


@pytest.fixture
def before(app: Pynenc) -> int:
    return used(app)


@pytest.fixture
def full(app: Pynenc, before: int) -> int:
    """Memory with many finished invocations, which are all there."""
    run(app, COUNT)
    assert app.orchestrator.count_invocations() == COUNT
    assert used(app) > before + COUNT * 500
    return used(app)


def test_what_an_invocation_takes_at_most(app: Pynenc, before: int, full: int) -> None:
    each = (full - before) / COUNT
    print(f"{each:.0f} bytes")  # noqa: T201
    valkey = "valkey_version" in client_of(app).info("server")
    assert each <= (1_500 if valkey else 1_950)


def test_retention_gives_all_of_it_back(app: Pynenc, before: int, full: int) -> None:
    orchestrator(app).auto_purge()
    assert app.orchestrator.count_invocations() == 0
    assert full - before > 10 * TOLERANCE
    wait_until_given_back(app, before)


def test_purge_gives_all_of_it_back(app: Pynenc, before: int, full: int) -> None:
    app.purge()
    assert full - before > 10 * TOLERANCE
    wait_until_given_back(app, before)
    assert client_of(app).keys() in ([], [b"pynenc:apps"])
