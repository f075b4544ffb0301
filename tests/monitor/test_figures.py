"""The figures on the pages of the monitor are those of the backend."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from pynenc.identifiers.invocation_id import InvocationId
from pynenc.identifiers.task_id import TaskId
from pynenc.invocation.status import InvocationStatus

from monitor.conftest import ORDERS
from monitor.shop import ALWAYS
from monitor.tools import rows

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from monitor.shop import Shop
    from monitor.tools import Tab

FAILED, SUCCESS, RETRY = InvocationStatus.FAILED, InvocationStatus.SUCCESS, InvocationStatus.RETRY
PENDING = (InvocationStatus.PENDING, InvocationStatus.REGISTERED, InvocationStatus.REROUTED)
RECOVERING = (InvocationStatus.PENDING_RECOVERY, InvocationStatus.RUNNING_RECOVERY)


def above(page: Page, label: str) -> int:
    """The figure that stands above its label on the home page."""
    block = page.locator("div.col", has=page.locator("small", has_text=re.compile(f"^{label}$")))
    return int(block.locator(".h4").inner_text())


def card(page: Page, title: str) -> int:
    """The figure of a card with that title."""
    heading = page.locator("h6", has_text=re.compile(f"^{title}$", re.IGNORECASE))
    return int(page.locator(".metric-card", has=heading).locator(".h3").inner_text())


def invocations_on(page: Page) -> list[str]:
    return [row[0].split()[0] for row in rows(page)]


def all_pages(tab: Tab, query: str) -> list[str]:
    """The invocations of a list, from its first page to its last."""
    found: list[str] = []
    number = pages = 1
    while number <= pages:
        page = tab.open(f"/invocations/?{query}&limit=100&page={number}")
        found += invocations_on(page)
        chip = page.locator(".chip", has_text="invocations").inner_text()
        pages = int(chip.rpartition("/")[2])
        number += 1
    return found


def test_the_shop_did_what_it_is_for(shop: Shop) -> None:
    declined = ORDERS // 25
    assert shop.count(task="charge") == ORDERS
    assert shop.count(FAILED) == shop.count(FAILED, task="charge") == declined
    assert shop.count(SUCCESS, task="pack") == shop.count(task="pack") == ORDERS - declined
    assert shop.count(task="fulfil") == shop.count(task="notify") == ORDERS // 20
    assert shop.count(SUCCESS, FAILED) == shop.count() == len(shop.ids())


def test_home(tab: Tab, shop: Shop) -> None:
    trigger = shop.app.trigger
    page = tab.open("/")

    # pynenc's own come when they are first seen.
    assert card(page, "Registered Tasks") - len(shop.tasks) in {0, 1, 2}
    assert card(page, "Broker Queue") == shop.app.broker.count_invocations()
    assert card(page, "Active Runners") == len(shop.app.orchestrator.get_active_runners()) == 2
    assert card(page, "Invocations") == shop.count()
    assert above(page, "Running") == shop.count(InvocationStatus.RUNNING)
    assert above(page, "Pending") == shop.count(*PENDING)
    assert above(page, "Paused") == shop.count(InvocationStatus.PAUSED)
    assert above(page, "Failed") == shop.count(FAILED)
    assert above(page, "Succeeded") == shop.count(SUCCESS)
    assert above(page, "Recovering") == shop.count(*RECOVERING)
    assert above(page, "Events") == trigger.count_events()
    assert above(page, "Matched") == trigger.count_events(matched=True) == ORDERS // 20
    assert above(page, "Triggered") == trigger.count_events(triggered=True)
    assert above(page, "Event Codes") == len(trigger.list_event_codes()) == 2
    assert above(page, "Trigger Runs") == len(trigger.get_trigger_runs_in_timerange(*ALWAYS))


def test_invocations(tab: Tab, shop: Shop) -> None:
    page = tab.open("/invocations/")

    assert f"{shop.count()} invocations" in page.inner_text("body")
    newest = shop.app.orchestrator.get_invocation_ids_paginated(limit=50)
    assert invocations_on(page) == list(map(str, newest))


def test_invocations_of_a_status_are_all_on_its_pages(tab: Tab, shop: Shop) -> None:
    found = all_pages(tab, "status=FAILED&status_mode=current")

    assert len(found) == len(set(found))
    assert set(found) == shop.ids(FAILED)


def test_invocations_of_a_task_are_all_on_its_pages(tab: Tab, shop: Shop) -> None:
    found = all_pages(tab, "task_id=monitored.tasks.notify")

    task_id = TaskId("monitored.tasks", "notify")
    assert len(found) == len(set(found))
    assert set(found) == set(shop.app.orchestrator.get_task_invocation_ids(task_id))


def test_invocations_of_a_workflow_are_all_on_its_pages(tab: Tab, shop: Shop) -> None:
    found = all_pages(tab, f"workflow_id={shop.workflow}&workflow_type=monitored.tasks.fulfil")

    of_run = shop.app.state_backend.get_invocation_ids_by_workflow(shop.workflow)
    assert set(found) == set(of_run)
    assert len(found) == len(set(found)) > 20


# An order that went well, one whose payment took two attempts, one whose card was declined.
@pytest.mark.parametrize("order", [7, 20, 25])
def test_an_invocation(tab: Tab, shop: Shop, order: int) -> None:
    invocation_id = shop.invocation_of("charge", order)
    invocation = shop.app.state_backend.get_invocation(invocation_id)
    history = shop.app.state_backend.get_history(invocation_id)
    text = tab.text(f"/invocations/{invocation_id}")

    shown = text[text.lower().index("status timeline") :]
    steps = [record.status_record.status for record in history]
    pattern = r"\b(" + "|".join(status.name for status in InvocationStatus) + r")\b \d{4}-"
    assert re.findall(pattern, shown) == [status.name for status in steps]
    assert (RETRY in steps) == (order == 20)
    assert f"Retries: {invocation.num_retries}" in text
    assert f"Status: {steps[-1].name}" in text
    assert f"Parent Invocation: {invocation.parent_invocation_id}" in text
    if order == 25:
        assert f"the card of order {order} was declined" in text
    else:
        assert str(invocation.get_final_result()) in text


def test_the_family_tree(tab: Tab, shop: Shop) -> None:
    page = tab.open(f"/invocations/{shop.workflow}/family-tree?expand={shop.workflow}")

    shown = page.eval_on_selector_all(
        "[data-inv-id]", "nodes => nodes.map(node => node.dataset.invId)"
    )
    children = set(map(str, shop.app.state_backend.get_child_invocations(shop.workflow)))
    assert len(children) == 20
    assert children | {str(shop.workflow)} <= set(shown)
    of_run = shop.app.state_backend.get_invocation_ids_by_workflow(shop.workflow)
    [triggered] = set(shown) - set(map(str, of_run))
    assert shop.app.state_backend.get_invocation(InvocationId(triggered)).task.func.__name__ == (
        "notify"
    )


def test_the_timeline_of_all(tab: Tab, shop: Shop) -> None:
    page = tab.open("/invocations/timeline?time_range=1d&limit=")

    shown = page.eval_on_selector_all(
        "rect[data-invocation-id][data-status]",
        "bars => [...new Set(bars.map(bar => bar.dataset.invocationId))]",
    )
    assert set(shown) == shop.ids()


def test_tasks(tab: Tab, shop: Shop) -> None:
    shown = {row[0] for row in rows(tab.open("/tasks/"))}

    assert {name for name in shown if name.startswith("monitored.")} == shop.tasks


def test_a_task_lists_its_calls(tab: Tab, shop: Shop) -> None:
    page = tab.open("/tasks/monitored.tasks.fulfil")

    of_task = shop.app.orchestrator.get_task_invocation_ids(TaskId("monitored.tasks", "fulfil"))
    # pynmon shows the first 50 at most.
    assert f"Active Calls ({min(50, len(set(of_task)))})" in page.inner_text("body")


def test_a_call_lists_its_invocations(tab: Tab, shop: Shop) -> None:
    page = tab.open(f"/calls/?call_id_key={shop.call_of('charge', 7).call_id.key}")

    assert page.locator(f"a[href='/invocations/{shop.invocation_of('charge', 7)}']").count()


def test_workflows(tab: Tab, shop: Shop) -> None:
    runs = [run.workflow_id for run in shop.app.state_backend.get_all_workflow_runs()]

    [[name, count, *_]] = rows(tab.open("/workflows/"))
    assert (name, int(count)) == ("monitored.tasks.fulfil", len(runs))
    page = tab.open("/workflows/runs")
    assert f"{len(runs)} Total Runs" in page.inner_text("body")
    assert sorted(row[1] for row in rows(page)) == sorted(map(str, runs))
    page = tab.open("/workflows/monitored.tasks.fulfil")
    assert f"{len(runs)} Total Runs" in page.inner_text("body")


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", {}),
        ("event_code=stock+low", {"event_code": "stock low"}),
        ("matched=no", {"matched": False}),
        ("triggered=yes", {"triggered": True}),
    ],
)
def test_events(tab: Tab, shop: Shop, query: str, wanted: dict) -> None:
    events = shop.app.trigger.get_events(limit=1000, **wanted)
    assert len(events) == shop.app.trigger.count_events(**wanted) > 0
    page = tab.open(f"/events/?page_size=200&{query}")

    assert f"Showing {len(events)} of {len(events)} events" in page.inner_text("body")
    assert {row[2] for row in rows(page)} == {event.event_id for event in events}


def test_an_event_names_what_it_triggered(tab: Tab, shop: Shop) -> None:
    text = tab.text(f"/events/{shop.event}")

    event = shop.app.trigger.get_event(shop.event)
    assert event is not None
    assert event.emitted_by_invocation_id is not None
    assert event.emitted_by_invocation_id in text
    [triggered] = event.triggered_invocation_ids
    assert triggered in text


def test_orchestrator(tab: Tab, shop: Shop) -> None:
    # pynmon counts the tasks that it has seen so far: the app's, and sooner or later pynenc's own.
    seen = [row[0] for row in rows(tab.open("/tasks/"))]
    page = tab.open("/orchestrator/")

    items = page.locator(".badge-item").all_inner_texts()
    shown = {name: int(count) for name, count in (item.split() for item in items)}
    counts = {
        status.name: sum(
            shop.app.orchestrator.count_invocations(TaskId.from_key(name), [status])
            for name in seen
        )
        for status in InvocationStatus
    }
    assert shown == counts
    assert "TOTAL ACTIVE 2" in " ".join(page.inner_text("body").split()).upper()


def test_runners(tab: Tab, shop: Shop) -> None:
    active = shop.app.orchestrator.get_active_runners()
    page = tab.open("/runners/")

    assert card(page, "Total Runners") == len(active)
    assert {row[0].split()[0] for row in rows(page)} >= {runner.runner_id for runner in active}
    [context] = shop.app.state_backend.get_runner_contexts([shop.runner])
    text = tab.text(f"/runners/{shop.runner}")
    assert context.runner_cls in text
    assert str(context.pid) in text


def test_runs_of_the_atomic_service(tab: Tab, shop: Shop) -> None:
    runs = shop.app.orchestrator.get_atomic_service_executions_in_timerange(*ALWAYS)
    found = list(runs)
    page = tab.open("/runners/atomic-service/timeline?page_size=1000")

    assert len(found) < 1000
    assert f"1\N{EN DASH}{len(found)} / {len(found)}" in page.inner_text("body")


def test_the_log_explorer_finds_what_a_worker_said(tab: Tab, shop: Shop) -> None:
    invocation_id = shop.invocation_of("charge", 25)
    logs = [path.read_text() for path in shop.folder.glob("worker-*.log")]
    [line] = [
        line
        for log in logs
        for line in log.splitlines()
        if f"invocation:{invocation_id} EXCEPTION" in line
    ]
    page = tab.open("/log-explorer/")
    page.locator("textarea[name=log]").fill(line)
    page.get_by_role("button", name="Analyse").click()

    page.locator(f"a[href*='/invocations/{invocation_id}']").first.wait_for()
    assert tab.problems == []
