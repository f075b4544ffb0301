"""What each step of an invocation's life costs; see README.md."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import bench_tasks
from pynenc import PynencBuilder
from pynenc.runner.runner_context import RunnerContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

RUNNER = RunnerContext("Benchmark", "benchmark")
NOOP = "#!lua\nreturn 1"


@dataclass
class Cost:
    """Sums over the invocations of one step."""

    trips: int
    commands: int
    sent: int
    received: int
    microseconds: float


class Meter:
    """Reads the server's counters."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def measure(self, step: Callable[[], Any]) -> Cost:
        """Run a step and return what it cost."""
        self._client.config_resetstat()
        step()
        stats, commands = self._client.info("stats"), self._client.info("commandstats")
        calls = {
            name.removeprefix("cmdstat_"): value
            for name, value in commands.items()
            if not name.startswith(("cmdstat_config", "cmdstat_info"))
        }
        scripts = [value for name, value in calls.items() if name.startswith("eval")]
        return Cost(
            trips=sum(value["calls"] for value in scripts),
            commands=sum(value["calls"] for value in calls.values()),
            sent=stats["total_net_input_bytes"],
            received=stats["total_net_output_bytes"],
            microseconds=sum(value["usec"] for value in scripts),
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--invocations", type=int, default=2_000)
    count = parser.parse_args().invocations
    with tempfile.TemporaryDirectory(prefix="prl-") as folder:
        app = (
            PynencBuilder().app_id("steps").redis_embedded(folder).logging_level("warning").build()
        )
        task = app.task(bench_tasks.noop)
        app.orchestrator.register_runner_heartbeats([RUNNER.runner_id])
        client = app.state_backend.client
        meter = Meter(client)

        def claim() -> list[Any]:
            return list(app.orchestrator.get_invocations_to_run(10, RUNNER))

        # The first call of a script loads it.
        task()
        for invocation in claim():
            invocation.run(RUNNER)
        client.eval(NOOP, 0)
        noop = meter.measure(lambda: [client.eval(NOOP, 0) for _ in range(count)])
        rows = {"a script that does nothing": noop}
        rows["submit one by one"] = meter.measure(lambda: [task() for _ in range(count)])
        claimed: list[Any] = []

        def claim_all() -> None:
            while batch := claim():
                claimed.extend(batch)

        rows["claim in batches of 10"] = meter.measure(claim_all)
        rows["start and finish"] = meter.measure(
            lambda: [invocation.run(RUNNER) for invocation in claimed]
        )
        rows["status and result"] = meter.measure(
            lambda: [invocation.result for invocation in claimed]
        )
        rows["submit a batch"] = meter.measure(lambda: task.parallelize([() for _ in range(count)]))
        report(rows, count)


def report(rows: dict[str, Cost], count: int) -> None:
    """Print a Markdown table, per invocation."""
    print("| step | round trips | commands | bytes sent | bytes received | server µs | ratio |")
    print("|---|---|---|---|---|---|---|")
    noop = next(iter(rows.values())).microseconds
    for name, cost in rows.items():
        figures = [cost.trips, cost.commands, cost.sent, cost.received, cost.microseconds]
        each = " | ".join(f"{figure / count:,.2f}" for figure in figures)
        print(f"| {name} | {each} | {cost.microseconds / noop:.1f} |")


if __name__ == "__main__":
    main()
