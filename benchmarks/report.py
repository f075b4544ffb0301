"""What is written of a run: the record as JSON, tables as Markdown."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import server

if TYPE_CHECKING:
    from benchmarks.bench import Bench
    from benchmarks.contender import Contender
    from benchmarks.record import Record, Spread

US = "us"
# Figures of a table: name, heading, factor, digits.
COSTS = (
    ("client_cpu", "client CPU µs", 1e6, 0),
    ("worker_cpu", "worker CPU µs", 1e6, 0),
    ("server_cpu", "server CPU µs", 1e6, 0),
    ("round_trips", "round trips", 1, 2),
    ("commands", "commands", 1, 1),
    ("sent", "bytes sent", 1, 0),
    ("received", "bytes received", 1, 0),
)


def meta(bench: Bench) -> dict[str, Any]:
    """Return when and where a run was, and of what."""
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "server": server.about(bench.client),
        "versions": {one.name: one.versions for one in bench.started},
    }


def machine() -> dict[str, Any]:
    """Describe this machine."""
    cpuinfo = Path("/proc/cpuinfo")
    models = [
        line.partition(":")[2].strip()
        for line in (cpuinfo.read_text().splitlines() if cpuinfo.exists() else [])
        if line.startswith("model name")
    ]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def write(
    folder: Path, meta: dict[str, Any], record: Record, known: dict[str, Contender]
) -> None:
    """Write `latest.json` and `latest.md` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = [asdict(sample) for sample in record.samples]
    (folder / "latest.json").write_text(json.dumps({**meta, "samples": samples}, indent=1) + "\n")
    (folder / "latest.md").write_text(markdown(meta, record, known))


def markdown(meta: dict[str, Any], record: Record, known: dict[str, Contender]) -> str:
    """Return the report."""
    parts = [f"# Results of {meta['when'][:10]}\n"]
    parts += [table(record, case, known) for case in record.cases()]
    return "\n".join(parts)


def table(record: Record, case: str, known: dict[str, Contender]) -> str:
    """Return the table of a case, of one unit, the contenders against us."""
    shown = [of for of in COSTS if any(of[0] in s.figures for s in record.samples if s.case == case)]
    sizes = record.sizes(case)
    heading = ["", *(["size"] if len(sizes) > 1 else []), "a second", "ours is"]
    lines = [f"## {case}\n", row([*heading, *(of[1] for of in shown)]), row(["---"] * (len(heading) + len(shown)))]
    for size in sizes:
        for name in record.contenders(case):
            seconds = record.each(case, name, "seconds", size)
            if seconds is None:
                continue
            ratio = record.ratio((case, name, size), (case, US, size), "seconds")
            cells = [known[name].title, *([f"{size:,}"] if len(sizes) > 1 else [])]
            cells += [f"{1 / seconds.median:,.0f}", times(ratio) if name != US else ""]
            cells += [
                amount(record.each(case, name, figure, size), factor, digits)
                for figure, _, factor, digits in shown
            ]
            lines.append(row(cells))
    return "\n".join(lines) + "\n"


def row(cells: list[str]) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def times(spread: Spread | None) -> str:
    """Return a ratio for people."""
    if spread is None:
        return ""
    return f"{spread.median:.2f}× ({spread.least:.2f} to {spread.largest:.2f})"


def amount(spread: Spread | None, factor: float, digits: int) -> str:
    """Return a figure for people."""
    return "" if spread is None else f"{spread.median * factor:,.{digits}f}"
