"""The tasks as pynenc wants them: decorated in a module that its processes can import.

The app here is never used: an app takes over the tasks that it is asked for.
"""

from __future__ import annotations

from typing import Any

import tasks
from pynenc import Pynenc

app = Pynenc()
# The task that `fan` submits, put here by the contender: it belongs to the app that runs.
fanned_out: Any = None


@app.task
def add(left: int, right: int) -> int:
    """Return the sum."""
    return tasks.add(left, right)


@app.task
def now() -> float:
    """Return when this ran."""
    return tasks.now()


@app.task
def fan(children: int) -> int:
    """Submit so many additions, wait for them and return their sum."""
    group = fanned_out.parallelize([(number, 1) for number in range(children)])
    return sum(group.results)


@app.task
def echo(text: str) -> str:
    """Return what was given."""
    return text
