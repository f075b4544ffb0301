"""What a contender can be asked to do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_TICKS = os.sysconf("SC_CLK_TCK")


def as_delivered() -> bool:
    """Tell whether the settings are to be the contender's own, not those that make it eager."""
    return "BENCH_AS_DELIVERED" in os.environ


class Contender(ABC):
    """Something that runs tasks; `inside` workers are threads of the client's own process."""

    packages: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.url = os.environ["BENCH_URL"]
        self.worker: subprocess.Popen[bytes] | None = None

    def versions(self) -> dict[str, str]:
        """Return the version of each package that matters."""
        return {name: version(name) for name in self.packages}

    def settings_as_delivered(self, *, on: bool) -> None:
        """Choose the settings of the workers that are started from now on."""
        if on:
            os.environ["BENCH_AS_DELIVERED"] = "1"
        else:
            os.environ.pop("BENCH_AS_DELIVERED", None)

    def reset(self) -> None:
        """Forget all that was submitted; the benchmark has emptied the server already."""
        return

    @abstractmethod
    def submit(self, count: int) -> None:
        """Submit so many additions, one by one."""

    def submit_batch(self, count: int) -> None:
        """Submit so many additions in the largest pieces that the contender offers."""
        raise NotImplementedError

    @abstractmethod
    def life(self, count: int) -> None:
        """Submit so many additions one by one and have all their results."""

    @staticmethod
    def check(count: int, results: Iterable[Any]) -> None:
        """Verify the sums of so many additions."""
        assert sum(results) == count * (count + 1) // 2

    def latencies(self, pauses: list[float]) -> list[float]:
        """Return the seconds from submission to start of a task behind each pause."""
        found = []
        for pause in pauses:
            time.sleep(pause)
            submitted = time.monotonic()
            found.append(self.started() - submitted)
        return found

    def started(self) -> float:
        """Submit a task that returns the time of this machine's monotonic clock, and return it."""
        raise NotImplementedError

    def work(self, kind: str, workers: int) -> None:
        """Be a worker, until told to stop by a signal."""
        raise NotImplementedError

    def start_worker(self, kind: str, workers: int) -> None:
        """Start so many workers of a kind, and wait until they work."""
        command = [sys.executable, *sys.argv[:2], "work", kind, str(workers)]
        self.worker = subprocess.Popen(command, start_new_session=True)
        self.life(1)

    def stop_worker(self) -> None:
        """Stop the workers."""
        worker, self.worker = self.worker, None
        if worker is None:
            return
        # What it was doing is over, and the server is emptied next.
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()

    def worker_cpu(self) -> float:
        """Return the CPU seconds that the workers' processes took."""
        return 0.0 if self.worker is None else _cpu_of_group(self.worker.pid)


def _cpu_of_group(group: int) -> float:
    """Sum user and system time over the processes of a group and the children they waited for."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[2]) == group:
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / _TICKS
