"""Writes the figures of a run into the tables of docs/guarantees.md."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "guarantees.md"
RUN = re.compile(r"^Figures of .*$", re.MULTILINE)


def write(figures: dict[str, list[str]]) -> None:
    """Replace the last cell of each row that names a test by what that test measured.

    Args:
        figures: What was measured, by the path of the test as the page names it.
    """
    lines = PAGE.read_text(encoding="utf-8").split("\n")
    for test, texts in figures.items():
        rows = [n for n, line in enumerate(lines) if line.startswith("|") and f"`{test}`" in line]
        if not rows:
            raise LookupError(f"{PAGE} has no row for {test}")
        for row in rows:
            cells = lines[row].split(" | ")
            lines[row] = " | ".join([*cells[:-1], f"{'; '.join(texts)} |"])
    text = RUN.sub(f"Figures of {datetime.now(UTC):%Y-%m-%d}.", "\n".join(lines), count=1)
    PAGE.write_text(text, encoding="utf-8")
