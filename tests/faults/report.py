"""Writes the figures of a run into the tables of docs/guarantees.md."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import servers

if TYPE_CHECKING:
    import pytest

PAGE = Path(__file__).parents[2] / "docs" / "guarantees.md"
RUN = re.compile(r"^Figures of .*$", re.MULTILINE)


def write(reports: list[pytest.TestReport]) -> None:
    """Replace the last cell of each row that names a test by what that test measured."""
    figures: dict[str, list[str]] = {}
    for each in reports:
        of_test = figures.setdefault(each.nodeid.partition("::")[0], [])
        of_test += [str(text) for name, text in each.user_properties if name == "figure"]
    lines = PAGE.read_text(encoding="utf-8").split("\n")
    for test, texts in figures.items():
        for number, line in enumerate(lines):
            if texts and line.startswith("|") and f"`{test}`" in line:
                cells = line.split(" | ")
                lines[number] = " | ".join([*cells[:-1], f"{'; '.join(dict.fromkeys(texts))} |"])
    run = f"Figures of {datetime.now(UTC):%Y-%m-%d}, on {', '.join(servers.names())}."
    text = RUN.sub(run, "\n".join(lines), count=1)
    PAGE.write_text(text, encoding="utf-8")
