"""What the monitor changes: the queue that it looks into, and what is purged or run again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pynenc.identifiers.invocation_id import InvocationId
from pynenc.invocation.status import InvocationStatus

from monitor.tools import fill, rows

if TYPE_CHECKING:
    from monitor.shop import Shop
    from monitor.tools import Monitor, Tab

PURGES = [
    "/purge",
    "/broker/purge",
    "/orchestrator/auto-purge",
    "/state-backend/purge",
    "/client-data-store/purge",
    "/events/auto-purge",
]


def post(tab: Tab, path: str) -> Any:
    """What a page of the monitor gets for a POST: the browser says where it comes from."""
    tab.open("/state-backend/")
    reply = tab.page.evaluate(
        """async path => {
            const reply = await fetch(path, {method: "POST"});
            return {status: reply.status, body: await reply.json()};
        }""",
        path,
    )
    assert reply["status"] == 200, reply
    assert tab.problems == []
    return reply["body"]


def test_a_look_into_the_queue_loses_nothing(other_tab: Tab, other_shop: Shop) -> None:
    shop = other_shop
    queued = shop.submit(range(1000, 1030))
    assert shop.app.broker.count_invocations() == len(queued)

    for limit in (20, 10, 100):
        page = other_tab.open(f"/broker/queue?limit={limit}")
        shown = [row for row in rows(page) if len(row) > 1]  # the others fold out
        assert len(shown) == min(limit, len(queued))
        assert shop.app.broker.count_invocations() == len(queued)
    text = other_tab.text("/broker/")
    assert f"Pending Invocations {len(queued)}" in text
    assert "default 30" in other_tab.text("/")

    fill(shop.environment, 0)
    statuses = {shop.app.orchestrator.get_invocation_status(InvocationId(id_)) for id_ in queued}
    assert statuses == {InvocationStatus.SUCCESS}
    assert shop.app.broker.count_invocations() == 0


def test_run_again(other_tab: Tab, other_shop: Shop) -> None:
    first = other_shop.submit(range(2000, 2001)).pop()

    reply = post(other_tab, f"/invocations/{first}/rerun")

    again = other_shop.app.state_backend.get_invocation(InvocationId(reply["new_invocation_id"]))
    assert again.invocation_id != first
    assert again.call.call_id == other_shop.call_of("pack", 2000).call_id
    assert other_shop.app.broker.retrieve_invocation() == first
    assert other_shop.app.broker.retrieve_invocation() == again.invocation_id


@pytest.mark.parametrize("path", PURGES)
def test_nothing_changes_for_a_page_from_elsewhere(
    other_monitor: Monitor, other_shop: Shop, path: str
) -> None:
    before = other_shop.count()

    for origin in (None, "http://example.org"):
        assert other_monitor.post(path, origin)[0] == 403
    assert other_shop.count() == before > 0


def test_purges(other_tab: Tab, other_shop: Shop) -> None:
    shop, app = other_shop, other_shop.app
    reply = post(other_tab, "/events/auto-purge")
    assert (reply["success"], reply["deleted"]) == (True, 0)
    queued = shop.submit(range(3000, 3010))

    assert post(other_tab, "/client-data-store/purge")["success"]
    assert shop.count() > len(queued)
    assert post(other_tab, "/broker/purge")["success"]
    assert app.broker.count_invocations() == 0
    assert shop.ids() >= queued
    assert post(other_tab, "/orchestrator/auto-purge")["success"]  # of all, whatever its name says
    assert shop.count() == 0
    known = InvocationId(queued.pop())
    assert app.state_backend.get_invocation(known).invocation_id == known
    assert post(other_tab, "/state-backend/purge")["success"]
    assert list(app.state_backend.get_all_workflow_runs()) == []
    assert app.trigger.count_events() > 0
    shop.submit(range(4000, 4010))
    assert shop.count() == 10
    assert post(other_tab, "/purge")["success"]
    assert shop.count() == app.broker.count_invocations() == app.trigger.count_events() == 0
    for path in ("/", "/invocations/", "/events/", "/workflows/", "/runners/", "/orchestrator/"):
        other_tab.open(path)
