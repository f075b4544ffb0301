"""Writes docs/conformance.md: what pynenc's suite said of our components, by module and server."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import servers

if TYPE_CHECKING:
    import pytest

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
BEGIN, END = "<!-- written by `make conformance` -->", "<!-- end -->"


def write(reports: list[pytest.TestReport]) -> None:
    """Put the results of a run between the marks of the page."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    reasons: Counter[str] = Counter()
    for report in reports:
        module = report.nodeid.partition("::")[0].rpartition("/")[2].removesuffix(".py")
        counts.setdefault((module, _server_of(report.nodeid)), Counter())[report.outcome] += 1
        if report.skipped and isinstance(report.longrepr, tuple):
            reasons[report.longrepr[2].removeprefix("Skipped: ")] += 1
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    lines = [*_heading(), "", *_table(counts), "", *_reasons(reasons)]
    text = f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n\n{END}{after}"
    PAGE.write_text(text, encoding="utf-8")


def _server_of(nodeid: str) -> str:
    found = (name for name in servers.names() if re.search(rf"[\[-]{re.escape(name)}[]-]", nodeid))
    return next(found, "no server")


def _heading() -> list[str]:
    packages = ", ".join(f"{name} {version(name)}" for name in ("pynenc", "redis", "pytest"))
    return [f"Run of {datetime.now(UTC):%Y-%m-%d}: {packages}."]


def _table(counts: dict[tuple[str, str], Counter[str]]) -> list[str]:
    lines = [
        "| module of the suite | server | passed | skipped | failed |",
        "|---|---|---|---|---|",
    ]
    for (module, server), outcomes in sorted(counts.items()):
        name = module.removeprefix("test_").replace("_", ".", 1)
        figures = (outcomes[outcome] for outcome in ("passed", "skipped", "failed"))
        lines.append(f"| `{name}` | {server} | {' | '.join(map(str, figures))} |")
    return lines


def _reasons(reasons: Counter[str]) -> list[str]:
    if not reasons:
        return ["Nothing was skipped."]
    listed = [f"- {reason} ({count})" for reason, count in sorted(reasons.items())]
    return ["Skipped by the suite itself:", "", *listed]
