"""What the processes of these tests do, and how they are killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
from itertools import count, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from pynenc.orchestrator.atomic_service import AtomicServiceRun

from life.tools import bind, claim, runner
from pynenc_redis_lua.scripts.runner import ScriptRunner
from pynenc_redis_lua.trigger import conditions
from triggers import tools
from triggers import trigger_tasks as tasks

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from multiprocessing.connection import Connection
    from threading import Barrier

    from pynenc import Pynenc

    from triggers.tools import Where

# Its children have everything imported, and no thread or connection of the tests' own process.
FORKS = multiprocessing.get_context("forkserver")


class Kill(NamedTuple):
    """When a process dies: right before or right after the n-th script call that it makes.

    Or the n-th that writes: nobody else can tell what was killed after a read from what was killed
    after the write that preceded it.
    """

    number: int
    after: bool = True
    writing: bool = False


def arm(kill: Kill) -> None:
    """Have this process killed at one of the script calls that follow."""
    send = ScriptRunner._send
    numbers = count(1)

    def deadly(self: ScriptRunner, prepared: Any, *call: Any) -> Any:
        counted = prepared.command == "EVALSHA" or not kill.writing
        is_last = counted and next(numbers) == kill.number
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
        where: The app.
        triggers: Gives the triggers that the process registers as it starts.
        job: What it does.
        arguments: What the job takes besides the app.
        kill: When it is killed.
    """

    def __init__(
        self,
        where: Where,
        triggers: Callable[[Pynenc], Any],
        job: Callable[..., Any],
        *arguments: Any,
        kill: Kill | None = None,
    ) -> None:
        self._pipe, theirs = FORKS.Pipe()
        self._process = FORKS.Process(
            target=_work, args=(theirs, where, triggers, job, arguments, kill), daemon=True
        )
        self._process.start()
        theirs.close()
        assert self._pipe.recv() == "ready"

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
            self._process.kill()
            self._process.join(60)
        assert self._process.exitcode in {0, -signal.SIGKILL}
        return self._process.exitcode != 0


def _work(
    pipe: Connection,
    where: Where,
    triggers: Callable[[Pynenc], Any],
    job: Callable[..., Any],
    arguments: tuple[Any, ...],
    kill: Kill | None,
) -> None:
    # What somebody else has not evaluated is left to this process at once.
    conditions._ABANDONED_US = 0
    app = tools.build_app(where)
    tools.register(app, triggers(app))
    pipe.send("ready")
    pipe.recv()
    if kill:
        arm(kill)
    pipe.send(job(app, *arguments))


# Jobs


def loop(app: Pynenc) -> None:
    """One iteration of the trigger loop."""
    app.trigger.trigger_loop_iteration(AtomicServiceRun(runner_id=f"process {os.getpid()}"))


def loop_together(app: Pynenc, step: str, together: Barrier) -> None:
    """Do the same, and go on with a step of it when others have come as far."""
    go_on = getattr(app.trigger, step)

    def awaited(*arguments: Any) -> Any:
        setattr(app.trigger, step, go_on)
        together.wait(60)
        return go_on(*arguments)

    setattr(app.trigger, step, awaited)
    loop(app)


def live(app: Pynenc, token: str, how: str) -> None:
    """Submit an invocation of the watched task, claim it and run it to its end."""
    who = runner(f"process {os.getpid()}")
    bind(app, tasks.watched)(token, how)
    while claimed := claim(app, who):
        for invocation in claimed:
            if invocation.task.task_id == tasks.watched.task_id:
                tools.run(invocation, who)


def rescue(app: Pynenc) -> None:
    """Put back what the dead left."""
    app.orchestrator.recover_invocations(runner("rescuer"))  # type: ignore[attr-defined]


def emit(app: Pynenc, token: str) -> str:
    """Emit an event that meets two conditions."""
    return app.trigger.emit_event("ping", {"token": token, "loud": True})


def look_at_the_clock(app: Pynenc) -> None:
    app.trigger.check_time_based_triggers(
        atomic_service_run=AtomicServiceRun(runner_id=f"process {os.getpid()}")
    )


def take_ticks(
    app: Pynenc, condition_id: str, ticks: list[datetime], together: Barrier
) -> list[bool]:
    """Try to take each tick, at the same time as others do."""
    taken = []
    for last, tick in pairwise([None, *ticks]):
        together.wait(60)
        taken.append(app.trigger.store_last_cron_execution(condition_id, tick, last))
    return taken
