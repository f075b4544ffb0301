"""Fixtures of the tests of faults: figures for the report, and processes that start quickly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faults import report
from faults.scale import FULL

if TYPE_CHECKING:
    from collections.abc import Callable

_figures = pytest.StashKey[dict[str, list[str]]]()


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Note what was measured, in words: it is printed, and `make faults` puts it into the docs."""
    measured = request.config.stash.setdefault(_figures, {})
    test = f"tests/faults/{request.path.name}"

    def note(text: str) -> None:
        print(f"{test}: {text}")  # noqa: T201
        measured.setdefault(test, []).append(text)

    return note


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write docs/guarantees.md after a full run in which nothing failed."""
    if FULL and not session.testsfailed:
        report.write(session.config.stash.get(_figures, {}))
