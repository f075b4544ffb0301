"""huey, on Redis."""

from __future__ import annotations

import logging
import os

import tasks
from huey import RedisHuey
from jobs import Contender

huey = RedisHuey("bench", url=os.environ["BENCH_URL"])
add = huey.task()(tasks.add)
now = huey.task()(tasks.now)
# As often as the others look.
_WAIT = {"blocking": True, "timeout": 60, "max_delay": 0.001}


class HueyContender(Contender):
    """Tasks by calling them, batches by `map`."""

    packages = ("huey", "redis", "hiredis")

    def submit(self, count: int) -> None:
        """See `Contender`."""
        for number in range(count):
            add(number, 1)

    def submit_batch(self, count: int) -> None:
        """See `Contender`."""
        add.map([(number, 1) for number in range(count)])

    def life(self, count: int) -> None:
        """See `Contender`."""
        submitted = [add(number, 1) for number in range(count)]
        self.check(count, [result.get(**_WAIT) for result in submitted])

    def started(self) -> float:
        """See `Contender`."""
        return float(now().get(**_WAIT))

    def work(self, kind: str, workers: int) -> None:
        """See `Contender`."""
        logging.getLogger("huey").setLevel(logging.ERROR)
        huey.create_consumer(workers=workers, worker_type=kind).run()
