"""The accident: in the middle of the run a worker is killed, and another one takes its place."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pynenc.invocation.status import InvocationStatus

from stdlib_index.tasks import app

if TYPE_CHECKING:
    from pynenc.identifiers.invocation_id import InvocationId

    from stdlib_index.workers import Workers

_SECONDS_TO_STAND_STILL = 0.1
_TRIES = 50


@dataclass
class Accident:
    """What is known when it has happened.

    Attributes:
        pid: The process that was killed.
        runner_id: pynenc's name for it.
        time: When it was killed.
        held: The invocations that it had claimed and not ended, and their status.
    """

    pid: int
    runner_id: str
    time: datetime
    held: dict[InvocationId, InvocationStatus]


def kill_one(workers: Workers) -> Accident:
    """Kill a worker while it runs something, and start a new one at once."""
    live = [runner.runner_id for runner in app.orchestrator.get_active_runners()]
    victim = app.state_backend.get_runner_contexts(live)[0]
    for _ in range(_TRIES):
        # First it has to stand still: what it holds now is what it holds when it dies.
        os.kill(victim.pid, signal.SIGSTOP)
        time.sleep(_SECONDS_TO_STAND_STILL)
        held = _held_by(victim.runner_id)
        if InvocationStatus.RUNNING in held.values():
            accident = Accident(victim.pid, victim.runner_id, datetime.now(UTC), held)
            workers.replace(victim.pid)
            return accident
        os.kill(victim.pid, signal.SIGCONT)
        time.sleep(_SECONDS_TO_STAND_STILL)
        workers.check()
    raise RuntimeError(f"worker {victim.pid} has nothing to do")


def _held_by(runner_id: str) -> dict[InvocationId, InvocationStatus]:
    begun = [InvocationStatus.PENDING, InvocationStatus.RUNNING]
    held = {}
    for invocation_id in app.orchestrator.get_invocation_ids_paginated(statuses=begun):
        record = app.orchestrator.get_invocation_status_record(invocation_id)
        if record.runner_id == runner_id and record.status in begun:
            held[invocation_id] = record.status
    return held
