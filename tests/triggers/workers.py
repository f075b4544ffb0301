"""What the processes of these tests do, and how they are killed."""

from __future__ import annotations

import os
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pynenc.orchestrator.atomic_service import AtomicServiceRun

import processes
from life.tools import bind, claim, runner
from pynenc_redis_lua.trigger import conditions
from triggers import tools
from triggers import trigger_tasks as tasks

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from threading import Barrier

    from pynenc import Pynenc

    from processes import Kill
    from triggers.tools import Where


class Child(processes.Child):
    """A process that has registered its triggers, as every runner does when it starts.

    Args:
        where: The app.
        triggers: Gives the triggers that the process registers.
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
        super().__init__(partial(_prepared, where, triggers), job, *arguments, kill=kill)


def _prepared(where: Where, triggers: Callable[[Pynenc], Any]) -> Pynenc:
    # What somebody else has not evaluated is left to this process at once.
    conditions._ABANDONED_US = 0
    app = tools.build_app(where)
    tools.register(app, triggers(app))
    return app


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
    taken = [False]
    for last, tick in pairwise([None, *ticks]):
        together.wait(60)
        # Who took one is the last to come to the barrier, does not have to be woken, and would take
        # the next one as well.
        lets_others = taken[-1]
        taken.append(
            not lets_others and app.trigger.store_last_cron_execution(condition_id, tick, last)
        )
    return taken[1:]
