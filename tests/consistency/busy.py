"""An app with something in every collection, made by its own components."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from pynenc.invocation.status import InvocationStatus
from pynenc.orchestrator.atomic_service import (
    AtomicServiceExecutionStatus,
    AtomicServiceId,
    AtomicServiceRun,
)
from pynenc.trigger.conditions import CompositeLogic
from pynenc.trigger.trigger_builder import TriggerBuilder

from conftest import keys_of
from life import life_tasks
from life.tools import (
    as_runner,
    bind,
    build_app,
    claim,
    client_of,
    key_of,
    orchestrator,
    remove,
    runner,
    snapshot,
    started,
)
from lua.model import Record
from pynenc_redis_lua.trigger import RedisTrigger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pynenc import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation
    from redis import Redis

    from pynenc_redis_lua.scripts.api import Scripts
    from servers import Server

S = InvocationStatus
ONE, TWO = runner("one"), runner("two")
MIB = 2**20


@dataclass(frozen=True)
class Busy:
    """A busy app, and names for what is in it: the ids of invocations, events, ….

    Attributes:
        app: The app.
        ids: What is in it, by a name of ours.
    """

    app: Pynenc
    ids: dict[str, bytes]

    @property
    def scripts(self) -> Scripts:
        return orchestrator(self.app).scripts

    @property
    def raw(self) -> Redis:
        return client_of(self.app)

    def key(self, name: str) -> bytes:
        return key_of(self.app, name)

    def record(self, name: str) -> Record:
        packed = self.raw.hget(self.key("statuses"), self.ids[name])
        assert packed is not None
        return Record.read(packed)

    def members(self, key: str, *parts: bytes) -> list[bytes]:
        """The members of a sorted set that hold all of these."""
        held = self.raw.zrange(self.key(key), 0, -1)
        return [member for member in held if all(part in member for part in parts)]

    def stored(self) -> dict[str, Any]:
        return snapshot(self.app)

    def stored_by_others(self, key: str) -> set[bytes]:
        """What a set holds in the place of one of the app's keys."""
        return set(self.raw.smembers(self.key(key)))


class BusyApp:
    """Makes a busy app once, and puts it back as it was for each test."""

    def __init__(self, server: Server) -> None:
        app = build_app(server, f"busy {{a}} é {uuid.uuid4().hex[:8]}")
        self.busy = Busy(app, _fill(app))
        self.busy.raw.delete(key_of(app, "doorbell", "default"))
        names = keys_of(app.state_backend.connection, app.app_id)
        self._dumps = [(name, self.busy.raw.dump(name)) for name in names]

    @contextmanager
    def restored(self) -> Iterator[Busy]:
        remove(self.busy.app)
        for name, dumped in self._dumps:
            self.busy.raw.restore(name, 0, dumped)
        yield self.busy
        remove(self.busy.app)


def _fill(app: Pynenc) -> dict[str, bytes]:
    """Fill an app; what stays in the queue comes last, for claims take the head."""
    steps = (_final, _not_final, _workflow, _client_data, _events, _services, _queued, _waits)
    return {name: id_ for step in steps for name, id_ in step(app).items()}


def _id(invocation: DistributedInvocation[Any, Any]) -> bytes:
    return invocation.invocation_id.encode()


def _final(app: Pynenc) -> dict[str, bytes]:
    done = started(app, ONE, life_tasks.add, 1, 2)
    app.orchestrator.set_invocation_result(done, 3, ONE)
    failed = started(app, ONE, life_tasks.echo, "no")
    app.orchestrator.set_invocation_exception(failed, ValueError("no"), ONE)
    started(app, ONE, life_tasks.alone_or_never, 1)
    excluded = bind(app, life_tasks.alone_or_never)(2)
    assert claim(app, ONE) == []
    return {"success": _id(done), "failed": _id(failed), "excluded": _id(excluded)}


def _not_final(app: Pynenc) -> dict[str, bytes]:
    found = {}
    for status in (S.PAUSED, S.KILLED, S.RUNNING_RECOVERY):
        invocation = started(app, ONE, life_tasks.noop)
        app.orchestrator.set_invocation_status(invocation.invocation_id, status, ONE)
        found[status.value] = _id(invocation)
    for status in (S.PENDING, S.PENDING_RECOVERY):
        bind(app, life_tasks.noop)()
        [invocation] = claim(app, TWO)
        if status != S.PENDING:
            app.orchestrator.set_invocation_status(invocation.invocation_id, status, TWO)
        found[status.value] = _id(invocation)
    return found | {"running": _id(started(app, ONE, life_tasks.alone_by_key, "key", "value"))}


def _workflow(app: Pynenc) -> dict[str, bytes]:
    root = started(app, ONE, life_tasks.workflow)
    identity, state = root.workflow, app.state_backend
    state.store_workflow_run(identity)
    state.store_workflow_sub_invocation(identity.workflow_id, root.invocation_id)
    state.set_workflow_data(identity, "key", "d" * 2_000)
    state.set_workflow_deterministic_value(identity, "key", "v" * 2_000)
    with as_runner(app, ONE):
        app.orchestrator.set_invocation_result(root, None, ONE)
    return {"workflow": _id(root)}


def _client_data(app: Pynenc) -> dict[str, bytes]:
    large = started(app, ONE, life_tasks.echo, "x" * 2 * MIB)
    app.orchestrator.set_invocation_result(large, "y" * 2_000, ONE)
    references = {}
    for name, text in (("chunked", "x" * 2 * MIB), ("small", "y" * 2_000)):
        references[name] = app.client_data_store.serialize(text).encode()
    return references | {"large": _id(large)}


def _events(app: Pynenc) -> dict[str, bytes]:
    """Triggers that fired, that wait for more, and a change that nobody has evaluated."""
    both = TriggerBuilder().on_event("first").on_event("second").with_logic(CompositeLogic.AND)
    watching = TriggerBuilder().on_status(bind(app, life_tasks.noop), S.REGISTERED)
    builders = [TriggerBuilder().on_event("happened"), TriggerBuilder().on_cron("* * * * *"), both]
    app.trigger.register_task_triggers(bind(app, life_tasks.urgent), builders)
    app.trigger.register_task_triggers(bind(app, life_tasks.add_all), watching)
    event = app.trigger.emit_event("happened", {"text": "z" * 2_000})
    waiting = app.trigger.emit_event("first", {})
    loop(app)
    [run] = app.trigger.get_trigger_runs_for_event(event)
    for urgent in claim(app, ONE, 10):
        urgent.run(ONE)
    with pytest.MonkeyPatch.context() as crash:
        crash.setattr(RedisTrigger, "evaluate_changes", lambda *_: None)
        bind(app, life_tasks.noop)()
    for noop in claim(app, ONE, 10):
        noop.run(ONE)
    return {
        "event": event.encode(),
        "waiting event": waiting.encode(),
        "run": run.trigger_run_id.encode(),
        "started": run.triggered_invocation_id.encode(),
        "trigger": run.trigger_id.encode(),
    }


def loop(app: Pynenc) -> None:
    """One round of the trigger loop."""
    service = AtomicServiceId(ONE.runner_id)
    app.trigger.trigger_loop_iteration(AtomicServiceRun(service, cycle_start=datetime.now(UTC)))


def _services(app: Pynenc) -> dict[str, bytes]:
    orch, found = orchestrator(app), {}
    orch.register_runner_heartbeats(["one", "two"], True, ["default"])
    for name in ("ended", "active"):
        run = AtomicServiceRun(AtomicServiceId("one"), cycle_start=datetime.now(UTC))
        assert orch.record_atomic_service_execution_start(run, None)
        if name == "ended":
            done = AtomicServiceExecutionStatus.COMPLETED
            orch.finalize_atomic_service_execution(run, datetime.now(UTC), done)
        found[name] = str(run.atomic_service_run_id).encode()
    return found


def _queued(app: Pynenc) -> dict[str, bytes]:
    again = started(app, ONE, life_tasks.flaky, 1)
    started(app, ONE, life_tasks.alone, 1)
    rerouted = bind(app, life_tasks.alone)(2)
    assert claim(app, ONE) == []
    app.orchestrator.set_invocation_retry(again, ValueError("again"), ONE)
    found = {"retry": _id(again), "rerouted": _id(rerouted)}
    for name, value in (("registered", "a"), ("other", "b")):
        found[name] = _id(bind(app, life_tasks.once_by_key)(name, value))
    return found


def _waits(app: Pynenc) -> dict[str, bytes]:
    """One waits for a queued invocation, which is claimed first, and for another one."""
    names = ("waiting", "awaited", "also awaited")
    ids = [bind(app, life_tasks.echo)(name).invocation_id for name in names]
    app.orchestrator.blocking_control.waiting_for_results(ids[0], ids[1:])
    return {name: id_.encode() for name, id_ in zip(names, ids, strict=True)}
