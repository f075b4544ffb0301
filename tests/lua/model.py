"""What is stored of invocations on their way, modelled in Python: to write it, and to check it."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

from pynenc.invocation.status import InvocationStatus

from pynenc_redis_lua.broker import sortable_priority
from pynenc_redis_lua.codec import pack, to_bytes, to_text, unpack

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

STATUSES = sorted(InvocationStatus)
AVAILABLE = {status.value for status in STATUSES if status.is_available_for_run()}
FINAL = {status.value for status in STATUSES if status.is_final()}
TASK = "module.function"
QUEUE = "queue"
NORMAL = sortable_priority(0.5)
# Long ago: what is placed by hand is older than any age that a test asks for.
LONG_AGO = 1_000_000_000_000_000


@dataclass(frozen=True)
class Record:
    """A record of `statuses`, in the order of its fields."""

    status: str
    owner: str | None = None
    at_us: int = LONG_AGO
    op: str = "placed"
    retries: int = 0
    registered_us: int = LONG_AGO
    task: str = TASK
    queue: str = QUEUE
    priority: bytes = NORMAL
    slot: str = ""
    unique: str = ""
    reroutes: str = "1"
    digests: bytes = b""
    call: str = ""

    @classmethod
    def read(cls, packed: bytes) -> Self:
        *texts, digests, call = unpack(packed)
        assert len(texts) == len(fields(cls)) - 2
        values: list[Any] = [text if text is None else to_text(text) for text in texts[:8]]
        for number in (2, 4, 5):
            values[number] = int(values[number])
        return cls(*values, texts[8], *map(to_text, texts[9:]), digests, to_text(call))

    def packed(self) -> bytes:
        return pack(*(getattr(self, field.name) for field in fields(self)))

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def is_available(self) -> bool:
        return self.status in AVAILABLE

    def task_member(self, id_: bytes) -> bytes:
        return pack(self.task, self.status) + b"%016d" % self.registered_us + id_

    def concurrency_members(self, id_: bytes) -> set[bytes]:
        members = set()
        if self.slot and self.status in {"pending", "running"}:
            members.add(pack("slot", self.slot, self.status, id_))
        if self.unique and self.status == "registered":
            members.add(pack("unique", self.unique, id_))
        digests = list(unpack(self.digests))
        for name, digest in zip(digests[::2], digests[1::2], strict=True):
            members.add(pack("argument", self.task, name, digest, id_))
        return members


def place(raw: Redis, key: Callable[[str], bytes], records: dict[str, Record]) -> None:
    """Write records and all that their statuses imply, with neither history nor a queue."""
    pipeline = raw.pipeline(transaction=False)
    for name, record in records.items():
        id_ = to_bytes(name)
        pipeline.hset(key("statuses"), id_, record.packed())
        pipeline.zadd(key("registered"), {id_: record.registered_us})
        pipeline.zadd(key("expiring" if record.is_final else "open"), {id_: record.at_us})
        pipeline.zadd(key("task_index"), {record.task_member(id_): 0})
        for member in record.concurrency_members(id_):
            pipeline.zadd(key("concurrency"), {member: 0})
    pipeline.execute()


def call_member(call_id: str, id_: str | bytes) -> bytes:
    """The member of `index` for the call of an invocation."""
    name = to_bytes(call_id)
    return pack("call", hashlib.sha1(name).hexdigest() if len(name) > 40 else name, id_)


def time_member(position: int, id_: bytes) -> bytes:
    """The member of `history_times` for the record at a byte of a history."""
    with suppress(ValueError):
        known = uuid.UUID(id_.decode())
        if str(known).encode() == id_:
            return pack(position) + b"\xff" + known.bytes
    return pack(position, id_)


def queued_id(member: bytes) -> bytes:
    """The invocation of a member of `queue`: behind its name, 8 bytes and 16 digits."""
    return member[len(pack(next(unpack(member)))) + 24 :]


def check(stored: dict[str, Any], *, by_hand: bool = False) -> None:
    """Assert that the keys agree with each other.

    With `by_hand`, statuses need not be in the history, nor what is free to run in a queue: the
    test has set them up so, or the app keeps them elsewhere.
    """
    records = {id_: Record.read(packed) for id_, packed in stored.get("statuses", {}).items()}
    _check_statuses(stored, records)
    _check_queues(stored)
    _check_waits(stored, records)
    _check_history(stored)
    if not by_hand:
        _check_no_limbo(stored, records)


def _scores(stored: dict[str, Any], name: str) -> dict[bytes, float]:
    return dict(stored.get(name, []))


def _members(stored: dict[str, Any], name: str) -> set[bytes]:
    """The members of a sorted set in lexical order."""
    scores = _scores(stored, name)
    assert set(scores.values()) <= {0.0}, name
    return set(scores)


def _check_statuses(stored: dict[str, Any], records: dict[bytes, Record]) -> None:
    items = records.items()
    assert _scores(stored, "registered") == {id_: r.registered_us for id_, r in items}
    assert _scores(stored, "open") == {id_: r.at_us for id_, r in items if not r.is_final}
    assert _scores(stored, "expiring") == {id_: r.at_us for id_, r in items if r.is_final}
    assert _members(stored, "task_index") == {r.task_member(id_) for id_, r in items}
    implied = {member for id_, r in items for member in r.concurrency_members(id_)}
    assert _members(stored, "concurrency") == implied


def _check_queues(stored: dict[str, Any]) -> None:
    queue = _members(stored, "queue")
    places = {id_: list(unpack(packed)) for id_, packed in stored.get("queued", {}).items()}
    assert Counter(member for members in places.values() for member in members) == Counter(queue)
    for id_, members in places.items():
        assert members, id_
        assert {queued_id(member) for member in members} == {id_}
    numbers = [int(member[: -len(queued_id(member))][-16:]) for member in queue]
    assert len(set(numbers)) == len(numbers)
    assert max(numbers, default=0) <= int(stored.get("queue_sequence", 0))


def _check_waits(stored: dict[str, Any], records: dict[bytes, Record]) -> None:
    edges = [tuple(unpack(member)) for member in _members(stored, "waits")]
    waiting = {(one, other) for way, one, other in edges if way == b"for"}
    assert waiting == {(other, one) for way, one, other in edges if way == b"by"}
    assert len(edges) == 2 * len(waiting)
    awaited = {other for _, other in waiting}
    for id_ in awaited:
        assert not records[id_].is_final, id_
    held_up = {one for one, _ in waiting}
    assert _scores(stored, "blocking") == {
        id_: records[id_].registered_us for id_ in awaited - held_up if records[id_].is_available
    }


def _check_history(stored: dict[str, Any]) -> None:
    times = {}
    for id_, packed in stored.get("history", {}).items():
        at = 1
        for record in unpack(packed):
            assert record is not None
            times[time_member(at, id_)] = float(next(unpack(record)) or b"")
            at += len(pack(record))
    assert _scores(stored, "history_times") == times


def _check_no_limbo(stored: dict[str, Any], records: dict[bytes, Record]) -> None:
    """The last record of the history is the status, and what is free to run is in a queue."""
    for id_, record in records.items():
        last = [list(unpack(entry or b"")) for entry in unpack(stored["history"][id_])][-1]
        owner = None if record.owner is None else to_bytes(record.owner)
        assert last[:3] == [b"%d" % record.at_us, record.status.encode(), owner], id_
        assert not record.is_available or id_ in stored.get("queued", {}), id_
