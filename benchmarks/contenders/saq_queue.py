"""SAQ, on Redis; its workers are coroutines of one process, or processes."""

from __future__ import annotations

import asyncio
import multiprocessing
from typing import TYPE_CHECKING, Any

import tasks
from jobs import Contender
from saq import Queue, Worker

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from saq import Job

# As often as the others look.
_PAUSE = 0.001


async def add(_: Any, *, left: int, right: int) -> int:
    """Return the sum."""
    return tasks.add(left, right)


async def now(_: Any) -> float:
    """Return when this ran."""
    return tasks.now()


class SaqContender(Contender):
    """Tasks by `enqueue`, batches by many of these at once."""

    packages = ("saq", "redis", "hiredis")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.queue = Queue.from_url(self.url)

    def _do[T](self, what: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(what)

    def submit(self, count: int) -> None:
        """See `Contender`."""
        self._do(self._submitted(count))

    async def _submitted(self, count: int) -> list[Any]:
        return [await self.queue.enqueue("add", left=number, right=1) for number in range(count)]

    def submit_batch(self, count: int) -> None:
        """See `Contender`."""
        self._do(self._submitted_at_once(count))

    async def _submitted_at_once(self, count: int) -> None:
        await asyncio.gather(
            *(self.queue.enqueue("add", left=number, right=1) for number in range(count))
        )

    def life(self, count: int) -> None:
        """See `Contender`."""
        self.check(count, self._do(self._lived(count)))

    async def _lived(self, count: int) -> list[Any]:
        jobs = await self._submitted(count)
        return [await _result(job) for job in jobs]

    def started(self) -> float:
        """See `Contender`."""
        return float(self._do(self._started()))

    async def _started(self) -> Any:
        return await _result(await self.queue.enqueue("now"))

    def work(self, kind: str, workers: int) -> None:
        """See `Contender`."""
        if kind == "thread":
            _work(self.url, workers)
        else:
            fork = multiprocessing.get_context("fork")
            processes = [fork.Process(target=_work, args=(self.url, 1)) for _ in range(workers)]
            for process in processes:
                process.start()
            for process in processes:
                process.join()


async def _result(job: Job) -> Any:
    """Poll: who waits by `refresh` misses what is told between its look and its subscription."""
    while not job.completed:
        await asyncio.sleep(_PAUSE)
        await job.refresh()
    return job.result


def _work(url: str, concurrency: int) -> None:
    async def serve() -> None:
        await Worker(Queue.from_url(url), functions=[add, now], concurrency=concurrency).start()

    asyncio.run(serve())
