"""Tasks of the benchmarks; pynenc wants them in a module that can be imported."""

from __future__ import annotations


def noop() -> None:
    """Do nothing."""
