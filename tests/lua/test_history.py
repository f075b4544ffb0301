"""add_histories, get_history, history_page, invocations_page."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pytest

from lua.model import time_member
from lua.samples import HOSTILE, MAX_US, MIB, history
from pynenc_redis_lua.codec import pack, to_bytes, to_text, unpack
from pynenc_redis_lua.errors import ScriptError

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from pynenc_redis_lua.scripts.api import Scripts

    type Key = Callable[[str], bytes]
    type Snapshot = Callable[[], dict[str, Any]]
    type Change = Callable[[], Any]

UUID = "0d7b7a5c-6a27-4b55-9c5e-ffffffffffff"
counts = pytest.mark.parametrize("count", [1, 2, 7])


def add(scripts: Scripts, *records: tuple[str, int, str]) -> None:
    """Append records, each an invocation, a time and a status."""
    scripts.state_add_histories(
        contexts=b"",
        items=[(id_, history(at_us, status), at_us) for id_, at_us, status in records],
    )


def drop(raw: Redis, key: Key, *records: tuple[str, int]) -> None:
    """Remove the only records of invocations, as a retention sweep would."""
    raw.zrem(key("history_times"), *(pack("1", id_) for id_, _ in records))
    raw.hdel(key("history"), *(to_bytes(id_) for id_, _ in records))


def read(
    scripts: Scripts,
    *,
    start: int = -MAX_US,
    end: int = MAX_US,
    count: int = 100,
    between: Change = lambda: None,
) -> list[tuple[str, bytes]]:
    """All pages of the history: (invocation, record), with something done between the pages."""
    found: list[tuple[str, bytes]] = []
    after, member = start, b""
    while values := scripts.state_history_page(
        after_us=after, after_member=member, end_us=end, count=count
    ).values:
        place, (time, member, entries) = (after, member), values
        after = int(time)
        assert (after, member) > place
        assert len(entries) <= count
        found += [(to_text(id_), record) for id_, record in entries]
        between()
    return found


@pytest.mark.parametrize(
    "id_",
    [
        UUID,
        UUID.replace("f", "0"),
        UUID.upper(),
        UUID.replace("-", ""),
        f"{UUID}0",
        UUID[:-1],
        "-" * 36,
    ],
)
def test_ids_that_are_and_look_like_uuids_come_back(
    scripts: Scripts, raw: Redis, key: Key, id_: str
) -> None:
    add(scripts, (id_, 1, "registered"), (id_, 2, "pending"))
    assert read(scripts) == [(id_, history(1, "registered")), (id_, history(2, "pending"))]
    second = 1 + len(pack(history(1, "registered")))
    assert raw.zrange(key("history_times"), 0, -1) == [
        time_member(place, to_bytes(id_)) for place in (1, second)
    ]


def read_ids(
    scripts: Scripts,
    *,
    start: int = -MAX_US,
    end: int = MAX_US,
    count: int = 100,
    between: Change = lambda: None,
) -> list[str]:
    """All pages of the invocations, with something done between the pages."""
    found: list[str] = []
    after, member = start, b""
    while values := scripts.state_invocations_page(
        start_us=start, after_us=after, after_member=member, end_us=end, count=count
    ).values:
        place, (time, member, ids) = (after, member), values
        after = int(time)
        assert (after, member) > place
        assert len(ids) <= count
        found += map(to_text, ids)
        between()
    return found


# Appending


def test_appends_in_the_order_of_recording_and_lists_by_time(
    scripts: Scripts, raw: Redis, key: Key
) -> None:
    records = [history(30, "registered"), history(10), history(20, "success")]
    for record, at_us in zip(records, (30, 10, 20), strict=True):
        reply = scripts.state_add_histories(contexts=b"", items=[("inv", record, at_us)])
        assert reply == ("OK", [])
    assert raw.get(key("schema")) == b"1"
    assert list(unpack(raw.hget(key("history"), "inv"))) == records
    # A record is referred to by its first byte in the history.
    second, third = (1 + len(pack(*records[:count])) for count in (1, 2))
    assert raw.zrange(key("history_times"), 0, -1, withscores=True) == [
        (pack(second, "inv"), 10.0),
        (pack(third, "inv"), 20.0),
        (pack(1, "inv"), 30.0),
    ]


def test_stores_the_contexts_of_the_runners(scripts: Scripts, raw: Redis, key: Key) -> None:
    scripts.state_add_histories(
        contexts=pack("r1", "{1}", "r2", ""), items=[("inv", history(1), 1)]
    )
    assert raw.hgetall(key("runner_contexts")) == {b"r1": b"{1}", b"r2": b""}
    scripts.state_add_histories(contexts=pack("r1", "{new}"), items=[])
    assert raw.hget(key("runner_contexts"), "r1") == b"{new}"


def test_without_contexts_stores_none(scripts: Scripts, snapshot: Snapshot) -> None:
    add(scripts, ("inv", 1, "running"))
    assert snapshot() == {
        "schema": b"1",
        "history": {b"inv": pack(history(1))},
        "history_times": [(pack("1", "inv"), 1.0)],
    }


def test_record_that_is_sent_again_later_is_not_added(scripts: Scripts, snapshot: Snapshot) -> None:
    add(scripts, ("inv", 1, "registered"), ("other", 1, "registered"))
    add(scripts, ("inv", 2, "running"))
    before = snapshot()
    add(scripts, ("inv", 1, "registered"), ("other", 1, "registered"))
    assert snapshot() == before


def test_record_that_stands_twice_in_a_batch_is_added_once(scripts: Scripts) -> None:
    add(scripts, ("inv", 1, "running"), ("other", 1, "running"), ("inv", 1, "running"))
    assert read(scripts) == [("inv", history(1)), ("other", history(1))]


def test_different_records_of_one_microsecond_are_kept_in_order(scripts: Scripts) -> None:
    statuses = [f"status-{i}" for i in range(12)]
    add(scripts, *(("inv", 5, status) for status in statuses))
    expected = [history(5, status) for status in statuses]
    assert list(unpack(scripts.state_get_history(invocation_id="inv").values[0])) == expected
    assert read(scripts, count=5) == [("inv", record) for record in expected]
    assert read_ids(scripts, count=5) == ["inv"]


def test_no_history_reads_as_empty(scripts: Scripts, snapshot: Snapshot) -> None:
    assert scripts.state_get_history(invocation_id="inv") == ("OK", [b""])
    assert snapshot() == {}


def test_empty_record_is_kept(scripts: Scripts) -> None:
    scripts.state_add_histories(contexts=b"", items=[("inv", b"", 1), ("inv", b"", 1)])
    assert list(unpack(scripts.state_get_history(invocation_id="inv").values[0])) == [b""]
    assert read(scripts) == [("inv", b"")]


@pytest.mark.parametrize(
    "malformed",
    [pack("runner", "{}", "other"), pack("runner", None), b"no packed list"],
    ids=["id without context", "no context", "not packed"],
)
def test_malformed_contexts_change_nothing(
    scripts: Scripts, snapshot: Snapshot, malformed: bytes
) -> None:
    with pytest.raises(ScriptError):
        scripts.state_add_histories(contexts=malformed, items=[("inv", history(1), 1)])
    assert snapshot() == {}


# Reading pages


def test_no_history_has_no_page(scripts: Scripts) -> None:
    page = {"after_us": 0, "after_member": b"", "end_us": 10, "count": 10}
    assert scripts.state_history_page(**page) == ("PAGE", [])
    assert scripts.state_invocations_page(start_us=0, **page) == ("PAGE", [])


def test_page_names_the_place_to_go_on_from(scripts: Scripts) -> None:
    add(scripts, ("a", 1, "running"), ("b", 2, "running"), ("c", 3, "running"))
    page = {"after_us": 0, "after_member": b"", "end_us": 10, "count": 2}
    assert scripts.state_history_page(**page) == (
        "PAGE",
        [b"2", pack("1", "b"), [[b"a", history(1)], [b"b", history(2)]]],
    )
    assert scripts.state_invocations_page(start_us=0, **page) == (
        "PAGE",
        [b"2", pack("1", "b"), [b"a", b"b"]],
    )


def test_history_is_in_the_order_of_time(scripts: Scripts) -> None:
    add(scripts, ("a", 3, "x"), ("a", 1, "y"), ("b", 2, "z"))
    expected = [("a", history(1, "y")), ("b", history(2, "z")), ("a", history(3, "x"))]
    assert read(scripts) == expected


def test_bounds_are_inclusive(scripts: Scripts) -> None:
    add(scripts, *((f"at-{at_us}", at_us, "x") for at_us in range(1, 8)))
    assert [id_ for id_, _ in read(scripts, start=3, end=5)] == ["at-3", "at-4", "at-5"]
    assert read_ids(scripts, start=3, end=5) == ["at-3", "at-4", "at-5"]
    assert read_ids(scripts, start=4, end=4, count=1) == ["at-4"]
    assert read(scripts, start=5, end=4) == []
    assert read_ids(scripts, start=8) == []


@counts
def test_times_before_1970_and_at_the_limits(scripts: Scripts, count: int) -> None:
    times = [-MAX_US, -MAX_US + 1, -10, -9, -1, 0, 1, 9, 10, MAX_US - 1, MAX_US]
    add(scripts, *((f"at {at_us}", at_us, "x") for at_us in reversed(times)))
    assert read(scripts, count=count) == [(f"at {at}", history(at, "x")) for at in times]
    assert read_ids(scripts, count=count) == [f"at {at}" for at in times]
    assert read_ids(scripts, start=-9, end=-1, count=count) == ["at -9", "at -1"]
    assert read_ids(scripts, start=MAX_US, count=count) == [f"at {MAX_US}"]
    assert read_ids(scripts, end=-MAX_US, count=count) == [f"at {-MAX_US}"]


@counts
def test_invocation_is_listed_once_at_its_first_record(scripts: Scripts, count: int) -> None:
    add(scripts, ("a", 1, "x"), ("b", 2, "x"), ("a", 3, "y"), ("c", 3, "x"), ("b", 4, "y"))
    assert read_ids(scripts, count=count) == ["a", "b", "c"]


@counts
def test_records_outside_the_range_do_not_count(scripts: Scripts, count: int) -> None:
    add(scripts, ("a", 1, "x"), ("a", 5, "y"), ("b", 4, "x"), ("b", 9, "y"), ("c", 9, "x"))
    assert read_ids(scripts, start=2, end=6, count=count) == ["b", "a"]


@counts
def test_records_at_the_bounds_count(scripts: Scripts, count: int) -> None:
    add(scripts, ("a", 2, "x"), ("a", 2, "y"), ("b", 6, "x"), ("b", 6, "y"), ("a", 6, "z"))
    assert read_ids(scripts, start=2, end=6, count=count) == ["a", "b"]
    assert read_ids(scripts, start=6, end=6, count=count) == ["b", "a"]
    assert read_ids(scripts, start=2, end=2, count=count) == ["a"]


@counts
def test_records_out_of_order_list_the_invocation_once(scripts: Scripts, count: int) -> None:
    """Workers' clocks differ: what is recorded later may be earlier."""
    add(scripts, ("a", 9, "x"), ("a", 3, "y"), ("b", 5, "x"), ("a", 5, "z"), ("b", 1, "y"))
    assert sorted(read_ids(scripts, count=count)) == ["a", "b"]
    assert sorted(read_ids(scripts, start=2, end=6, count=count)) == ["a", "b"]
    assert read_ids(scripts, start=6, end=9, count=count) == ["a"]


@counts
def test_hostile_ids_of_one_microsecond_come_in_the_order_of_bytes(
    scripts: Scripts, count: int
) -> None:
    add(scripts, *((text, 5, text) for text in HOSTILE))
    members = sorted(pack("1", text) for text in HOSTILE)
    expected = [to_text(list(unpack(member))[1] or b"") for member in members]
    assert read(scripts, count=count) == [(text, history(5, text)) for text in expected]
    assert read_ids(scripts, count=count) == expected


def test_hostile_records_come_back_byte_for_byte(scripts: Scripts) -> None:
    for text in HOSTILE:
        record = pack(5, text, None, "", text)
        scripts.state_add_histories(contexts=b"", items=[(text, record, 5), (text, record, 5)])
        assert scripts.state_get_history(invocation_id=text) == ("OK", [pack(record)])


def test_large_ids_and_records_come_back_byte_for_byte(scripts: Scripts) -> None:
    records = [history(i, MIB, MIB) for i in range(2)]
    for at_us, record in enumerate(records):
        scripts.state_add_histories(contexts=b"", items=[(MIB, record, at_us)])
    assert scripts.state_get_history(invocation_id=MIB).values == [pack(*records)]
    assert read(scripts, count=1) == [(MIB, record) for record in records]
    assert read_ids(scripts, count=1) == [MIB]


# Pages of data that changes


def busy(scripts: Scripts) -> list[tuple[str, bytes]]:
    """Record 33 records of 11 invocations at three times, and return them in their order."""
    ids = [f"stays-{i:02}" for i in range(11)]
    for at_us in (10, 20, 30):
        add(scripts, *((id_, at_us, "x") for id_ in ids))
    # Within a microsecond: by the record's position, which is that of the time here.
    return [(id_, history(at_us, "x")) for at_us in (10, 20, 30) for id_ in ids]


def churn(scripts: Scripts, raw: Redis, key: Key) -> Change:
    """Gives a change that adds records around the others at every time and removes the last's."""
    pages = 0
    present: list[tuple[str, int]] = []

    def change() -> None:
        nonlocal pages, present
        pages += 1
        if present:
            drop(raw, key, *present)
        present = []
        if pages < 40:
            present = [
                (f"{where}-{pages}-{at_us}", at_us)
                for where in ("before", "stays-05", "z")
                for at_us in (5, 10, 20, 30)
            ]
            add(scripts, *((id_, at_us, "x") for id_, at_us in present))

    return change


@counts
def test_history_there_throughout_is_read_once_and_in_order(
    scripts: Scripts, raw: Redis, key: Key, count: int
) -> None:
    stays = busy(scripts)
    found = read(scripts, count=count, between=churn(scripts, raw, key))
    assert [entry for entry in found if entry in stays] == stays
    assert len(found) == len(set(found))


@counts
def test_invocation_there_throughout_is_read_once_and_in_order(
    scripts: Scripts, raw: Redis, key: Key, count: int
) -> None:
    stays = [id_ for id_, _ in busy(scripts)[:11]]
    found = read_ids(scripts, count=count, between=churn(scripts, raw, key))
    assert [id_ for id_ in found if id_ in stays] == stays
    assert len(found) == len(set(found))


@counts
def test_page_goes_on_behind_a_record_that_was_removed(
    scripts: Scripts, raw: Redis, key: Key, count: int
) -> None:
    ids = [f"inv-{i:02}" for i in range(20)]
    add(scripts, *((id_, 5, "x") for id_ in ids))
    rest = list(ids)

    def remove_what_was_read() -> None:
        drop(raw, key, *((id_, 5) for id_ in rest[:count]))
        del rest[:count]

    found = read(scripts, count=count, between=remove_what_was_read)
    assert found == [(id_, history(5, "x")) for id_ in ids]


@counts
def test_invocation_page_goes_on_behind_a_record_that_was_removed(
    scripts: Scripts, raw: Redis, key: Key, count: int
) -> None:
    ids = [f"inv-{i:02}" for i in range(20)]
    add(scripts, *((id_, 5, "x") for id_ in ids))
    rest = list(ids)

    def remove_what_was_read() -> None:
        drop(raw, key, *((id_, 5) for id_ in rest[:count]))
        del rest[:count]

    assert read_ids(scripts, count=count, between=remove_what_was_read) == ids


@counts
def test_invocations_that_go_on_while_pages_are_read_are_listed_once(
    scripts: Scripts, count: int
) -> None:
    ids = [f"inv-{i:02}" for i in range(10)]
    add(scripts, *((id_, i, "registered") for i, id_ in enumerate(ids)))
    at_us = 100

    def go_on() -> None:
        nonlocal at_us
        at_us += 1
        if at_us < 130:
            add(scripts, *((id_, at_us, "running") for id_ in ids))

    assert read_ids(scripts, count=count, between=go_on) == ids


@counts
def test_invocation_is_listed_though_an_earlier_record_arrives_behind_the_page(
    scripts: Scripts, count: int
) -> None:
    """A worker whose clock is late adds to the past of an invocation that is still to be read."""
    ids = [f"inv-{i:02}" for i in range(20)]
    add(scripts, *((id_, 100 + i, "registered") for i, id_ in enumerate(ids)))
    late = iter([*ids[count:], *[None] * 1000])

    def record_late() -> None:
        for id_ in (next(late), next(late)):
            if id_ is not None:
                add(scripts, (id_, 50, "running"))

    found = read_ids(scripts, count=count, between=record_late)
    assert sorted(found) == ids


@counts
def test_times_without_history_are_passed_over(
    scripts: Scripts, raw: Redis, key: Key, count: int
) -> None:
    ids = [f"inv-{i:02}" for i in range(20)]
    add(scripts, *((id_, i, "x") for i, id_ in enumerate(ids)))
    raw.hdel(key("history"), *ids[3:17])
    assert [id_ for id_, _ in read(scripts, count=count)] == ids[:3] + ids[17:]
    assert read_ids(scripts, count=count) == ids[:3] + ids[17:]


def test_many_records_of_one_microsecond(scripts: Scripts) -> None:
    """Each place among them is found by halving."""
    ids = [f"inv-{i:03}" for i in range(300)]
    add(scripts, ("before", 4, "x"), ("later", 6, "x"), *((id_, 5, "x") for id_ in ids))
    assert read_ids(scripts, count=7) == ["before", *ids, "later"]
    for place, follower in zip(["before", *ids], [*ids, "later"], strict=True):
        _, _, entries = scripts.state_history_page(
            after_us=4 if place == "before" else 5,
            after_member=pack(1, place),
            end_us=9,
            count=1,
        ).values
        assert [to_text(id_) for id_, _ in entries] == [follower]


def test_times_order_pages_and_not_ids(scripts: Scripts) -> None:
    records = [(f"{9 - i}", i, "x") for i in range(10)]
    add(scripts, *sorted(records, key=itemgetter(0)))
    assert read_ids(scripts, count=3) == [id_ for id_, _, _ in records]
