"""The tasks, for contenders that want plain functions of a module that can be imported."""

from __future__ import annotations

import time
from typing import Any

# The task that `fan` submits, put here by the contender.
fanned_out: Any = None


def add(left: int, right: int) -> int:
    """Return the sum."""
    return left + right


def now() -> float:
    """Return when this ran, by the clock that all processes of a machine share."""
    return time.monotonic()


def fan(children: int) -> int:
    """Submit so many additions, wait for them and return their sum."""
    group = fanned_out.parallelize([(number, 1) for number in range(children)])
    return sum(group.results)


def echo(text: str) -> str:
    """Return what was given."""
    return text
