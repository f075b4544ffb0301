"""Live progress: a bar for each task on a terminal, else a line for each tenth of its work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID


class Board:
    """Shows how many invocations of each task are done.

    Attributes:
        bars: Rich's progress bars; to be entered.
    """

    def __init__(self, console: Console) -> None:
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.bars = Progress(
            TextColumn("{task.description:8}"),
            *columns,
            console=console,
            disable=not console.is_terminal,
        )
        self._bar_of: dict[str, TaskID] = {}
        self._tenths: dict[str, int] = {}

    def say(self, text: str) -> None:
        """Print a line; the bars stay below it."""
        self.bars.console.print(text)

    def show(self, task: str, done: int, total: int) -> None:
        """Show that so many of a task's invocations are done."""
        if self.bars.disable:
            tenth = 10 * done // total
            if tenth > self._tenths.get(task, 0):
                self.say(f"{task:8} {10 * tenth:3} %  {done:5,} of {total:5,}")
            self._tenths[task] = tenth
        else:
            if task not in self._bar_of:
                self._bar_of[task] = self.bars.add_task(task)
            self.bars.update(self._bar_of[task], completed=done, total=total)
