"""RQ; its workers are processes, and each task has one of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tasks
from jobs import Contender
from redis import Redis
from rq import Queue
from rq.worker_pool import WorkerPool

if TYPE_CHECKING:
    from rq.job import Job

_SECONDS = 60


class RqContender(Contender):
    """Tasks by `enqueue`, batches by `enqueue_many`."""

    packages = ("rq", "redis", "hiredis")

    def __init__(self) -> None:
        super().__init__()
        # RQ waits for a result in one blocking read.
        self.client = Redis.from_url(self.url, socket_timeout=None)
        self.queue = Queue("bench", connection=self.client)

    def submit(self, count: int) -> None:
        """See `Contender`."""
        for number in range(count):
            self.queue.enqueue(tasks.add, number, 1)

    def submit_batch(self, count: int) -> None:
        """See `Contender`."""
        self.queue.enqueue_many(
            [Queue.prepare_data(tasks.add, args=(number, 1)) for number in range(count)]
        )

    def life(self, count: int) -> None:
        """See `Contender`."""
        submitted = [self.queue.enqueue(tasks.add, number, 1) for number in range(count)]
        self.check(count, [_result(job) for job in submitted])

    def started(self) -> float:
        """See `Contender`."""
        return _result(self.queue.enqueue(tasks.now))

    def work(self, kind: str, workers: int) -> None:
        """See `Contender`."""
        assert kind == "process"
        WorkerPool([self.queue], connection=self.client, num_workers=workers).start(
            logging_level="ERROR"
        )


def _result(job: Job) -> float:
    """Wait for the result, which comes in a stream of the job."""
    result = job.latest_result(timeout=_SECONDS)
    assert result is not None
    return float(result.return_value)
