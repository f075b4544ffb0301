"""The tasks that these tests watch and start, and what is read of a context for their arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pynenc import PynencBuilder, context
from pynenc.conf.config_task import ConcurrencyControlType
from pynenc.exceptions import RetryError

if TYPE_CHECKING:
    from pynenc.trigger.conditions import (
        EventContext,
        ExceptionContext,
        ResultContext,
        StatusContext,
    )
    from pynenc.trigger.trigger_context import TriggerContext

app = PynencBuilder().app_id("tasks of tests/triggers").memory().build()


@app.task(max_retries=1)
def watched(token: str, how: str) -> str:
    """Return, raise, or be retried and return then."""
    running = context.get_current_app()
    assert running is not None
    invocation = context.get_dist_invocation_context(running.app_id)
    assert invocation is not None
    if how == "retry" and invocation.num_retries == 0:
        raise RetryError
    if how == "raise":
        raise ValueError(token)
    return token


# Each of these is started by one trigger.


@app.task
def by_event(token: str) -> None: ...


@app.task
def by_event_too(token: str) -> None: ...


@app.task
def by_status(token: str, status: str) -> None: ...


@app.task
def by_result(token: str) -> None: ...


@app.task
def by_exception(token: str) -> None: ...


@app.task
def by_either(token: str) -> None: ...


@app.task
def by_both(token: str) -> None: ...


@app.task
def by_late(token: str) -> None: ...


@app.task
def by_clock() -> None: ...


@app.task(registration_concurrency=ConcurrencyControlType.TASK)
def once() -> None: ...


@app.task(
    registration_concurrency=ConcurrencyControlType.KEYS,
    key_arguments=("token",),
    on_diff_non_key_args_raise=True,
)
def once_by_token(token: str, value: int) -> None: ...


def of_event(context: EventContext) -> dict[str, Any]:
    return {"token": context.payload["token"]}


def of_status(context: StatusContext) -> dict[str, Any]:
    return {"token": context.arguments.kwargs["token"], "status": context.status.value}


def of_result(context: ResultContext) -> dict[str, Any]:
    return {"token": context.result}


def of_exception(context: ExceptionContext) -> dict[str, Any]:
    return {"token": context.exception_message}


def of_either(context: TriggerContext) -> dict[str, Any]:
    [valid] = context.valid_conditions.values()
    found: Any = valid.context
    return {"token": (getattr(found, "payload", None) or found.arguments.kwargs)["token"]}


def is_any(_arguments: dict[str, Any]) -> bool:
    return True
