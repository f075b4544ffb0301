"""What the tests of the monitor share: the shop and its monitor as real processes, a real browser.

Nothing here leaves this machine. The pages of the monitor ask other hosts for Bootstrap, htmx and a
font; the browser finds none of these hosts, so the pages are tested without them, and what goes
wrong with other hosts is none of our business: only errors of the monitor's own host count.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response

    from servers import Server

EXAMPLES = Path(__file__).parents[2] / "examples"
BIN = Path(sys.executable).parent
_NO_OTHER_HOST = f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {servers.HOST}"


def missing() -> str | None:
    """Why there can be no test of the monitor here, or None."""
    if sys.version_info >= (3, 13):
        return "pynenc's monitor needs Python < 3.13"
    for module in ("fastapi", "uvicorn", "playwright"):
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed"
    return None if chromium() else "no Chromium is installed (Debian: chromium)"


def chromium() -> str | None:
    """The browser that the machine has; playwright's own would be a download."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


# --------------------------------------------------------------------------------------------------
# Processes
# --------------------------------------------------------------------------------------------------


def environment_of(server: Server, app_id: str, folder: Path) -> dict[str, str]:
    """What tells every process of the shop which app it is, and where."""
    return {
        "MONITORED_URL": server.url,
        "MONITORED_APP": app_id,
        "MONITORED_FOLDER": str(folder),
        "PYTHONPATH": str(EXAMPLES),
    }


def fill(environment: dict[str, str], orders: int) -> None:
    """Have the shop fulfil so many orders, and do whatever else it has to do."""
    done = subprocess.run(
        [sys.executable, "-m", "monitored", "--orders", str(orders)],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@dataclass
class Monitor:
    """A monitor that answers."""

    url: str
    log: Path
    _read: int = 0

    def said(self) -> str:
        """What it has logged since the last time."""
        text = self.log.read_text(errors="replace")
        new, self._read = text[self._read :], len(text)
        return new

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page, without a browser."""
        return self._send(urllib.request.Request(self.url + path))

    def post(self, path: str, origin: str | None) -> tuple[int, str]:
        """Status and body of a POST, as a page of that origin would send it."""
        headers = {"Origin": origin} if origin else {}
        return self._send(urllib.request.Request(self.url + path, method="POST", headers=headers))

    @staticmethod
    def _send(request: urllib.request.Request) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@contextmanager
def monitor_of(environment: dict[str, str], folder: Path) -> Iterator[Monitor]:
    """The monitor of the shop, started as a user starts it."""
    port = servers._free_port()
    log = folder / "monitor.log"
    command = ["pynenc", "--app", "monitored.tasks", "monitor", "--port", str(port)]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [BIN / command[0], *command[1:]],
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        monitor = Monitor(f"http://{servers.HOST}:{port}", log)
        try:
            servers.wait_for(
                lambda: process.poll() is not None or _healthy(monitor),
                timeout=60,
                message="the monitor answers",
            )
            assert process.poll() is None, log.read_text(errors="replace")
            yield monitor
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _healthy(monitor: Monitor) -> bool:
    with contextlib.suppress(OSError):
        return monitor.get("/health")[0] == 200
    return False


# --------------------------------------------------------------------------------------------------
# The browser
# --------------------------------------------------------------------------------------------------


@contextmanager
def browser(*, offline: bool = True) -> Iterator[Browser]:
    """A headless Chromium; offline, it knows no other host than this one."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - not everywhere installed

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=chromium(),
            args=[_NO_OTHER_HOST, "--no-proxy-server"] if offline else [],
        )
        try:
            yield running
        finally:
            running.close()


@dataclass
class Tab:
    """A page of the browser that keeps a record of what goes wrong on the monitor's host."""

    page: Page
    monitor: Monitor
    problems: list[str] = field(default_factory=list)
    _under_way: set[Request] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.page.on("request", self._on_request)
        self.page.on("requestfinished", self._on_finished)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        self.page.on("requestfailed", self._on_failed)
        self.page.on("response", self._on_response)

    def open(self, path: str) -> Page:
        """Go to a page of the monitor, which must be there without any error."""
        self.monitor.said()
        response = self.page.goto(self.monitor.url + path, wait_until="load")
        self._settle()
        assert response is not None
        text = self.page.inner_text("body")
        assert response.status == 200, text
        assert self.problems == []
        assert self.page.locator(".alert-danger").count() == 0, text
        for words in ("An error occurred", "Internal Server Error", "Failed to load"):
            assert words not in text
        # The monitor shows some failures as an empty page, and only its log tells.
        said = self.monitor.said()
        for words in ("Traceback", "ERROR", "WARNING"):
            assert words not in said
        return self.page

    def _settle(self, seconds: float = 30) -> None:
        """Wait for what the page's own scripts ask for: it belongs to the page."""
        self.page.evaluate("() => new Promise(resolve => setTimeout(resolve))")
        deadline = time.monotonic() + seconds
        while self._under_way:
            assert time.monotonic() < deadline, self._under_way
            self.page.wait_for_timeout(5)

    def text(self, path: str) -> str:
        """The text of a page as it is shown, in one line."""
        return " ".join(self.open(path).inner_text("body").split())

    @staticmethod
    def _own(url: str) -> bool:
        parts = urlsplit(url)
        # A part of a page opened by itself names no icon, and the browser looks for one.
        return parts.hostname in {servers.HOST, None} and parts.path != "/favicon.ico"

    def _on_request(self, request: Request) -> None:
        self._under_way.add(request)

    def _on_finished(self, request: Request) -> None:
        self._under_way.discard(request)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and self._own(message.location["url"]):
            self.problems.append(f"console: {message.text}")

    def _on_failed(self, request: Request) -> None:
        self._under_way.discard(request)
        if self._own(request.url):
            self.problems.append(f"no reply: {request.url}: {request.failure}")

    def _on_response(self, response: Response) -> None:
        if self._own(response.url) and response.status >= 400:
            self.problems.append(f"{response.status}: {response.url}")


def rows(page: Page, selector: str = "tbody tr") -> list[list[str]]:
    """The cells of a table's rows."""
    read: Any = page.eval_on_selector_all(
        selector, "rows => rows.map(row => [...row.cells].map(cell => cell.innerText.trim()))"
    )
    return list(read)
