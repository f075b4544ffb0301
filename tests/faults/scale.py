"""How large the tests of faults are: quick by default, and in full with `make faults`."""

from __future__ import annotations

import os

FULL = os.environ.get("FAULTS") == "full"


def scaled[T](quick: T, full: T) -> T:
    """The size that this run has."""
    return full if FULL else quick
