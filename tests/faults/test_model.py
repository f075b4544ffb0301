"""Whatever is done in whatever order, the app is what a model of pynenc's rules in plain Python is.

Hypothesis chooses the steps. After each one all that can be known of the app is compared with the
model, and all keys with each other. Where libfaketime can, the clock of the server jumps meanwhile.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pynenc import context
from pynenc.exceptions import (
    InvocationConcurrencyWithDifferentArgumentsError,
    InvocationStatusError,
    RetryError,
)
from pynenc.invocation.status import InvocationStatus, get_status_definition

import servers
from faults.clock import HOUR, can_be_set, clocked
from faults.model import Model, Rules
from faults.scale import FULL, scaled
from life import life_tasks
from life.tools import as_runner, bind, build_app, claim, client_of, orchestrator, remove, runner
from lua.conftest import contents, keys_of
from lua.model import check, queued_id
from pynenc_redis_lua.codec import to_text, unpack, unpack_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pynenc import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation

    from faults.clock import Clock
    from servers import Server

STANDALONE = [name for name in servers.names() if "cluster" not in name]
pytestmark = pytest.mark.parametrize("server", scaled(STANDALONE[:1], STANDALONE), indirect=True)

S = InvocationStatus
TASKS = {
    "add": Rules(),
    "urgent": Rules(priority=50.0),
    "noop_elsewhere": Rules(queue="elsewhere"),
    "alone": Rules(alone="task", reroutes=True),
    "alone_or_never": Rules(alone="task"),
    "alone_by_key": Rules(alone="key"),
    "once": Rules(once="task"),
    "once_by_key_strict": Rules(once="key", strict=True),
}
# pynenc takes no batches of tasks with registration concurrency.
BATCH_TASKS = {name for name, rules in TASKS.items() if not rules.once} - {"alone_by_key"}
TEXT_ARGUMENTS = {"alone_by_key", "once", "once_by_key_strict"}
NUMBER_ARGUMENTS = {"add": 2, "alone": 1, "alone_or_never": 1}
QUEUES = ["default", "elsewhere"]
# What may become of one that runs, with the arguments of that step.
ENDS: dict[str, tuple[Any, ...]] = {
    "finish": ("done",),
    "fail": ("no",),
    "retry": (),
    "change": (S.PAUSED,),
}
LONG_AGO, FAR_AHEAD = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
CLIENT, RESCUER = "client", "rescuer"
RUNNERS = ["one", "two", "three"]
OWNER = "its owner"
# So many that are not final, and nobody submits more: then the rest happens more often.
MANY = 10
# The clock jumps by whole hours: half of one is more than a run takes, so no age is near a limit.
PENDING, DEAD, RETENTION = 1.5, 2.5, 4.75
# What retention leaves, as a purge does not.
STAYING = {"schema", "runner_contexts", "context_times", "queue_sequence", "replies", "heartbeats",
           "heartbeats_since", "runners"}  # fmt: skip
REFUSALS = (InvocationStatusError, InvocationConcurrencyWithDifferentArgumentsError, KeyError)


class Backend:
    """The app, with the methods of the model."""

    def __init__(self, app: Pynenc, clock: Clock | None) -> None:
        self.app = app
        self.clock = clock
        self._submitted: dict[str, DistributedInvocation] = {}

    def set_clock(self, hours: int) -> None:
        assert self.clock
        self.clock.set(hours)

    def submit(self, client: str, task: str, arguments: tuple[Any, ...], parent: str | None) -> str:
        with as_runner(self.app, runner(client)), self._within(parent):
            invocation = bind(self.app, getattr(life_tasks, task))(*arguments)
        self._submitted.setdefault(invocation.invocation_id, invocation)
        return str(invocation.invocation_id)

    def submit_batch(
        self, client: str, task: str, batch: list[tuple[Any, ...]], parent: str | None
    ) -> list[str]:
        with as_runner(self.app, runner(client)), self._within(parent):
            group = bind(self.app, getattr(life_tasks, task)).parallelize(batch)
        self._submitted |= {it.invocation_id: it for it in group.invocations}
        return [str(it.invocation_id) for it in group.invocations]

    @contextmanager
    def _within(self, parent: str | None) -> Iterator[None]:
        invocation = self._submitted[parent] if parent else None
        before = context.swap_dist_invocation_context(self.app.app_id, invocation)
        try:
            yield
        finally:
            context.swap_dist_invocation_context(self.app.app_id, before)

    def claim(self, who: str, number: int, queues: list[str]) -> list[str]:
        return [str(it.invocation_id) for it in claim(self.app, runner(who), number, queues)]

    def change(self, id_: str, status: InvocationStatus, who: str) -> None:
        self.app.orchestrator.set_invocation_status(id_, status, runner(who))

    def finish(self, id_: str, result: Any, who: str) -> None:
        self.app.orchestrator.set_invocation_result(self._submitted[id_], result, runner(who))

    def fail(self, id_: str, message: str, who: str) -> None:
        error = ValueError(message)
        self.app.orchestrator.set_invocation_exception(self._submitted[id_], error, runner(who))

    def retry(self, id_: str, who: str) -> None:
        self.app.orchestrator.set_invocation_retry(self._submitted[id_], RetryError(), runner(who))

    def reroute(self, id_: str, who: str) -> None:
        self.app.orchestrator.reroute_invocations({id_}, runner(who))

    def route(self, id_: str, queue: str, priority: float) -> None:
        self.app.broker.route_invocation(id_, queue, priority)

    def retrieve(self, queue: str) -> str | None:
        return self.app.broker.retrieve_invocation(queue)

    def wait(self, waiting: str, awaited: list[str]) -> None:
        self.app.orchestrator.waiting_for_results(waiting, awaited)

    def heartbeat(self, runners: list[str]) -> None:
        self.app.orchestrator.register_runner_heartbeats(runners)

    def recover(self, who: str) -> list[str]:
        return sorted(orchestrator(self.app).recover_invocations(runner(who)))

    def retain(self) -> None:
        orchestrator(self.app).auto_purge()

    def purge(self) -> None:
        self.app.purge()

    def stored(self) -> dict[str, Any]:
        """All keys of the app, by the part of the name behind the app."""
        client = client_of(self.app)
        names = keys_of(client, self.app.app_id)
        parts = (to_text(name.partition(b"}:")[2]) for name in names)
        return dict(zip(parts, contents(client, names), strict=True))


# What is known of an app, each from the app itself and from the model.


def seen(backend: Backend, ids: list[str]) -> dict[str, Any]:
    """What the components say of invocations, and of the whole."""
    app, orch = backend.app, backend.app.orchestrator
    tasks = {name: bind(app, getattr(life_tasks, name)) for name in TASKS}
    return {
        "invocations": {id_: _seen_invocation(app, id_) for id_ in ids},
        "children": {id_: list(app.state_backend.get_child_invocations(id_)) for id_ in ids},
        "by task": {
            name: list(orch.get_task_invocation_ids(task.task_id)) for name, task in tasks.items()
        },
        "records": Counter(
            str(it.invocation_id)
            for page in app.state_backend.iter_history_in_timerange(LONG_AGO, FAR_AHEAD)
            for it in page
        ),
        "newest first": orch.get_invocation_ids_paginated(limit=1_000),
        "counts": {
            status: count for status in S if (count := orch.count_invocations(statuses=[status]))
        },
        "counts by task": {
            name: orch.count_invocations(task.task_id, [S.REGISTERED, S.RUNNING, S.SUCCESS])
            for name, task in tasks.items()
        },
        "queue sizes": [app.broker.count_invocations([name]) for name in QUEUES],
        "blocking": list(orch.get_blocking_invocations(1_000)),
        "active": sorted(it.runner_id for it in orch.get_active_runners()),
        "stuck": [id_ for id_, _ in orchestrator(app)._stale("", int(DEAD * HOUR * 1e6))],
        "stuck pending": list(orch.get_pending_invocations_for_recovery()),
        "stuck running": list(orch.get_running_invocations_for_recovery()),
    }


def _seen_invocation(app: Pynenc, id_: str) -> Any:
    try:
        record = app.orchestrator.get_invocation_status_record(id_)
    except KeyError:
        return None
    history = [
        (it.status_record.status, it.status_record.runner_id, it.runner_context_id)
        for it in app.state_backend.get_history(id_)
    ]
    retries = app.orchestrator.get_invocation_retries(id_)
    return record.status, record.runner_id, retries, _seen_outcome(app, id_), history


def _seen_outcome(app: Pynenc, id_: str) -> tuple[str, str] | None:
    for kind, read in (
        ("result", app.state_backend.get_result),
        ("exception", app.state_backend.get_exception),
    ):
        # One of no outcome may have been brought into its final status by hand.
        with suppress(KeyError):
            return kind, str(read(id_))
    return None


def expected(model: Model, ids: list[str]) -> dict[str, Any]:
    """What the model says of the same."""
    known = sorted(model.invocations.values(), key=lambda it: it.registered)
    counted = {S.REGISTERED, S.RUNNING, S.SUCCESS}
    statuses = [it.status for it in known]
    return {
        "invocations": {
            id_: (it.status, it.owner, it.retries, it.outcome, it.history)
            if (it := model.invocations.get(id_))
            else None
            for id_ in ids
        },
        "children": {id_: sorted(it.id for it in known if it.parent == id_) for id_ in ids},
        "by task": {name: [it.id for it in known if it.task == name] for name in TASKS},
        "records": Counter({it.id: len(it.history) for it in known}),
        "newest first": [it.id for it in reversed(known)],
        "counts": {status: statuses.count(status) for status in S if status in statuses},
        "counts by task": {
            name: sum(it.task == name and it.status in counted for it in known) for name in TASKS
        },
        "queue sizes": [len(model.queue(name)) for name in QUEUES],
        "blocking": model.blocking(),
        "active": model.active(),
        "stuck": model.stuck(),
        "stuck pending": model.stuck(S.PENDING),
        "stuck running": model.stuck(S.RUNNING),
    }


def stored_queues(stored: dict[str, Any]) -> dict[str, list[str]]:
    """The invocations of each queue, in the order in which they are served."""
    found: dict[str, list[str]] = {name: [] for name in QUEUES}
    for member, _ in stored.get("queue", []):
        name = next(unpack(member)) or b""
        found[name.decode()].append(queued_id(member).decode())
    return found


def stored_waits(stored: dict[str, Any]) -> set[tuple[str, str]]:
    edges = (unpack_text(member) for member, _ in stored.get("waits", []))
    return {(str(waiting), str(awaited)) for way, waiting, awaited in edges if way == "for"}


class Life(RuleBasedStateMachine):
    """Clients, runners and services that do anything at any time.

    Args:
        backend: The app.
        steps: Where the steps are counted.
    """

    def __init__(self, backend: Backend, steps: Counter[str]) -> None:
        super().__init__()
        self.backend = backend
        self.steps = steps
        self.model = Model(TASKS, PENDING, DEAD, RETENTION)
        # Also those that are gone.
        self.ids: list[str] = []
        # Whether the last step left both the same.
        self.agreed = False
        if backend.clock:
            backend.set_clock(0)
        backend.purge()

    @initialize(
        batch_task=st.sampled_from(sorted(BATCH_TASKS)),
        tasks=st.lists(st.sampled_from(sorted(TASKS)), max_size=4),
        claims=st.lists(st.tuples(st.sampled_from(RUNNERS), st.integers(1, 2)), max_size=3),
    )
    def begin(self, batch_task: str, tasks: list[str], claims: list[tuple[str, int]]) -> None:
        """There are runners, and there is work."""
        self.both("heartbeat", RUNNERS)
        self.submit_batch(batch_task, [(0, 0), (1, 1), (0, 0)], None)
        for task in tasks:
            self.submit(task, (0, len(self.ids) % 2), None)
        for who, number in claims:
            self.both("claim", who, number, QUEUES)

    # Steps

    def both(self, step: str, *arguments: Any) -> Any:
        """Do a step in both; what comes of it is the same."""
        self.count(step)
        outcomes = [
            attempt(partial(getattr(it, step), *arguments)) for it in (self.backend, self.model)
        ]
        assert outcomes[0] == outcomes[1], (step, arguments)
        return outcomes[0]

    def count(self, step: str) -> None:
        self.steps[step] += 1
        self.agreed = False

    def pick(self, number: int) -> str:
        """One of the latest."""
        return self.ids[-1 - number % min(len(self.ids), 12)]

    def as_owner(self, id_: str, who: str) -> str:
        it = self.model.invocations.get(id_)
        return (it and it.owner) or RUNNERS[0] if who == OWNER else who

    @precondition(lambda self: len(self.model.open()) < MANY)
    @rule(
        task=st.sampled_from(sorted(TASKS)),
        values=st.tuples(st.integers(0, 2), st.integers(0, 1)),
        parent=st.none() | st.integers(0, 11),
    )
    def submit(self, task: str, values: tuple[int, int], parent: int | None) -> None:
        arguments, within = self.call(task, values), self.parent(parent)
        self.count("submit")
        made = attempt(partial(self.backend.submit, CLIENT, task, arguments, within))
        new_id = made if isinstance(made, str) and made not in self.ids else "none is made"
        assert made == attempt(partial(self.model.submit, new_id, CLIENT, task, arguments, within))
        if new_id in self.model.invocations:
            self.ids.append(new_id)

    @precondition(lambda self: len(self.model.open()) < MANY)
    @rule(
        task=st.sampled_from(sorted(BATCH_TASKS)),
        batch=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=4),
        parent=st.none() | st.integers(0, 11),
    )
    def submit_batch(self, task: str, batch: list[tuple[int, int]], parent: int | None) -> None:
        calls, within = [self.call(task, values) for values in batch], self.parent(parent)
        self.count("submit batch")
        new_ids = self.backend.submit_batch(CLIENT, task, calls, within)
        self.model.submit_batch(new_ids, CLIENT, task, calls, within)
        self.ids += new_ids

    def call(self, task: str, values: tuple[int, int]) -> tuple[Any, ...]:
        if task in TEXT_ARGUMENTS:
            return tuple(map(str, values))
        return values[: NUMBER_ARGUMENTS.get(task, 0)]

    def parent(self, number: int | None) -> str | None:
        return None if number is None or not self.ids else self.pick(number)

    @rule(
        who=st.sampled_from(RUNNERS),
        number=st.integers(1, 5),
        queues=st.sampled_from([QUEUES[:1], QUEUES[1:], QUEUES, QUEUES[::-1]]),
    )
    def claim(self, who: str, number: int, queues: list[str]) -> None:
        self.both("claim", who, number, queues)

    @precondition(lambda self: self.ids)
    @rule(
        number=st.integers(0, 11), status=st.sampled_from(sorted(S)), who=st.sampled_from(RUNNERS)
    )
    def change(self, number: int, status: InvocationStatus, who: str) -> None:
        """Anybody tries any status."""
        self.both("change", self.pick(number), status, who)

    @precondition(lambda self: self.model.open())
    @rule(number=st.integers(0, 11), way=st.integers(0, 11), who=st.sampled_from([OWNER, *RUNNERS]))
    def go_on(self, number: int, way: int, who: str) -> None:
        """Some change that pynenc allows, as the parts of its own chains do it."""
        it = self.model.open()[number % len(self.model.open())]
        ways = sorted(get_status_definition(it.status).allowed_transitions)
        self.both("change", it.id, ways[way % len(ways)], self.as_owner(it.id, who))

    @precondition(lambda self: self.ids)
    @rule(
        how=st.sampled_from(["finish", "fail"]),
        number=st.integers(0, 11),
        value=st.sampled_from(["", "outcome", "0"]),
        who=st.sampled_from([OWNER, OWNER, *RUNNERS]),
    )
    def end(self, how: str, number: int, value: str, who: str) -> None:
        id_ = self.pick(number)
        self.both(how, id_, value, self.as_owner(id_, who))

    @precondition(lambda self: self.ids)
    @rule(
        how=st.sampled_from(["retry", "reroute"]),
        number=st.integers(0, 11),
        who=st.sampled_from([OWNER, OWNER, *RUNNERS]),
    )
    def send_back(self, how: str, number: int, who: str) -> None:
        id_ = self.pick(number)
        self.both(how, id_, self.as_owner(id_, who))

    @rule(
        who=st.sampled_from(RUNNERS),
        queues=st.sampled_from([QUEUES[:1], QUEUES]),
        ends=st.lists(st.sampled_from(["", *ENDS]), min_size=1, max_size=4),
    )
    def work(self, who: str, queues: list[str], ends: list[str]) -> None:
        """As a runner does: claim, start, and end, pause or leave each running."""
        claimed = self.both("claim", who, len(ends), queues)
        for id_, end in zip(claimed, ends, strict=False):
            if self.both("change", id_, S.RUNNING, who) is None and end:
                self.both(end, id_, *ENDS[end], who)

    @precondition(lambda self: self.ids)
    @rule(
        number=st.integers(0, 11),
        queue=st.sampled_from(QUEUES),
        priority=st.sampled_from([-1.0, 0.0, 60.0]),
    )
    def route(self, number: int, queue: str, priority: float) -> None:
        self.both("route", self.pick(number), queue, priority)

    @rule(queue=st.sampled_from(QUEUES))
    def lose(self, queue: str) -> None:
        """Somebody takes the head of a queue and dies."""
        self.both("retrieve", queue)

    @precondition(lambda self: self.ids)
    @rule(waiting=st.integers(0, 11), awaited=st.lists(st.integers(0, 11), min_size=1, max_size=3))
    def wait(self, waiting: int, awaited: list[int]) -> None:
        self.both("wait", self.pick(waiting), [self.pick(number) for number in awaited])

    @rule(runners=st.lists(st.sampled_from(RUNNERS), min_size=1, max_size=3, unique=True))
    def heartbeat(self, runners: list[str]) -> None:
        self.both("heartbeat", runners)

    @rule()
    def recover(self) -> None:
        self.both("recover", RESCUER)

    @rule()
    def retain(self) -> None:
        self.both("retain")

    @precondition(lambda self: self.backend.clock)
    @rule(hours=st.sampled_from([1, 2, 3, 6, -1, -3]))
    def jump(self, hours: int) -> None:
        self.both("set_clock", self.model.now + hours)

    @precondition(lambda self: self.backend.clock)
    @rule(
        hours=st.sampled_from([2, 3, 5]),
        runners=st.lists(st.sampled_from(RUNNERS), min_size=1, max_size=2, unique=True),
        later=st.integers(0, 3),
    )
    def silence(self, hours: int, runners: list[str], later: int) -> None:
        """Nobody is heard of for a time, then some are, and somebody looks for who is not."""
        self.both("set_clock", self.model.now + hours)
        self.both("heartbeat", runners)
        self.both("recover", RESCUER)
        self.both("set_clock", self.model.now + later)
        self.both("recover", RESCUER)

    @precondition(lambda self: len(self.ids) > 15)
    @rule()
    def purge(self) -> None:
        self.both("purge")
        assert self.backend.stored() == {}

    # What holds after each step

    @invariant()
    def agree(self) -> None:
        stored = self.backend.stored()
        check(stored, by_hand=True)
        ids = self.ids[-30:]
        assert seen(self.backend, ids) == expected(self.model, ids)
        assert stored_queues(stored) == {name: self.model.queue(name) for name in QUEUES}
        assert stored_waits(stored) == self.model.waits
        self.agreed = True

    def teardown(self) -> None:
        if self.agreed:
            self.finish_all()

    def finish_all(self) -> None:
        """Nothing is stuck: recovery brings it back, runners finish it, retention removes it."""
        if not self.backend.clock:
            return
        # Of all runners one is alive, once the outage is over that this looks like.
        self.both("set_clock", self.model.latest + 24)
        self.both("heartbeat", [RESCUER])
        self.both("set_clock", self.model.now + 3)
        self.both("recover", RESCUER)
        while claimed := self.both("claim", RESCUER, 100, QUEUES):
            for id_ in claimed:
                assert self.both("change", id_, S.RUNNING, RESCUER) is None
                assert self.both("finish", id_, "done", RESCUER) is None
        self.agree()
        assert all(it.status.is_final() for it in self.model.invocations.values())
        assert not self.model.waits
        # First it is too young for that.
        for hours in (3, 2):
            self.both("set_clock", self.model.now + hours)
            self.both("retain")
            self.agree()
        left = {name for name in self.backend.stored() if not name.startswith("doorbell:")}
        assert left <= STAYING


def attempt(step: Callable[[], Any]) -> Any:
    """What a step gives, or the type of what refuses it."""
    try:
        return step()
    except REFUSALS as refusal:
        return type(refusal)


@pytest.fixture
def backend(server: Server, tmp_path: Path, app_id: str) -> Iterator[Backend]:
    """An app on a server whose clock can be set, where that is possible."""
    with ExitStack() as stack:
        clock = None
        if can_be_set(server.name):
            clock = stack.enter_context(clocked(server.name, tmp_path))
            server = clock.server
        app = build_app(
            server,
            app_id,
            queues=tuple(QUEUES),
            max_pending_seconds=PENDING * HOUR,
            runner_considered_dead_after_minutes=DEAD * HOUR / 60,
            auto_final_invocation_purge_hours=RETENTION,
        )
        stack.callback(remove, app)
        yield Backend(app, clock)


def test_app_is_what_the_model_says_after_each_step(
    server: Server, backend: Backend, figure: Callable[[str], None]
) -> None:
    runs, steps = scaled(20, 100), Counter[str]()
    done = 0

    def run() -> Life:
        nonlocal done
        done += 1
        return Life(backend, steps)

    run_state_machine_as_test(
        run,
        settings=settings(
            max_examples=runs,
            stateful_step_count=scaled(50, 100),
            derandomize=not FULL,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    clock = "" if backend.clock else " (its clock can't be set)"
    figure(f"{steps.total():,} steps in {done:,} runs on {server.name}{clock}: 0 differences")


def test_a_clock_that_is_set_back_delays_recovery_by_the_limits_alone(backend: Backend) -> None:
    if not backend.clock:
        pytest.skip("the clock of this server can't be set")
    running, pending = backend.submit_batch(CLIENT, "add", [(0, 0), (1, 1)], None)
    backend.heartbeat(RUNNERS)
    assert backend.claim("one", 2, QUEUES[:1]) == [running, pending]
    backend.change(running, S.RUNNING, "one")
    backend.set_clock(-48)
    # Two are heard of again, the owner never more; what is stuck may be so for one limit longer.
    backend.heartbeat(["two", "three"])
    assert running not in backend.recover(RESCUER)
    backend.set_clock(-47)
    backend.heartbeat(["two", "three"])
    backend.set_clock(-45)
    assert backend.app.orchestrator.get_invocation_status(pending) == S.REROUTED
    assert backend.recover(RESCUER) == [running]
