"""What is written of a run: the record as JSON, tables as Markdown, a part of the README."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import server
from benchmarks.record import Record, Sample
from benchmarks.verdicts import US, verdicts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.bench import Bench
    from benchmarks.contender import Contender
    from benchmarks.record import Spread
    from benchmarks.verdicts import Verdict

MICRO, MILLI, KIB = 1e6, 1e3, 1024
# Figures of the tables of rates: name, heading, factor, digits.
COSTS = (
    ("client_cpu", "client CPU, µs", MICRO, 0),
    ("worker_cpu", "worker CPU, µs", MICRO, 0),
    ("server_cpu", "server CPU, µs", MICRO, 0),
    ("round_trips", "round trips", 1, 2),
    ("commands", "commands", 1, 1),
    ("sent", "bytes sent", 1, 0),
    ("received", "bytes received", 1, 0),
)
# The tables of rates: case, heading.
RATES = {
    "submit": "Submit one by one",
    "batch": "Submit a batch of 1,000",
    "claim": "Claim, ten at a time",
    "start": "Start",
    "finish": "Finish",
    "life": "The whole life, four threads in the client's process",
    "workers, thread": "The whole life, a worker process with 1 to 8 threads",
    "workers, process": "The whole life, 1 to 8 worker processes",
    "fan-out": "Fan-out and fan-in: a parent and 1,000 children",
    "raw, SET": "The server by itself: SET, by 1 and 50 connections",
    "raw, no-op EVALSHA": "The server by itself: a script that does nothing",
}
EXPLAINED = """\
Figures are of one invocation (or read), the median of the rounds. "Ours is" is the ratio of our
rate to theirs, pair by pair: the median, and the least and the largest. Costs of the server include
what workers ask for meanwhile.
"""
# What the README shows, a second: heading, case, size.
SUMMARY = (
    ("submits", "submit", None),
    ("submits in a batch", "batch", None),
    ("lives with 4 threads", "workers, thread", 4),
    ("lives with 4 processes", "workers, process", 4),
)
BEGIN, END = "<!-- newest benchmark -->\n", "<!-- end of it -->\n"


def meta(bench: Bench) -> dict[str, Any]:
    """Return when and where a run was, of what, and who failed."""
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "server": server.about(bench.client),
        "versions": {one.name: one.versions for one in bench.started},
        "failures": bench.failures,
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
        "system": platform.system(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


def read(path: Path) -> tuple[dict[str, Any], Record]:
    """Read what `write` has written."""
    about = json.loads(path.read_text(encoding="utf-8"))
    return about, Record(Sample(**sample) for sample in about.pop("samples"))


def write(folder: Path, about: dict[str, Any], record: Record) -> None:
    """Write `latest.json` into a folder, a sample a line."""
    folder.mkdir(parents=True, exist_ok=True)
    head = json.dumps(about, indent=1)[:-2]
    samples = ",\n".join(json.dumps(asdict(sample)) for sample in record.samples)
    (folder / "latest.json").write_text(f'{head},\n "samples": [\n{samples}\n]\n}}\n')


def markdown(about: dict[str, Any], record: Record, known: dict[str, Contender]) -> str:
    """Return the report of a run."""
    server_of, machine_of = about["server"], about["machine"]
    name = server_of.get("server_name", "redis")
    number = server_of.get("valkey_version") or server_of["redis_version"]
    where = f"{machine_of['cores']} cores, {machine_of['cpu']}"
    parts = [
        f"# Benchmark of {about['when'][:10]}\n",
        f"{name} {number}, nothing kept on disk; {where}.\n",
        EXPLAINED,
        *(f"**Failed:** {failure.splitlines()[0]}\n" for failure in about["failures"]),
        judged(verdicts(record)),
        who(known, about["versions"]),
        *(rates(record, case, heading, known) for case, heading in RATES.items()),
        latencies(record, known),
        growth(record),
        clean_ups(record),
        memory(record, known),
        idle(record, known),
        payloads(record, known),
    ]
    return "\n".join(part for part in parts if part)


def judged(found: Iterable[Verdict]) -> str:
    """Return the table of what must hold."""
    answers = {None: "not measured", True: "yes", False: "**no**"}
    rows = [[one.claim, one.limit, one.shown, answers[one.holds]] for one in found]
    return "## What must hold\n\n" + table(["", "wanted", "measured", "holds"], rows)


def who(known: dict[str, Contender], versions: dict[str, dict[str, str]]) -> str:
    """Return the table of what the contenders do with what they are given."""
    rows = [
        [
            one.title,
            ", ".join(f"{package} {number}" for package, number in versions[one.name].items()),
            one.records, one.result, one.atomic, one.delivery,
        ]
        for one in known.values()
        if one.name in versions
    ]  # fmt: skip
    headings = ["", "versions", "it records", "a result is", "a step is", "a task is run"]
    return "## Who does what\n\n" + table(headings, rows)


def rates(record: Record, case: str, heading: str, known: dict[str, Contender]) -> str:
    """Return the table of a case in which things are done, of one of them."""
    samples = [sample for sample in record.samples if sample.case == case]
    if not samples:
        return ""
    shown = [of for of in COSTS if any(sample.figures.get(of[0]) for sample in samples)]
    sizes = record.sizes(case)
    sized = len(sizes) > 1
    rows = []
    for size in sizes:
        for name in record.contenders(case):
            seconds = record.each(case, name, "seconds", size)
            if seconds is None:
                continue
            ratio = record.ratio((case, name, size), (case, US, size), "seconds")
            title = known[name].title if name in known else name
            rows.append(
                [
                    title,
                    *([f"{size:,}"] if sized else []),
                    f"{1 / seconds.median:,.0f}",
                    times(ratio) if name != US else "",
                    *(amount(record.each(case, name, of[0], size), of[2], of[3]) for of in shown),
                ]
            )
    by = ["workers" if "workers" in case else "connections"] if sized else []
    return f"## {heading}\n\n" + table(
        ["", *by, "a second", "ours is", *(of[1] for of in shown)], rows
    )


def latencies(record: Record, known: dict[str, Contender]) -> str:
    """Return the table of the time from submission to start."""
    rows = [
        [
            known[name].title,
            amount(record.each("latency", name, "p50"), MILLI, 2),
            amount(record.each("latency", name, "p90"), MILLI, 2),
            amount(record.each("latency", name, "p99"), MILLI, 2),
        ]
        for name in record.contenders("latency")
    ]
    heading = "## From submission to start on an idle worker, settings as delivered\n\n"
    return heading + table(["", "p50, ms", "p90, ms", "p99, ms"], rows) if rows else ""


def growth(record: Record) -> str:
    """Return the table of what reads and steps cost as an app grows."""
    cases = [case for case in record.cases() if case.startswith(("read, ", "scale, "))]
    if not cases:
        return ""
    sizes = record.sizes(cases[0])
    rows = [
        [
            case.partition(", ")[2]
            if case.startswith("read")
            else f"{case.partition(', ')[2]} (step)",
            *(amount(record.each(case, US, "server_cpu", size), MICRO, 0) for size in sizes),
            *(amount(record.each(case, US, "seconds", size), MICRO, 0) for size in sizes),
        ]
        for case in cases
    ]
    of = [f"{size:,}" for size in sizes]
    headings = ["", *(f"server µs, {size}" for size in of), *(f"all µs, {size}" for size in of)]
    return "## With so many finished invocations\n\n" + table(headings, rows)


def clean_ups(record: Record) -> str:
    """Return the table of recovery, retention and purge."""
    rows = []
    for case in ("recovery sweep", "retention", "purge"):
        for sample in record.of(case, US):
            figures = sample.figures
            rows.append(
                [
                    case,
                    f"{sample.size:,}",
                    f"{sample.units:,}" if case != "recovery sweep" else "",
                    f"{figures['seconds']:,.3f}",
                    f"{figures['server_cpu']:,.3f}",
                    f"{figures['longest_block'] * MILLI:,.1f}",
                ]
            )
    headings = ["", "invocations", "removed", "seconds", "server CPU, s", "longest command, ms"]
    return "## Clean-ups\n\n" + table(headings, rows) if rows else ""


def memory(record: Record, known: dict[str, Contender]) -> str:
    """Return the table of the server's memory, of one finished invocation."""
    names = record.contenders("memory")
    if not names:
        return ""
    figures = dict.fromkeys(
        figure for name in names for one in record.of("memory", name) for figure in one.figures
    )
    rows = [
        [figure, *(amount(record.each("memory", name, figure), 1, 0) for name in names)]
        for figure in figures
    ]
    heading = "## Memory of a finished invocation, bytes\n\n"
    return heading + table(["", *(known[name].title for name in names)], rows)


def idle(record: Record, known: dict[str, Contender]) -> str:
    """Return the table of what idle workers ask for."""
    rows = [
        [
            known[name].title,
            f"{size}",
            amount(record.each("idle", name, "requests", size), 1, 1),
            amount(record.each("idle", name, "commands", size), 1, 1),
            amount(record.each("idle", name, "server_cpu", size), MILLI, 2),
        ]
        for name in record.contenders("idle")
        for size in record.sizes("idle")
        if record.of("idle", name, size)
    ]
    headings = ["", "workers", "requests", "commands, in scripts too", "ms of the server's CPU"]
    heading = "## Asked by idle workers in a second, settings as delivered\n\n"
    return heading + table(headings, rows) if rows else ""


def payloads(record: Record, known: dict[str, Contender]) -> str:
    """Return the table of large arguments and results."""
    rows = [
        [
            known[name].title,
            "yes" if case.endswith("compressed") else "",
            f"{size // KIB:,}",
            amount(record.each(case, name, "seconds", size), MILLI, 1),
            amount(record.each(case, name, "round_trips", size), 1, 0),
            amount(record.each(case, name, "sent", size), 1, 0),
            amount(record.each(case, name, "longest_block", size), MILLI, 1),
        ]
        for case in ("payload", "payload, compressed")
        for size in record.sizes(case)
        for name in record.contenders(case)
    ]
    headings = ["", "compressed", "KiB", "ms", "round trips", "bytes sent", "longest command, ms"]
    heading = "## An argument and a result of so many KiB: submit, claim, run, result\n\n"
    return heading + table(headings, rows) if rows else ""


def summary(about: dict[str, Any], record: Record, known: dict[str, Contender]) -> str:
    """Return what the README shows."""
    rows = []
    for name, one in known.items():
        cells = [
            *(rate(record.each(case, name, "seconds", size)) for _, case, size in SUMMARY),
            amount(record.each("latency", name, "p50"), MILLI, 1),
        ]
        if any(cells):
            rows.append([one.title, *cells, one.records])
    headings = ["", *(of[0] for of in SUMMARY), "ms to start, idle, p50", "what it records"]
    machine_of = about["machine"]
    return (
        f"{about['when'][:10]}, {machine_of['cores']} cores; in a second, medians of a run.\n\n"
        + table(headings, rows)
    )


def into_readme(path: Path, text: str) -> None:
    """Put a text between the marks of the README."""
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{path} has no line {BEGIN.strip()}, or none {END.strip()} behind it")
    path.write_text(f"{before}{BEGIN}{text}{END}{after}", encoding="utf-8")


def table(headings: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def times(spread: Spread | None) -> str:
    """Return a ratio for people."""
    if spread is None:
        return ""
    return f"{spread.median:.2f}× ({spread.least:.2f} to {spread.largest:.2f})"


def rate(spread: Spread | None) -> str:
    """Return how many there are in a second, for people."""
    return "" if spread is None else f"{1 / spread.median:,.0f}"


def amount(spread: Spread | None, factor: float, digits: int) -> str:
    """Return a figure for people."""
    return "" if spread is None else f"{spread.median * factor:,.{digits}f}"
