"""Workers and clients whose clocks are minutes ahead or behind: nothing depends on them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import pytest
import time_machine

import servers
from faults.oracle import judge
from faults.scale import scaled
from faults.tools import Client, Fleet, submit, wait_for_more, wait_for_the_end
from processes import Child
from pynenc_redis_lua.consistency import check

if TYPE_CHECKING:
    from collections.abc import Callable

    from pynenc import Pynenc

    from faults.oracle import Oracle
    from faults.tools import Where

SKEWS = (timedelta(minutes=10), timedelta(minutes=-10))
KILLS = scaled(3, 30)
SEED = 20_261_128

pytestmark = pytest.mark.parametrize("server", servers.names()[:1], indirect=True)


def skewed(where: Where, skew: timedelta) -> Pynenc:
    """The app, in a process whose clock is wrong from now on."""
    time_machine.travel(datetime.now(UTC) + skew, tick=True).start()
    return where.app()


def test_nobody_is_recovered_too_early_or_never(
    app: Pynenc, where: Where, oracle: Oracle, figure: Callable[[str], None]
) -> None:
    rng = Random(SEED)
    skews = [partial(skewed, where, skew) for skew in SKEWS]
    clients = [
        Child(prepare, submit, oracle.path, f"client {number}")
        for number, prepare in enumerate(skews)
    ]
    with Fleet([*skews, where.app]) as fleet:
        for client in clients:
            client.go()
        with Client(app, oracle, Random(SEED)):
            for number in range(KILLS):
                wait_for_more(app, rng.randint(20, 60))
                fleet.replace(number % len(fleet.workers))
            wait_for_more(app)
        for client in clients:
            client.kill()
        wait_for_the_end(app)
        assert fleet.exits() == 0
    verdict = judge(app, oracle)
    verdict.assert_clean()
    assert verdict.recovered_from.keys() & fleet.survivors == set()
    assert len(verdict.recovered_from) <= fleet.killed
    assert list(check(app.orchestrator.scripts)) == []
    figure(
        f"clocks 10 minutes ahead and behind, {verdict.acknowledged:,} invocations, {fleet.killed}"
        f" kills: {verdict.recovered_from.total()} recovered, 0 of a living worker, 0 left;"
        " every history in the order of its times"
    )
