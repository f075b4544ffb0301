"""The app and its tasks.

Two tasks read each file, a third one resolves what it imports, a fourth one adds up a package:

    measure(path) ────────────────────────────┐
    outline(path) ──> resolve(path, imports) ─┴──> roll_up(package, files)

    event "library indexed" ──> rank(lines)
    every minute ──> count_done()

The worker processes import this module too. Both sides find each other through one folder, given
by the environment.
"""

from __future__ import annotations

import ast
import os
import sysconfig
import tokenize
from collections import Counter
from contextlib import contextmanager
from importlib.util import resolve_name
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from pynenc import Pynenc, PynencBuilder
from pynenc.invocation.status import InvocationStatus
from pynenc.trigger.trigger_builder import TriggerBuilder

from stdlib_index import FOLDER_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pynenc.trigger.conditions import EventContext

STDLIB = Path(sysconfig.get_path("stdlib"))
INDEXED = "library indexed"

_folder = Path(os.environ[FOLDER_VARIABLE])
app: Pynenc = (
    PynencBuilder()
    .app_id("stdlib-index")
    .redis_embedded(_folder / "valkey")
    .serializer_json()
    .thread_runner(max_threads=4)  # in each worker process
    .runner_tuning(runner_loop_sleep_time_sec=0.002)
    .task_control(blocking_control=False)  # no task waits for another one
    .logging("warning", colors=False)
    # What a dead worker leaves is put back in the queue, by default after minutes; here, one is
    # dead that has not been heard of for 5 s, and each is heard of every second.
    .custom_config(
        runner_considered_dead_after_minutes=5 / 60,
        atomic_service_check_interval_minutes=1 / 60,
        # The workers watch in turns, two of them 6 s each, without a pause between two turns ...
        atomic_service_interval_minutes=12 / 60,
        atomic_service_spread_margin_minutes=0.0,
        atomic_service_max_start_slot_fraction=1.0,  # ... and until the end of a turn
    )
    .build()
)


class NotPythonError(Exception):
    """The file is not Python of this version; the library's own tests have such files."""


class Size(TypedDict):
    """What `measure` returns."""

    lines: int
    tokens: int


class Outline(TypedDict):
    """What `outline` returns; an import is a pair, as in ``from <first> import <second>``."""

    functions: int
    classes: int
    imports: list[tuple[str, str]]


class File(TypedDict):
    """What is known of a file: all three, or less if it is not Python."""

    size: Size | None
    outline: Outline | None
    imports: list[str] | None


class Package(TypedDict):
    """What `roll_up` returns; `imports` says for a module how many of the files import it."""

    name: str
    files: int
    lines: int
    tokens: int
    functions: int
    classes: int
    imports: dict[str, int]


@app.task
def measure(path: str) -> Size:
    """Count the lines and tokens of a file."""
    size = Size(lines=0, tokens=0)
    with (STDLIB / path).open("rb") as file, _not_python():
        for token in tokenize.tokenize(file.readline):
            size["tokens"] += 1
            size["lines"] = token.end[0]
    return size


@app.task(priority=1)  # before `measure`, even if it comes back to the queue
def outline(path: str) -> Outline:
    """Parse a file, count its functions and classes and list its imports."""
    with _not_python():
        tree = ast.parse((STDLIB / path).read_bytes(), path)
    found = Outline(functions=0, classes=0, imports=[])
    for node in _statements(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                found["functions"] += 1
            case ast.ClassDef():
                found["classes"] += 1
            case ast.Import(names=names):
                found["imports"] += [(alias.name, "") for alias in names]
            case ast.ImportFrom(level=level, module=module, names=names):
                source = "." * level + (module or "")
                found["imports"] += [(source, alias.name) for alias in names]
    return found


@app.task
def resolve(path: str, imports: list[tuple[str, str]]) -> list[str]:
    """Name the modules that the imports of a file mean, each one once."""
    package = ".".join(Path(path).parent.parts)
    modules = set()
    for source, name in imports:
        try:
            module = resolve_name(source, package)
        except ImportError:  # a relative import that leaves its package: test data has some
            continue
        submodule = STDLIB.joinpath(*module.split("."), name)
        if name and (submodule.with_suffix(".py").is_file() or submodule.is_dir()):
            module = f"{module}.{name}"
        modules.add(module)
    return sorted(modules)


@app.task
def roll_up(package: str, files: list[File]) -> Package:
    """Add up the files of a package."""
    sizes = [file["size"] for file in files if file["size"]]
    outlines = [file["outline"] for file in files if file["outline"]]
    return Package(
        name=package,
        files=len(files),
        lines=sum(size["lines"] for size in sizes),
        tokens=sum(size["tokens"] for size in sizes),
        functions=sum(found["functions"] for found in outlines),
        classes=sum(found["classes"] for found in outlines),
        imports=Counter(module for file in files for module in file["imports"] or ()),
    )


def _lines_of(context: EventContext) -> dict[str, dict[str, int]]:
    return {"lines": context.payload["lines"]}


@app.task(triggers=TriggerBuilder().on_event(INDEXED).with_args_from_event(_lines_of))
def rank(lines: dict[str, int]) -> list[str]:
    """Order the packages by their lines, the longest first."""
    return sorted(lines, key=lambda package: (-lines[package], package))


@app.task(triggers=TriggerBuilder().on_cron("* * * * *"))
def count_done() -> int:
    """Count what has ended well so far."""
    return app.orchestrator.count_invocations(statuses=[InvocationStatus.SUCCESS])


@contextmanager
def _not_python() -> Iterator[None]:
    """Turn the many ways not to be Python into one error, whose text any serializer can keep."""
    try:
        yield
    except (SyntaxError, tokenize.TokenError, ValueError) as error:
        message = f"{type(error).__name__}: {error}"
        raise NotPythonError(message.replace(f"{STDLIB}{os.sep}", "")) from error


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements below a node: faster than `ast.walk`, which visits expressions too."""
    for block in ("body", "orelse", "handlers", "cases", "finalbody"):
        for child in getattr(node, block, ()):
            yield child
            yield from _statements(child)
