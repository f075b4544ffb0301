"""Takes the pictures of the monitor in docs/images: `make screenshots`."""

from __future__ import annotations

import base64
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import servers
from monitor import tools
from monitor.shop import ALWAYS, Shop

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

IMAGES = Path(__file__).parents[2] / "docs" / "images"
ORDERS = 80
# What Debian has of the things that the pages take from other hosts.
BOOTSTRAP = Path("/usr/share/javascript/bootstrap5")
ICONS = Path("/usr/share/fonts/woff/material-design-icons-iconfont/MaterialIcons-Regular.woff2")
ICON_STYLE = """
@font-face {{ font-family: "Material Icons"; src: url(data:font/woff2;base64,{font}); }}
.material-icons {{
  font-family: "Material Icons"; font-size: 24px; font-feature-settings: "liga";
  display: inline-block; line-height: 1; white-space: nowrap; font-style: normal;
}}
"""


def main() -> None:
    if reason := tools.missing():
        sys.exit(reason)
    IMAGES.mkdir(parents=True, exist_ok=True)
    name = next(name for name in servers.names() if "cluster" not in name)
    with tempfile.TemporaryDirectory(prefix="prl-") as folder:
        environment = tools.environment_of(servers.running(name), "shop", Path(folder))
        tools.fill(environment, ORDERS)
        shop = Shop(environment)
        try:
            with (
                tools.monitor_of(environment, shop.folder) as monitor,
                tools.browser(offline=False) as browser,
            ):
                page = browser.new_page(viewport={"width": 1280, "height": 720})
                page.route(lambda url: not url.startswith(monitor.url), _stand_in)
                _timeline(page, monitor.url, shop)
                _invocation(page, monitor.url, shop)
        finally:
            shop.remove()


def _timeline(page: Page, address: str, shop: Shop) -> None:
    """All that the shop did, from the first second to the last."""
    histories = shop.app.state_backend.iter_history_in_timerange(*ALWAYS, batch_size=1000)
    times = [record.timestamp for batch in histories for record in batch]
    end = max(times) + timedelta(seconds=1)
    query = f"time_range=custom&start_date={min(times):%FT%T}&end_date={end:%FT%T}"
    page.goto(f"{address}/invocations/timeline?{query}&limit=")
    _picture(page, "monitor-timeline")


def _invocation(page: Page, address: str, shop: Shop) -> None:
    """One whose payment took two attempts."""
    page.goto(f"{address}/invocations/{shop.invocation_of('charge', 20)}")
    page.locator("[data-inv-id]").first.wait_for(state="attached")
    for _ in range(4):  # smaller, so that more of the family is to be seen
        page.get_by_role("button", name="\N{MINUS SIGN}", exact=True).click()
    _picture(page, "monitor-invocation")


def _picture(page: Page, name: str) -> None:
    page.wait_for_load_state("networkidle")
    page.evaluate("() => document.fonts.ready")
    page.screenshot(path=IMAGES / f"{name}.png")


def _stand_in(route: Route) -> None:
    """Answer with what the machine has; without it, ask the host that the page names."""
    url = route.request.url
    file = BOOTSTRAP / url.rpartition("/dist/")[2]
    if "/bootstrap@" in url and file.is_file():
        route.fulfill(path=file)
    elif "Material+Icons" in url and ICONS.is_file():
        font = base64.b64encode(ICONS.read_bytes()).decode()
        route.fulfill(body=ICON_STYLE.format(font=font), content_type="text/css")
    elif "htmx" in url:  # only buttons need it
        route.abort()
    else:
        route.continue_()


if __name__ == "__main__":
    main()
