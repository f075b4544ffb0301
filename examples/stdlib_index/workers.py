"""Worker processes, started as in production: ``pynenc --app stdlib_index.tasks runner start``."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMMAND = [sys.executable, "-m", "pynenc", "--app", "stdlib_index.tasks", "runner", "start"]
_SECONDS_TO_STOP = 10


class Workers:
    """Worker processes, each with its log."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)
        self._processes: dict[Path, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start one more; it finds this package wherever the demo was started from."""
        here = str(Path(__file__).resolve().parents[1])
        search_path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
        log = self._folder / f"worker-{next(self._numbers)}.log"
        with log.open("wb") as output:
            self._processes[log] = subprocess.Popen(  # noqa: S603 - our own command
                _COMMAND,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONPATH": search_path},
            )

    def check(self) -> None:
        """Raise if a worker is gone: its work would wait for ever."""
        for log, process in self._processes.items():
            if process.poll() is not None:
                end = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
                raise RuntimeError(f"a worker ended with code {process.returncode}:\n{end}")

    def replace(self, pid: int) -> None:
        """Kill one, which gets no chance to do anything about it, and start another one."""
        [log] = (log for log, process in self._processes.items() if process.pid == pid)
        process = self._processes.pop(log)
        process.kill()
        process.wait()
        self.start()

    def stop(self) -> None:
        """Ask all to finish what they run and stop; kill one that does not."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(_SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def worker_processes(number: int, folder: Path) -> Iterator[Workers]:
    """Have worker processes for as long as the ``with`` block lasts."""
    workers = Workers(folder)
    try:
        for _ in range(number):
            workers.start()
        yield workers
    finally:
        workers.stop()
