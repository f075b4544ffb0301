"""Fulfil some orders, and say what the monitor has to show then."""

from __future__ import annotations

import argparse
import time

from pynenc.invocation.status import InvocationStatus

from monitored.fill import fill
from monitored.tasks import app


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(prog="monitored", description=__doc__)
    parser.add_argument("--orders", type=int, default=1000, help="how many (default: 1000)")
    orders = parser.parse_args().orders
    app.logger.setLevel("WARNING")  # the workers' logs tell the rest
    start = time.monotonic()
    fill(orders)
    seconds = time.monotonic() - start
    counts = {
        status: app.orchestrator.count_invocations(statuses=[status])
        for status in sorted(InvocationStatus.get_final_statuses())
    }
    print(f"{sum(counts.values()):,} invocations in {seconds:.1f} s:")
    for status, count in counts.items():
        if count:
            print(f"{count:9,} {status}")


if __name__ == "__main__":
    main()
