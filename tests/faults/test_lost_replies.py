"""Requests and replies are lost on the way: what is repeated leaves what one execution leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import servers
from calling.tools import commands
from conftest import settings_of
from faults.proxy import Fault, proxied
from faults.scale import scaled
from lua.conftest import isolated_library, remove, stored_of
from lua.samples import BEFORE, SAMPLES
from lua.test_every_script import WRITERS, in_time
from pynenc_redis_lua.client import Connection
from pynenc_redis_lua.scripts.api import Scripts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from faults.proxy import Command, Proxy
    from servers import Server

STANDALONE = [name for name in servers.names() if "cluster" not in name]


@pytest.fixture(params=STANDALONE[: scaled(1, None)])
def server(request: pytest.FixtureRequest) -> Server:
    """A server that a proxy can stand before."""
    return servers.running(request.param)


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with proxied(server) as proxy:
        yield proxy


# Each script


class Executions:
    """Which of the executions of one script are lost, and what came of them.

    Attributes:
        replies: What the server said, by execution.
        once: What is stored after the first one, and before the client hears of it.
    """

    def __init__(self, sha1: str, fault: Fault, look: Callable[[], dict[str, Any]]) -> None:
        self.replies: list[Any] = []
        self.once: dict[str, Any] = {}
        self._sha1 = sha1.encode()
        self._faults = [fault]
        self._look = look

    def plan(self, command: Command) -> Fault | None:
        return self._faults.pop() if self._faults and self._sha1 in command else None

    def answered(self, command: Command, reply: Any) -> None:
        if self._sha1 in command:
            self.once = self.once or self._look()
            self.replies.append(reply)


class Trial:
    """Calls every script on apps of its own, while one request of each call meets a fault."""

    def __init__(self, server: Server, proxy: Proxy) -> None:
        self.proxy = proxy
        self.raw = server.client()
        self.library = isolated_library()
        self.apps = self.library.table.keys["apps"].on_server("")
        self.straight = Connection(settings_of(server))
        self.ways = {
            fault: Connection(
                settings_of(
                    proxy.server,
                    redis_outage_budget=20.0,
                    # It waits this long for what is delayed, and for nothing else.
                    socket_timeout=0.1 if fault is Fault.DELAY else 10.0,
                )
            )
            for fault in Fault
        }

    def differences(self, app_id: str, name: str, fault: Fault) -> list[str]:
        """Call a script; what differs from one execution whose reply arrived."""
        straight = Scripts(self.straight, app_id, self.library)
        for needed, arguments in BEFORE.get(name, []):
            straight.call(needed, **arguments)
        rendered = self.library.script(name).rendered
        self.raw.script_load(rendered.text)

        def look() -> dict[str, Any]:
            return stored_of(self.raw, app_id, self.apps)

        executions = Executions(rendered.sha1, fault, look)
        self.proxy.plan, self.proxy.answered = executions.plan, executions.answered
        before = self.executed()
        got = Scripts(self.ways[fault], app_id, self.library).call(name, **SAMPLES[name])
        executed = self.executed() - before
        different = []
        first = executions.replies[0]
        expected = first if fault is Fault.DROP_REQUEST else repeated(name, first)
        if [got.tag.encode(), *got.values] != expected:
            different.append(f"{name}, {fault}: reply {got}, which was {expected}")
        if (stored := in_time(name, look())) != in_time(name, executions.once):
            keys = [key for key in stored if stored[key] != executions.once.get(key)]
            different.append(f"{name}, {fault}: stored in {keys}")
        # A machine that stands still for so long makes the client give up once more.
        most = 1 if fault is Fault.DROP_REQUEST else 2 if fault is not Fault.DELAY else 9
        least = min(most, 2)
        if not least <= executed <= most or executed != len(executions.replies):
            different.append(f"{name}, {fault}: executed {executed} times")
        remove(self.raw, app_id)
        self.raw.delete(self.apps)
        return different

    def executed(self) -> int:
        """How often the server ran any script that writes."""
        return commands(self.raw).get("evalsha", 0)


def repeated(name: str, reply: list[Any]) -> list[Any]:
    """What a second execution replies after a first one that nobody heard of."""
    if name == "orchestrator/recover":
        # The steps between are in the history alone by then, and the changes are noted.
        return [reply[0], [recovered[:2] for recovered in reply[1]], []]
    return reply


def test_every_script_leaves_what_one_execution_leaves(
    server: Server, proxy: Proxy, app_id: str, figure: Callable[[str], None]
) -> None:
    trial = Trial(server, proxy)
    different = [
        difference
        for name in WRITERS
        for fault in Fault
        for difference in trial.differences(f"{app_id} {name} {fault.name}", name, fault)
    ]
    assert different == []
    figure(f"{server.name}: {len(WRITERS)} scripts with {len(Fault)} faults each: 0 differences")
