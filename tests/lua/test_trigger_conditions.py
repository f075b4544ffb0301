"""record, settle, valid_page, clear, changes_page, store_cron, get_cron, claim_run, expire_pending.

And that the commits which change a status note what a condition watches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from lua.life import SECOND, YEAR
from lua.model import QUEUE, TASK
from lua.samples import BINARY, HOSTILE
from pynenc_redis_lua.codec import pack, to_bytes, to_text, unpack_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from lua.life import Life
    from pynenc_redis_lua.scripts.runner import Reply

    type Key = Callable[[str], bytes]

LAST_US = 2**52 - 1


class Valid(NamedTuple):
    """A valid condition, as it is read."""

    entry: str
    version: int
    condition: str
    valid: bytes
    fired: list[str | None]


def reference(digit: str) -> str:
    """A reference key of client data, as pynenc makes it."""
    return f"__pynenc__client_data__:{digit * 64}"


def record(life: Life, *entries: str, change: bytes = b"", op: str | None = None) -> None:
    """Record entries, each of a condition of its own name."""
    items = [(entry, f"condition of {entry}", to_bytes(f"valid {entry}")) for entry in entries]
    record_items(life, *items, change=change, op=op)


def record_items(
    life: Life, *items: tuple[str, str, bytes], change: bytes = b"", op: str | None = None
) -> None:
    rows = [(change, *item) for item in items] or [(change, "", "", b"")]
    reply = life.scripts.trigger_record(consumer="recorder", op=op or life.new_op(), items=rows)
    assert reply == ("OK", [])


def page(life: Life, *, after: int = 0, count: int = 100) -> list[Valid]:
    reply = life.scripts.trigger_valid_page(after=after, count=count)
    assert reply.tag == "PAGE"
    return [
        Valid(to_text(entry), int(version), to_text(condition), valid, unpack_text(fired))
        for entry, version, condition, valid, fired in reply.values[0]
    ]


def entries(life: Life) -> list[str]:
    """What is recorded, in order; that the two keys agree is checked."""
    stored, found = life.snapshot(), page(life)
    assert [(to_bytes(one.entry), one.version) for one in found] == stored.get("valid_order", [])
    assert stored.get("valid_conditions", {}).keys() == {to_bytes(one.entry) for one in found}
    return [one.entry for one in found]


def fired(life: Life) -> dict[str, list[str | None]]:
    return {one.entry: one.fired for one in page(life)}


def version_of(life: Life, entry: str) -> int:
    return next(one.version for one in page(life) if one.entry == entry)


def settle(
    life: Life, *entries: str, trigger: str = "t", clears: int = 0, version: int | None = None
) -> None:
    """Note that a trigger has fired for entries, in the versions that are there."""
    there = {one.entry: one.version for one in page(life)}
    items = [(one, there.get(one, 1) if version is None else version, clears) for one in entries]
    assert life.scripts.trigger_settle(trigger_id=trigger, items=items) == ("OK", [])


def uses(life: Life) -> set[tuple[str | None, ...]]:
    """Which value of client data is used by whom."""
    members = life.snapshot().get("client_data_uses", [])
    return {tuple(unpack_text(member)) for member, _ in members}


def idle(life: Life) -> list[str]:
    return [to_text(member) for member, _ in life.snapshot().get("client_data_idle", [])]


def now(raw: Redis) -> int:
    seconds, microseconds = raw.time()
    return seconds * SECOND + microseconds


# record, valid_page


def test_valid_conditions_are_read_in_the_order_of_their_record(life: Life, raw: Redis) -> None:
    before = now(raw)
    record(life, "c", "a")
    record(life, "b")
    assert entries(life) == ["c", "a", "b"]
    found = page(life)
    assert found[0] == Valid("c", found[0].version, "condition of c", b"valid c", [])
    assert before <= found[0].version
    assert found[2].version <= now(raw) + 3


def test_each_record_has_a_version_of_its_own(life: Life, raw: Redis, key: Key) -> None:
    """Also where the server's clock stands, or was set back."""
    future = 2**52
    raw.zadd(key("valid_order"), {"future": future})
    raw.hset(key("valid_conditions"), "future", pack("condition", "valid", ""))
    record(life, "a", "b", "a")
    record(life, "c")
    versions = {one.entry: one.version - future for one in page(life)}
    assert versions == {"future": 0, "b": 2, "a": 3, "c": 4}


def test_condition_that_is_met_anew_is_due_once_more(life: Life) -> None:
    record(life, "a", "b")
    before = version_of(life, "a")
    settle(life, "a")
    assert fired(life) == {"a": ["t"], "b": []}
    record(life, "a")
    assert version_of(life, "a") > before
    assert entries(life) == ["b", "a"]
    assert fired(life) == {"a": [], "b": []}


def test_call_that_is_repeated_after_a_trigger_fired_records_nothing(life: Life) -> None:
    record(life, "a", "b", op="op")
    once = life.snapshot()
    record(life, "a", "b", op="op")
    assert life.snapshot() == once
    settle(life, "a", "b", clears=1)
    record(life, "a", "b", op="op")
    assert entries(life) == []
    record(life, "a", op="other")
    assert entries(life) == ["a"]


@pytest.mark.parametrize("count", [1, 2, 5, 7, 100])
def test_pages_hold_each_once(life: Life, count: int) -> None:
    ids = [f"{number * 5 % 7}" for number in range(7)]
    record(life, *ids)
    found: list[Valid] = []
    while len(found) % count == 0:
        more = page(life, after=found[-1].version if found else 0, count=count)
        assert len(more) == min(count, len(ids) - len(found))
        found += more
        if not more:
            break
    assert [one.entry for one in found] == ids


def test_hostile_texts_come_back(life: Life) -> None:
    items = [(text, text, to_bytes(text)) for text in HOSTILE]
    record_items(life, *items, ("binary", "binary", BINARY))
    settle(life, *HOSTILE, trigger="t")
    for text in HOSTILE:
        settle(life, "binary", trigger=text)
    found = {one.entry: one for one in page(life)}
    for text in HOSTILE:
        assert found[text][2:] == (text, to_bytes(text), ["t"])
    assert found["binary"][2:] == ("binary", BINARY, list(HOSTILE))
    settle(life, *HOSTILE, trigger="u", clears=1)
    assert entries(life) == ["binary"]


# settle, clear


def test_of_two_triggers_the_last_clears(life: Life) -> None:
    record(life, "a", "b")
    version = version_of(life, "a")
    settle(life, "a", trigger="t")
    settle(life, "a", trigger="u")
    assert fired(life) == {"a": ["t", "u"], "b": []}
    assert version_of(life, "a") == version
    assert page(life)[0].valid == b"valid a"
    settle(life, "a", trigger="v", clears=1)
    assert entries(life) == ["b"]


@pytest.mark.parametrize("clears", [0, 1])
@pytest.mark.parametrize("off", [-1, 1, SECOND])
def test_record_of_another_version_is_left_alone(life: Life, clears: int, off: int) -> None:
    record(life, "a", "b")
    version = version_of(life, "a") + off
    once = life.snapshot()
    settle(life, "a", version=version, clears=clears)
    assert life.snapshot() == once


@pytest.mark.parametrize("clears", [0, 1])
def test_trigger_that_has_fired_changes_nothing_more(life: Life, clears: int) -> None:
    record(life, "a")
    settle(life, "a", trigger="s")
    settle(life, "a", trigger="t")
    once = life.snapshot()
    settle(life, "a", trigger="t", clears=clears)
    settle(life, "a", trigger="s", clears=clears)
    assert life.snapshot() == once


def test_of_some_only_those_that_are_due_are_settled(life: Life) -> None:
    record(life, "a", "b", "c")
    settle(life, "b")
    settle(life, "unknown", "a", "b", "c", "c", clears=1)
    assert fired(life) == {"b": ["t"]}


def test_clear_removes_whatever_the_version(life: Life) -> None:
    record(life, "a", "b", "c")
    settle(life, "a")
    reply = life.scripts.trigger_clear(items=[("c",), ("unknown",), ("a",)])
    assert reply == ("OK", [])
    assert entries(life) == ["b"]


@pytest.mark.parametrize("how", ["settle", "clear", "expire_pending"])
def test_client_data_is_used_until_the_condition_is_removed(life: Life, how: str) -> None:
    payload = to_bytes(reference("a") + reference("b"))
    record_items(life, ("x", "condition", payload), ("y", "condition", to_bytes(reference("b"))))
    record(life, "z")
    every = {
        (reference("a"), "valid x"),
        (reference("b"), "valid x"),
        (reference("b"), "valid y"),
    }
    assert uses(life) == every
    settle(life, "x", trigger="t")
    assert (uses(life), idle(life)) == (every, [])
    if how == "settle":
        settle(life, "x", trigger="u", clears=1)
    elif how == "clear":
        life.scripts.trigger_clear(items=[("x",)])
    else:
        life.scripts.trigger_expire_pending(age_us=0, count=1)
    assert entries(life) == ["y", "z"]
    assert uses(life) == {(reference("b"), "valid y")}
    assert set(idle(life)) == {reference("a"), reference("b")}


# Changes of status


def watch(life: Life, *statuses: str, task: str = TASK) -> None:
    members = [pack("watch", task, status, "condition") for status in statuses]
    members.append(pack("by", "condition", "trigger"))
    life.scripts.trigger_register(
        task="", items=[("condition", "condition", b"{}", pack(*members))]
    )


def noted(life: Life) -> list[tuple[str | None, ...]]:
    """Invocation and status of each change that is noted, by the time of the status."""
    changes = sorted(
        (unpack_text(member) for member, _ in life.snapshot().get("changes", [])),
        key=lambda change: int(change[3] or 0),
    )
    return [(id_, status) for id_, _, status, _ in changes]


def change(life: Life, id_: str) -> bytes:
    """The change to the status that an invocation has now."""
    record = life.record(id_)
    return pack(id_, record.task, record.status, record.at_us)


def changes_page(life: Life, *, age_us: int = 0, offset: int = 0, count: int = 100) -> list[bytes]:
    reply = life.scripts.trigger_changes_page(age_us=age_us, offset=offset, count=count)
    assert reply.tag == "OK"
    changes: list[bytes] = reply.values[0]
    return changes


def test_changes_of_one_call_are_evaluated_each_by_itself(life: Life) -> None:
    watch(life, "registered")
    life.submit("a", "b", "c", "d")
    a, b, c, d = (change(life, id_) for id_ in "abcd")
    record(life, "of b by another", change=b)
    rows = [
        (a, "first of a", "condition", b"{}"),
        (b, "of b", "condition", b"{}"),
        (a, "second of a", "condition", b"{}"),
        (c, "", "", b""),
    ]
    for _ in range(2):
        life.scripts.trigger_record(consumer="recorder", op=life.new_op(), items=rows)
        assert entries(life) == ["of b by another", "first of a", "second of a"]
        assert changes_page(life) == [d]


def test_condition_that_no_trigger_waits_for_watches_nothing(life: Life) -> None:
    watch(life, "registered")
    other = pack("watch", TASK, "registered", "another condition")
    life.scripts.trigger_register(
        task="", items=[("condition", "another condition", b"{}", pack(other))]
    )
    life.submit("a")
    assert noted(life) == [("a", "registered")]
    life.raw.zrem(life.key("condition_index"), pack("by", "condition", "trigger"))
    life.submit("b")
    assert noted(life) == [("a", "registered")]


def test_nothing_is_noted_for_a_trigger_component_of_others(life: Life) -> None:
    watch(life, "registered")
    by = life.by
    life.by = lambda runner, op=None: by(runner, op) | {"notes": 0}  # type: ignore[method-assign]
    life.submit("a")
    assert noted(life) == []


def test_submission_is_noted_and_told(life: Life, raw: Redis) -> None:
    watch(life, "registered")
    before = now(raw)
    reply = life.submit("b", "a")
    assert reply.values == [[change(life, "b"), change(life, "a")]]
    assert dict(life.snapshot()["changes"]).keys() == set(reply.values[0])
    assert all(before <= at <= now(raw) for _, at in life.snapshot()["changes"])
    # What is there already does not change.
    once = life.snapshot()["changes"]
    assert life.submit("a").values == [[]]
    assert life.snapshot()["changes"] == once


def test_only_watched_statuses_of_watched_tasks_are_noted(life: Life) -> None:
    watch(life, "pending", "success")
    watch(life, "registered", task="module.func")
    watch(life, "registered", task="module.function2")
    life.running("a")
    life.running("b", task="module.other", queue="other")
    for id_ in ("a", "b"):
        life.finish(id_)
    assert noted(life) == [("a", "pending"), ("a", "success")]


def test_nothing_is_noted_where_nobody_watches(life: Life) -> None:
    life.running("a")
    assert life.finish("a").values[3] == []
    assert "changes" not in life.snapshot()


def test_commit_notes_and_tells(life: Life) -> None:
    watch(life, "running", "success", "failed")
    life.pending("a")
    assert life.commit("a", "running").values[3] == [change(life, "a")]
    assert life.finish("a").values[3] == [change(life, "a")]
    assert noted(life) == [("a", "running"), ("a", "success")]
    # Refused: nothing has changed.
    assert life.fail("a").tag == "REFUSED"
    assert noted(life) == [("a", "running"), ("a", "success")]


@pytest.mark.parametrize("how", ["retry", "rerouted"])
def test_way_back_is_noted_and_told(life: Life, how: str) -> None:
    watch(life, "retry", "rerouted")
    life.pending("a")
    if how == "retry":
        life.commit("a", "running")
    assert life.send_back(how, "a").values[3] == [change(life, "a")]
    assert noted(life) == [("a", how)]


def claim(life: Life, queue: str = QUEUE) -> list[bytes]:
    """Claim, and return the changes that it tells."""
    reply = life.call(
        "orchestrator/claim",
        queue_name=queue,
        count=10,
        awaited_first=0,
        consumer="consumer",
        **life.by("runner"),
    )
    changes: list[bytes] = reply.values[4]
    return changes


def test_claim_notes_and_tells_of_each(life: Life) -> None:
    watch(life, "pending")
    life.submit("a", "b")
    assert claim(life) == [change(life, "a"), change(life, "b")]
    assert noted(life) == [("a", "pending"), ("b", "pending")]
    assert claim(life) == []


@pytest.mark.parametrize("reroutes", ["1", ""])
def test_what_is_held_back_is_noted_and_told(life: Life, reroutes: str) -> None:
    life.running("first", slot="s", queue="other")
    life.submit("second", slot="s", reroutes=reroutes)
    watch(life, "concurrency_controlled", "concurrency_controlled_final", "rerouted")
    told = claim(life)
    steps = [status for status, _, _ in life.history("second")[1:]]
    assert steps
    assert noted(life) == [("second", status) for status in steps]
    assert [unpack_text(one)[2] for one in told] == steps


@pytest.mark.parametrize("state", ["pending", "running"])
def test_recovery_notes_and_tells_of_each_step(life: Life, state: str) -> None:
    getattr(life, state)("a")
    watch(life, "pending_recovery", "running_recovery", "rerouted")
    said = life.by("rescuer")
    del said["owner"]
    reply = life.call(
        "orchestrator/recover",
        queue_name=QUEUE,
        pending_us=0,
        dead_us=0,
        items=[("a",)],
        **said,
    )
    steps = [f"{state}_recovery", "rerouted"]
    assert noted(life) == [("a", status) for status in steps]
    assert [unpack_text(one)[2] for one in reply.values[1]] == steps


def test_change_of_an_invocation_that_comes_back_is_another_change(life: Life) -> None:
    watch(life, "pending")
    life.pending("a")
    life.send_back("rerouted", "a")
    life.claim()
    assert noted(life) == [("a", "pending")] * 2


def test_change_is_evaluated_once(life: Life) -> None:
    watch(life, "registered")
    life.submit("a", "b")
    record(life, "of a", change=change(life, "a"))
    assert noted(life) == [("b", "registered")]
    record(life, "of a by another", change=change(life, "a"))
    assert entries(life) == ["of a"]
    # No condition is met: it is done with all the same.
    record(life, change=change(life, "b"))
    assert noted(life) == []
    assert entries(life) == ["of a"]


def test_record_for_no_change_leaves_the_changes(life: Life) -> None:
    watch(life, "registered")
    life.submit("a")
    record(life, "other")
    assert noted(life) == [("a", "registered")]


def test_hostile_ids_are_noted(life: Life) -> None:
    life.checks_each_step = False
    for text in HOSTILE:
        watch(life, "registered", task=text)
        life.submit(text, task=text)
    life.check()
    changes = [change(life, text) for text in HOSTILE]
    assert set(changes_page(life)) == set(changes)
    for text, one in zip(HOSTILE, changes, strict=True):
        record(life, text, change=one)
    assert entries(life) == list(HOSTILE)
    assert noted(life) == []


def test_changes_that_nobody_evaluates_are_found_after_a_time(
    life: Life, raw: Redis, key: Key
) -> None:
    ages = {"b": 30, "a": 20, "c": 10}
    for id_, age in ages.items():
        raw.zadd(key("changes"), {id_: now(raw) - age * SECOND})
    assert changes_page(life) == [b"b", b"a", b"c"]
    assert changes_page(life, age_us=15 * SECOND) == [b"b", b"a"]
    assert changes_page(life, age_us=31 * SECOND) == []
    assert changes_page(life, count=2) == [b"b", b"a"]
    assert changes_page(life, offset=1) == [b"a", b"c"]


# Cron


def tick(
    life: Life,
    at: str,
    expected: str = "",
    *entries: str,
    condition: str = "condition",
    op: str | None = None,
) -> Reply:
    return life.scripts.trigger_store_cron(
        condition_id=condition,
        tick=at,
        expected=expected,
        op=op or life.new_op(),
        items=[(entry, f"condition of {entry}", to_bytes(f"valid {entry}")) for entry in entries],
    )


def last_ticks(life: Life, *conditions: str) -> list[bytes | None]:
    items = [(condition,) for condition in conditions or ("condition",)]
    ticks: list[bytes | None] = life.scripts.trigger_get_cron(items=items).values[0]
    return ticks


def test_tick_is_taken_once_and_records_what_is_met(life: Life) -> None:
    assert last_ticks(life) == [None]
    assert tick(life, "12:00", "", "a", "b") == ("STORED", [])
    assert last_ticks(life) == [b"12:00"]
    assert entries(life) == ["a", "b"]
    assert page(life)[0][2:] == ("condition of a", b"valid a", [])
    assert tick(life, "12:00", "", "c") == ("LOST", [])
    assert tick(life, "12:01", "11:59", "c") == ("LOST", [])
    assert entries(life) == ["a", "b"]
    assert tick(life, "12:01", "12:00", "c") == ("STORED", [])
    assert last_ticks(life) == [b"12:01"]
    assert entries(life) == ["a", "b", "c"]


def test_tick_that_is_expected_and_missing_is_lost(life: Life) -> None:
    assert tick(life, "12:01", "12:00", "a") == ("LOST", [])
    assert life.snapshot() == {}


def test_repeated_tick_replies_the_same_and_records_nothing_more(life: Life) -> None:
    assert tick(life, "12:00", "", "a", op="op") == ("STORED", [])
    once = life.snapshot()
    assert tick(life, "12:00", "", "a", op="op") == ("STORED", [])
    assert life.snapshot() == once
    settle(life, "a", clears=1)
    assert tick(life, "12:00", "", "a", op="op") == ("STORED", [])
    assert entries(life) == []


def test_each_condition_ticks_for_itself(life: Life) -> None:
    tick(life, "12:00")
    tick(life, "13:00", condition="other")
    for text in HOSTILE:
        assert tick(life, text, condition=text).tag == "STORED"
        assert tick(life, text, "none", condition=text) == ("LOST", [])
    assert last_ticks(life, "other", "unknown", "condition") == [b"13:00", None, b"12:00"]
    assert last_ticks(life, *HOSTILE) == [to_bytes(text) for text in HOSTILE]


def test_client_data_of_what_a_tick_records_is_used(life: Life) -> None:
    life.scripts.trigger_store_cron(
        condition_id="condition",
        tick="12:00",
        expected="",
        op="op",
        items=[("a", "condition", to_bytes(reference("a")))],
    )
    assert uses(life) == {(reference("a"), "valid a")}


# claim_run


def claim_run(
    life: Life,
    run: str = "run",
    *,
    lease_us: int = 60 * SECOND,
    consumer: str = "one",
    op: str | None = None,
) -> str:
    reply = life.scripts.trigger_claim_run(
        run_id=run, lease_us=lease_us, consumer=consumer, op=op or life.new_op()
    )
    assert reply.values == []
    return reply.tag


def test_run_is_claimed_once(life: Life, raw: Redis) -> None:
    before = now(raw)
    assert claim_run(life) == "CLAIMED"
    [(run, until)] = life.snapshot()["trigger_claims"]
    assert run == b"run"
    assert before <= until - 60 * SECOND <= now(raw)
    once = life.snapshot()
    assert claim_run(life, consumer="other") == "TAKEN"
    assert claim_run(life) == "TAKEN"
    assert life.snapshot() == once
    assert claim_run(life, "other run") == "CLAIMED"


def test_repeated_claim_replies_the_same_and_lasts_no_longer(life: Life) -> None:
    assert claim_run(life, op="op") == "CLAIMED"
    once = life.snapshot()
    assert claim_run(life, op="op") == "CLAIMED"
    assert life.snapshot() == once
    assert claim_run(life, consumer="other", op="op") == "TAKEN"


def test_claim_that_is_over_is_no_claim(life: Life, raw: Redis, key: Key) -> None:
    claim_run(life)
    raw.zincrby(key("trigger_claims"), -59 * SECOND, "run")
    assert claim_run(life, consumer="other") == "TAKEN"
    raw.zincrby(key("trigger_claims"), -2 * SECOND, "run")
    assert claim_run(life, consumer="other") == "CLAIMED"
    assert claim_run(life) == "TAKEN"


def test_hostile_runs_are_claimed(life: Life) -> None:
    for text in HOSTILE:
        assert claim_run(life, text) == "CLAIMED"
        assert claim_run(life, text) == "TAKEN"


# expire_pending


def expire(life: Life, *, age_us: int = 0, count: int = 100) -> int:
    reply = life.scripts.trigger_expire_pending(age_us=age_us, count=count)
    assert reply.tag == "OK"
    removed: int = reply.values[0]
    return removed


def test_what_was_met_long_ago_is_removed(life: Life, raw: Redis, key: Key) -> None:
    record(life, "c", "b", "a")
    settle(life, "b")
    for entry, age in {"c": 30, "b": 20, "a": 10}.items():
        raw.zincrby(key("valid_order"), -age * SECOND, entry)
    assert expire(life, age_us=60 * SECOND) == 0
    assert expire(life, age_us=15 * SECOND) == 2
    assert entries(life) == ["a"]
    assert expire(life, age_us=5 * SECOND) == 1
    assert entries(life) == []


@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_removes_the_oldest_of_each_and_no_more_than_asked_for(life: Life, count: int) -> None:
    ids = ["c", "b", "a"]
    record(life, *ids)
    for id_ in ids:
        claim_run(life, id_, lease_us=-SECOND)
    assert expire(life, count=count) == 2 * min(count, 3)
    assert entries(life) == ids[count:]
    left = [run.decode() for run, _ in life.snapshot().get("trigger_claims", [])]
    assert left == ids[count:]


def test_only_claims_that_are_over_are_removed(life: Life) -> None:
    record(life, "a")
    claim_run(life, "over", lease_us=-SECOND)
    claim_run(life, "stands", lease_us=60 * SECOND)
    assert expire(life, age_us=YEAR) == 1
    assert [run for run, _ in life.snapshot()["trigger_claims"]] == [b"stands"]
    assert entries(life) == ["a"]
    assert expire(life, age_us=YEAR) == 0
