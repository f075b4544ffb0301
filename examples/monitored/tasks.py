"""The app and its tasks: a shop that fulfils orders in batches.

    fulfil(orders), a workflow
      ├─> charge(order), for each order; retried now and then, declined now and then
      │     └─> pack(order); now and then the event "stock low", which nobody listens to
      └─> event "batch accepted" ──> notify(orders)
    every minute ──> tally()

No task waits for another one: pynenc's thread runner burns the time of a waiting task.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pynenc import Pynenc, PynencBuilder
from pynenc.exceptions import RetryError
from pynenc.trigger.trigger_builder import TriggerBuilder

from monitored import APP_VARIABLE, FOLDER_VARIABLE, URL_VARIABLE
from pynenc_redis_lua.embedded import default_folder

if TYPE_CHECKING:
    from pynenc.trigger.conditions import EventContext

RETRIED = 20  # each twentieth payment takes two attempts,
DECLINED = 25  # each twenty-fifth is declined,
LOW = 50  # and each fiftieth parcel is the last one of its kind
ACCEPTED = "batch accepted"
STOCK_LOW = "stock low"


def build(app_id: str, url: str | None, folder: Path) -> Pynenc:
    """Build the app on a server, or without a URL on an embedded one in a folder."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    builder = PynencBuilder().app_id(app_id)
    builder = builder.redis(url=url) if url else builder.redis_embedded(folder / "valkey")
    return (
        builder.serializer_json()
        .thread_runner(max_threads=4)  # in each worker process
        .runner_tuning(runner_loop_sleep_time_sec=0.002)
        .task_control(blocking_control=False)  # no task waits for another one
        .logging("info", colors=False)
        # The workers look after the triggers in turns, by default of minutes.
        .custom_config(
            atomic_service_check_interval_minutes=0.1 / 60,
            atomic_service_interval_minutes=2 / 60,
            atomic_service_spread_margin_minutes=0.0,
            atomic_service_max_start_slot_fraction=1.0,
        )
        .build()
    )


FOLDER = Path(os.environ.get(FOLDER_VARIABLE) or default_folder().with_name("monitored"))
app = build(os.environ.get(APP_VARIABLE, "monitored"), os.environ.get(URL_VARIABLE), FOLDER)


class DeclinedError(Exception):
    """The card was declined."""


@app.task(max_retries=2)
def charge(order: int) -> float:
    """Charge an order, and have it packed."""
    if order % RETRIED == 0 and charge.invocation.num_retries == 0:
        raise RetryError
    if order % DECLINED == 0:
        raise DeclinedError(f"the card of order {order} was declined")
    pack(order)
    return 9.99 + order % 7


@app.task
def pack(order: int) -> str:
    """Pack an order."""
    if order % LOW == 1:
        app.trigger.emit_event(STOCK_LOW, {"order": order})
    return f"parcel {order}"


@app.workflow
def fulfil(orders: list[int]) -> int:
    """Accept a batch of orders."""
    charge.parallelize([(order,) for order in orders])
    app.trigger.emit_event(ACCEPTED, {"orders": orders})
    return len(orders)


def _orders_of(event: EventContext) -> dict[str, list[int]]:
    return {"orders": event.payload["orders"]}


@app.task(triggers=TriggerBuilder().on_event(ACCEPTED).with_args_from_event(_orders_of))
def notify(orders: list[int]) -> int:
    """Tell the customers of a batch; each event of its kind triggers one."""
    return len(orders)


@app.task(triggers=TriggerBuilder().on_cron("* * * * *"))
def tally() -> int:
    """Count what is fulfilled, every minute."""
    return app.orchestrator.count_invocations(fulfil.task_id)
