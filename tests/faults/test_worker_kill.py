"""SIGKILL of workers at random: nothing is lost, nothing stays behind, nothing runs unexplained."""

from __future__ import annotations

import time
from random import Random
from typing import TYPE_CHECKING

import pytest

import servers
from faults.oracle import judge
from faults.scale import scaled
from faults.tools import THREADS, Client, Fleet, wait_for_the_end
from pynenc_redis_lua.consistency import check

if TYPE_CHECKING:
    from collections.abc import Callable

    from pynenc import Pynenc

    from faults.oracle import Oracle
    from faults.tools import Where

INVOCATIONS = scaled(1_500, 20_000)
WORKERS = scaled(4, 8)
SEED = 20_261_124

pytestmark = pytest.mark.parametrize("server", servers.names()[:1], indirect=True)


def test_loses_and_doubles_nothing(
    app: Pynenc, where: Where, oracle: Oracle, figure: Callable[[str], None]
) -> None:
    rng = Random(SEED)
    with Fleet([where.app] * WORKERS) as fleet:
        with Client(app, oracle, Random(SEED)) as client:
            while client.submitted < INVOCATIONS:
                time.sleep(rng.uniform(0, 0.2))
                fleet.kill_one(rng)
        wait_for_the_end(app, timeout=120)
        assert fleet.exits() == 0
    verdict = judge(app, oracle)
    verdict.assert_clean()
    assert verdict.acknowledged >= INVOCATIONS
    assert fleet.killed > 5
    assert verdict.recovered_from.keys() & fleet.survivors == set()
    assert verdict.extra <= verdict.recovered_from.total() <= fleet.killed * THREADS
    assert list(check(app.orchestrator.scripts)) == []
    slots = fleet.killed * THREADS
    figure(
        f"{verdict.acknowledged:,} invocations, {fleet.killed} kills of {WORKERS} processes:"
        f" 0 lost, 0 stuck, {verdict.extra} executions beyond the first ({slots} slots killed)"
    )
