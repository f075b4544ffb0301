"""What the client does: submit the tasks, follow them, collect the results."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING, Any

from pynenc.identifiers.invocation_id import InvocationId
from pynenc.invocation.status import InvocationStatus

from stdlib_index.accident import Accident, kill_one
from stdlib_index.tasks import (
    INDEXED,
    STDLIB,
    File,
    NotPythonError,
    Outline,
    Package,
    Size,
    app,
    measure,
    outline,
    rank,
    resolve,
    roll_up,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pynenc.invocation import DistributedInvocation
    from pynenc.task import Task

    from stdlib_index.board import Board
    from stdlib_index.workers import Workers

    type AnyTask = Task[Any, Any]
    type AnyInvocation = DistributedInvocation[Any, Any]
    type Call = tuple[str, *tuple[Any, ...]]

_BATCH = 100
_SECONDS_BETWEEN_LOOKS = 0.2
_PATIENCE_SECONDS = 60
_FINAL = list(InvocationStatus.get_final_statuses())


def library_files() -> list[str]:
    """List the library's Python files, relative to its folder; third-party packages are not it."""
    paths = (path.relative_to(STDLIB) for path in STDLIB.rglob("*.py"))
    others = {"site-packages", "dist-packages"}
    return sorted(path.as_posix() for path in paths if others.isdisjoint(path.parts))


@dataclass
class Triggered:
    """What came of the event that everything is indexed.

    Attributes:
        event_id: The event.
        as_expected: Whether it started its task once, and with what the event brought.
    """

    event_id: str
    as_expected: bool


class Pipeline:
    """Submits tasks to the workers and remembers them.

    Attributes:
        submitted: For each task its invocations, by their first argument: a file or a package.
        accident: What happened to one of the workers, once it has.
        triggered: What came of the event at the end.
    """

    accident: Accident
    triggered: Triggered

    def __init__(self, workers: Workers, board: Board) -> None:
        self.submitted: dict[AnyTask, dict[str, AnyInvocation]] = defaultdict(dict)
        self._workers = workers
        self._board = board
        self._done: dict[AnyTask, int] = {}
        self._progress = time.monotonic()

    def run(self, files: list[str]) -> list[Package]:
        """Index the files and return their packages."""
        self._submit(outline, ((path,) for path in files))
        self._wait(outline, len(files) // 3)
        self.accident = kill_one(self._workers)
        self._board.say(
            f"process {self.accident.pid} was killed while it ran something"
            f" (invocations in its hands: {len(self.accident.held)}); another one takes its place"
        )
        self._submit(measure, ((path,) for path in files))
        # The outlines come in while the workers still measure, so the queue never runs dry.
        outlines: dict[str, Outline] = dict(self._results(outline))
        self._submit(resolve, ((path, found["imports"]) for path, found in outlines.items()))
        sizes: dict[str, Size] = dict(self._results(measure))
        imports: dict[str, list[str]] = dict(self._results(resolve))

        packages: dict[str, list[File]] = defaultdict(list)
        for path in files:
            top, below, _ = path.partition("/")
            packages[top if below else "(modules)"].append(
                File(size=sizes.get(path), outline=outlines.get(path), imports=imports.get(path))
            )
        self._submit(roll_up, packages.items())
        rolled_up: list[Package] = [package for _, package in self._results(roll_up)]
        self._announce(rolled_up)
        return rolled_up

    def _announce(self, packages: list[Package]) -> None:
        """Emit the event that everything is indexed, and wait for what it triggers."""
        lines = {package["name"]: package["lines"] for package in packages}
        event_id = app.trigger.emit_event(INDEXED, {"lines": lines})
        self._board.say(f'event "{INDEXED}"')
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not (started := app.trigger.get_invocations_triggered_by_event(event_id)):
            self._workers.check()
            if time.monotonic() > deadline:
                raise RuntimeError(f"nothing was triggered within {_PATIENCE_SECONDS} s")
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        for id_ in started:
            ranked = app.state_backend.get_invocation(InvocationId(id_))
            self.submitted[rank][id_] = ranked
        [order] = (invocation for _, invocation in self._results(rank))
        self.triggered = Triggered(event_id, order[0] == max(lines, key=lambda name: lines[name]))

    def _submit(self, task: AnyTask, calls: Iterable[Call]) -> None:
        """Call a task many times; the workers begin with the first batch."""
        for batch in batched(calls, _BATCH):
            group = task.parallelize(batch)
            names = (call[0] for call in batch)
            self.submitted[task].update(zip(names, group.invocations, strict=True))
            self._look()

    def _wait(self, task: AnyTask, number: int) -> None:
        """Wait until so many of a task's invocations are done."""
        while self._look()[task] < number:
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    def _results(self, task: AnyTask) -> Iterator[tuple[str, Any]]:
        """Wait for a task's invocations; yield the results of those that have one."""
        self._wait(task, len(self.submitted[task]))
        for name, invocation in self.submitted[task].items():
            try:
                yield name, invocation.result
            except NotPythonError:
                continue

    def _look(self) -> dict[AnyTask, int]:
        """Return how many invocations of each task are done, and show it."""
        self._workers.check()
        done = {}
        for task, invocations in self.submitted.items():
            done[task] = app.orchestrator.count_invocations(task.task_id, _FINAL)
            self._board.show(task.func.__name__, done[task], len(invocations))
        if done != self._done:
            self._done, self._progress = done, time.monotonic()
        elif time.monotonic() > self._progress + _PATIENCE_SECONDS:
            raise RuntimeError(f"no invocation has ended for {_PATIENCE_SECONDS} s: {done}")
        return done
