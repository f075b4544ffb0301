"""upsert_invocations, get_invocation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lua.model import call_member
from lua.samples import BINARY, HOSTILE, MIB, history, invocation
from pynenc_redis_lua.codec import pack, to_bytes, unpack
from pynenc_redis_lua.errors import ScriptError

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from pynenc_redis_lua.scripts.api import Scripts
    from pynenc_redis_lua.scripts.runner import Reply

    type Key = Callable[[str], bytes]
    type Snapshot = Callable[[], dict[str, Any]]

CHILD_IN_WORKFLOW = invocation(
    ("pkg.module", "function", "args-1"),
    parent="parent-1",
    event="event-1",
    workflow=("workflow-1", "pkg.flows", "flow"),
    parent_workflow="upper-1",
)


def upsert(
    scripts: Scripts,
    record: bytes,
    *,
    invocation_id: str = "inv",
    arguments: bytes = b"",
    first: bytes = b"",
    at_us: int = 0,
    contexts: bytes = b"",
) -> Reply:
    return scripts.state_upsert_invocations(
        contexts=contexts, items=[(invocation_id, record, arguments, first, at_us)]
    )


def index(raw: Redis, key: Key) -> list[list[bytes | None]]:
    """The members of the index, unpacked."""
    members = raw.zrange(key("index"), 0, -1, withscores=True)
    assert {score for _, score in members} <= {0.0}
    return sorted(list(unpack(member)) for member, _ in members)


def test_stores_the_record_its_arguments_and_every_relation(
    scripts: Scripts, raw: Redis, key: Key
) -> None:
    reply = upsert(scripts, CHILD_IN_WORKFLOW, arguments=pack("x", "1", "y", "2"))
    assert reply == ("OK", [])
    assert raw.get(key("schema")) == b"1"
    assert raw.hgetall(key("invocations")) == {b"inv": CHILD_IN_WORKFLOW}
    assert list(unpack(raw.hget(key("arguments"), "inv"))) == [b"x", b"1", b"y", b"2"]
    assert index(raw, key) == [
        [*unpack(call_member("pkg.module.function:args-1", "inv"))],
        [b"event", b"event-1", b"inv"],
        [b"parent", b"parent-1", b"inv"],
        [b"type", b"pkg.flows.flow", b"inv"],
        [b"workflow", b"workflow-1", b"pkg.flows.flow", b"inv"],
    ]


def test_stores_a_first_history_record_and_contexts_in_the_same_commit(
    scripts: Scripts, raw: Redis, key: Key
) -> None:
    first = history(7, "registered")
    upsert(scripts, invocation(), first=first, at_us=7, contexts=pack("r", "{r}", "s", "{s}"))
    assert list(unpack(raw.hget(key("history"), "inv"))) == [first]
    assert raw.zrange(key("history_times"), 0, -1, withscores=True) == [(pack("1", "inv"), 7.0)]
    assert raw.hgetall(key("runner_contexts")) == {b"r": b"{r}", b"s": b"{s}"}


def test_optional_parts_leave_no_trace(scripts: Scripts, snapshot: Snapshot) -> None:
    upsert(scripts, invocation())
    assert snapshot() == {
        "schema": b"1",
        "invocations": {b"inv": invocation()},
        "index": [(call_member("module.function:args", "inv"), 0.0)],
    }


@pytest.mark.parametrize("length", [39, 40, 41])
def test_call_is_found_by_its_id_or_the_digest_of_a_long_one(
    scripts: Scripts, raw: Redis, key: Key, length: int
) -> None:
    args_id = "a" * (length - len("m.f:"))
    upsert(scripts, invocation(("m", "f", args_id)))
    assert raw.zrange(key("index"), 0, -1) == [call_member(f"m.f:{args_id}", "inv")]


def test_reads_what_was_stored(scripts: Scripts) -> None:
    arguments = pack("x", BINARY)
    upsert(scripts, CHILD_IN_WORKFLOW, arguments=arguments)
    reply = scripts.state_get_invocation(invocation_id="inv")
    assert reply == ("FOUND", [CHILD_IN_WORKFLOW, arguments])


def test_reads_no_arguments_of_a_call_without(scripts: Scripts) -> None:
    upsert(scripts, invocation())
    assert scripts.state_get_invocation(invocation_id="inv") == ("FOUND", [invocation(), b""])


def test_reads_none_where_none_is(scripts: Scripts, snapshot: Snapshot) -> None:
    assert scripts.state_get_invocation(invocation_id="inv") == ("NONE", [])
    assert snapshot() == {}
    upsert(scripts, invocation(), invocation_id="other", arguments=pack("x", "1"))
    assert scripts.state_get_invocation(invocation_id="inv") == ("NONE", [])


# Updating


def test_damaged_record_that_is_replaced_stores_nothing(
    scripts: Scripts, raw: Redis, key: Key, snapshot: Snapshot
) -> None:
    raw.hset(key("invocations"), "damaged", b"\xc1")
    before = snapshot()
    items = [(id_, invocation(), b"", b"", 0) for id_ in ("inv", "damaged")]
    with pytest.raises(ScriptError):
        scripts.state_upsert_invocations(contexts=pack("r", "{r}"), items=items)
    assert snapshot() == before


OTHER = invocation(
    ("other", "call", "args-2"),
    parent="parent-2",
    event="event-2",
    workflow=("workflow-2", "other", "flow"),
)


@pytest.mark.parametrize(
    "later",
    [
        invocation(),
        OTHER,
        invocation(("pkg.module", "function", "args-1"), parent="parent-2"),
        invocation(workflow=("workflow-1", "pkg.flows", "flow")),
    ],
    ids=["no relations", "other relations", "another parent", "only the workflow"],
)
def test_update_leaves_what_inserting_the_later_one_alone_would(
    scripts: Scripts, snapshot: Snapshot, later: bytes
) -> None:
    upsert(scripts, later)
    alone = snapshot()
    scripts.state_purge()
    upsert(scripts, CHILD_IN_WORKFLOW, arguments=pack("x", "1"))
    upsert(scripts, later)
    assert snapshot() == alone


def test_update_leaves_the_relations_of_others(scripts: Scripts, raw: Redis, key: Key) -> None:
    upsert(scripts, CHILD_IN_WORKFLOW, invocation_id="inv")
    upsert(scripts, CHILD_IN_WORKFLOW, invocation_id="inv2")
    upsert(scripts, OTHER, invocation_id="inv")
    relations = [member[:2] for member in index(raw, key) if member[-1] == b"inv2"]
    assert [b"parent", b"parent-1"] in relations
    assert len(relations) == 5


def test_update_keeps_relations_that_no_record_implies(
    scripts: Scripts, raw: Redis, key: Key
) -> None:
    run = pack("run", "pkg.flows", "flow", "workflow-1", None)
    sub = pack("sub", "workflow-1", "inv")
    scripts.state_relate(items=[(run,), (sub,)])
    upsert(scripts, CHILD_IN_WORKFLOW)
    upsert(scripts, OTHER)
    assert {run, sub} <= set(raw.zrange(key("index"), 0, -1))


def test_update_keeps_history_and_adds_to_it(scripts: Scripts, raw: Redis, key: Key) -> None:
    records = [history(1, "registered"), history(2, "rerouted")]
    for at_us, record in enumerate(records, start=1):
        upsert(scripts, invocation(), first=record, at_us=at_us)
    upsert(scripts, OTHER)
    assert list(unpack(raw.hget(key("history"), "inv"))) == records


def test_update_replaces_arguments(scripts: Scripts) -> None:
    upsert(scripts, invocation(), arguments=pack("x", "1", "y", "2"))
    upsert(scripts, invocation(), arguments=pack("z", "3"))
    assert scripts.state_get_invocation(invocation_id="inv").values[1] == pack("z", "3")
    upsert(scripts, invocation())
    assert scripts.state_get_invocation(invocation_id="inv").values[1] == b""


def test_last_of_two_items_of_one_invocation_stands(scripts: Scripts, snapshot: Snapshot) -> None:
    upsert(scripts, OTHER, arguments=pack("z", "3"))
    alone = snapshot()
    scripts.state_purge()
    scripts.state_upsert_invocations(
        contexts=b"",
        items=[
            ("inv", CHILD_IN_WORKFLOW, pack("x", "1"), b"", 0),
            ("inv", OTHER, pack("z", "3"), b"", 0),
        ],
    )
    assert snapshot() == alone


def test_replay_after_later_history_adds_nothing(scripts: Scripts, snapshot: Snapshot) -> None:
    first = {"first": history(1, "registered"), "at_us": 1, "contexts": pack("r", "{}")}
    upsert(scripts, CHILD_IN_WORKFLOW, **first)
    scripts.state_add_histories(contexts=b"", items=[("inv", history(2), 2)])
    before = snapshot()
    upsert(scripts, CHILD_IN_WORKFLOW, **first)
    assert snapshot() == before


# Whatever is in them


def test_hostile_texts_come_back_byte_for_byte(scripts: Scripts, raw: Redis, key: Key) -> None:
    records = {
        text: invocation(
            (text, text, text),
            parent=text,
            event=text,
            workflow=(text, text, text),
            parent_workflow=text,
        )
        for text in HOSTILE
    }
    arguments = {text: pack(text, to_bytes(text) + BINARY) for text in HOSTILE}
    scripts.state_upsert_invocations(
        contexts=pack(*(part for text in HOSTILE for part in (text, text))),
        items=[(text, records[text], arguments[text], pack(5, text), 5) for text in HOSTILE],
    )
    for text in HOSTILE:
        reply = scripts.state_get_invocation(invocation_id=text)
        assert reply == ("FOUND", [records[text], arguments[text]])
        stored = to_bytes(text)
        assert list(unpack(raw.hget(key("history"), stored))) == [pack(5, text)]
        assert raw.hget(key("runner_contexts"), stored) == stored
    t = [to_bytes(text) for text in HOSTILE]
    assert index(raw, key) == sorted(
        [
            *([*unpack(call_member(f"{x}.{x}:{x}", x))] for x in HOSTILE),
            *([b"event", x, x] for x in t),
            *([b"parent", x, x] for x in t),
            *([b"type", b"%b.%b" % (x, x), x] for x in t),
            *([b"workflow", x, b"%b.%b" % (x, x), x] for x in t),
        ]
    )


def test_hostile_relations_are_gone_after_an_update(scripts: Scripts, snapshot: Snapshot) -> None:
    plain = [(text, invocation(), b"", b"", 0) for text in HOSTILE]
    scripts.state_upsert_invocations(contexts=b"", items=plain)
    alone = snapshot()
    scripts.state_purge()
    scripts.state_upsert_invocations(
        contexts=b"",
        items=[
            (
                text,
                invocation(("m", text, text), parent=text, event=text, workflow=("w", "m", text)),
                pack(text, text),
                b"",
                0,
            )
            for text in HOSTILE
        ],
    )
    scripts.state_upsert_invocations(contexts=b"", items=plain)
    assert snapshot() == alone


def test_large_texts_come_back_byte_for_byte(scripts: Scripts, raw: Redis, key: Key) -> None:
    record = invocation(("m", "f", MIB), parent=MIB, event="e")
    arguments = pack(MIB, BINARY * 2**11)
    upsert(scripts, record, invocation_id=MIB, arguments=arguments, first=pack(1, MIB), at_us=1)
    reply = scripts.state_get_invocation(invocation_id=MIB)
    assert reply == ("FOUND", [record, arguments])
    upsert(scripts, invocation(), invocation_id=MIB)
    assert index(raw, key) == [[*unpack(call_member("module.function:args", MIB))]]


def test_texts_of_a_record_may_be_empty(scripts: Scripts, raw: Redis, key: Key) -> None:
    record = invocation(("", "", ""), parent="", event="", workflow=("", "", ""))
    upsert(scripts, record)
    assert scripts.state_get_invocation(invocation_id="inv").values[0] == record
    assert index(raw, key) == [
        [*unpack(call_member(".:", "inv"))],
        [b"event", b"", b"inv"],
        [b"parent", b"", b"inv"],
        [b"type", b".", b"inv"],
        [b"workflow", b"", b".", b"inv"],
    ]


# Validate, then write: design, principle 4


@pytest.mark.parametrize(
    "malformed",
    [b"", pack("module", "function"), pack(None, None, None, *[None] * 6), b"no packed list"],
    ids=["empty", "short", "no call", "not packed"],
)
def test_malformed_record_changes_nothing(
    scripts: Scripts, snapshot: Snapshot, malformed: bytes
) -> None:
    upsert(scripts, CHILD_IN_WORKFLOW, arguments=pack("x", "1"))
    before = snapshot()
    with pytest.raises(ScriptError):
        scripts.state_upsert_invocations(
            contexts=pack("runner", "{}"),
            items=[
                ("new", invocation(), pack("y", "2"), history(1), 1),
                ("inv", malformed, b"", history(1), 1),
            ],
        )
    assert snapshot() == before


@pytest.mark.parametrize(
    "malformed",
    [pack("runner", "{}", "other"), pack("runner", None), b"no packed list"],
    ids=["id without context", "no context", "not packed"],
)
def test_malformed_contexts_change_nothing(
    scripts: Scripts, snapshot: Snapshot, malformed: bytes
) -> None:
    with pytest.raises(ScriptError):
        upsert(scripts, invocation(), contexts=malformed)
    assert snapshot() == {}
