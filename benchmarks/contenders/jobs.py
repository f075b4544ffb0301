"""What the programs of all contenders share.

The benchmark runs each contender as a program in an environment of its own, which has nothing of the
benchmark but this folder. It writes one JSON object a line to the program, `{"job": name, ...}`, and
reads one line back: what the job took and what it returned. A job is a public method of the
contender's class; its arguments are those of the line.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from abc import ABC, abstractmethod
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

_STOP_SECONDS = 10
_TICKS = os.sysconf("SC_CLK_TCK")


class Contender(ABC):
    """Something that runs tasks; `inside` workers are threads of the client's own process."""

    packages: tuple[str, ...] = ()

    def __init__(self, url: str) -> None:
        self.url = url
        self.worker: subprocess.Popen[bytes] | None = None

    def versions(self) -> dict[str, str]:
        """Return the version of each package that matters."""
        return {name: version(name) for name in ("python", *self.packages) if name != "python"}

    def reset(self) -> None:
        """Forget all that was submitted; the benchmark has emptied the server already."""

    @abstractmethod
    def submit(self, count: int) -> None:
        """Submit so many additions, one by one."""

    def submit_batch(self, count: int) -> None:
        """Submit so many additions in the largest pieces that the contender offers."""
        raise NotImplementedError

    @abstractmethod
    def life(self, count: int) -> None:
        """Submit so many additions one by one and have all their results."""

    def latencies(self, count: int, pause: float) -> list[float]:
        """Return the seconds from submission to start of so many tasks, each on an idle worker."""
        found = []
        for _ in range(count):
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
        command = [sys.executable, sys.argv[0], self.url, "work", kind, str(workers)]
        self.worker = subprocess.Popen(command, start_new_session=True)
        self.life(1)

    def stop_worker(self) -> None:
        """Stop the workers."""
        worker, self.worker = self.worker, None
        if worker is None:
            return
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(worker.pid, how)
            except ProcessLookupError:
                pass
            try:
                worker.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue

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


class Sends:
    """Counts what redis-py sends in this process: each is a round trip, however many commands."""

    def __init__(self) -> None:
        self.count: int | None = None
        try:
            plain = import_module("redis.connection").AbstractConnection
            parallel = import_module("redis.asyncio.connection").AbstractConnection
        except ImportError:
            return
        self.count = 0
        self._count(plain)
        self._count(parallel)

    def _count(self, kind: Any) -> None:
        send = kind.send_packed_command

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.count += 1  # type: ignore[operator]
            return send(*args, **kwargs)

        kind.send_packed_command = counted


def run(kind: type[Contender]) -> None:
    """Be the program of a contender: do jobs, or be its worker."""
    url, role, *arguments = sys.argv[1:]
    if role == "work":
        kind(url).work(arguments[0], int(arguments[1]))
    else:
        sends = Sends()
        _serve(kind(url), sends)


def _serve(contender: Contender, sends: Sends) -> None:
    # What a library prints must not get among the replies.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        job = json.loads(line)
        try:
            reply = _do(contender, sends, getattr(contender, job.pop("job")), job)
        except Exception:  # noqa: BLE001 - the benchmark raises it again
            reply = {"error": traceback.format_exc()}
        print(json.dumps(reply), file=replies)
    contender.stop_worker()


def _do(contender: Contender, sends: Sends, job: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    sent, worker, cpu = sends.count, contender.worker_cpu(), time.process_time()
    start = time.perf_counter()
    value = job(**arguments)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "client_cpu": time.process_time() - cpu,
        "worker_cpu": contender.worker_cpu() - worker,
        "round_trips": None if sends.count is None or sent is None else sends.count - sent,
        "value": value,
    }
