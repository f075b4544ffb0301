"""Tasks of monitor.py; pynenc wants them in a module that can be imported."""

from __future__ import annotations


def noop() -> None:
    """Do nothing."""


def numbered(number: int) -> int:
    """Return the number."""
    return number


def workflow() -> None:
    """Do nothing, as a workflow."""
