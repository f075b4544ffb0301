"""A worker is stopped past the dead limit, its work is done by another one, and it wakes up."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

import servers
from faults import fault_tasks as tasks
from faults.oracle import judge
from faults.scale import scaled
from faults.tools import THREADS, Fleet, wait_for_the_end
from life.tools import bind, client_of, key_of
from pynenc_redis_lua.consistency import check

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pynenc import Pynenc

    from faults.oracle import Oracle
    from faults.tools import Where

ROUNDS = scaled(1, 100 // THREADS)
# What belongs to an invocation and must stay as its new owner left it.
KEPT = ("statuses", "history", "results", "exceptions", "expiring", "waits", "queue", "queued")

pytestmark = pytest.mark.parametrize("server", servers.names()[:1], indirect=True)


@pytest.mark.parametrize("meanwhile", ["runs", "has ended"])
def test_writes_nothing_when_it_wakes_up(
    app: Pynenc,
    where: Where,
    oracle: Oracle,
    tmp_path: Path,
    figure: Callable[[str], None],
    meanwhile: str,
) -> None:
    """What it lost runs again somewhere else at that moment, or has come to its end there."""
    for number in range(ROUNDS):
        gates = tmp_path / f"gates {number}"
        gates.mkdir()
        tokens = [f"round {number} {each}" for each in range(THREADS)]
        calls = [(oracle.path, token, str(gates)) for token in tokens]
        with Fleet([where.app]) as new:
            new.workers[0].signal(signal.SIGSTOP)
            with Fleet([where.app]) as old:
                oracle.submit(
                    tokens, lambda c=calls: bind(app, tasks.hold).parallelize(c).invocations
                )
                ids = {id_ for id_, token in oracle.acknowledged().items() if token in tokens}
                wait_for(oracle, "began", ids, 1)
                old.workers[0].signal(signal.SIGSTOP)
                new.workers[0].signal(signal.SIGCONT)
                # The old one is dead to the new one, which takes over what it was running.
                wait_for(oracle, "began", ids, 2)
                if meanwhile == "has ended":
                    (gates / "2").touch()
                    wait_for_the_end(app)
                before = kept(app)
                (gates / "1").touch()
                old.workers[0].signal(signal.SIGCONT)
                # It ends when its threads have come through with what they held.
            assert kept(app) == before
            (gates / "2").touch()
            wait_for_the_end(app)
        wait_for(oracle, "ended", ids, 2)
    verdict = judge(app, oracle)
    verdict.assert_clean()
    assert verdict.extra == verdict.recovered_from.total() == ROUNDS * THREADS
    assert list(check(app.orchestrator.scripts)) == []
    figure(
        f"{ROUNDS * THREADS} late ends of workers taken for dead, when what they lost"
        f" {meanwhile}: 0 stale writes"
    )


def wait_for(oracle: Oracle, what: str, ids: set[str], times: int) -> None:
    def done() -> bool:
        found = [line["id"] for line in oracle.lines(what) if line["id"] in ids]
        return len(found) == times * len(ids)

    servers.wait_for(done, timeout=60, message=f"{len(ids)} have {what} {times} times")


def kept(app: Pynenc) -> dict[str, object]:
    """What is stored of invocations."""
    client = client_of(app)
    return {
        name: client.hgetall(key)
        if client.type(key) == b"hash"
        else client.zrange(key, 0, -1, withscores=True)
        for name in KEPT
        if client.exists(key := key_of(app, name))
    }
