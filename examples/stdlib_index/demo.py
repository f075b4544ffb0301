"""One run from the first worker process to the last line of the report."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console

from stdlib_index.board import Board
from stdlib_index.pipeline import Pipeline, library_files
from stdlib_index.report import print_accident, print_index, print_state, print_triggers
from stdlib_index.tasks import STDLIB, app
from stdlib_index.workers import worker_processes

if TYPE_CHECKING:
    from pathlib import Path

_LOG_WIDTH = 110
_MOST_WRONG = 10


def run(folder: Path, workers: int) -> bool:
    """Index the library and report; return whether every invocation ended as it should."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _LOG_WIDTH
    files = library_files()
    parts = (app.state_backend, app.orchestrator, app.broker, app.client_data_store, app.trigger)
    console.print(
        f"Indexing {len(files):,} files of {STDLIB} with {workers} worker processes\n"
        f"on {', '.join(type(part).__name__ for part in parts)}",
        soft_wrap=True,
    )
    start, clock = datetime.now(UTC), time.monotonic()
    board = Board(console)
    with worker_processes(workers, folder) as processes, board.bars:
        pipeline = Pipeline(processes, board)
        packages = pipeline.run(files)
    seconds = time.monotonic() - clock

    print_index(console, packages)
    records = print_state(console, start, datetime.now(UTC))
    print_accident(console, pipeline.accident, records)
    print_triggers(console, start, datetime.now(UTC))
    submitted: list[str] = [
        invocation.invocation_id
        for invocations in pipeline.submitted.values()
        for invocation in invocations.values()
    ]
    wrong = [key for key in submitted if key not in records or not records[key].as_expected]
    for key in wrong[:_MOST_WRONG]:
        console.print(f"{key}: {records.get(key, 'not in the state backend')}", markup=False)
    if not pipeline.triggered.as_expected:
        wrong.append(pipeline.triggered.event_id)
        console.print("the event at the end did not bring what it should")
    good = len(submitted) - len(wrong)
    console.print(
        f"\n{'FAILED' if wrong else 'OK'}: {good:,} of {len(submitted):,} invocations ended as"
        f" expected, in {seconds:.1f} s ({len(submitted) / seconds:.0f} a second)"
    )
    return not wrong
