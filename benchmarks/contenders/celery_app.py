"""Celery, with Redis as broker and as result backend."""

from __future__ import annotations

import os

import tasks
from celery import Celery, group
from jobs import Contender

app = Celery("bench", broker=os.environ["BENCH_URL"], backend=os.environ["BENCH_URL"])
app.conf.broker_connection_retry_on_startup = True
add = app.task(tasks.add, name="add")
now = app.task(tasks.now, name="now")


class CeleryContender(Contender):
    """Tasks by `delay`, batches as a group."""

    packages = ("celery", "kombu", "redis", "hiredis")

    def submit(self, count: int) -> None:
        """See `Contender`."""
        for number in range(count):
            add.delay(number, 1)

    def submit_batch(self, count: int) -> None:
        """See `Contender`."""
        group(add.s(number, 1) for number in range(count)).apply_async()

    def life(self, count: int) -> None:
        """See `Contender`."""
        submitted = [add.delay(number, 1) for number in range(count)]
        self.check(count, [result.get() for result in submitted])

    def started(self) -> float:
        """See `Contender`."""
        return float(now.delay().get())

    def work(self, kind: str, workers: int) -> None:
        """See `Contender`."""
        pool = {"thread": "threads", "process": "prefork"}[kind]
        app.worker_main(
            ["worker", "--loglevel=ERROR", f"--pool={pool}", f"--concurrency={workers}"]
        )
