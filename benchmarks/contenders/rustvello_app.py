"""rustvello, the runtime in Rust of pynenc's author, on Redis."""

from __future__ import annotations

import os
from typing import Any

import tasks
from jobs import Contender, as_delivered
from rustvello import App

_WAIT = {"timeout": 60, "poll_interval": 0.001}
app = App(
    "bench", backend="redis", redis_url=os.environ["BENCH_URL"], import_path=f"{__name__}:app"
)
add = app.task(tasks.add)
now = app.task(tasks.now)


class RustvelloContender(Contender):
    """Tasks by calling them; it has no batches, and its client is not redis-py."""

    packages = ("rustvello",)

    def reset(self) -> None:
        """Purge."""
        app.purge()

    def submit(self, count: int) -> None:
        """See `Contender`."""
        for number in range(count):
            add(number, 1)

    def life(self, count: int) -> None:
        """See `Contender`."""
        submitted = [add(number, 1) for number in range(count)]
        self.check(count, [one.result(**_WAIT) for one in submitted])

    def started(self) -> float:
        """See `Contender`."""
        return float(now().result(**_WAIT))

    def work(self, kind: str, workers: int) -> None:
        """See `Contender`; as eager as pynenc's runners here."""
        eager: dict[str, Any] = {} if as_delivered() else {"idle_sleep_ms": 1}
        if kind == "thread":
            app.run(num_workers=workers, **eager)
        else:
            app.run(num_processes=workers, **eager)
