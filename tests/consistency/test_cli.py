"""The command `pynenc-redis-lua check`, as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from consistency.damages import GHOST

if TYPE_CHECKING:
    from consistency.busy import Busy
    from servers import Server

PROGRAM = Path(sys.executable).with_name("pynenc-redis-lua")
SECRET = "open-sesame"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith("PYNENC__")}
    return subprocess.run(
        [PROGRAM, *arguments],
        env=known | environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def check(busy: Busy, server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    where = ("--url", server.url, *(["--cluster"] if server.cluster else []))
    return run("check", "--app-id", busy.app.app_id, *where, *arguments)


def test_consistent_app(busy: Busy, server: Server) -> None:
    done = check(busy, server)
    assert (done.returncode, done.stderr) == (0, "")
    first, *counts, last = done.stdout.splitlines()
    assert first.startswith(f"app {busy.app.app_id!r} on ")
    assert last == "consistent"
    looked_at = {key: int(number) for number, key in (line.split() for line in counts)}
    assert looked_at["statuses"] == busy.raw.hlen(busy.key("statuses"))


def test_settings_come_from_the_environment(busy: Busy, server: Server) -> None:
    environment = {
        "PYNENC__REDIS_URL": server.url,
        "PYNENC__REDIS_CLUSTER": str(server.cluster),
    }
    done = run("check", "--app-id", busy.app.app_id, **environment)
    assert (done.returncode, done.stderr) == (0, "")


def test_damage_is_told_and_repaired(busy: Busy, server: Server) -> None:
    busy.raw.zadd(busy.key("open"), {GHOST: 1})
    line = r"stray open 'ghost\x00\\xff\n': it has no status"
    found = check(busy, server)
    assert found.returncode == 1
    assert found.stdout.splitlines()[0] == line
    assert found.stdout.splitlines()[-1] == "1 problem"
    mended = check(busy, server, "--repair")
    assert mended.returncode == 0
    assert mended.stdout.splitlines()[0] == f"{line} (repaired)"
    assert mended.stdout.splitlines()[-1] == "1 problem, 1 repaired"
    assert check(busy, server).returncode == 0


def test_what_cannot_be_repaired_remains(busy: Busy, server: Server) -> None:
    busy.raw.hdel(busy.key("results"), busy.ids["success"])
    for _ in range(2):
        done = check(busy, server, "--repair")
        assert done.returncode == 1
        assert done.stdout.splitlines()[-1] == "1 problem"


def test_newer_schema(busy: Busy, server: Server) -> None:
    busy.raw.set(busy.key("schema"), 2)
    done = check(busy, server)
    assert (done.returncode, done.stdout) == (2, "")
    assert "schema 2" in done.stderr


def test_unknown_app(server: Server) -> None:
    where = ("--url", server.url, *(["--cluster"] if server.cluster else []))
    done = run("check", "--app-id", "nobody's app", *where)
    assert (done.returncode, done.stdout) == (2, "")
    assert 'there is no app "nobody\'s app" on ' in done.stderr


def test_no_server() -> None:
    url = f"redis://user:{SECRET}@localhost:1/0"
    done = run("check", "--app-id", "app", "--url", url, PYNENC__REDIS_OUTAGE_BUDGET="0.05")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no answer from localhost:1/0" in done.stderr
    assert SECRET not in done.stderr


def test_bad_use_tells_no_secret() -> None:
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
