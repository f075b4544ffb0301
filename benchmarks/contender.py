"""The contenders: what there is, their environments, and their running programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import tomllib
import venv
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
# No job takes more than half of it; a contender that waits for what does not come must not stop the
# run.
SECONDS = 240
BUILD = HERE.parent / "build" / "bench"


@dataclass(frozen=True)
class Contender:
    """What `contenders.toml` says of a contender.

    Attributes:
        name: Its name in results and on the command line.
        title: Its name for people.
        program: Its module in `contenders/` and its class.
        requirements: What pip installs for it; nothing if it runs in the benchmark's environment.
        needs_server: Whether it works on the server.
        cases: The cases that it takes part in.
        records: What it records of a task.
        result: What becomes of results.
        atomic: What a step of a task is.
        delivery: How often a task is run when something dies.
        slowness: What the counts of its turns are divided by, for a run to end in time.
    """

    name: str
    title: str
    program: str
    requirements: list[str]
    needs_server: bool
    cases: list[str]
    records: str
    result: str
    atomic: str
    delivery: str
    slowness: int = 1


def contenders() -> dict[str, Contender]:
    """Read `contenders.toml`, in its order."""
    read = tomllib.loads((HERE / "contenders.toml").read_text(encoding="utf-8"))
    return {name: Contender(name, **values) for name, values in read.items()}


@contextmanager
def _ended_after(seconds: float, process: subprocess.Popen[str]) -> Iterator[None]:
    """Have a process end if what follows takes longer."""
    timer = threading.Timer(seconds, process.terminate)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class JobError(Exception):
    """A contender failed; the message has its traceback."""


class Running:
    """A contender's program while it runs."""

    def __init__(self, contender: Contender, process: subprocess.Popen[str]) -> None:
        self.contender = contender
        self._process = process
        self.versions: dict[str, str] = self.do("versions")["value"]

    @property
    def name(self) -> str:
        """The contender's name."""
        return self.contender.name

    def do(self, job: str, **arguments: Any) -> dict[str, Any]:
        """Have a job done.

        Returns:
            `value`, what the job returned; `seconds`, `client_cpu`, `worker_cpu` and `round_trips`,
            what it took.

        Raises:
            JobError: The job failed, or took too long, or the program ended.
        """
        assert self._process.stdin
        assert self._process.stdout
        try:
            print(json.dumps({"job": job, **arguments}), file=self._process.stdin, flush=True)
            with _ended_after(SECONDS, self._process):
                line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise JobError(f"{self.name} ended in {job}\nsee {_log(self.contender)}")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            what = f"{self.name} failed in {job} by {reply['error']}"
            raise JobError(f"{what}\n{reply['traceback']}")
        return reply

    def end(self) -> None:
        """Have the program end; its workers end with it."""
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()


@contextmanager
def running(contender: Contender, url: str) -> Iterator[Running]:
    """Run a contender's program on a server; its environment is made if it is not there."""
    python = environment(contender)
    with (
        tempfile.TemporaryDirectory(prefix="prl-") as folder,
        _log(contender).open("w") as log,
        subprocess.Popen(
            [python, HERE / "contenders" / "program.py", contender.program, "serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=os.environ | {"BENCH_URL": url, "BENCH_FOLDER": folder},
            cwd=folder,
        ) as process,
    ):
        one = Running(contender, process)
        try:
            yield one
        finally:
            one.end()


def environment(contender: Contender) -> Path:
    """Return the Python of a contender's environment, which is made if it is not there."""
    BUILD.mkdir(parents=True, exist_ok=True)
    if not contender.requirements:
        return Path(sys.executable)
    folder = BUILD / contender.name
    python, installed = folder / "bin" / "python", folder / "installed.txt"
    wanted = "\n".join(contender.requirements)
    if not installed.exists() or installed.read_text() != wanted:
        print(f"installing {contender.name}: {', '.join(contender.requirements)}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *contender.requirements], check=True)
        installed.write_text(wanted)
    return python


def _log(contender: Contender) -> Path:
    return BUILD / f"{contender.name}.log"
