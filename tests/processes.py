"""Processes that start quickly, work on an app of their own, and are killed when a test says so."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from itertools import count
from multiprocessing import forkserver
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pynenc_redis_lua.scripts.runner import ScriptRunner

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

# Its children have everything imported, and no thread or connection of the tests' own process.
FORKS = multiprocessing.get_context("forkserver")


def get_ready() -> None:
    """Start the fork server; the first process would have to wait for it."""
    # It takes the path for its imports from the environment alone.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        FORKS.set_forkserver_preload(["preload"])
        forkserver.ensure_running()


class Kill(NamedTuple):
    """When a process dies: right before or right after the n-th script call that it makes.

    Or the n-th that writes: nobody else can tell what was killed after a read from what was killed
    after the write that preceded it. Or the n-th call of one script.
    """

    number: int
    after: bool = True
    writing: bool = False
    script: str | None = None

    def counts(self, prepared: Any) -> bool:
        """Whether a call is one of those that are counted."""
        if self.script is not None:
            return bool(prepared.name == self.script)
        return prepared.command == "EVALSHA" or not self.writing


def arm(kill: Kill) -> None:
    """Have this process killed at one of the script calls that follow."""
    send = ScriptRunner._send
    numbers = count(1)

    def deadly(self: ScriptRunner, prepared: Any, *call: Any) -> Any:
        is_last = kill.counts(prepared) and next(numbers) == kill.number
        if is_last and not kill.after:
            os.kill(os.getpid(), signal.SIGKILL)
        reply = send(self, prepared, *call)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return reply

    ScriptRunner._send = deadly  # type: ignore[method-assign]


class Child:
    """A process that has its app ready, and works when it is told to.

    Args:
        prepare: Gives the app, in the process itself.
        job: What it does.
        arguments: What the job takes besides the app.
        kill: When it is killed.
    """

    def __init__(
        self,
        prepare: Callable[[], Any],
        job: Callable[..., Any],
        *arguments: Any,
        kill: Kill | None = None,
    ) -> None:
        self._pipe, theirs = FORKS.Pipe()
        self._process = FORKS.Process(
            target=_work, args=(theirs, prepare, job, arguments, kill), daemon=True
        )
        self._process.start()
        theirs.close()
        assert self._pipe.recv() == "ready"

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def go(self) -> None:
        self._pipe.send("go")

    def result(self) -> Any:
        """What the job returned."""
        self.go()
        return self.wait()

    def wait(self) -> Any:
        result = self._pipe.recv()
        self._process.join(30)
        assert self._process.exitcode == 0
        return result

    def is_killed(self, within: float | None = None) -> bool:
        """Let it work, and tell whether it was killed: by itself, or by us after a time."""
        self.go()
        self._process.join(60 if within is None else within)
        if within is not None:
            self.kill()
        assert self._process.exitcode in {0, -signal.SIGKILL}
        return self._process.exitcode != 0

    def is_alive(self) -> bool:
        return self._process.is_alive()

    def kill(self) -> None:
        self._process.kill()
        self._process.join(60)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)


def _work(
    pipe: Connection,
    prepare: Callable[[], Any],
    job: Callable[..., Any],
    arguments: tuple[Any, ...],
    kill: Kill | None,
) -> None:
    app = prepare()
    pipe.send("ready")
    pipe.recv()
    if kill:
        arm(kill)
    pipe.send(job(app, *arguments))
