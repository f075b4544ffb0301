"""What pages of history cost as the history grows; see README.md."""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
import tracemalloc
from datetime import UTC, datetime, timedelta

from pynenc import PynencBuilder
from pynenc.identifiers.invocation_id import InvocationId
from pynenc.invocation.status import InvocationStatus, InvocationStatusRecord
from pynenc.state_backend.base_state_backend import InvocationHistory

from pynenc_redis_lua.state_backend import RedisStateBackend

START = datetime(2026, 1, 1, tzinfo=UTC)
BATCH = 1_000
PAGES = 200


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    sizes = sorted(parser.parse_args().records)
    print("| records | µs a page of 100, at the start | at the end | MiB of Python to read all |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="prl-") as folder:
        app = PynencBuilder().app_id("history").redis_embedded(folder).build()
        backend = app.state_backend
        assert isinstance(backend, RedisStateBackend)
        stored = 0
        for size in sizes:
            while stored < size:
                add(backend, stored // BATCH)
                stored += BATCH
            first, last = page_time(backend, 0), page_time(backend, size // BATCH // 2)
            print(f"| {size:,} | {first:,.0f} | {last:,.0f} | {peak(backend, size):.1f} |")


def add(backend: RedisStateBackend, number: int) -> None:
    """Add a batch of records of one moment."""
    status = InvocationStatusRecord(InvocationStatus.RUNNING, "runner", START)
    record = InvocationHistory("", status, "runner")
    record._timestamp = START + timedelta(seconds=number)
    ids = [InvocationId(f"invocation-{number}-{i}") for i in range(BATCH)]
    backend._add_histories(ids, record)


def page_time(backend: RedisStateBackend, second: int) -> float:
    """Return the µs of one page in the middle of a batch, server and client together."""
    pages = backend.iter_history_in_timerange(
        START + timedelta(seconds=second), START + timedelta(days=365), 100
    )
    began = time.perf_counter()
    read = sum(1 for _ in itertools.islice(pages, PAGES))
    return (time.perf_counter() - began) / read * 1e6


def peak(backend: RedisStateBackend, size: int) -> float:
    """Return the most memory that Python needs to read everything."""
    tracemalloc.start()
    read = sum(len(page) for page in backend.iter_history_in_timerange(START, datetime.now(UTC)))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    if read != size:
        raise RuntimeError(f"read {read:,} of {size:,} records")
    return most / 2**20


if __name__ == "__main__":
    main()
