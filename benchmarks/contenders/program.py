"""The program of every contender: `program.py module:Class serve`, or `work KIND NUMBER`.

The benchmark runs each contender in an environment of its own, which has nothing of the benchmark
but this folder. It writes one JSON object a line to the program, `{"job": name, ...}`, and reads
one line back: what the job took and what it returned. A job is a public method of the contender's
class; its arguments are those of the line. The server's URL is in the environment, as BENCH_URL.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobs import Contender


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


def main() -> None:
    """Do jobs, or be a worker."""
    module, _, name = sys.argv[1].partition(":")
    kind: type[Contender] = getattr(import_module(module), name)
    role, *arguments = sys.argv[2:]
    if role == "work":
        kind().work(arguments[0], int(arguments[1]))
    else:
        sends = Sends()
        serve(kind(), sends)


def serve(contender: Contender, sends: Sends) -> None:
    """Do the jobs of standard input until it ends."""
    # What a library prints must not get among the replies.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        for line in sys.stdin:
            job = json.loads(line)
            try:
                reply = _do(contender, sends, getattr(contender, job.pop("job")), job)
            except Exception as error:  # noqa: BLE001 - the benchmark raises it again
                reply = {"error": type(error).__name__, "traceback": traceback.format_exc()}
            print(json.dumps(reply), file=replies)
    finally:
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


if __name__ == "__main__":
    main()
