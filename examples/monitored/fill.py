"""Run the shop to its end, so that there is something to look at."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING

from pynenc.invocation.status import InvocationStatus

from monitored.tasks import FOLDER, app, fulfil, notify, tally

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH = 20
_COMMAND = [sys.executable, "-m", "pynenc", "--app", "monitored.tasks", "runner", "start"]
_SECONDS_BETWEEN_LOOKS = 0.05
_SECONDS_TO_STOP = 10
_NOT_FINAL = [status for status in InvocationStatus if not status.is_final()]

type Worker = tuple[Path, subprocess.Popen[bytes]]


def fill(orders: int, workers: int = 2, timeout: float = 120) -> None:
    """Fulfil so many orders with worker processes, and wait until all that follows is done.

    Args:
        orders: How many orders.
        workers: How many worker processes; their logs are in the app's folder.
        timeout: How many seconds it may take.

    Raises:
        TimeoutError: If it takes longer.
        RuntimeError: If a worker ends before that.
    """
    before = app.orchestrator.count_invocations(notify.task_id)
    batches = [list(batch) for batch in batched(range(1, orders + 1), BATCH)]
    deadline = time.monotonic() + timeout
    fulfil.parallelize([(batch,) for batch in batches])
    # The clock may strike while the workers stop, and then what it started is still to be done.
    while not _all_done(before + len(batches)):
        with ExitStack() as stack:
            running = [stack.enter_context(_worker(number)) for number in range(1, workers + 1)]
            while not _all_done(before + len(batches)):
                _check(running)
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not done after {timeout} s")
                time.sleep(_SECONDS_BETWEEN_LOOKS)


def _all_done(batches: int) -> bool:
    """Whether each batch has told its customers, the clock has struck and nothing is left to do."""
    return (
        app.orchestrator.count_invocations(notify.task_id) == batches
        and app.orchestrator.count_invocations(tally.task_id) > 0
        and app.orchestrator.count_invocations(statuses=_NOT_FINAL) == 0
    )


@contextmanager
def _worker(number: int) -> Iterator[Worker]:
    """Have a worker process, started as in production, for as long as the ``with`` block lasts."""
    here = str(Path(__file__).resolve().parents[1])
    search_path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    log = FOLDER / f"worker-{number}.log"
    with (
        log.open("ab") as output,
        subprocess.Popen(  # noqa: S603 - our own command
            _COMMAND,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": search_path},
        ) as process,
    ):
        try:
            yield log, process
        finally:
            process.terminate()
            try:
                process.wait(_SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                process.kill()


def _check(workers: list[Worker]) -> None:
    """Raise if a worker is gone: its work would wait for ever."""
    for log, process in workers:
        if process.poll() is not None:
            end = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
            raise RuntimeError(f"a worker ended with code {process.returncode}:\n{end}")
