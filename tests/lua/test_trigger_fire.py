"""fire: its invocation, its run, and what it fired for, in one commit or not at all."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from lua.model import QUEUE, TASK
from lua.samples import HOSTILE, PRIORITY, invocation
from pynenc_redis_lua.codec import pack, to_bytes, to_text, unpack, unpack_text
from pynenc_redis_lua.errors import ScriptError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from redis import Redis

    from lua.life import Life
    from pynenc_redis_lua.scripts.runner import Reply

    type Key = Callable[[str], bytes]

LAST_US = 2**52 - 1
_operations = count(1)


def reference(digit: str) -> str:
    """A reference key of client data, as pynenc makes it."""
    return f"__pynenc__client_data__:{digit * 64}"


def arguments(
    id_: str = "inv",
    *items: tuple[str, int, int],
    trigger: str = "t",
    run: str | None = None,
    at: int = 10,
    prefixes: Iterable[bytes] = (),
    events: Iterable[str] = (),
    unique: str = "",
    reuse: int = 0,
    slot: str = "",
    task: str = TASK,
    queue: str = QUEUE,
    serialized: bytes = b"",
    digests: bytes = b"",
) -> dict[str, Any]:
    """The arguments of a firing, under an operation of its own."""
    return {
        "queue_name": queue,
        "priority": PRIORITY,
        "owner": pack("service"),
        "context_id": "service",
        "contexts": pack("service", "<service>"),
        "op": f"fire {next(_operations)}",
        "notes": 1,
        "reuse": reuse,
        "invocation_id": id_,
        "record": invocation(event="event"),
        "serialized_arguments": serialized,
        "task": task,
        "slot": slot,
        "unique_key": unique,
        "reroutes": "1",
        "digests": digests,
        "trigger_id": trigger,
        "run_id": f"run of {id_}" if run is None else run,
        "run_us": at,
        "run_prefixes": pack(pack("all"), *prefixes),
        "run": to_bytes(f"run {id_}"),
        "event_ids": pack(*events),
        "items": items,
    }


def fire(life: Life, id_: str = "inv", *items: tuple[str, int, int], **how: Any) -> Reply:
    return life.call("trigger/fire", **arguments(id_, *items, **how))


def record(life: Life, *entries: str, valid: bytes = b"{}") -> None:
    life.scripts.trigger_record(
        consumer="recorder",
        op=life.new_op(),
        items=[(b"", entry, "condition", valid) for entry in entries],
    )


def versions(life: Life) -> dict[str, int]:
    found = life.scripts.trigger_valid_page(after=0, count=1000).values[0]
    return {to_text(entry): int(version) for entry, version, *_ in found}


def due(life: Life, *entries: str, clears: int = 1) -> list[tuple[str, int, int]]:
    """Entries as a trigger fires for them, in the versions that are there."""
    there = versions(life)
    return [(entry, there[entry], clears) for entry in entries]


def fired(life: Life) -> dict[str, list[str | None]]:
    """The triggers that have fired for what is recorded."""
    found = life.scripts.trigger_valid_page(after=0, count=1000).values[0]
    return {to_text(entry): unpack_text(triggers) for entry, _, _, _, triggers in found}


def runs(life: Life, *prefix: str) -> list[tuple[str, bytes]]:
    """The runs under a beginning of their index."""
    found = life.scripts.trigger_runs_page(
        prefix=pack(*(prefix or ("all",))), from_us=0, to_us=LAST_US, after=b"", count=100
    ).values[0]
    return [(to_text(behind[16:]), run) for behind, run in found]


def store_event(life: Life, id_: str, code: str = "code", at: int = 5) -> None:
    life.scripts.trigger_store_event(
        event_id=id_,
        code=code,
        at_us=at,
        matched="1",
        emitter=pack(None, None, None),
        event=b"{event}",
        links=b"",
        items=[],
    )


def triggered_by(life: Life, event: str) -> list[str | None]:
    return unpack_text(life.scripts.trigger_triggered_by(event_id=event).values[0])


def watch_registered(life: Life) -> None:
    members = pack(
        pack("watch", TASK, "registered", "condition"), pack("by", "condition", "trigger")
    )
    life.scripts.trigger_register(task="", items=[("condition", "condition", b"{}", members)])


def refused(life: Life, *items: tuple[str, int, int], trigger: str = "t") -> bool:
    """Whether a firing finds that it comes too late; it must not write anything."""
    store_event(life, "event of a late one")
    before = life.snapshot()
    reply = fire(
        life,
        "late",
        *items,
        trigger=trigger,
        events=["event of a late one"],
        serialized=pack("x", reference("f")),
    )
    assert reply.tag in {"OK", "GONE"}
    assert reply.tag == "OK" or (reply.values, life.snapshot()) == ([], before)
    return reply.tag == "GONE"


# OK


def test_invocation_is_submitted_and_the_run_recorded(life: Life) -> None:
    record(life, "a", "b")
    reply = fire(
        life,
        "inv",
        *due(life, "a"),
        at=7,
        prefixes=[pack("task", TASK), pack("invocation", "inv")],
        serialized=pack("x", "1"),
    )
    assert reply == ("OK", [[]])
    assert life.status("inv") == ("registered", "service")
    assert life.history("inv") == [("registered", "service", "service")]
    assert life.queued() == ["inv"]
    assert versions(life).keys() == {"b"}
    for prefix in (("all",), ("task", TASK), ("invocation", "inv")):
        assert runs(life, *prefix) == [("run of inv", b"run inv")]
    stored = life.snapshot()
    assert stored["arguments"] == {b"inv": pack("x", "1")}
    assert (pack("event", "event", "inv"), 0) in stored["index"]
    assert stored["runner_contexts"] == {b"service": b"<service>"}
    assert stored["doorbell:queue"] == [b"1"]
    assert b"0000000000000007run of inv" in stored["trigger_run_index"][0][0]
    assert life.claim().ids == ["inv"]


def test_submission_is_as_that_of_the_orchestrator(life: Life, raw: Redis, key: Key) -> None:
    controlled: dict[str, Any] = {"slot": "s", "unique": "u", "digests": pack("x", "digest")}
    life.submit("other", arguments=pack("x", "1"), queue="q", **controlled)
    fire(life, "inv", queue="q", serialized=pack("x", "1"), **controlled)
    one, other = life.record("inv"), life.record("other")
    for field in ("task", "queue", "priority", "retries", "reroutes", "slot", "unique", "digests"):
        assert getattr(one, field) == getattr(other, field), field
    assert one.registered_us == one.at_us
    seconds, microseconds = raw.time()
    assert 0 <= seconds * 1_000_000 + microseconds - one.at_us < 60_000_000
    assert one.op.startswith("fire")
    assert raw.llen(key("doorbell") + b"q") == 2


def test_change_that_is_watched_is_noted_and_told(life: Life) -> None:
    watch_registered(life)
    told = fire(life).values[0]
    assert told == [member for member, _ in life.snapshot()["changes"]]
    assert [unpack_text(one)[:3] for one in told] == [["inv", TASK, "registered"]]


def test_trigger_fires_for_nothing_recorded(life: Life) -> None:
    record(life, "a")
    assert fire(life).tag == "OK"
    assert versions(life).keys() == {"a"}


def test_repeated_call_replies_the_same_and_changes_nothing(life: Life) -> None:
    record(life, "a", "b")
    store_event(life, "e")
    sent = arguments("inv", *due(life, "a"), *due(life, "b", clears=0), events=["e"])
    assert life.call("trigger/fire", **sent).tag == "OK"
    once = life.snapshot()
    assert life.call("trigger/fire", **sent) == ("OK", [[]])
    assert life.snapshot() == once
    # Also when its invocation is on its way already, or was recorded for once more.
    life.claim()
    record(life, "a")
    once = life.snapshot()
    assert life.call("trigger/fire", **sent).tag == "OK"
    assert life.snapshot() == once


# Settled


def test_two_triggers_fire_for_one_condition(life: Life) -> None:
    record(life, "a")
    [(entry, version, _)] = due(life, "a")
    assert fire(life, "one", (entry, version, 0), trigger="t").tag == "OK"
    assert fired(life) == {"a": ["t"]}
    assert versions(life) == {"a": version}
    assert fire(life, "two", (entry, version, 1), trigger="u").tag == "OK"
    assert fired(life) == {}
    assert life.queued() == ["one", "two"]


@pytest.mark.parametrize("clears", [0, 1])
def test_trigger_fires_for_all_its_conditions_at_once(life: Life, clears: int) -> None:
    record(life, "a", "b", "c")
    assert fire(life, "inv", *due(life, "c", "a", clears=clears)).tag == "OK"
    assert fired(life) == ({"b": []} if clears else {"a": ["t"], "b": [], "c": ["t"]})


def test_client_data_of_what_is_cleared_is_released(life: Life) -> None:
    record(life, "a", valid=to_bytes(reference("a")))
    record(life, "b", valid=to_bytes(reference("b")))
    sent = pack("x", reference("c"))
    fire(life, "inv", *due(life, "a"), *due(life, "b", clears=0), serialized=sent)
    stored = life.snapshot()
    assert {member for member, _ in stored["client_data_uses"]} == {
        pack(reference("b"), "valid b"),
        pack(reference("c"), "inv"),
    }
    assert [to_text(member) for member, _ in stored["client_data_idle"]] == [reference("a")]


# GONE


def test_what_was_recorded_anew_is_gone(life: Life) -> None:
    record(life, "a")
    read = due(life, "a")
    record(life, "a")
    assert refused(life, *read)
    assert not refused(life, *due(life, "a"))


@pytest.mark.parametrize("off", [-1, 1])
def test_versions_are_exact(life: Life, off: int) -> None:
    record(life, "a")
    [(entry, version, clears)] = due(life, "a")
    assert refused(life, (entry, version + off, clears))


@pytest.mark.parametrize("how", ["fire", "settle"])
def test_what_the_trigger_has_fired_for_is_gone(life: Life, how: str) -> None:
    record(life, "a")
    read = due(life, "a", clears=0)
    if how == "fire":
        fire(life, "first", *read)
    else:
        life.scripts.trigger_settle(trigger_id="t", items=read)
    assert refused(life, *read)
    assert not refused(life, *read, trigger="other")


@pytest.mark.parametrize("how", ["fire", "clear", "expire"])
def test_what_is_cleared_is_gone(life: Life, how: str) -> None:
    record(life, "a")
    read = due(life, "a")
    if how == "fire":
        fire(life, "first", *read, trigger="other")
    elif how == "clear":
        life.scripts.trigger_clear(items=[("a",)])
    else:
        life.scripts.trigger_expire_pending(age_us=0, count=1)
    assert refused(life, *read)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_that_is_gone_keeps_all_from_firing(life: Life, place: int) -> None:
    record(life, "a", "b", "c")
    read = due(life, "a", "b", "c")
    life.scripts.trigger_clear(items=[("abc"[place],)])
    assert refused(life, *read)


@pytest.mark.parametrize("broken", ["digests", "contexts", "record", "run_prefixes", "event_ids"])
def test_broken_argument_fires_nothing(life: Life, broken: str) -> None:
    record(life, "a")
    before = life.snapshot()
    with pytest.raises(ScriptError):
        life.scripts.call("trigger/fire", **arguments("inv", *due(life, "a")) | {broken: b"9:x:"})
    assert life.snapshot() == before


def test_first_of_two_wins(life: Life) -> None:
    record(life, "a")
    read = due(life, "a")
    replies = [fire(life, id_, *read).tag for id_ in ("one", "two")]
    assert replies == ["OK", "GONE"]
    assert life.queued() == ["one"]
    assert [id_ for id_, _ in runs(life)] == ["run of one"]


# EXISTS


def fire_existing(
    life: Life, id_: str, *items: tuple[str, int, int], trigger: str = "t", **how: Any
) -> Reply:
    """Fire with an invocation that is there."""
    given = arguments(id_, *items, trigger=trigger, **how)
    names = ("invocation_id", "trigger_id", "run_id", "run_us", "run_prefixes", "run", "event_ids")
    taken = {name: given[name] for name in names}
    return life.call("trigger/fire_existing", items=given["items"], **taken)


def test_registered_one_of_the_same_key_is_named_and_nothing_written(life: Life) -> None:
    life.submit("first", unique="u")
    record(life, "a", "b")
    before = life.snapshot()
    items = [*due(life, "a"), *due(life, "b", clears=0)]
    for _ in range(2):
        reply = fire(life, "inv", *items, unique="u", reuse=1, events=["e"])
        assert reply == ("EXISTS", [b"first"])
    assert life.snapshot() == before


def test_one_that_is_there_stands_for_the_new_one_in_one_commit(life: Life) -> None:
    life.submit("first", unique="u")
    record(life, "a", "b")
    store_event(life, "e")
    items = [*due(life, "a"), *due(life, "b", clears=0)]
    for _ in range(2):
        assert fire_existing(life, "first", *items, events=["e"]) == ("OK", [])
        assert fired(life) == {"b": ["t"]}
        assert triggered_by(life, "e") == ["first"]
        assert [id_ for id_, _ in runs(life)] == ["run of first"]
        assert life.queued() == ["first"]
    assert fire(life, "inv", *items, unique="u", reuse=1).tag == "GONE"


def test_one_that_is_there_stands_for_nothing_that_has_been_fired_for(life: Life) -> None:
    life.submit("first", unique="u")
    record(life, "a")
    items = due(life, "a", clears=0)
    fire(life, "inv", *items)
    before = life.snapshot()
    assert fire_existing(life, "first", *items, events=["e"]) == ("OK", [])
    assert life.snapshot() == before


def test_one_that_is_gone_is_gone_though_another_is_registered(life: Life) -> None:
    life.submit("first", unique="u")
    record(life, "a")
    items = due(life, "a")
    life.scripts.trigger_clear(items=[("a",)])
    before = life.snapshot()
    assert fire(life, "inv", *items, unique="u", reuse=1) == ("GONE", [])
    assert life.snapshot() == before


def test_without_reuse_there_are_two(life: Life) -> None:
    life.submit("first", unique="u")
    assert fire(life, "inv", unique="u").tag == "OK"
    assert life.queued() == ["first", "inv"]


@pytest.mark.parametrize("other", ["", "U", "uu", "1:u"])
def test_other_keys_are_not_reused(life: Life, other: str) -> None:
    life.submit("first", unique=other)
    assert fire(life, "inv", unique="u", reuse=1).tag == "OK"


def test_one_that_was_claimed_does_not_stand_for_a_new_one(life: Life) -> None:
    life.pending("first", unique="u")
    assert fire(life, "inv", unique="u", reuse=1).tag == "OK"
    assert fire(life, "next", unique="u", reuse=1) == ("EXISTS", [b"inv"])


def test_repeated_call_with_reuse_does_not_find_itself(life: Life) -> None:
    record(life, "a")
    sent = arguments("inv", *due(life, "a"), unique="u", reuse=1)
    for _ in range(2):
        assert life.call("trigger/fire", **sent) == ("OK", [[]])


# Events


def test_events_lead_to_what_they_triggered(life: Life) -> None:
    store_event(life, "e", "one")
    store_event(life, "f", "two")
    fire(life, "inv", events=["e", "f"], prefixes=[pack("event", "e"), pack("event", "f")])
    fire(life, "next", at=11, events=["e"])
    assert triggered_by(life, "e") == ["inv", "next"]
    assert triggered_by(life, "f") == ["inv"]
    flags = [list(unpack(packed))[2:4] for packed in life.snapshot()["events"].values()]
    assert flags == [[b"1", b"1"]] * 2
    assert [id_ for id_, _ in runs(life, "code", "one")] == ["run of inv", "run of next"]
    assert [id_ for id_, _ in runs(life, "code", "two")] == ["run of inv"]
    assert [id_ for id_, _ in runs(life, "event", "f")] == ["run of inv"]
    indexed = [member for member, _ in life.snapshot()["event_index"]]
    assert sorted(indexed) == sorted(
        pack(*relation, 1, 1) + b"0000000000000005" + id_
        for id_, code in ((b"e", "one"), (b"f", "two"))
        for relation in (("all",), ("code", code))
    )


def test_event_that_is_gone_gets_no_link_that_nothing_removes(life: Life) -> None:
    fire(life, "inv", events=["unknown"])
    assert triggered_by(life, "unknown") == []
    assert len(runs(life)) == 1


def test_hostile_texts(life: Life) -> None:
    life.checks_each_step = False
    for text in HOSTILE:
        store_event(life, text, text)
        record(life, text)
        reply = fire(
            life,
            text,
            *due(life, text, clears=0),
            trigger=text,
            run=text,
            task=text,
            unique=text,
            slot=text,
            events=[text],
            prefixes=[pack("task", text), pack("event", text)],
            digests=pack(text, text),
            serialized=pack(text, text),
        )
        assert reply.tag == "OK"
    life.check()
    assert fired(life) == {text: [text] for text in HOSTILE}
    for text in HOSTILE:
        assert life.status(text) == ("registered", "service")
        assert triggered_by(life, text) == [text]
        for relation in ("task", "event", "code"):
            assert runs(life, relation, text) == [(text, to_bytes(f"run {text}"))]
        late = fire(life, f"late {text}", *due(life, text), trigger=text)
        assert late.tag == "GONE"
        again = fire(life, f"late {text}", *due(life, text), trigger="t", unique=text, reuse=1)
        assert again == ("EXISTS", [to_bytes(text)])
        fire_existing(life, text, *due(life, text), trigger="t", run=f"again {text}")
    assert fired(life) == {}
