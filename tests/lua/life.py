"""The life of invocations, step by step: after each, all keys are checked against each other."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from lua.model import NORMAL, QUEUE, TASK, Record, check, queued_id
from lua.samples import invocation
from pynenc_redis_lua.broker import sortable_priority
from pynenc_redis_lua.codec import pack, to_bytes, unpack

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from pynenc_redis_lua.scripts.api import Scripts
    from pynenc_redis_lua.scripts.runner import Reply

SECOND = 1_000_000
YEAR = 365 * 24 * 3600 * SECOND


class Claimed(NamedTuple):
    """What `claim` replies: ids claimed, held back ones by what became of them, and numbers."""

    ids: list[str]
    held_back: list[tuple[str, str]]
    waiting: int
    left: int


class Life:
    """Calls the scripts of an app with what a test does not care about filled in."""

    def __init__(
        self,
        scripts: Scripts,
        snapshot: Callable[[], dict[str, Any]],
        raw: Redis,
        key: Callable[[str], bytes],
    ) -> None:
        self.scripts = scripts
        self.snapshot = snapshot
        self.raw = raw
        self.key = key
        # Whether a test has set up statuses without history or queue: see `model.check`.
        self.by_hand = False
        # A test with hundreds of steps checks in the end alone.
        self.checks_each_step = True
        self._numbers = count(1)

    def call(self, name: str, **arguments: Any) -> Reply:
        """Call a script, and check that what it leaves is consistent."""
        reply = self.scripts.call(name, **arguments)
        if self.checks_each_step:
            self.check()
        return reply

    def check(self) -> None:
        check(self.snapshot(), by_hand=self.by_hand)

    def new_op(self) -> str:
        return f"op-{next(self._numbers)}"

    def by(self, runner: str, op: str | None = None) -> dict[str, Any]:
        """The arguments that say who does something."""
        return {
            "owner": pack(runner),
            "context_id": runner,
            "contexts": pack(runner, f"<{runner}>"),
            "op": op or self.new_op(),
            "notes": 1,
        }

    # Steps

    def submit(
        self,
        *ids: str,
        record: bytes | None = None,
        arguments: bytes = b"",
        task: str = TASK,
        slot: str = "",
        unique: str = "",
        reroutes: str = "1",
        digests: bytes = b"",
        queue: str = QUEUE,
        priority: float = 0.5,
        reuse: int = 0,
        runner: str = "client",
        op: str | None = None,
    ) -> Reply:
        stored = invocation() if record is None else record
        return self.call(
            "orchestrator/submit",
            queue_name=queue,
            priority=sortable_priority(priority),
            reuse=reuse,
            items=[(id_, stored, arguments, task, slot, unique, reroutes, digests) for id_ in ids],
            **self.by(runner, op),
        )

    def claim(
        self,
        number: int = 10,
        *,
        queue: str = QUEUE,
        awaited_first: int = 0,
        runner: str = "runner",
        consumer: str = "consumer",
        op: str | None = None,
    ) -> Claimed:
        claimed, held_back, waiting, left, _ = self.call(
            "orchestrator/claim",
            queue_name=queue,
            count=number,
            awaited_first=awaited_first,
            consumer=consumer,
            **self.by(runner, op),
        ).values
        held = [(id_.decode(), status.decode()) for id_, _, status, _ in held_back]
        return Claimed([fields[0].decode() for fields in claimed], held, waiting, left)

    def commit(
        self,
        id_: str,
        status: str,
        *,
        runner: str = "runner",
        outcome: str = "",
        serialized: bytes = b"",
        op: str | None = None,
        written_us: int = 0,
    ) -> Reply:
        return self.call(
            "orchestrator/commit_status",
            invocation_id=id_,
            status=status,
            outcome=outcome,
            serialized=serialized,
            written_us=written_us,
            **self.by(runner, op),
        )

    def finish(self, id_: str, result: bytes = b"result", *, runner: str = "runner") -> Reply:
        return self.commit(id_, "success", runner=runner, outcome="result", serialized=result)

    def fail(self, id_: str, exception: bytes = b"exception", *, runner: str = "runner") -> Reply:
        return self.commit(id_, "failed", runner=runner, outcome="exception", serialized=exception)

    def send_back(
        self,
        how: str,
        id_: str,
        *,
        queue: str = QUEUE,
        priority: bytes = NORMAL,
        runner: str = "runner",
        consumer: str = "sender",
        op: str | None = None,
        written_us: int = 0,
    ) -> Reply:
        """Retry or reroute."""
        return self.call(
            "orchestrator/requeue",
            status=how,
            consumer=consumer,
            queue_name=queue,
            priority=priority,
            invocation_id=id_,
            written_us=written_us,
            **self.by(runner, op),
        )

    def beat(self, *runners: str, ago_us: int = 0, outage_us: int = YEAR) -> None:
        """Send the heartbeats of some time ago."""
        self.call(
            "orchestrator/heartbeat",
            eligible="1",
            queues=b"",
            keeps_queues=0,
            outage_us=outage_us,
            items=[(runner,) for runner in runners],
        )
        for runner in runners:
            self.raw.zincrby(self.key("heartbeats"), -ago_us, runner)

    def outage_ended(self, ago_us: int) -> None:
        """Set the end of the outage that is noted back in time."""
        ended, last = unpack(self.raw.get(self.key("heartbeats_since")))
        self.raw.set(self.key("heartbeats_since"), pack(int(ended or 0) - ago_us, last))

    def wait(self, waiting: str, *awaited: str) -> Reply:
        items = [(id_,) for id_ in awaited]
        return self.call("orchestrator/wait", waiting_id=waiting, items=items)

    def recover(
        self,
        *ids: str,
        queue: str = QUEUE,
        pending_us: int = YEAR,
        dead_us: int = YEAR,
        runner: str = "rescuer",
        op: str | None = None,
    ) -> list[str]:
        said = self.by(runner, op)
        del said["owner"]
        reply = self.call(
            "orchestrator/recover",
            queue_name=queue,
            pending_us=pending_us,
            dead_us=dead_us,
            items=[(id_,) for id_ in ids],
            **said,
        )
        return [id_.decode() for id_, *_ in reply.values[0]]

    def expire(self, *, age_us: int = 0, number: int = 100) -> int:
        removed: int = self.call("orchestrator/expire", age_us=age_us, count=number).values[0]
        return removed

    # Several steps

    def pending(self, id_: str, *, runner: str = "runner", **submission: Any) -> None:
        """Submit an invocation and claim it."""
        self.submit(id_, **submission)
        queue = submission.get("queue", QUEUE)
        assert self.claim(1, queue=queue, runner=runner).ids == [id_]

    def running(self, id_: str, *, runner: str = "runner", **submission: Any) -> None:
        """Submit an invocation, claim it and start it."""
        self.pending(id_, runner=runner, **submission)
        assert self.commit(id_, "running", runner=runner).tag == "OK"

    # What there is

    def record(self, id_: str) -> Record:
        return Record.read(self.snapshot()["statuses"][to_bytes(id_)])

    def status(self, id_: str) -> tuple[str, str | None]:
        """The status and the owner."""
        record = self.record(id_)
        return record.status, record.owner

    def history(self, id_: str) -> list[tuple[str, str | None, str | None]]:
        """The records, each a status, its owner and the runner that set it."""
        found = []
        for record in unpack(self.snapshot()["history"][to_bytes(id_)]):
            texts = [None if f is None else f.decode() for f in unpack(record or b"")]
            found.append((texts[1] or "", texts[2], texts[2] if texts[4] is None else texts[4]))
        return found

    def queued(self) -> list[str]:
        """The invocations in the queues, in the order of `queue`."""
        return [queued_id(member).decode() for member, _ in self.snapshot().get("queue", [])]
