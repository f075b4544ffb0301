"""Requests and replies are lost on the way: what is repeated leaves what one execution leaves."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from pynenc.invocation.dist_invocation import ReusedInvocation

import servers
from calling.tools import commands
from conftest import settings_of
from faults.oracle import judge
from faults.proxy import Fault, proxied
from faults.scale import scaled
from faults.tools import Client, Fleet, wait_for_the_end
from life import life_tasks
from life.tools import bind, snapshot
from lua.conftest import isolated_library, remove, stored_of
from lua.model import check
from lua.samples import BEFORE, SAMPLES
from lua.test_every_script import WRITERS, in_time
from pynenc_redis_lua.client import Connection
from pynenc_redis_lua.scripts.api import Scripts
from pynenc_redis_lua.scripts.library import library

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pynenc import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation

    from faults.oracle import Oracle
    from faults.proxy import Command, Proxy
    from faults.tools import Where
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
                    socket_timeout=0.05 if fault is Fault.DELAY else 10.0,
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
    figure(f"{len(WRITERS)} scripts with {len(Fault)} faults each: 0 differences")


# Clients and workers


SEED = 20_261_124
INVOCATIONS = scaled(400, 5_000)
WORKERS = 2


class Storm:
    """Lets a share of all requests meet a fault: of each script or command always the same ones.

    Attributes:
        met: How many requests met one, by script or command.
    """

    def __init__(self, share: float, *faults: Fault) -> None:
        self.met: Counter[str] = Counter()
        self._share, self._faults = share, faults
        self._chance: dict[str, Random] = {}
        self._lock = threading.Lock()
        self._names = {library().script(name).rendered.sha1: name for name in library().names}

    def plan(self, command: Command) -> Fault | None:
        sha1 = command[1].decode(errors="replace") if len(command) > 1 else ""
        name = self._names.get(sha1, command[0].decode())
        with self._lock:
            rng = self._chance.setdefault(name, Random(f"{SEED} {name}"))
            if rng.random() >= self._share:
                return None
            self.met[name] += 1
            return rng.choice(self._faults)


# Workers are neither dead nor late for as long as this test lasts; who waits for a delayed reply
# gives up soon.
HASTY = {
    "socket_timeout": 0.5,
    "max_pending_seconds": 600.0,
    "runner_considered_dead_after_minutes": 10.0,
}


def test_work_goes_on_as_if_nothing_was_lost(
    app: Pynenc,
    where: Where,
    proxy: Proxy,
    oracle: Oracle,
    figure: Callable[[str], None],
) -> None:
    storm = Storm(0.05, *Fault)
    proxy.plan = storm.plan
    through = where._replace(server=proxy.server)
    with Fleet([partial(through.app, **HASTY)] * WORKERS) as fleet:
        # Workers are idle now and then, and wait for the doorbell.
        with Client(through.app(**HASTY), oracle, Random(SEED), ahead=2) as client:
            client.wait_for(INVOCATIONS, timeout=scaled(60, 1_200))
        wait_for_the_end(app)
        assert fleet.exits() == 0
    verdict = judge(app, oracle)
    verdict.assert_clean()
    check(snapshot(app))
    assert verdict.recovered_from.total() == verdict.extra == 0
    assert verdict.acknowledged >= INVOCATIONS
    assert storm.met.keys() >= {
        "BLPOP",
        "orchestrator/submit",
        "orchestrator/claim",
        "orchestrator/commit_status",
    }
    figure(
        f"{where.server.name}: {verdict.acknowledged:,} invocations, {storm.met.total():,}"
        f" requests or replies lost, {storm.met['BLPOP']:,} of them of the doorbell: 0 lost,"
        " 0 twice, 0 stuck, 0 executions beyond the first"
    )


def test_one_invocation_stands_for_all_calls_of_a_key(
    app: Pynenc, where: Where, proxy: Proxy, figure: Callable[[str], None]
) -> None:
    """The repeated submission must not find the first one, nor may another client slip between."""
    keys = scaled(40, 1_000)
    storm = Storm(0.15, Fault.DROP_REQUEST, Fault.DROP_REPLY, Fault.CUT)
    proxy.plan = storm.plan
    clients = [where._replace(server=proxy.server).app(**HASTY) for _ in range(4)]

    def submit(client: Pynenc) -> list[DistributedInvocation]:
        once = bind(client, life_tasks.once_by_key)
        return [once(str(key), "same") for key in range(keys)]

    with ThreadPoolExecutor(len(clients)) as executor:
        by_key = list(zip(*executor.map(submit, clients), strict=True))
    for calls in by_key:
        assert len({call.invocation_id for call in calls}) == 1
        # One of them made it, and was told so.
        assert sum(isinstance(call, ReusedInvocation) for call in calls) == len(clients) - 1
    assert app.orchestrator.count_invocations() == keys
    assert app.broker.count_invocations() == keys
    check(snapshot(app))
    assert storm.met["orchestrator/submit"] > keys / 4
    figure(
        f"{where.server.name}: {keys * len(clients):,} calls for {keys:,} keys,"
        f" {storm.met.total():,} requests or replies lost: {keys:,} invocations"
    )
