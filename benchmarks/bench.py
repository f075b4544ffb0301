"""What the cases work with: the running contenders, in turn, on one server."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from benchmarks import contender, server
from benchmarks.contender import JobError
from benchmarks.record import Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from benchmarks.contender import Contender, Running

# How long it may take the server at the most to notice that a worker is dead.
_DEAD_SECONDS = 5.0

type Turn = Callable[[Running, int], Iterable[Sample]]


class Bench:
    """A server, and the contenders that were chosen.

    Attributes:
        url: The server's.
        client: A client of it.
        meter: Measures what a job costs the server.
        rounds: The rounds that count; one more goes before them.
        sizes: Of the apps with many finished invocations.
        failures: Who failed in which case, and why.
    """

    def __init__(self, chosen: Iterable[Contender], rounds: int, sizes: Iterable[int]) -> None:
        self.rounds = rounds
        self.sizes = sorted(sizes)
        self.failures: list[str] = []
        self._chosen = {one.name: one for one in chosen}
        self._running: dict[str, Running] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start the server; contenders are started when a case wants them."""
        self.url, self.client = self._stack.enter_context(server.started())
        self.meter = server.Meter(self.client)
        return self

    def __exit__(self, *error: object) -> None:
        """Stop all of them."""
        self._stack.close()

    @property
    def started(self) -> list[Running]:
        """The contenders that were started so far."""
        return list(self._running.values())

    def running(self, name: str) -> Running:
        """Return a contender, which is started if it is not running."""
        if name not in self._running:
            self._running[name] = self._stack.enter_context(
                contender.running(self._chosen[name], self.url)
            )
        return self._running[name]

    def chosen(self, case: str) -> list[str]:
        """Return who takes part in a case."""
        return [one.name for one in self._chosen.values() if case in one.cases]

    def fail(self, case: str, name: str, why: str) -> None:
        """Note that a contender failed, which takes no further part in that case."""
        print(f"{name} in {case}: {why}", file=sys.stderr, flush=True)
        # The rest is a traceback, with paths of this machine.
        self.failures.append(f"{name} in {case}: {why.splitlines()[0]}")
        # Nobody knows in which state it is.
        self._running.pop(name).end()

    def empty(self, one: Running) -> None:
        """Have nothing on the server, and nothing in the contender."""
        # Else the server gives the next task to a worker that it does not know to be dead.
        deadline = time.monotonic() + _DEAD_SECONDS
        while self.client.info("clients")["blocked_clients"] and time.monotonic() < deadline:
            time.sleep(0.001)
        self.client.flushall()
        one.do("reset")

    def turns(
        self, case: str, turn: Turn, *, rounds: int | None = None, warm_up: bool = True
    ) -> Iterator[Sample]:
        """Give each contender of a case a turn in each round; that of the warm-up is not counted.

        Who begins changes from round to round: what a machine does to one it does to the next.
        """
        names, failed = self.chosen(case), set[str]()
        for number in range(1 - warm_up, (rounds or self.rounds) + 1):
            first = number % max(1, len(names))
            for name in names[first:] + names[:first]:
                if name in failed:
                    continue
                try:
                    samples = list(turn(self.running(name), number))
                except JobError as error:
                    self.fail(case, name, str(error))
                    failed.add(name)
                    continue
                if number:
                    yield from samples
            print(".", end="", file=sys.stderr, flush=True)

    def sample(
        self, case: str, one: Running, turn: int, units: int, job: str, *, size: int = 0, **to: Any
    ) -> Sample:
        """Have a contender do a job, and return what it took it and the server."""
        reply, costs = self.meter.measure(lambda: one.do(job, **to))
        own = ("seconds", "client_cpu", "worker_cpu", "round_trips")
        figures = {name: reply[name] for name in own if reply[name] is not None}
        if one.contender.needs_server:
            figures |= costs
        else:
            figures.pop("round_trips", None)
        return Sample(case, one.name, size, turn, units, figures)
