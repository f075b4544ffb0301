"""What the README says is done, word for word."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent
CHECK = "pynenc-redis-lua check --app-id shop --url embedded://"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """Programs of this environment, and a home for the embedded server that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="prl-") as home:
        yield os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "XDG_DATA_HOME": home}


def test_every_command_is_known_to_this_file() -> None:
    commands = [line for block in blocks("sh") for line in block.splitlines()]

    assert commands == [
        "make demo",
        # The very command that runs this test.
        "make test",
        # Done by test_wheel.py, in an environment of its own.
        'python -m pip install ".[embedded]"',
        "pynenc --app shop.app runner start",
        "python buy.py",
        # The extra is among the development dependencies.
        'python -m pip install "pynenc[monitor]"',
        "pynenc --app shop.app monitor",
        CHECK,
    ]


def test_the_app_of_the_readme_runs(tmp_path: Path, environment: dict[str, str]) -> None:
    app, client = blocks("python")
    (tmp_path / "shop.py").write_text(app)
    (tmp_path / "buy.py").write_text(client)
    worker = subprocess.Popen(
        ["pynenc", "--app", "shop.app", "runner", "start"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        said = subprocess.run(
            ["python", "buy.py"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        checked = subprocess.run(
            CHECK.split(), env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    finally:
        worker.terminate()
        worker.wait(timeout=30)
    assert said == blocks("text")[0]
    assert (checked.returncode, checked.stderr) == (0, "")
    assert re.search(r"^ +\d+ statuses$", checked.stdout, re.MULTILINE)
    assert checked.stdout.endswith("\nconsistent\n")
    stopped = Path(environment["XDG_DATA_HOME"]) / "pynenc-redis-lua" / "default"
    servers.wait_for(
        lambda: not list(stopped.glob("*.sock")), message="the embedded server has stopped"
    )


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="pynenc's monitor needs Python < 3.13")
def test_the_monitor_shows_the_app_of_the_readme(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "shop.py").write_text(blocks("python")[0])
    port = str(servers._free_port())
    monitor = subprocess.Popen(
        ["pynenc", "--app", "shop.app", "monitor", "--port", port],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def shown() -> str | None:
        assert monitor.poll() is None
        try:
            with urllib.request.urlopen(f"http://{servers.HOST}:{port}/tasks/") as page:
                return page.read().decode()
        except urllib.error.URLError:
            return None

    try:
        assert "shop.total" in servers.wait_for(shown, 60, "the monitor answers")
    finally:
        monitor.terminate()
        monitor.wait(timeout=30)


def test_the_demo_ends_well(environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["make", "demo"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "OK: " in done.stdout
