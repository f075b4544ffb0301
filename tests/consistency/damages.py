"""Every kind of damage: raw commands that do it to a busy app, and what has to be reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lua.model import LONG_AGO, call_member, queued_id, time_member
from pynenc_redis_lua.codec import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from consistency.busy import Busy

type Expected = tuple[str, str, bytes]
type Plant = Callable[[Busy], list[Expected]]

# MessagePack, but a map: a careless reader would take it for a field.
GARBAGE = b"\x81\xa1a\xa1b"
GHOST = b"ghost\0\xff\n"


@dataclass(frozen=True)
class Damage:
    """A kind of damage.

    Attributes:
        name: What it is.
        plant: Does it, and returns what has to be reported: kind, key and id of each problem.
        lasting: Whether nothing can bring back what is lost.
    """

    name: str
    plant: Callable[[Busy], list[Expected]]
    lasting: bool = False

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


DAMAGES: list[Damage] = []


def damage(name: str, *, lasting: bool = False) -> Callable[[Plant], None]:
    def add(plant: Plant) -> None:
        DAMAGES.append(Damage(name, plant, lasting))

    return add


# A sorted set, a member of it that is implied (the first one that holds these: names of ids, or
# bytes), and whom a problem with it is about (None for the member itself).
MEMBERS: list[tuple[str, tuple[str | bytes, ...], str | None]] = [
    ("registered", ("success",), None),
    ("open", ("running",), None),
    ("expiring", ("failed",), None),
    ("task_index", ("running",), "running"),
    ("concurrency", (pack("slot"), "running"), "running"),
    ("concurrency", (pack("unique"), "registered"), "registered"),
    ("concurrency", (pack("argument"), "running"), "running"),
    ("blocking", ("awaited",), None),
    ("waits", (pack("for"), "waiting", "awaited"), "waiting"),
    ("queue", ("registered",), "registered"),
    ("index", (pack("call"), "success"), "success"),
    ("index", (pack("event"), "event"), "started"),
    ("index", (pack("workflow"), "workflow"), "workflow"),
    ("index", (pack("type"), "workflow"), "workflow"),
    ("index", (pack("data"), "workflow"), "workflow"),
    ("index", (pack("value"), "workflow"), "workflow"),
    ("history_times", ("success",), "success"),
    ("heartbeats", (b"one",), None),
    ("context_times", (b"one",), None),
    ("service_times", ("ended",), None),
    ("condition_index", (pack("by"), "trigger"), "trigger"),
    ("condition_index", (pack("triggers"), "trigger"), "trigger"),
    ("valid_order", ("waiting event",), None),
    ("event_index", (pack("all"), "event"), "event"),
    ("event_index", (pack("code"), "event"), "event"),
    ("trigger_run_index", (pack("all"), "run"), "run"),
    ("trigger_run_index", (pack("event"), "run"), "run"),
]
# The score of these is no record's.
FREE_SCORES = {"heartbeats", "context_times", "valid_order"}


def member_of(busy: Busy, key: str, parts: tuple[str | bytes, ...]) -> bytes:
    if key == "history_times":
        return time_member(1, busy.ids[str(parts[0])])
    sought = [part if isinstance(part, bytes) else busy.ids[part] for part in parts]
    first = parts[0] if isinstance(parts[0], bytes) else b""
    return next(it for it in busy.members(key, *sought) if it.startswith(first))


def _member_damages() -> Iterator[Damage]:
    for key, parts, whom in MEMBERS:

        def lack(
            busy: Busy,
            key: str = key,
            parts: tuple[str | bytes, ...] = parts,
            whom: str | None = whom,
        ) -> list[Expected]:
            member = member_of(busy, key, parts)
            busy.raw.zrem(busy.key(key), member)
            return [("missing", key, busy.ids[whom] if whom else member)]

        def shift(
            busy: Busy,
            key: str = key,
            parts: tuple[str | bytes, ...] = parts,
            whom: str | None = whom,
        ) -> list[Expected]:
            member = member_of(busy, key, parts)
            busy.raw.zincrby(busy.key(key), 1, member)
            return [("wrong_score", key, busy.ids[whom] if whom else member)]

        which = " ".join(it if isinstance(it, str) else it.decode(errors="ignore") for it in parts)
        yield Damage(f"{key} lacks {which}", lack)
        if key not in FREE_SCORES:
            yield Damage(f"{key} has another score of {which}", shift)


def _ghosts() -> Iterator[Damage]:
    for key in (
        "registered",
        "open",
        "expiring",
        "blocking",
        "context_times",
        "service_times",
        "valid_order",
    ):

        def plant(busy: Busy, key: str = key) -> list[Expected]:
            busy.raw.zadd(busy.key(key), {GHOST: 1})
            return [("stray", key, GHOST)]

        yield Damage(f"{key} has a ghost", plant)
    for key in ("arguments", "results", "exceptions", "history", "event_links"):

        def keep(busy: Busy, key: str = key) -> list[Expected]:
            busy.raw.hset(busy.key(key), GHOST, b"")
            return [("stray", key, GHOST)]

        yield Damage(f"{key} are of a ghost", keep)


def _garbage() -> Iterator[Damage]:
    """What is no entry of its collection."""
    whole = {"queue", "waits", "changes", "client_data_uses"}
    indexes = ("task_index", "concurrency", "index", "history_times")
    of_triggers = ("condition_index", "event_index", "trigger_run_index")
    for key in (*indexes, *of_triggers, *sorted(whole)):

        def add(busy: Busy, key: str = key) -> list[Expected]:
            busy.raw.zadd(busy.key(key), {GARBAGE: 0})
            # It names nobody.
            return [("unreadable", key, GARBAGE) if key in whole else ("stray", key, b"")]

        yield Damage(f"{key} has garbage", add)
    records = {
        "statuses": "success",
        "invocations": "success",
        "queued": "registered",
        "services": "ended",
        "triggers": "trigger",
        "events": "waiting event",
        "trigger_runs": "run",
        "event_links": "event",
    }
    for key, name in records.items():

        def spoil(busy: Busy, key: str = key, name: str = name) -> list[Expected]:
            busy.raw.hset(busy.key(key), busy.ids[name], GARBAGE)
            return [("unreadable", key, busy.ids[name])]

        yield Damage(f"{key} hold garbage", spoil)
    for key in ("runners", "replies", "cron_times", "valid_conditions"):

        def spoil_first(busy: Busy, key: str = key) -> list[Expected]:
            [field, *_] = busy.raw.hkeys(busy.key(key))
            busy.raw.hset(busy.key(key), field, GARBAGE)
            return [("unreadable", key, field)]

        yield Damage(f"{key} hold garbage", spoil_first)
    for key in ("workflow_data", "workflow_values"):

        def spoil_field(busy: Busy, key: str = key) -> list[Expected]:
            busy.raw.hset(busy.key(key), GARBAGE, b"")
            return [("unreadable", key, GARBAGE)]

        yield Damage(f"{key} has garbage", spoil_field)


DAMAGES += [*_member_damages(), *_ghosts(), *_garbage()]


# Statuses, invocations and what belongs to them


@damage("a status is another word of the status machine")
def _(busy: Busy) -> list[Expected]:
    id_ = busy.ids["running"]
    _, *others = unpack(busy.raw.hget(busy.key("statuses"), id_) or b"")
    busy.raw.hset(busy.key("statuses"), id_, pack("running:requires", *others))
    return [("unreadable", "statuses", id_)]


@damage("a status is gone")
def _(busy: Busy) -> list[Expected]:
    id_ = busy.ids["running"]
    busy.raw.hdel(busy.key("statuses"), id_)
    strays = ("registered", "open", "task_index", "concurrency")
    return [("stray", "invocations", id_), *(("stray", key, id_) for key in strays)]


@damage("an invocation is gone")
def _(busy: Busy) -> list[Expected]:
    busy.raw.hdel(busy.key("invocations"), busy.ids["registered"])
    return [("lost", "invocations", busy.ids["registered"])]


@damage("a final invocation is open too")
def _(busy: Busy) -> list[Expected]:
    busy.raw.zadd(busy.key("open"), {busy.ids["success"]: 1})
    return [("stray", "open", busy.ids["success"])]


@damage("a running invocation is expiring")
def _(busy: Busy) -> list[Expected]:
    busy.raw.zadd(busy.key("expiring"), {busy.ids["running"]: 1})
    return [("stray", "expiring", busy.ids["running"])]


@damage("task_index knows another status")
def _(busy: Busy) -> list[Expected]:
    member = member_of(busy, "task_index", ("running",)).replace(pack("running"), pack("pending"))
    busy.raw.zadd(busy.key("task_index"), {member: 0})
    return [("stray", "task_index", busy.ids["running"])]


@damage("a final invocation holds a slot")
def _(busy: Busy) -> list[Expected]:
    busy.raw.zadd(busy.key("concurrency"), {pack("slot", "k", "running", busy.ids["success"]): 0})
    return [("stray", "concurrency", busy.ids["success"])]


@damage("a result is gone", lasting=True)
def _(busy: Busy) -> list[Expected]:
    busy.raw.hdel(busy.key("results"), busy.ids["success"])
    return [("lost", "results", busy.ids["success"])]


@damage("an exception is gone", lasting=True)
def _(busy: Busy) -> list[Expected]:
    busy.raw.hdel(busy.key("exceptions"), busy.ids["failed"])
    return [("lost", "exceptions", busy.ids["failed"])]


@damage("index knows a parent that is none")
def _(busy: Busy) -> list[Expected]:
    busy.raw.zadd(busy.key("index"), {pack("parent", "nobody", busy.ids["success"]): 0})
    return [("stray", "index", busy.ids["success"])]


@damage("index knows a call of a ghost")
def _(busy: Busy) -> list[Expected]:
    busy.raw.zadd(busy.key("index"), {call_member("a call", GHOST): 0})
    return [("stray", "index", GHOST)]


@damage("index knows data of a workflow that has none")
def _(busy: Busy) -> list[Expected]:
    busy.raw.zadd(busy.key("index"), {pack("data", GHOST, "key"): 0})
    return [("stray", "index", GHOST)]


# Queues


@damage("an invocation is in no queue")
def _(busy: Busy) -> list[Expected]:
    id_ = busy.ids["registered"]
    busy.raw.zrem(busy.key("queue"), member_of(busy, "queue", ("registered",)))
    busy.raw.hdel(busy.key("queued"), id_)
    return [("unqueued", "queued", id_)]


@damage("queued lacks an invocation")
def _(busy: Busy) -> list[Expected]:
    id_ = busy.ids["registered"]
    busy.raw.hdel(busy.key("queued"), id_)
    return [("missing", "queued", id_), ("unqueued", "queued", id_)]


@damage("queued knows a place of another one")
def _(busy: Busy) -> list[Expected]:
    id_, places = busy.ids["registered"], busy.raw.hget(busy.key("queued"), busy.ids["registered"])
    other = member_of(busy, "queue", ("other",))
    busy.raw.hset(busy.key("queued"), id_, places + pack(other))
    return [("stray", "queued", id_)]


@damage("queued knows a ghost by the place of another one")
def _(busy: Busy) -> list[Expected]:
    busy.raw.hset(busy.key("queued"), GHOST, pack(member_of(busy, "queue", ("other",))))
    return [("stray", "queued", GHOST)]


def _last_queued(busy: Busy) -> bytes:
    members = busy.members("queue")
    return queued_id(max(members, key=lambda it: it[: -len(queued_id(it))][-16:]))


@damage("queue_sequence is below a number in use")
def _(busy: Busy) -> list[Expected]:
    busy.raw.set(busy.key("queue_sequence"), 1)
    return [("wrong", "queue_sequence", _last_queued(busy))]


@damage("queue_sequence is gone")
def _(busy: Busy) -> list[Expected]:
    busy.raw.delete(busy.key("queue_sequence"))
    return [("wrong", "queue_sequence", _last_queued(busy))]


@damage("queue_sequence is no number")
def _(busy: Busy) -> list[Expected]:
    busy.raw.set(busy.key("queue_sequence"), GARBAGE)
    return [("unreadable", "queue_sequence", GARBAGE)]


# Waiting


@damage("one side of an edge is gone")
def _(busy: Busy) -> list[Expected]:
    waiting, awaited = busy.ids["waiting"], busy.ids["awaited"]
    busy.raw.zrem(busy.key("waits"), pack("by", awaited, waiting))
    # As if nobody waited for it.
    return [("missing", "waits", awaited), ("stray", "blocking", awaited)]


@damage("somebody waits for a ghost")
def _(busy: Busy) -> list[Expected]:
    waiting = busy.ids["waiting"]
    edges = {pack("for", waiting, GHOST): 0, pack("by", GHOST, waiting): 0}
    busy.raw.zadd(busy.key("waits"), edges)
    return [("stray", "waits", waiting), ("stray", "waits", GHOST)]


@damage("somebody waits for what is final")
def _(busy: Busy) -> list[Expected]:
    waiting, done = busy.ids["waiting"], busy.ids["success"]
    edges = {pack("for", waiting, done): 0, pack("by", done, waiting): 0}
    busy.raw.zadd(busy.key("waits"), edges)
    return [("stray", "waits", waiting), ("stray", "waits", done)]


@damage("blocking has one that runs")
def _(busy: Busy) -> list[Expected]:
    busy.raw.zadd(busy.key("blocking"), {busy.ids["running"]: 1})
    return [("stray", "blocking", busy.ids["running"])]


@damage("blocking has one that waits")
def _(busy: Busy) -> list[Expected]:
    waiting, other = busy.ids["waiting"], busy.ids["other"]
    edges = {pack("for", other, waiting): 0, pack("by", waiting, other): 0}
    busy.raw.zadd(busy.key("waits"), edges)
    busy.raw.zadd(busy.key("blocking"), {waiting: 1})
    return [("stray", "blocking", waiting)]


@damage("blocking has one for which nobody waits")
def _(busy: Busy) -> list[Expected]:
    busy.raw.zadd(busy.key("blocking"), {busy.ids["registered"]: 1})
    return [("stray", "blocking", busy.ids["registered"])]


# History


def _records(busy: Busy, name: str) -> list[bytes]:
    packed = busy.raw.hget(busy.key("history"), busy.ids[name])
    assert packed is not None
    return [record for record in unpack(packed) if record is not None]


@damage("the last record of a history is gone")
def _(busy: Busy) -> list[Expected]:
    id_ = busy.ids["success"]
    kept = pack(*_records(busy, "success")[:-1])
    busy.raw.hset(busy.key("history"), id_, kept)
    busy.raw.zrem(busy.key("history_times"), time_member(len(kept) + 1, id_))
    return [("missing", "history", id_)]


@damage("a history is gone")
def _(busy: Busy) -> list[Expected]:
    id_ = busy.ids["running"]
    busy.raw.hdel(busy.key("history"), id_)
    return [("missing", "history", id_), ("stray", "history_times", id_)]


@damage("a history is garbage")
def _(busy: Busy) -> list[Expected]:
    id_ = busy.ids["running"]
    busy.raw.hset(busy.key("history"), id_, GARBAGE)
    return [("unreadable", "history", id_), ("stray", "history_times", id_)]


@damage("a history ends in garbage")
def _(busy: Busy) -> list[Expected]:
    id_ = busy.ids["running"]
    busy.raw.hset(busy.key("history"), id_, pack(*_records(busy, "running")) + b"garbage")
    return [("unreadable", "history", id_)]


@damage("a record of a history is none")
def _(busy: Busy) -> list[Expected]:
    id_ = busy.ids["running"]
    *records, last = _records(busy, "running")
    busy.raw.hset(busy.key("history"), id_, pack(*records, b"#" * len(last)))
    return [("unreadable", "history", id_), ("missing", "history", id_)]


@damage("history_times refers to a record twice")
def _(busy: Busy) -> list[Expected]:
    id_ = busy.ids["success"]
    busy.raw.zadd(busy.key("history_times"), {pack("1", id_): LONG_AGO})
    return [("stray", "history_times", id_)]


@damage("history_times refers to a record that is not there")
def _(busy: Busy) -> list[Expected]:
    busy.raw.zadd(busy.key("history_times"), {time_member(99_999, busy.ids["success"]): LONG_AGO})
    return [("stray", "history_times", busy.ids["success"])]


# Runners and services


@damage("a runner is not known")
def _(busy: Busy) -> list[Expected]:
    busy.raw.hdel(busy.key("runners"), b"one")
    return [("missing", "runners", b"one")]


@damage("a context is gone")
def _(busy: Busy) -> list[Expected]:
    busy.raw.hdel(busy.key("runner_contexts"), b"one")
    return [("stray", "context_times", b"one")]


@damage("an execution is gone")
def _(busy: Busy) -> list[Expected]:
    busy.raw.hdel(busy.key("services"), busy.ids["ended"])
    return [("stray", "service_times", busy.ids["ended"])]


@damage("nobody holds the service that is running")
def _(busy: Busy) -> list[Expected]:
    busy.raw.delete(busy.key("service_holder"))
    return [("missing", "service_holder", busy.ids["active"])]


@damage("an execution holds the service and has ended")
def _(busy: Busy) -> list[Expected]:
    running = busy.raw.hget(busy.key("services"), busy.ids["active"])
    busy.raw.hset(busy.key("services"), busy.ids["active"], running.replace(b"running", b"blocked"))
    return [("stray", "service_holder", busy.ids["active"])]


@damage("a ghost holds the service")
def _(busy: Busy) -> list[Expected]:
    busy.raw.set(busy.key("service_holder"), GHOST)
    missing = ("missing", "service_holder", busy.ids["active"])
    return [("stray", "service_holder", GHOST), missing]


@damage("two executions are running")
def _(busy: Busy) -> list[Expected]:
    running = busy.raw.hget(busy.key("services"), busy.ids["active"])
    busy.raw.hset(busy.key("services"), GHOST, running)
    busy.raw.zadd(busy.key("service_times"), {GHOST: float(list(unpack(running))[1])})
    return [("missing", "service_holder", GHOST)]


# Triggers, events, runs


@damage("a trigger is gone")
def _(busy: Busy) -> list[Expected]:
    busy.raw.hdel(busy.key("triggers"), busy.ids["trigger"])
    return [("stray", "condition_index", busy.ids["trigger"])]


@damage("a condition is gone")
def _(busy: Busy) -> list[Expected]:
    [watched] = [unpack(it) for it in busy.members("condition_index", pack("watch"))]
    *_, id_ = watched
    busy.raw.hdel(busy.key("conditions"), id_)
    return [("stray", "condition_index", id_)]


@damage("a trigger waits for what it does not know")
def _(busy: Busy) -> list[Expected]:
    busy.raw.zadd(busy.key("condition_index"), {pack("by", "nothing", busy.ids["trigger"]): 0})
    return [("stray", "condition_index", busy.ids["trigger"])]


@damage("a valid condition is gone")
def _(busy: Busy) -> list[Expected]:
    [entry] = busy.raw.hkeys(busy.key("valid_conditions"))
    busy.raw.hdel(busy.key("valid_conditions"), entry)
    return [("stray", "valid_order", entry)]


@damage("an event is gone")
def _(busy: Busy) -> list[Expected]:
    busy.raw.hdel(busy.key("events"), busy.ids["waiting event"])
    return [("stray", "event_index", busy.ids["waiting event"])]


@damage("an event is not known to have triggered something")
def _(busy: Busy) -> list[Expected]:
    id_ = busy.ids["waiting event"]
    busy.raw.hset(busy.key("event_links"), id_, pack(busy.ids["success"]))
    return [("wrong", "events", id_)]


@damage("an event has lost what it triggered")
def _(busy: Busy) -> list[Expected]:
    busy.raw.hdel(busy.key("event_links"), busy.ids["event"])
    return [("wrong", "events", busy.ids["event"])]


@damage("event_index knows another code")
def _(busy: Busy) -> list[Expected]:
    member = member_of(busy, "event_index", (pack("code"), "event"))
    busy.raw.zadd(busy.key("event_index"), {member.replace(b"happened", b"HAPPENED"): 0})
    return [("stray", "event_index", busy.ids["event"])]


@damage("a run is gone")
def _(busy: Busy) -> list[Expected]:
    busy.raw.hdel(busy.key("trigger_runs"), busy.ids["run"])
    return [("stray", "trigger_run_index", busy.ids["run"])]


@damage("trigger_run_index knows another time")
def _(busy: Busy) -> list[Expected]:
    member = member_of(busy, "trigger_run_index", (pack("all"), "run"))
    busy.raw.zadd(
        busy.key("trigger_run_index"), {member.replace(pack("all") + b"1", pack("all") + b"2"): 0}
    )
    return [("stray", "trigger_run_index", busy.ids["run"])]


# Client data


@damage("a chunk is gone", lasting=True)
def _(busy: Busy) -> list[Expected]:
    busy.raw.hdel(busy.key("client_data"), pack(busy.ids["chunked"], "p1"))
    return [("incomplete", "client_data", busy.ids["chunked"])]


@damage("a value is garbage", lasting=True)
def _(busy: Busy) -> list[Expected]:
    busy.raw.hset(busy.key("client_data"), busy.ids["small"], GARBAGE)
    return [("incomplete", "client_data", busy.ids["small"])]


@damage("a value in use is gone", lasting=True)
def _(busy: Busy) -> list[Expected]:
    busy.raw.hdel(busy.key("client_data"), busy.ids["small"])
    return [("lost", "client_data", busy.ids["small"])]


@damage("a chunk is of no value")
def _(busy: Busy) -> list[Expected]:
    busy.raw.hset(busy.key("client_data"), pack(GHOST, "p1"), b"")
    return [("missing", "client_data_idle", GHOST)]


@damage("a ghost uses a value")
def _(busy: Busy) -> list[Expected]:
    busy.raw.zadd(busy.key("client_data_uses"), {pack(busy.ids["small"], GHOST): 0})
    return [("stray", "client_data_uses", GHOST)]


@damage("an event that is gone uses a value")
def _(busy: Busy) -> list[Expected]:
    busy.raw.zadd(busy.key("client_data_uses"), {pack(busy.ids["small"], b"event " + GHOST): 0})
    return [("stray", "client_data_uses", b"event " + GHOST)]
