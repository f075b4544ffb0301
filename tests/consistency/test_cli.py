"""The command `pynenc-redis-lua check`: a process on the first server, a call on the others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

import servers
from consistency.damages import GHOST
from pynenc_redis_lua import cli

if TYPE_CHECKING:
    from collections.abc import Callable

    from consistency.busy import Busy
    from servers import Server

    type Run = Callable[..., Done]

PROGRAM = Path(sys.executable).with_name("pynenc-redis-lua")
SECRET = "open-sesame"


class Done(NamedTuple):
    """What a command said, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


def as_process(*arguments: str, **environment: str) -> Done:
    done = subprocess.run(
        [PROGRAM, *arguments],
        env=os.environ | environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def run(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs the command; a process of its own has to render all scripts first."""
    for name in [name for name in os.environ if name.startswith("PYNENC__")]:
        monkeypatch.delenv(name)
    if "server" not in request.fixturenames:
        return as_process
    if request.getfixturevalue("server").name == servers.names()[0]:
        return as_process

    def as_call(*arguments: str, **environment: str) -> Done:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return Done(cli.main(arguments), *capsys.readouterr())

    return as_call


def check(run: Run, busy: Busy, server: Server, *arguments: str) -> Done:
    where = ("--url", server.url, *(["--cluster"] if server.cluster else []))
    return run("check", "--app-id", busy.app.app_id, *where, *arguments)


def test_consistent_app(run: Run, busy: Busy, server: Server) -> None:
    done = check(run, busy, server)
    assert (done.returncode, done.stderr) == (0, "")
    first, *counts, last = done.stdout.splitlines()
    assert first.startswith(f"app {busy.app.app_id!r} on ")
    assert last == "consistent"
    looked_at = {key: int(number) for number, key in (line.split() for line in counts)}
    assert looked_at["statuses"] == busy.raw.hlen(busy.key("statuses"))


def test_settings_come_from_the_environment(run: Run, busy: Busy, server: Server) -> None:
    environment = {
        "PYNENC__REDIS_URL": server.url,
        "PYNENC__REDIS_CLUSTER": str(server.cluster),
    }
    done = run("check", "--app-id", busy.app.app_id, **environment)
    assert (done.returncode, done.stderr) == (0, "")


def test_damage_is_told_and_repaired(run: Run, busy: Busy, server: Server) -> None:
    busy.raw.zadd(busy.key("open"), {GHOST: 1})
    line = r"stray open 'ghost\x00\\xff\n': it has no status"
    found = check(run, busy, server)
    assert found.returncode == 1
    assert found.stdout.splitlines()[0] == line
    assert found.stdout.splitlines()[-1] == "1 problem"
    mended = check(run, busy, server, "--repair")
    assert mended.returncode == 0
    assert mended.stdout.splitlines()[0] == f"{line} (repaired)"
    assert mended.stdout.splitlines()[-1] == "1 problem, 1 repaired"
    assert check(run, busy, server).returncode == 0


def test_what_cannot_be_repaired_remains(run: Run, busy: Busy, server: Server) -> None:
    busy.raw.hdel(busy.key("results"), busy.ids["success"])
    for _ in range(2):
        done = check(run, busy, server, "--repair")
        assert done.returncode == 1
        assert done.stdout.splitlines()[-1] == "1 problem"


def test_newer_schema(run: Run, busy: Busy, server: Server) -> None:
    busy.raw.set(busy.key("schema"), 2)
    done = check(run, busy, server)
    assert (done.returncode, done.stdout) == (2, "")
    assert "schema 2" in done.stderr


def test_unknown_app(run: Run, server: Server) -> None:
    where = ("--url", server.url, *(["--cluster"] if server.cluster else []))
    done = run("check", "--app-id", "nobody's app", *where)
    assert (done.returncode, done.stdout) == (2, "")
    assert 'there is no app "nobody\'s app" on ' in done.stderr


def test_no_server(run: Run) -> None:
    url = f"redis://user:{SECRET}@localhost:1/0"
    done = run("check", "--app-id", "app", "--url", url, PYNENC__REDIS_OUTAGE_BUDGET="0.05")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no answer from localhost:1/0" in done.stderr
    assert SECRET not in done.stderr


def test_bad_use_tells_no_secret(run: Run) -> None:
    for arguments in (
        ["check"],
        ["check", "--app-id", ""],
        ["check", "--app-id", "app", "--url", f"http://:{SECRET}@host"],
        ["check", "--app-id", "app", "--urls", f"redis://:{SECRET} or not@host"],
        [f"redis://:{SECRET}@host"],
        [],
    ):
        done = run(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert "error" in done.stderr or "pynenc-redis-lua: " in done.stderr
        assert SECRET not in done.stderr
        assert "Traceback" not in done.stderr
