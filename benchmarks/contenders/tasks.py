"""The tasks, for contenders that want plain functions of a module that can be imported."""

from __future__ import annotations

import time


def add(left: int, right: int) -> int:
    """Return the sum."""
    return left + right


def now() -> float:
    """Return when this ran, by the clock that all processes of a machine share."""
    return time.monotonic()
