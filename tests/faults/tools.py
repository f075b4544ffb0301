"""What the tests of faults share: a fleet of worker processes, a client, a way to the end."""

from __future__ import annotations

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import servers
from faults import fault_tasks as tasks
from faults.oracle import Oracle
from life.tools import bind, build_app, client_of, key_of
from lua.model import Record
from processes import Child
from servers import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pynenc import Pynenc

THREADS = 4
# How many invocations of a client may wait in the queue.
AHEAD = 200
DEAD_SECONDS = 4.0


class Where(NamedTuple):
    """Which app a test is in; each process builds its own."""

    server: Server
    app_id: str

    def app(self, **values: Any) -> Pynenc:
        """The app, whose workers look for what stands still several times a second."""
        settings = {
            "redis_outage_budget": 60.0,
            "min_threads": THREADS,
            "max_threads": THREADS,
            "max_pending_seconds": DEAD_SECONDS,
            "runner_considered_dead_after_minutes": DEAD_SECONDS / 60,
            "atomic_service_check_interval_minutes": 0.3 / 60,
            "atomic_service_interval_minutes": 2 / 60,
            "atomic_service_spread_margin_minutes": 0.0,
            "atomic_service_max_start_slot_fraction": 1.0,
            **values,
        }
        return build_app(self.server, self.app_id, **settings)


def work(app: Pynenc) -> str:
    """What a worker process does, until it is told to stop; gives the id of its runner."""
    # A task that fails is part of the tests: no traceback of it.
    threading.excepthook = lambda _: None
    app.runner.run()
    return app.runner.runner_id


class Fleet:
    """Worker processes, each with a runner of its own.

    Args:
        preparations: What each of them does to have its app.

    Attributes:
        killed: How many were killed so far.
        survivors: The ids of the runners that were told to stop in the end.
    """

    def __init__(self, preparations: list[Callable[[], Pynenc]]) -> None:
        self._preparations = preparations
        self.workers = [self._start(prepare) for prepare in preparations]
        self.killed = 0
        self.survivors: set[str] = set()

    @staticmethod
    def _start(prepare: Callable[[], Pynenc]) -> Child:
        worker = Child(prepare, work)
        worker.go()
        return worker

    def kill_one(self, rng: Random) -> None:
        """Kill any one, and put another one in its place at once."""
        self.replace(rng.randrange(len(self.workers)))

    def replace(self, place: int) -> None:
        self.workers[place].kill()
        self.killed += 1
        self.workers[place] = self._start(self._preparations[place])

    def exits(self) -> int:
        """How many ended by themselves."""
        return sum(not worker.is_alive() for worker in self.workers)

    def stop(self) -> None:
        """Have all end in an orderly way."""
        for worker in self.workers:
            worker.signal(signal.SIGTERM)
        self.survivors = {worker.wait() for worker in self.workers}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        if failure[0]:
            for worker in self.workers:
                worker.kill()
        else:
            self.stop()


def mixture(
    oracle: Oracle, app: Pynenc, rng: Random, name: str = "token"
) -> Iterator[Callable[[], int]]:
    """Endless submissions of every kind; each gives the number of invocations that it submitted."""
    number = 0

    def tokens(count: int = 1) -> list[str]:
        nonlocal number
        number += count
        return [f"{name} {each}" for each in range(number - count, number)]

    def one(task: Any, *more: Any) -> int:
        [token] = tokens()
        oracle.submit([token], lambda: [bind(app, task)(oracle.path, token, *more)])
        return 1

    def batch() -> int:
        made = tokens(20)
        calls = [(oracle.path, token) for token in made]
        oracle.submit(made, lambda: bind(app, tasks.work).parallelize(calls).invocations)
        return len(made)

    kinds: list[Callable[[], int]] = [
        lambda: one(tasks.work, rng.uniform(0, 0.1)),
        lambda: one(tasks.fail),
        lambda: one(tasks.flaky),
        lambda: one(tasks.family),
        batch,
    ]
    while True:
        yield rng.choices(kinds, weights=[20, 2, 2, 1, 4])[0]


def submit(app: Pynenc, file: str, name: str) -> None:
    """What a client process does until it is killed."""
    for submission in mixture(Oracle(file), app, Random(name), name):
        submission()
        # No faster than it is worked off.
        while app.broker.count_invocations() > AHEAD:
            time.sleep(0.01)


class Client:
    """Submits a mixture from a thread, no faster than it is worked off.

    Args:
        app: Its app.
        oracle: Where it notes what it submits.
        rng: What decides on the mixture.
        ahead: How many may wait in the queue.
    """

    def __init__(self, app: Pynenc, oracle: Oracle, rng: Random, ahead: int = AHEAD) -> None:
        self.submitted = 0
        self._app, self._ahead = app, ahead
        self._stopped = threading.Event()
        self._executor = ThreadPoolExecutor(1)
        self._submitting = self._executor.submit(self._submit, mixture(oracle, app, rng))

    def _submit(self, submissions: Iterator[Callable[[], int]]) -> None:
        for submit in submissions:
            if self._stopped.is_set():
                return
            self.submitted += submit()
            while self._app.broker.count_invocations() > self._ahead:
                if self._stopped.wait(0.01):
                    return

    def wait_for(self, count: int, timeout: float = 60) -> None:
        """Wait until so many more are submitted."""
        last = self.submitted + count

        def done() -> bool:
            if self._submitting.done():
                self._submitting.result()
            return self.submitted >= last

        servers.wait_for(done, timeout=timeout, message=f"{count} more are submitted")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let it end; an error of a submission is raised here."""
        self._stopped.set()
        self._executor.shutdown()
        self._submitting.result()


def unfinished(app: Pynenc) -> int:
    """How many invocations are not final."""
    return client_of(app).zcard(key_of(app, "open"))


def finished(app: Pynenc) -> int:
    """How many invocations are final."""
    return client_of(app).zcard(key_of(app, "expiring"))


def wait_for_the_end(app: Pynenc, timeout: float = 180) -> None:
    try:
        servers.wait_for(
            lambda: unfinished(app) == 0, timeout=timeout, message="every invocation is final"
        )
    except TimeoutError as error:
        left = client_of(app).zrange(key_of(app, "open"), 0, 4)
        records = [Record.read(client_of(app).hget(key_of(app, "statuses"), id_)) for id_ in left]
        raise TimeoutError(f"{error}: {records}") from None


def wait_for_more(app: Pynenc, count: int = 20, timeout: float = 20) -> float:
    """Wait until so many more are final, and tell how many seconds that took."""
    began, before = time.monotonic(), finished(app)
    servers.wait_for(
        lambda: finished(app) >= before + count, timeout, f"{count} more invocations are final"
    )
    return time.monotonic() - began
