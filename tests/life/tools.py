"""What the tests of an invocation's life share: apps, runners, claims, and what a client sends."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import redis.connection
from pynenc import PynencBuilder, context
from pynenc.invocation.status import InvocationStatus, validate_transition
from pynenc.runner.runner_context import RunnerContext
from pynenc.trigger.trigger_builder import TriggerBuilder

import servers
from life import life_tasks
from pynenc_redis_lua.keys import app_tag, key_table
from pynenc_redis_lua.orchestrator import RedisOrchestrator
from pynenc_redis_lua.orchestrator.claiming import Claim
from pynenc_redis_lua.scripts.library import library

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    import pytest
    from pynenc import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.task import Task
    from redis import Redis
    from redis.cluster import RedisCluster

    from servers import Server


def build_app(server: Server, app_id: str, **values: Any) -> Pynenc:
    """An app of which all is ours; `values` are settings."""
    settings = {
        "redis_cluster": server.cluster,
        "redis_outage_budget": 10.0,
        "logging_level": "critical",
        "runner_loop_sleep_time_sec": 0.005,
        "invocation_wait_results_sleep_time_sec": 0.005,
        "cached_status_time": 0.0,
        "min_threads": 4,
        **values,
    }
    builder = PynencBuilder().app_id(app_id).thread_runner().redis(url=server.url)
    app = builder.custom_config(**settings).build()
    without_core_tasks(app)
    return app


def without_core_tasks(app: Pynenc) -> None:
    """Let the app run what a test submits, without pynenc's own tasks: they come by the clock."""
    app.register_core_tasks = lambda: None


def remove(app: Pynenc) -> None:
    """Remove all that an app left, whatever state or type it is in."""
    client = client_of(app)
    for name, key in key_table().keys.items():
        for queue in app.broker.conf.queues if key.named_by else [None]:
            if key.in_slot:
                client.delete(key_of(app, name, queue))
    client.hdel("pynenc:apps", app.app_id)


def bind(app: Pynenc, task: Task) -> Task:
    """The copy of a task that belongs to an app."""
    return app.get_task(task.task_id)


def orchestrator(app: Pynenc) -> RedisOrchestrator:
    assert isinstance(app.orchestrator, RedisOrchestrator)
    return app.orchestrator


def client_of(app: Pynenc) -> Redis | RedisCluster:
    return orchestrator(app).client


def key_of(app: Pynenc, name: str, part: str | None = None) -> bytes:
    """The name on the server of a key of `keys.toml`."""
    return key_table().keys[name].on_server(app_tag(app.app_id), part)


def runner(name: str) -> RunnerContext:
    return RunnerContext("TestRunner", name)


def claim(
    app: Pynenc, who: RunnerContext, count: int = 1, queues: Sequence[str] = ("default",)
) -> list[DistributedInvocation]:
    """Claim without waiting for the doorbell."""
    orch = app.orchestrator
    if isinstance(orch, RedisOrchestrator) and orch._state is not None:
        claims = Claim(orch, orch._state, who, lambda: queues, lambda _: None)
        return list(claims.invocations(count))
    # Where another component is not ours, pynenc's chain leads.
    return list(orch.get_invocations_to_run(count, who, lambda: queues, lambda _: None))


@contextmanager
def as_runner(app: Pynenc, runner_ctx: RunnerContext) -> Iterator[None]:
    """Do what follows as that runner."""
    context.set_runner_context(app.app_id, runner_ctx)
    try:
        yield
    finally:
        context.clear_runner_context(app.app_id)


def started(app: Pynenc, who: RunnerContext, task: Task, *arguments: Any) -> DistributedInvocation:
    """Submit a call, and have a runner claim and start it."""
    submitted = bind(app, task)(*arguments)
    [claimed] = claim(app, who)
    assert claimed.invocation_id == submitted.invocation_id
    app.orchestrator.set_invocation_status(claimed.invocation_id, InvocationStatus.RUNNING, who)
    return claimed


def watch(app: Pynenc, task: Task, status: InvocationStatus) -> None:
    """Have a trigger watch for invocations of a task that come into a status."""
    trigger = TriggerBuilder().on_status(bind(app, task), status)
    app.trigger.register_task_triggers(bind(app, life_tasks.noop), trigger)


def history_of(app: Pynenc, invocation_id: str) -> list[InvocationStatus]:
    """The statuses that an invocation went through, each checked to be allowed after the other."""
    records = app.state_backend.get_history(invocation_id)
    statuses = [record.status_record.status for record in records]
    for before, after in pairwise([None, *statuses]):
        assert after is not None
        validate_transition(before, after)
    return statuses


def snapshot(app: Pynenc) -> dict[str, Any]:
    """All that the server keeps of an app."""
    client = client_of(app)
    found: dict[str, Any] = {}
    for name, key in key_table().keys.items():
        if not key.in_slot:
            continue
        at = key_of(app, name, "default")
        read = {
            "string": client.get,
            "hash": client.hgetall,
            "list": lambda at: client.lrange(at, 0, -1),
            "zset": lambda at: client.zrange(at, 0, -1, withscores=True),
        }
        if client.exists(at):
            found[name] = read[key.type](at)
    return found


@contextmanager
def working(app: Pynenc) -> Iterator[Future[None]]:
    """Have the app's own runner work in a thread; what ends it early is raised here."""
    with ThreadPoolExecutor(1) as executor:
        worker = executor.submit(app.runner.run)
        try:
            yield worker
        finally:
            app.runner.stop_runner_loop()
            context.clear_runner_context(app.app_id)
            worker.result(30)


def result_of(invocation: DistributedInvocation, timeout: float = 10) -> Any:
    """The result, or an error where it does not come: `result` would wait for ever."""
    servers.wait_for(
        lambda: bool(invocation.status.is_final()),
        timeout,
        f"invocation {invocation.invocation_id} is final",
    )
    return invocation.result


def load_scripts(app: Pynenc) -> None:
    """Make all scripts known to the server, as they are once an app has worked for a while."""
    for name in library().names:
        client_of(app).script_load(library().script(name).rendered.text)


class Sent:
    """What the clients of this process send, by script or command; connecting left out."""

    _CONNECTING = frozenset({"HELLO", "AUTH", "SELECT", "CLIENT", "CLUSTER", "COMMAND"})

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.commands: list[str] = []
        self.round_trips = 0
        self.largest = 0
        self._names = {library().script(name).rendered.sha1: name for name in library().names}
        kind = redis.connection.AbstractConnection
        send = kind.send_packed_command
        sent = self

        def counted(self: Any, command: Any, *args: Any, **kwargs: Any) -> Any:
            sent._count(command)
            return send(self, command, *args, **kwargs)

        monkeypatch.setattr(kind, "send_packed_command", counted)

    def _count(self, packed: Any) -> None:
        data = packed if isinstance(packed, bytes) else b"".join(packed)
        words = data.split(b"\r\n")
        name = words[2].decode().upper()
        if name in self._CONNECTING:
            return
        self.round_trips += 1
        self.largest = max(self.largest, len(data))
        self.commands.append(self._names.get(words[4].decode(), name) if len(words) > 4 else name)

    def take(self) -> list[str]:
        """What was sent since the last time."""
        commands, self.commands, self.round_trips = self.commands, [], 0
        return commands
