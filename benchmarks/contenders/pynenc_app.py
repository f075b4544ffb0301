"""A pynenc app as a contender, whatever keeps its state; for pynenc 0.3 and 0.4."""

from __future__ import annotations

import itertools
import os
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pynenc_tasks
from jobs import Contender, as_delivered
from pynenc import Pynenc, PynencBuilder, context
from pynenc.invocation.status import InvocationStatus
from pynenc.runner.runner_context import RunnerContext

if TYPE_CHECKING:
    from collections.abc import Callable

_CLAIM = 10
_PAGE = 100


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
        self.app_id = "bench"
        self.conf: dict[str, Any] = {}
        # Else its process, machine and thread are in it, and bytes depend on the length of these.
        self.runner = RunnerContext("Benchmark", "benchmark", None, 1, "machine", 1)
        self.use(self.build("thread", 1))
        self.inside: list[tuple[Pynenc, threading.Thread]] = []
        self.claimed: list[Any] = []

    def keep(self, builder: PynencBuilder) -> PynencBuilder:
        """Say where the state is."""
        raise NotImplementedError

    def build(self, kind: str, workers: int) -> Pynenc:
        """Build the app with so many workers."""
        builder = self.keep(PynencBuilder().app_id(self.app_id))
        if kind == "process":
            builder = builder.persistent_process_runner(num_processes=workers)
        else:
            builder = builder.thread_runner(min_threads=workers, max_threads=workers)
        settings = {"logging_level": "error"} if as_delivered() else self.settings
        return builder.custom_config(**settings, **self.conf).build()

    def use(self, app: Pynenc) -> None:
        """Have the tasks belong to an app."""
        self.app = app
        # Else it is named after the machine and the process, and bytes depend on these.
        context.set_runner_context(app.app_id, self.runner)
        named = (pynenc_tasks.add, pynenc_tasks.now, pynenc_tasks.fan, pynenc_tasks.echo)
        self.add, self.now, self.fan, self.echo = (app.get_task(task.task_id) for task in named)
        pynenc_tasks.fanned_out = self.add

    def switch(self, app_id: str, **conf: Any) -> None:
        """Go on with another app, or with other settings."""
        self.app_id, self.conf, self.claimed = app_id, conf, []
        self.use(self.build("thread", 1))

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
        self._run_inside(self.app)
        self.life(1)

    def _run_inside(self, app: Pynenc) -> None:
        thread = threading.Thread(target=app.runner.run)
        thread.start()
        self.inside.append((app, thread))

    def start_runners(self, count: int) -> None:
        """Start so many runners, with connections of their own, in threads of this process."""
        for _ in range(count):
            # Each app needs the tasks that it is to run.
            self.use(self.build("thread", 1))
            self._run_inside(self.app)
        self.life(1)

    def stop_worker(self) -> None:
        """See `Contender`."""
        super().stop_worker()
        for app, _ in self.inside:
            app.runner.stop_runner_loop()
        for _, thread in self.inside:
            thread.join()
        self.inside = []

    def fan_out(self, count: int) -> None:
        """Have a parent submit so many children and wait for them."""
        self.check(count, [self.fan(count).result])

    def carry(self, length: int, *, compressible: bool) -> None:
        """Give so many bytes to a task and have them back: submit, claim, run, result."""
        unit = b"pynenc" if compressible else os.urandom(-(-length // 2))
        text = (unit.hex() * (1 + length // (2 * len(unit))))[:length]
        invocation = self.echo(text)
        self.claim(1)
        self.claimed[0].run(self.runner)
        assert invocation.result == text

    def read(self, what: str, ids: list[str], count: int) -> None:
        """Read something so many times; `ids` are some finished invocations."""
        read = self._reads()[what]
        for id_ in itertools.islice(itertools.cycle(ids), count):
            read(id_)

    def _reads(self) -> dict[str, Callable[[Any], Any]]:
        orchestrator, state, task_id = (
            self.app.orchestrator,
            self.app.state_backend,
            self.add.task_id,
        )
        success = [InvocationStatus.SUCCESS]
        day = timedelta(days=1)
        return {
            "status": orchestrator.get_invocation_status,
            "result": state.get_result,
            "history": state.get_history,
            "page 1": lambda _: orchestrator.get_invocation_ids_paginated(limit=_PAGE),
            "page 1,000": lambda _: orchestrator.get_invocation_ids_paginated(
                limit=_PAGE, offset=999 * _PAGE
            ),
            "count by task": lambda _: orchestrator.count_invocations(task_id=task_id),
            "count by status": lambda _: orchestrator.count_invocations(statuses=success),
            "time range": lambda _: next(
                state.iter_history_in_timerange(
                    datetime.now(UTC) - day, datetime.now(UTC) + day, _PAGE
                )
            ),
        }

    def recover(self) -> None:
        """Have recovery look at everything once."""
        orchestrator = self.app.orchestrator
        list(orchestrator.get_pending_invocations_for_recovery())
        list(orchestrator.get_running_invocations_for_recovery())

    def retain(self) -> None:
        """Have retention remove what is older than the app's settings allow."""
        self.app.orchestrator.auto_purge()

    def purge(self) -> None:
        """Remove everything."""
        self.app.purge()
