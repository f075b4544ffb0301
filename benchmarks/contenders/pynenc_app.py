"""A pynenc app as a contender, whatever keeps its state; for pynenc 0.3 and 0.4."""

from __future__ import annotations

import threading
from typing import Any

import tasks
from jobs import Contender
from pynenc import Pynenc, PynencBuilder
from pynenc.invocation.status import InvocationStatus
from pynenc.runner.runner_context import RunnerContext

_CLAIM = 10


class PynencContender(Contender):
    """Jobs by pynenc's public interface; a subclass says where the state is."""

    packages = ("pynenc", "redis", "hiredis")
    settings: dict[str, Any] = {  # noqa: RUF012
        "logging_level": "error",
        # A tenth of a second each by default, which would be all there is to measure.
        "runner_loop_sleep_time_sec": 0.001,
        "invocation_wait_results_sleep_time_sec": 0.001,
        "cached_status_time": 0.0,
    }

    def __init__(self) -> None:
        super().__init__()
        self.app = self.build("thread", 1)
        self.use(self.app)
        self.runner = RunnerContext("Benchmark", "benchmark")
        self.inside: threading.Thread | None = None
        self.claimed: list[Any] = []

    def keep(self, builder: PynencBuilder) -> PynencBuilder:
        """Say where the state is."""
        raise NotImplementedError

    def build(self, kind: str, workers: int) -> Pynenc:
        """Build the app with so many workers."""
        builder = self.keep(PynencBuilder().app_id("bench"))
        if kind == "process":
            builder = builder.persistent_process_runner(num_processes=workers)
        else:
            builder = builder.thread_runner(min_threads=workers, max_threads=workers)
        return builder.custom_config(**self.settings).build()

    def use(self, app: Pynenc) -> None:
        """Have the tasks belong to an app."""
        self.app = app
        self.add, self.now = app.task(tasks.add), app.task(tasks.now)

    def reset(self) -> None:
        """Purge, which is how pynenc's own backends are emptied."""
        self.claimed = []
        self.app.purge()

    def submit(self, count: int) -> None:
        """See `Contender`."""
        for number in range(count):
            self.add(number, 1)

    def submit_batch(self, count: int) -> None:
        """See `Contender`."""
        self.add.parallelize([(number, 1) for number in range(count)])

    def life(self, count: int) -> None:
        """See `Contender`."""
        submitted = [self.add(number, 1) for number in range(count)]
        self.check(count, [invocation.result for invocation in submitted])

    def started(self) -> float:
        """See `Contender`."""
        return float(self.now().result)

    def claim(self, count: int) -> None:
        """Claim so many invocations, ten at a time."""
        orchestrator = self.app.orchestrator
        orchestrator.register_runner_heartbeats([self.runner.runner_id])
        self.claimed = []
        while len(self.claimed) < count:
            self.claimed += orchestrator.get_invocations_to_run(_CLAIM, self.runner)

    def start(self) -> None:
        """Start all that was claimed, one by one."""
        for invocation in self.claimed:
            self.app.orchestrator.set_invocation_status(
                invocation.invocation_id, InvocationStatus.RUNNING, self.runner
            )

    def finish(self) -> None:
        """Finish all that was started, one by one."""
        for number, invocation in enumerate(self.claimed):
            self.app.orchestrator.set_invocation_result(invocation, number, self.runner)

    def work(self, kind: str, workers: int) -> None:
        """See `Contender`."""
        self.use(self.build(kind, workers))
        self.app.runner.run()

    def start_worker(self, kind: str, workers: int) -> None:
        """See `Contender`; "inside" is a thread runner in this process."""
        if kind != "inside":
            super().start_worker(kind, workers)
            return
        self.use(self.build("thread", workers))
        self.inside = threading.Thread(target=self.app.runner.run)
        self.inside.start()
        self.life(1)

    def stop_worker(self) -> None:
        """See `Contender`."""
        super().stop_worker()
        if self.inside:
            self.app.runner.stop_runner_loop()
            self.inside.join()
            self.inside = None
