"""The tasks that these tests run.

They belong to no app of a test: `tools.bind` gives a test's app its own copy of one. Within a task,
`mine` does the same for the app that runs it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pynenc import PynencBuilder, context
from pynenc.conf.config_task import ConcurrencyControlType
from pynenc.exceptions import RetryError

if TYPE_CHECKING:
    from pynenc.task import Task

app = PynencBuilder().app_id("tasks of tests/life").memory().build()


def mine(task: Task) -> Task:
    """The copy of a task that the running app has."""
    running = context.get_current_app()
    assert running is not None
    return running.get_task(task.task_id)


@app.task
def noop() -> None: ...


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
def echo(value: str) -> str:
    return value


@app.task
def join_texts(first: str, second: str) -> str:
    return first + second


@app.task
def pause(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@app.workflow
def workflow() -> None: ...


@app.task(queue="elsewhere")
def noop_elsewhere() -> None: ...


@app.task(priority=50.0)
def urgent() -> None: ...


@app.task
def fail(message: str) -> None:
    raise ValueError(message)


@app.task(max_retries=3)
def flaky(failures: int) -> int:
    """Fail so often, then tell how often it was retried."""
    running = context.get_current_app()
    assert running is not None
    invocation = context.get_dist_invocation_context(running.app_id)
    assert invocation is not None
    if invocation.num_retries < failures:
        raise RetryError
    return invocation.num_retries


@app.task
def add_all(numbers: list[int]) -> int:
    """Have sub-invocations add 1 to each number, and wait for them."""
    group = mine(add).parallelize([(number, 1) for number in numbers])
    return sum(group.results)


@app.task(running_concurrency=ConcurrencyControlType.TASK, reroute_on_concurrency_control=True)
def alone(number: int) -> int:
    return number


@app.task(running_concurrency=ConcurrencyControlType.TASK, reroute_on_concurrency_control=True)
def alone_pause(number: int) -> int:
    time.sleep(0.1)
    return number


@app.task(
    running_concurrency=ConcurrencyControlType.TASK,
    reroute_on_concurrency_control=True,
    max_retries=3,
)
def alone_flaky(number: int) -> int:
    return number


@app.task(running_concurrency=ConcurrencyControlType.TASK)
def alone_or_never(number: int) -> int:
    return number


@app.task(running_concurrency=ConcurrencyControlType.ARGUMENTS)
def alone_by_arguments(key: str, value: str) -> str:
    return key + value


@app.task(running_concurrency=ConcurrencyControlType.KEYS, key_arguments=("key",))
def alone_by_key(key: str, value: str) -> str:
    return key + value


@app.task(registration_concurrency=ConcurrencyControlType.TASK)
def once(key: str, value: str) -> str:
    return key + value


@app.task(registration_concurrency=ConcurrencyControlType.ARGUMENTS)
def once_by_arguments(key: str, value: str) -> str:
    return key + value


@app.task(registration_concurrency=ConcurrencyControlType.KEYS, key_arguments=("key",))
def once_by_key(key: str, value: str) -> str:
    return key + value


@app.task(
    registration_concurrency=ConcurrencyControlType.KEYS,
    key_arguments=("key",),
    on_diff_non_key_args_raise=True,
)
def once_by_key_strict(key: str, value: str) -> str:
    return key + value
