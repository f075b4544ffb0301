"""dramatiq, with Redis as broker and for results."""

from __future__ import annotations

import os
import subprocess
import sys

import dramatiq
import tasks
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from jobs import Contender

_MILLISECONDS = 60_000
broker = RedisBroker(url=os.environ["BENCH_URL"])
broker.add_middleware(Results(backend=RedisBackend(url=os.environ["BENCH_URL"])))
dramatiq.set_broker(broker)
add = dramatiq.actor(tasks.add, store_results=True)
now = dramatiq.actor(tasks.now, store_results=True)


class DramatiqContender(Contender):
    """Tasks by `send`, batches as a group."""

    packages = ("dramatiq", "redis", "hiredis")

    def submit(self, count: int) -> None:
        """See `Contender`."""
        for number in range(count):
            add.send(number, 1)

    def submit_batch(self, count: int) -> None:
        """See `Contender`."""
        dramatiq.group([add.message(number, 1) for number in range(count)]).run()

    def life(self, count: int) -> None:
        """See `Contender`."""
        submitted = [add.send(number, 1) for number in range(count)]
        self.check(count, [one.get_result(block=True, timeout=_MILLISECONDS) for one in submitted])

    def started(self) -> float:
        """See `Contender`."""
        return float(now.send().get_result(block=True, timeout=_MILLISECONDS))

    def work(self, kind: str, workers: int) -> None:
        """See `Contender`."""
        processes, threads = (1, workers) if kind == "thread" else (workers, 1)
        options = ["--path", sys.path[0], "--processes", str(processes), "--threads", str(threads)]
        subprocess.run([sys.executable, "-m", "dramatiq", __name__, *options], check=True)
