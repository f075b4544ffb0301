"""What pynenc's rules say of an app's invocations, in plain Python.

It is the oracle of test_model.py. Of pynenc it uses the status machine, of ours nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from pynenc.exceptions import (
    InvocationConcurrencyWithDifferentArgumentsError,
    InvocationStatusTransitionError,
)
from pynenc.invocation.status import (
    InvocationStatus,
    InvocationStatusRecord,
    status_record_transition,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

S = InvocationStatus
HOLDS_SLOT = {S.PENDING, S.RUNNING}

# The hours of the server's clock, the number of the commit, and the microseconds that were added:
# a commit has one time, and times within an invocation never stand still or go back.
type Time = tuple[int, int, int]


@dataclass(frozen=True)
class Rules:
    """What the options of a task say.

    Attributes:
        queue: Where its invocations are queued.
        priority: The higher comes first.
        alone: What invocations share of which one runs at a time: "task", or "key", the argument.
        once: The same of those of which one is registered at a time.
        reroutes: Whether one that may not run goes back to the queue, or ends.
        strict: Whether a call is refused for which one with other arguments is registered.
    """

    queue: str = "default"
    priority: float = 0.0
    alone: str = ""
    once: str = ""
    reroutes: bool = False
    strict: bool = False


@dataclass
class Expected:
    """An invocation, as it should be.

    Attributes:
        history: Each status with its owner and the runner that set it.
        outcome: Which of result and exception it has, and that as a text.
    """

    id: str
    task: str
    arguments: tuple[Any, ...]
    parent: str | None
    registered: Time
    at: Time
    status: InvocationStatus
    owner: str | None
    history: list[tuple[InvocationStatus, str | None, str]]
    retries: int = 0
    outcome: tuple[str, str] | None = None

    def record(self) -> InvocationStatusRecord:
        return InvocationStatusRecord(self.status, self.owner)


@dataclass
class Model:
    """An app as it should be.

    Attributes:
        tasks: Its tasks.
        pending: Hours after which one that is pending is stuck.
        dead: Hours after which a silent runner is dead.
        retention: Hours for which one that is final is kept.
        now: Hours of the server's clock.
        latest: The most that it ever was.
        waits: Who waits for whom.
        heard: When each runner was heard of.
        outage: When runners were heard of again, and when before.
    """

    tasks: dict[str, Rules]
    pending: float
    dead: float
    retention: float
    now: int = 0
    latest: int = 0
    invocations: dict[str, Expected] = field(default_factory=dict)
    waits: set[tuple[str, str]] = field(default_factory=set)
    heard: dict[str, int] = field(default_factory=dict)
    outage: tuple[int, int] | None = None
    _queues: dict[str, list[tuple[float, int, str]]] = field(default_factory=dict)
    _places: Iterator[int] = field(default_factory=lambda: count(1))
    _commits: int = 0

    def set_clock(self, hours: int) -> None:
        self.now = hours
        self.latest = max(self.latest, hours)

    # Submission

    def submit(
        self, new_id: str, client: str, task: str, arguments: tuple[Any, ...], parent: str | None
    ) -> str:
        """Submit a call; give the invocation that stands for it."""
        self._commits += 1
        return self._submit(new_id, client, task, arguments, parent, 0)

    def submit_batch(
        self,
        new_ids: list[str],
        client: str,
        task: str,
        batch: list[tuple[Any, ...]],
        parent: str | None,
    ) -> None:
        """Submit calls of one task in one commit."""
        self._commits += 1
        for place, (new_id, arguments) in enumerate(zip(new_ids, batch, strict=True)):
            self._submit(new_id, client, task, arguments, parent, place)

    def _submit(
        self,
        new_id: str,
        client: str,
        task: str,
        arguments: tuple[Any, ...],
        parent: str | None,
        place: int,
    ) -> str:
        shared = self._shared(self.tasks[task].once, task, arguments)
        for it in self.invocations.values():
            if it.status == S.REGISTERED and shared and shared == self._unique(it):
                if self.tasks[task].strict and it.arguments != arguments:
                    raise InvocationConcurrencyWithDifferentArgumentsError(task, it.id, "", "")
                return it.id
        now = (self.now, self._commits, place)
        history: list[tuple[InvocationStatus, str | None, str]] = [(S.REGISTERED, client, client)]
        self.invocations[new_id] = Expected(
            new_id, task, arguments, parent, now, now, S.REGISTERED, client, history
        )
        self._enqueue(self.invocations[new_id])
        return new_id

    def _shared(self, what: str, task: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        return {"": (), "task": (task,), "key": (task, arguments[:1])}[what]

    def _unique(self, it: Expected) -> tuple[Any, ...]:
        return self._shared(self.tasks[it.task].once, it.task, it.arguments)

    def _slot(self, it: Expected) -> tuple[Any, ...]:
        return self._shared(self.tasks[it.task].alone, it.task, it.arguments)

    # Queues

    def _enqueue(self, it: Expected) -> None:
        rules = self.tasks[it.task]
        self.route(it.id, rules.queue, rules.priority)

    def route(self, id_: str, queue: str, priority: float) -> None:
        entries = self._queues.setdefault(queue, [])
        entries.append((-priority, next(self._places), id_))
        entries.sort()

    def retrieve(self, queue: str) -> str | None:
        entries = self._queues.get(queue)
        return entries.pop(0)[2] if entries else None

    def _dequeue(self, id_: str) -> None:
        for name, entries in self._queues.items():
            self._queues[name] = [entry for entry in entries if entry[2] != id_]

    def queue(self, name: str) -> list[str]:
        return [id_ for *_, id_ in self._queues.get(name, [])]

    def is_queued(self, id_: str) -> bool:
        return any(id_ in self.queue(name) for name in self._queues)

    # Claims

    def claim(self, runner: str, number: int, queues: list[str]) -> list[str]:
        """Claim from one queue as many as asked for, from several one at a time."""
        claimed: list[str] = []
        awaited = True
        while len(claimed) < number:
            batch: list[str] = []
            size = number - len(claimed) if len(queues) == 1 else 1
            for name in queues:
                batch = self._claim(runner, size, name, awaited=awaited)
                awaited = False
                if batch:
                    break
            claimed += batch
            if len(batch) < size:
                break
        return claimed

    def _claim(self, runner: str, size: int, queue: str, *, awaited: bool) -> list[str]:
        self._commits += 1
        claimed: list[str] = []

        def take(it: Expected) -> None:
            self._dequeue(it.id)
            self._change(it, S.PENDING, runner)
            claimed.append(it.id)

        for id_ in self.blocking()[:size] if awaited else []:
            if not self._others_hold_slot(self.invocations[id_], HOLDS_SLOT):
                take(self.invocations[id_])
        back: list[Expected] = []
        while len(claimed) < size and (head := self.retrieve(queue)):
            self._dequeue(head)
            it = self.invocations.get(head)
            if it is None or not it.status.is_available_for_run():
                continue
            if not self._others_hold_slot(it, HOLDS_SLOT):
                take(it)
            elif self._hold_back(it, runner):
                back.append(it)
        for it in back:
            self._enqueue(it)
        return claimed

    def open(self, *statuses: InvocationStatus) -> list[Expected]:
        """Those that are not final, or are in these statuses."""
        return [
            it
            for it in self.invocations.values()
            if (it.status in statuses if statuses else not it.status.is_final())
        ]

    def _others_hold_slot(self, it: Expected, statuses: set[InvocationStatus]) -> bool:
        slot = self._slot(it)
        return bool(slot) and any(
            other is not it and other.status in statuses and self._slot(other) == slot
            for other in self.invocations.values()
        )

    def _hold_back(self, it: Expected, runner: str) -> bool:
        """Hold back what concurrency control says; tell whether it goes back to its queue."""
        reroutes = self.tasks[it.task].reroutes
        status = S.CONCURRENCY_CONTROLLED if reroutes else S.CONCURRENCY_CONTROLLED_FINAL
        # It is recorded once, however often somebody looks.
        if it.status == S.REROUTED or not it.status.can_transition_to(status):
            return True
        self._change(it, status, runner)
        if reroutes:
            self._change(it, S.REROUTED, runner)
        return reroutes

    def blocking(self) -> list[str]:
        """The invocations that others wait for, that wait for none and may run; oldest first."""
        awaited = {other for _, other in self.waits} - {waiting for waiting, _ in self.waits}
        free = [
            it
            for it in self.invocations.values()
            if it.id in awaited and it.status.is_available_for_run()
        ]
        return [it.id for it in sorted(free, key=lambda it: it.registered)]

    # Changes of status

    def _change(self, it: Expected, status: InvocationStatus, runner: str) -> None:
        record = status_record_transition(it.record(), status, runner)
        self._set(it, status, record.runner_id, runner)

    def _set(self, it: Expected, status: InvocationStatus, owner: str | None, runner: str) -> None:
        it.status, it.owner = status, owner
        hours, commit, added = it.at
        it.at = max((self.now, self._commits, 0), (hours, commit, added + 1))
        it.history.append((status, owner, runner))
        if status.is_final():
            self._forget_waits(it.id)

    def change(self, id_: str, status: InvocationStatus, runner: str) -> None:
        """Change a status; one that may not start for another that runs goes back to its queue."""
        it = self.invocations[id_]
        self._commits += 1
        status_record_transition(it.record(), status, runner)
        if status == S.RUNNING and self._others_hold_slot(it, {S.RUNNING}):
            self.reroute(id_, runner)
            raise InvocationStatusTransitionError(S.REROUTED, status, frozenset())
        self._change(it, status, runner)

    def finish(self, id_: str, result: str, runner: str) -> None:
        self.change(id_, S.SUCCESS, runner)
        self.invocations[id_].outcome = ("result", result)

    def fail(self, id_: str, message: str, runner: str) -> None:
        self.change(id_, S.FAILED, runner)
        self.invocations[id_].outcome = ("exception", message)

    def retry(self, id_: str, runner: str) -> None:
        self._requeue(self.invocations[id_], S.RETRY, runner)
        self.invocations[id_].retries += 1

    def reroute(self, id_: str, runner: str) -> None:
        self._requeue(self.invocations[id_], S.REROUTED, runner)

    def _requeue(self, it: Expected, status: InvocationStatus, runner: str) -> None:
        self._commits += 1
        self._change(it, status, runner)
        self._dequeue(it.id)
        self._enqueue(it)

    # Waiting

    def wait(self, waiting: str, awaited: Iterable[str]) -> None:
        """What is final or gone holds nobody up."""
        for id_ in awaited:
            if id_ in self.invocations and not self.invocations[id_].status.is_final():
                self.waits.add((waiting, id_))

    def _forget_waits(self, id_: str) -> None:
        self.waits = {pair for pair in self.waits if id_ not in pair}

    # Runners

    def heartbeat(self, runners: list[str]) -> None:
        """After a silence of all for three quarters of the limit, an outage has ended.

        What is in the future, as the clock was set back, is now.
        """
        last = max(self.heard.values(), default=self.now)
        if self.now - last > 0.75 * self.dead:
            self.outage = (self.now, last)
        elif self.outage:
            self.outage = (min(self.outage[0], self.now), self.outage[1])
        heard = {runner: min(at, self.now) for runner, at in self.heard.items()}
        self.heard = heard | dict.fromkeys(runners, self.now)

    def _is_dead(self, runner: str | None, limit: float) -> bool:
        """Nobody is dead within the limit after an outage who was not dead before."""
        if runner is None or runner not in self.heard:
            return True
        if self.now - self.heard[runner] < limit:
            return False
        if self.outage is None or self.now - self.outage[0] > limit:
            return True
        return self.outage[1] - self.heard[runner] > limit

    def active(self) -> list[str]:
        return sorted(it for it, heard in self.heard.items() if self.now - heard < self.dead)

    # Recovery and retention

    def _steps(self, it: Expected) -> list[InvocationStatus] | None:
        """The statuses through which one that stands still comes back to its queue."""
        if it.status.is_final():
            return None
        if it.status in {S.RUNNING, S.PAUSED}:
            if not self._is_dead(it.owner, self.dead):
                return None
            return [S.RUNNING_RECOVERY if it.status == S.RUNNING else S.KILLED, S.REROUTED]
        if abs(self.now - it.at[0]) < self.pending:
            return None
        if it.status.is_available_for_run():
            return None if self.is_queued(it.id) else []
        return [*([S.PENDING_RECOVERY] if it.status == S.PENDING else []), S.REROUTED]

    def stuck(self, *statuses: InvocationStatus) -> list[str]:
        """What recovery finds in these statuses, or in any; what stands still for longest first."""
        found = [it for it in self.invocations.values() if self._steps(it) is not None]
        in_order = sorted(found, key=lambda it: (it.at, it.id))
        return [it.id for it in in_order if not statuses or it.status in statuses]

    def recover(self, runner: str) -> list[str]:
        """Put back what stands still, one commit a queue."""
        found = self.stuck()
        by_queue: dict[str, list[Expected]] = {}
        for it in (self.invocations[id_] for id_ in found):
            by_queue.setdefault(self.tasks[it.task].queue, []).append(it)
        for some in by_queue.values():
            self._commits += 1
            for it in some:
                for status in self._steps(it) or []:
                    # Who owned it has no say.
                    self._change_as_owner(it, status, runner)
                self._dequeue(it.id)
                self._enqueue(it)
        return sorted(found)

    def _change_as_owner(self, it: Expected, status: InvocationStatus, runner: str) -> None:
        record = status_record_transition(it.record(), status, it.owner)
        self._set(it, status, record.runner_id, runner)

    def retain(self) -> None:
        """Forget what has been final for long, and runners that have been silent for long."""
        for it in list(self.invocations.values()):
            if it.status.is_final() and self.now - it.at[0] > self.retention:
                del self.invocations[it.id]
                self._dequeue(it.id)
                self._forget_waits(it.id)
        limit = 2 * max(self.retention, self.dead)
        for runner in list(self.heard):
            if self.now - self.heard[runner] > limit and self._is_dead(runner, limit):
                del self.heard[runner]

    def purge(self) -> None:
        for part in (self.invocations, self._queues, self.waits, self.heard):
            part.clear()
        self.outage = None
