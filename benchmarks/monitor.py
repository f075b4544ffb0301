"""How long pynenc's monitor takes for its pages, and whose time that is; see README.md.

The monitor runs in this process, so that what it spends in our scripts can be told from the rest.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import socket
import statistics
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import monitor_tasks
import uvicorn
from pynenc import PynencBuilder
from pynenc.invocation.status import InvocationStatus
from pynenc.runner.runner_context import RunnerContext
from pynmon import app as monitor

from pynenc_redis_lua.scripts.runner import ScriptRunner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pynenc import Pynenc

RUNNER = RunnerContext("ThreadRunner", "benchmark")
WORKFLOWS = 1_000
REPEATED = 9_000  # of one and the same call
EVENTS = 1_000
BATCH = 100
TASK = "monitor_tasks.numbered"
WORKFLOW = "monitor_tasks.workflow"
PAGES = [
    "/",
    "/invocations/",
    "/invocations/?page=1000000",
    "/invocations/?status=SUCCESS",
    f"/invocations/?task_id={TASK}",
    f"/invocations/?workflow_type={WORKFLOW}",
    "/invocations/timeline",
    "/tasks/",
    f"/tasks/{TASK}",
    "/tasks/monitor_tasks.noop",
    "/workflows/",
    "/workflows/runs",
    f"/workflows/{WORKFLOW}",
    "/events/",
    "/runners/",
    "/runners/atomic-service/timeline",
    "/broker/",
    "/orchestrator/",
    "/state-backend/",
    "/client-data-store/",
]
# These go through all invocations one by one, and are asked for once.
SLOW_PAGES = ["/invocations/?status=SUCCESS&status_mode=history"]


@dataclass
class Spent:
    """What calls of our scripts took, over all threads."""

    calls: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--invocations", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=5, help="requests of each page (default: 5)")
    parser.add_argument("--slow", action="store_true", help="also pages that take minutes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="prl-") as folder:
        app = (
            PynencBuilder()
            .app_id("monitor")
            .redis_embedded(folder)
            .thread_runner()
            .logging_level("warning")
            .build()
        )
        fill(app, options.invocations)
        spent = count_calls()
        with served(app) as address:
            print("| page | median ms | of it in our scripts | calls of scripts | most called |")
            print("|---|---|---|---|---|")
            for page in PAGES:
                report(address, page, spent, options.times)
            for page in SLOW_PAGES if options.slow else []:
                report(address, page, spent, 1)


def fill(app: Pynenc, invocations: int) -> None:
    """Have so many invocations done, some of them workflow runs, and some events emitted."""
    jobs: list[tuple[Any, list[Any]]] = [
        (app.workflow(monitor_tasks.workflow), [()] * WORKFLOWS),
        (app.task(monitor_tasks.noop), [()] * REPEATED),
        (
            app.task(monitor_tasks.numbered),
            [(number,) for number in range(invocations - WORKFLOWS - REPEATED)],
        ),
    ]
    app.orchestrator.register_runner_heartbeats([RUNNER.runner_id])
    start = time.monotonic()
    for task, calls in jobs:
        for batch in itertools.batched(calls, BATCH):
            task.parallelize(batch)
            while claimed := list(app.orchestrator.get_invocations_to_run(BATCH, RUNNER)):
                for invocation in claimed:
                    invocation.run(RUNNER)
    for number in range(EVENTS):
        app.trigger.emit_event("benchmark", {"number": number})
    done = app.orchestrator.count_invocations(statuses=[InvocationStatus.SUCCESS])
    assert done == invocations, done
    seconds = time.monotonic() - start
    print(f"{done:,} invocations are finished, {WORKFLOWS:,} of them workflow runs")
    print(f"(that took {seconds:.0f} s)\n", flush=True)


def count_calls() -> Spent:
    """Count the calls of scripts from now on, and the time that they take."""
    spent, lock, call = Spent(), threading.Lock(), ScriptRunner.call

    @functools.wraps(call)
    def counted(self: ScriptRunner, name: str, /, **arguments: Any) -> Any:
        start = time.perf_counter()
        try:
            return call(self, name, **arguments)
        finally:
            with lock:
                spent.calls[name] += 1
                spent.seconds += time.perf_counter() - start

    ScriptRunner.call = counted  # type: ignore[method-assign]
    return spent


@contextmanager
def served(app: Pynenc) -> Iterator[str]:
    """Serve the app's monitor; gives its address."""
    monitor.pynenc_instance = app
    monitor.all_pynenc_instances = {app.app_id: app}
    monitor.setup_routes()
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(monitor.app, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def report(address: str, page: str, spent: Spent, times: int) -> None:
    """Ask for a page some times, after a first time that does not count, and print a row."""
    if times > 1:
        fetch(address + page)
    taken, ours = [], []
    for _ in range(times):
        spent.calls, spent.seconds = Counter(), 0.0
        start = time.perf_counter()
        fetch(address + page)
        taken.append(time.perf_counter() - start)
        ours.append(spent.seconds)
    most = ", ".join(f"{name} {calls:,}" for name, calls in spent.calls.most_common(2))
    total, own = statistics.median(taken) * 1000, statistics.median(ours) * 1000
    calls = spent.calls.total()
    print(f"| `{page}` | {total:,.0f} | {own:,.0f} | {calls:,} | {most} |", flush=True)


def fetch(url: str) -> None:
    """Get a page."""
    with urllib.request.urlopen(url, timeout=3600) as reply:  # noqa: S310 - our own server
        reply.read()


if __name__ == "__main__":
    main()
