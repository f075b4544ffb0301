"""Every page of the monitor opens in a browser without an error, and shows what it is about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from monitor.shop import Shop
    from monitor.tools import Monitor, Tab

# A route of the monitor, its arguments, and what the page must tell.
PAGES = [
    ("/", "", "Event Activity"),
    ("/broker/", "", "RedisBroker"),
    ("/broker/refresh", "", "Queue is empty"),
    ("/broker/queue", "", "No pending invocations in queue."),
    ("/client-data-store/", "", "RedisClientDataStore"),
    ("/orchestrator/", "", "RedisOrchestrator"),
    ("/orchestrator/refresh", "", "SUCCESS"),
    ("/runners/", "", "{runner_id}"),
    ("/runners/refresh", "", "{runner_id}"),
    ("/runners/{runner_id}", "", "{runner_id}"),
    ("/runners/atomic-service/scheduling", "", "{runner_id}"),
    ("/runners/atomic-service/scheduling/refresh", "", "{runner_id}"),
    ("/runners/atomic-service/timeline", "", "Execution Timeline"),
    ("/runners/atomic-service/timeline", "?status=completed&page=2&page_size=10", "completed"),
    ("/runners/atomic-service/runs/{atomic_service_run_id}", "", "{atomic_service_run_id}"),
    ("/invocations/", "", "monitored.tasks.pack"),
    ("/invocations/", "?time_range=1h&status=FAILED&status_mode=history", "monitored.tasks.charge"),
    ("/invocations/", "?workflow_type={workflow_type_key}", "monitored.tasks.charge"),
    ("/invocations/timeline", "", "Task occupancy"),
    ("/invocations/timeline", "?time_range=1h&task_id={task_id_key}", "Task occupancy"),
    ("/invocations/timeline", "?time_range=1d&limit=1000&resolution=1s", "Task occupancy"),
    ("/invocations/timeline", "?time_range=1h&focus_event={event_id}", "Task occupancy"),
    ("/invocations/timeline", "?inv_ids={invocation_id}&collapse_external=0", "Task occupancy"),
    ("/invocations/{invocation_id}", "", "parcel 1"),
    ("/invocations/{invocation_id}/family-tree", "", "Invocation Family Tree"),
    ("/invocations/{invocation_id}/family-tree", "?bare=1&expand={invocation_id}", "pack"),
    ("/tasks/", "", "monitored.tasks.charge"),
    ("/tasks/refresh", "", "monitored.tasks.charge"),
    ("/tasks/{task_id_key}", "", "monitored.tasks.charge"),
    ("/calls/", "?call_id_key={call_id_key}", "{call_id_key}"),
    ("/calls/{call_id_key:path}", "", "{call_id_key}"),
    ("/state-backend/", "", "RedisStateBackend"),
    ("/workflows/", "", "monitored.tasks.fulfil"),
    ("/workflows/refresh", "", "monitored.tasks.fulfil"),
    ("/workflows/runs", "", "Total Runs"),
    ("/workflows/runs/refresh", "", "monitored.tasks.fulfil"),
    ("/workflows/{workflow_type_key}", "", "monitored.tasks.fulfil"),
    ("/workflows/{workflow_type_key}/refresh", "", "Total Runs"),
    ("/events/", "", "batch accepted"),
    ("/events/", "?event_code=stock+low&matched=no&triggered=no", "stock low"),
    ("/events/{event_id}", "", "{event_id}"),
    ("/triggers/{trigger_id}", "", "{trigger_id}"),
    ("/trigger-runs/{trigger_run_id}", "", "{trigger_run_id}"),
    ("/trigger-runs/condition", "?condition_id={condition_id}", "batch accepted"),
    ("/trigger-runs/valid-condition", "?valid_condition_id={valid_condition_id}", "batch accepted"),
    ("/log-explorer/", "", "Analyse Pynenc Log Lines"),
    ("/switch-app/{app_id}", "", "Event Activity"),
]

# What pages ask for when they are used.
DATA = [
    ("/health", "", "{app_id}"),
    ("/invocations/{invocation_id}/api", "", "{invocation_id}"),
    ("/invocations/{invocation_id}/history", "", '"status": "success"'),
    ("/events/{event_id}/api", "", "{event_id}"),
    ("/events/{event_id}/trigger-runs", "", "{trigger_run_id}"),
    ("/events/{event_id}/trace", "", "{event_id}"),
    (
        "/events/api/markers",
        "?start=2020-01-01T00:00:00&end=2100-01-01T00:00:00&limit=5000",
        "{event_id}",
    ),
    ("/trigger-runs/{trigger_run_id}/api", "", "{trigger_run_id}"),
]

# pynmon declares it behind /invocations/{invocation_id}, so nobody gets there.
UNREACHABLE = {"/invocations/table"}


def address(shop: Shop, route: str, arguments: str) -> str:
    quoted = {name: quote(value, safe="") for name, value in shop.names.items()}
    return (route.replace(":path}", "}") + arguments).format_map(quoted)


@pytest.mark.parametrize(("route", "arguments", "tells"), PAGES)
def test_page_opens(tab: Tab, shop: Shop, route: str, arguments: str, tells: str) -> None:
    text = tab.text(address(shop, route, arguments))

    assert tells.format_map(shop.names) in text


@pytest.mark.parametrize(("route", "arguments", "tells"), DATA)
def test_data_is_there(
    monitor: Monitor, shop: Shop, route: str, arguments: str, tells: str
) -> None:
    status, body = monitor.get(address(shop, route, arguments))

    assert status == 200, body
    assert tells.format_map(shop.names) in json.dumps(json.loads(body))


def test_no_route_is_left_out() -> None:
    pytest.importorskip("fastapi")
    from pynmon.app import app, setup_routes  # noqa: PLC0415 - not everywhere installed

    setup_routes()
    declared = app.openapi()["paths"]
    shown = {path for path, methods in declared.items() if "get" in methods}
    tested = {route.replace(":path}", "}") for route, _, _ in PAGES + DATA}
    assert shown - UNREACHABLE == tested
