"""Fixtures: the shop of examples/monitored, filled once, its monitor, and a browser."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest

import servers
from conftest import SERVERS
from monitor import tools
from monitor.shop import Shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext

    from monitor.tools import Monitor, Tab

ORDERS = 1000


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop with some thousands of invocations, all of them final."""
    yield from _shop(tmp_path_factory, ORDERS)


@pytest.fixture(scope="session")
def other_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A small shop, for what changes it."""
    yield from _shop(tmp_path_factory, 20)


def _shop(tmp_path_factory: pytest.TempPathFactory, orders: int) -> Iterator[Shop]:
    _need_chromium()
    standalone = [name for name in SERVERS if "cluster" not in name]
    server = servers.running(standalone[0]) if standalone else None
    if server is None or server.cluster:
        pytest.skip("there is no standalone server")
    folder = tmp_path_factory.mktemp("shop")
    environment = tools.environment_of(server, f"shop-{uuid.uuid4().hex[:8]}", folder)
    tools.fill(environment, orders)
    shop = Shop(environment)
    yield shop
    shop.remove()


def _need_chromium() -> None:
    if reason := tools.missing():
        if os.environ.get("CI_HAS_CHROMIUM") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def monitor(shop: Shop) -> Iterator[Monitor]:
    with tools.monitor_of(shop.environment, shop.folder) as monitor:
        yield monitor


@pytest.fixture(scope="session")
def other_monitor(other_shop: Shop) -> Iterator[Monitor]:
    with tools.monitor_of(other_shop.environment, other_shop.folder) as monitor:
        yield monitor


# Of a module, not the session: playwright runs an event loop, which must end before the
# asynchronous tests of other folders.
@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserContext]:
    with tools.browser() as browser:
        # One context, so that what all pages share is loaded once.
        yield browser.new_context(viewport={"width": 1600, "height": 1000})


@pytest.fixture
def tab(browser: BrowserContext, monitor: Monitor) -> Iterator[Tab]:
    yield from _tab(browser, monitor)


@pytest.fixture
def other_tab(browser: BrowserContext, other_monitor: Monitor) -> Iterator[Tab]:
    yield from _tab(browser, other_monitor)


def _tab(browser: BrowserContext, monitor: Monitor) -> Iterator[Tab]:
    page = browser.new_page()
    yield tools.Tab(page, monitor)
    page.close()
