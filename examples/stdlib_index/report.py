"""The report: the index, and what the state backend holds of the run that made it."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from math import inf
from statistics import median
from typing import TYPE_CHECKING

from pynenc.identifiers.invocation_id import InvocationId
from pynenc.invocation.status import InvocationStatus
from rich.table import Table
from rich.text import Text

from stdlib_index.tasks import NotPythonError, Package, app

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pynenc.state_backend.base_state_backend import InvocationHistory
    from rich.console import Console

    from stdlib_index.accident import Accident

    type Cell = str | int | float

_TOP = 10
_SLOWEST = 5


@dataclass
class Record:
    """An invocation as the state backend knows it."""

    task: str
    subject: str
    status: InvocationStatus
    runner_id: str
    milliseconds: float
    error: Exception | None
    history: list[InvocationHistory] = field(repr=False)

    @property
    def as_expected(self) -> bool:
        """Whether it ended in success, or in the failure that its file deserves."""
        succeeded = self.status is InvocationStatus.SUCCESS
        return succeeded or isinstance(self.error, NotPythonError)

    def requeued_after(self, time: datetime) -> float:
        """Return how many seconds after a time it was put back in the queue; if not, infinity."""
        requeued = (e for e in self.history if e.status_record.status is InvocationStatus.REROUTED)
        waits = ((entry.timestamp - time).total_seconds() for entry in requeued)
        return min((seconds for seconds in waits if seconds > 0), default=inf)


def print_index(console: Console, packages: list[Package]) -> None:
    """Print the index of the library."""
    largest = sorted(packages, key=lambda package: -package["lines"])
    sums = map(sum, zip(*map(_sizes, packages), strict=True))
    _print(
        console,
        f"The {_TOP} largest packages",
        ["package", "files", "lines", "tokens", "functions", "classes"],
        [
            *((package["name"], *_sizes(package)) for package in largest[:_TOP]),
            (f"all {len(packages)}", *sums),
        ],
    )
    imports: Counter[str] = Counter()
    for package in packages:
        imports.update(package["imports"])
    title = f"The {_TOP} most imported modules"
    _print(console, title, ["module", "importing files"], imports.most_common(_TOP))


def print_state(console: Console, start: datetime, end: datetime) -> dict[str, Record]:
    """Read the run back from the state backend, print it and return it by invocation."""
    histories: dict[str, list[InvocationHistory]] = defaultdict(list)
    for batch in app.state_backend.iter_history_in_timerange(start, end, batch_size=1000):
        for entry in batch:
            histories[entry.invocation_id].append(entry)
    by_id = {key: _read_back(InvocationId(key), history) for key, history in histories.items()}
    records = list(by_id.values())

    # Of a file that fails two tasks, one error is enough.
    errors = {r.subject: str(r.error) for r in records if isinstance(r.error, NotPythonError)}
    title = f"{len(errors)} files are not Python"
    _print(console, title, ["file", "error"], list(errors.items()))

    entries = Counter(e.status_record.status for history in histories.values() for e in history)
    last = Counter(record.status for record in records)
    _print(
        console,
        f"The state backend holds {len(records):,} invocations"
        f" and {entries.total():,} history records",
        ["status", "history records", "invocations that ended so"],
        [(str(status), number, last[status]) for status, number in entries.items()],
    )
    times: dict[str, list[float]] = defaultdict(list)
    for record in records:
        times[record.task].append(record.milliseconds)
    _print(
        console,
        "Time from running to the end",
        ["task", "invocations", "median ms", "max ms", "sum s"],
        [(task, len(ms), median(ms), max(ms), sum(ms) / 1000) for task, ms in times.items()],
    )
    slowest = sorted(records, key=lambda record: -record.milliseconds)[:_SLOWEST]
    _print(
        console,
        f"The {_SLOWEST} slowest invocations",
        ["task", "file or package", "ms"],
        [(record.task, record.subject, record.milliseconds) for record in slowest],
    )
    runs = Counter(record.runner_id for record in records)
    _print(
        console,
        "Worker processes",
        ["process", "runner", "invocations"],
        [
            (str(runner.pid), f"{runner.runner_cls} {runner.runner_id}", runs[runner.runner_id])
            for runner in app.state_backend.get_runner_contexts(list(runs))
        ],
    )
    return by_id


def print_accident(console: Console, accident: Accident, records: dict[str, Record]) -> None:
    """Print what became of the invocations that the killed worker held."""
    done = sum(record.runner_id == accident.runner_id for record in records.values())
    rows = []
    for invocation_id, status in accident.held.items():
        record = records[invocation_id]
        later = [e.status_record.status for e in record.history if e.timestamp > accident.time]
        seconds = record.requeued_after(accident.time)
        rows.append((record.task, record.subject, seconds, " → ".join([status, *later])))
    _print(
        console,
        f"One worker was killed: process {accident.pid}, which had done {done:,} invocations and"
        f" held {len(accident.held)} more",
        ["task", "file", "requeued after s", "what became of it"],
        rows,
    )


def print_triggers(console: Console, start: datetime, end: datetime) -> None:
    """Print which triggers fired in the run."""
    runs = app.trigger.get_trigger_runs_in_timerange(start, end)
    rows = []
    for run in runs:
        condition = run.participants[0].context_summary or run.participants[0].context_type
        seconds = ((run.executed_at or end) - start).total_seconds()
        rows.append((run.task_id_key.rpartition(".")[2], condition, seconds))
    _print(console, "Triggers that fired", ["task", "for", "after s"], rows)


def _read_back(invocation_id: InvocationId, history: list[InvocationHistory]) -> Record:
    """Read an invocation's history, and by its key its task, its argument and its error."""
    last = history[-1]
    status = last.status_record.status
    started = [e for e in history if e.status_record.status is InvocationStatus.RUNNING]
    seconds = (last.timestamp - started[-1].timestamp).total_seconds() if started else 0.0
    failed = status is InvocationStatus.FAILED
    invocation = app.state_backend.get_invocation(invocation_id)
    return Record(
        task=invocation.task.func.__name__,
        # Besides ours, pynenc's own tasks may have run, which have no argument.
        subject=next(iter(invocation.arguments.kwargs.values()), ""),
        status=status,
        runner_id=last.runner_context_id,
        milliseconds=seconds * 1000,
        error=app.state_backend.get_exception(invocation_id) if failed else None,
        history=history,
    )


def _sizes(package: Package) -> tuple[int, int, int, int, int]:
    return (
        package["files"],
        package["lines"],
        package["tokens"],
        package["functions"],
        package["classes"],
    )


def _print(
    console: Console, title: str, columns: list[str], rows: Sequence[Sequence[Cell]]
) -> None:
    """Print a table, with its numbers to the right."""
    table = Table()
    for name, cell in zip(columns, rows[0] if rows else columns, strict=True):
        table.add_column(name, justify="left" if isinstance(cell, str) else "right")
    for row in rows:
        # As plain text: rich would take what is in square brackets for markup.
        table.add_row(*(Text(_text(cell)) for cell in row))
    console.print(f"\n[bold]{title}[/bold]")
    console.print(table if rows else "none")


def _text(cell: Cell) -> str:
    match cell:
        case int():
            return f"{cell:,}"
        case float():
            return f"{cell:,.1f}"
        case _:
            return cell
