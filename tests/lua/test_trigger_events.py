"""store_event, get_events, link_events, triggered_by, events_page, count_events, event_codes.

And expire_events.
"""

from __future__ import annotations

from itertools import pairwise, product
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from lua.samples import BINARY, HOSTILE, MAX_US
from pynenc_redis_lua.codec import pack, to_bytes, to_text, unpack, unpack_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from redis import Redis

    from pynenc_redis_lua.scripts.api import Scripts

    type Key = Callable[[str], bytes]
    type Snapshot = Callable[[], dict[str, Any]]
    type Emitter = tuple[str | None, str | None, str | None]

LAST_US = 2**52 - 1
ALWAYS = (0, LAST_US)
NOBODY: Emitter = (None, None, None)
EITHER = (False, True)


def reference(digit: str) -> str:
    """A reference key of client data, as pynenc makes it."""
    return f"__pynenc__client_data__:{digit * 64}"


def store(
    scripts: Scripts,
    id_: str,
    at: int = 10,
    *,
    code: str = "code",
    matched: bool = False,
    emitter: Emitter = NOBODY,
    event: bytes | None = None,
    links: Iterable[str] = (),
    meets: Iterable[str] = (),
) -> None:
    reply = scripts.trigger_store_event(
        event_id=id_,
        code=code,
        at_us=at,
        matched="1" if matched else "0",
        emitter=pack(*emitter),
        event=to_bytes(f"event {id_}") if event is None else event,
        links=pack(*links),
        items=[(entry, f"condition of {entry}", to_bytes(f"valid {entry}")) for entry in meets],
    )
    assert reply == ("OK", [])


def link(scripts: Scripts, invocation_id: str, *events: str) -> None:
    reply = scripts.trigger_link_events(
        invocation_id=invocation_id, items=[(id_,) for id_ in events]
    )
    assert reply == ("OK", [])


def triggered_by(scripts: Scripts, id_: str) -> list[str | None]:
    return unpack_text(scripts.trigger_triggered_by(event_id=id_).values[0])


def events(scripts: Scripts, *ids: str) -> list[Any]:
    """The JSON and the links of each, or None."""
    found = scripts.trigger_get_events(items=[(id_,) for id_ in ids]).values[0]
    return [one and (one[0], unpack_text(one[1])) for one in found]


def ranges(
    *prefix: str, matched: Sequence[bool] = EITHER, triggered: Sequence[bool] = EITHER
) -> list[tuple[bytes]]:
    """The ranges of the index in which events of some states are."""
    states = product(matched, triggered)
    return [(pack(*(prefix or ("all",)), int(is_matched), int(was)),) for is_matched, was in states]


def entries(
    scripts: Scripts,
    items: list[tuple[bytes]],
    times: tuple[int, int] = ALWAYS,
    *,
    offset: int = 0,
    count: int = 1000,
    newest_first: bool = True,
    whole: bool = False,
) -> list[list[Any]]:
    reply = scripts.trigger_events_page(
        from_us=times[0],
        to_us=times[1],
        offset=offset,
        count=count,
        newest_first=int(newest_first),
        whole=int(whole),
        items=items,
    )
    assert reply.tag == "PAGE"
    found: list[list[Any]] = reply.values[0]
    return found


def page(scripts: Scripts, *args: Any, **how: Any) -> list[str]:
    return [to_text(entry[0]) for entry in entries(scripts, *args, **how)]


def count(scripts: Scripts, items: list[tuple[bytes]], times: tuple[int, int] = ALWAYS) -> int:
    reply = scripts.trigger_count_events(from_us=times[0], to_us=times[1], items=items)
    assert reply.tag == "OK"
    number: int = reply.values[0]
    return number


def codes(scripts: Scripts, at_once: int = 100) -> list[str]:
    found: list[bytes] = []
    after = b""
    while True:
        more = scripts.trigger_event_codes(after=after, count=at_once).values[0]
        assert len(more) <= at_once
        found += more
        assert len(found) <= 100
        # A page that is not full is the last one.
        if len(more) < at_once:
            break
        after = more[-1]
    return [to_text(code) for code in found]


def valid(scripts: Scripts) -> list[tuple[str, str, bytes]]:
    found = scripts.trigger_valid_page(after=0, count=100).values[0]
    return [(to_text(entry), to_text(one), stored) for entry, _, one, stored, _ in found]


def expire(scripts: Scripts, *, before: int = 0, keep: int = 0, count: int = 100) -> list[str]:
    reply = scripts.trigger_expire_events(before_us=before, keep=keep, count=count)
    assert reply.tag == "OK"
    return [to_text(id_) for id_ in reply.values[0]]


def uses(snapshot: Snapshot) -> set[tuple[str | None, ...]]:
    """Which value of client data is used by whom."""
    return {tuple(unpack_text(member)) for member, _ in snapshot().get("client_data_uses", [])}


def idle(snapshot: Snapshot) -> set[str]:
    return {to_text(member) for member, _ in snapshot().get("client_data_idle", [])}


def indexed(snapshot: Snapshot) -> set[bytes]:
    """The index; that it is what the events imply is checked."""
    stored = snapshot()
    implied = set()
    for id_, packed in stored.get("events", {}).items():
        code, at, matched, triggered, invocation, task, _, _ = unpack(packed)
        behind = pack(matched, triggered) + b"%016d" % int(at or 0) + id_
        implied |= {pack("all") + behind, pack("code", code) + behind}
        if invocation is not None:
            implied.add(pack("invocation", invocation) + behind)
        if task is not None:
            implied.add(pack("task", task) + behind)
        assert triggered == (b"1" if id_ in stored.get("event_links", {}) else b"0")
    members = dict(stored.get("event_index", []))
    assert set(members.values()) <= {0}
    assert members.keys() == implied
    return implied


# store_event, get_events


def test_event_is_found_by_all_that_is_asked_for(scripts: Scripts, snapshot: Snapshot) -> None:
    store(scripts, "e", 7, matched=True, emitter=("inv", "module.task", "runner"))
    assert events(scripts, "unknown", "e") == [None, (b"event e", [])]
    outline = [b"e", b"code", b"7", b"1", b"0", b"inv", b"runner"]
    for prefix in (("all",), ("code", "code"), ("invocation", "inv"), ("task", "module.task")):
        assert entries(scripts, ranges(*prefix)) == [outline]
        assert count(scripts, ranges(*prefix)) == 1
        assert count(scripts, ranges(*prefix, matched=[False])) == 0
    assert count(scripts, ranges("code", "other")) == 0
    assert len(indexed(snapshot)) == 4


@pytest.mark.parametrize("emitter", [NOBODY, ()])
def test_event_of_nobody_has_no_emitter(
    scripts: Scripts, snapshot: Snapshot, emitter: Emitter
) -> None:
    store(scripts, "e", emitter=emitter)
    assert entries(scripts, ranges()) == [[b"e", b"code", b"10", b"0", b"0", None, None]]
    assert len(indexed(snapshot)) == 2


def test_whole_entries_hold_the_event_and_its_links(scripts: Scripts) -> None:
    store(scripts, "e", 1, event=BINARY)
    store(scripts, "f", 2, links=["i", "j"], emitter=("inv", None, "runner"))
    assert entries(scripts, ranges(), whole=True) == [
        [b"f", b"code", b"2", b"0", b"1", b"inv", b"runner", b"event f", pack("i", "j")],
        [b"e", b"code", b"1", b"0", b"0", None, None, BINARY, b""],
    ]
    assert events(scripts, "f", "e") == [(b"event f", ["i", "j"]), (BINARY, [])]


def test_event_stored_again_is_in_place_of_the_older_record(
    scripts: Scripts, snapshot: Snapshot
) -> None:
    store(scripts, "e", 5, code="old", emitter=("old", "old", "old"))
    store(scripts, "e", 9, code="new", matched=True, emitter=("new", None, "new"), event=b"new")
    assert entries(scripts, ranges(), whole=True) == [
        [b"e", b"new", b"9", b"1", b"0", b"new", b"new", b"new", b""]
    ]
    assert codes(scripts) == ["new"]
    assert len(indexed(snapshot)) == 3


def test_event_stored_again_keeps_what_it_triggered(scripts: Scripts, snapshot: Snapshot) -> None:
    store(scripts, "e", links=["i"])
    store(scripts, "e", event=b"new")
    assert events(scripts, "e") == [(b"new", ["i"])]
    store(scripts, "e", links=["j", "i"])
    assert events(scripts, "e") == [(b"event e", ["i", "j"])]
    assert page(scripts, ranges(triggered=[True])) == ["e"]
    assert len(indexed(snapshot)) == 2


def test_new_event_records_the_conditions_that_it_meets(scripts: Scripts) -> None:
    store(scripts, "e", meets=["b", "a"])
    expected = [("b", "condition of b", b"valid b"), ("a", "condition of a", b"valid a")]
    assert valid(scripts) == expected
    scripts.trigger_clear(items=[("b",)])
    # A call that is repeated after a trigger has fired, or another record of the same event.
    store(scripts, "e", meets=["b", "a", "c"])
    assert valid(scripts) == expected[1:]


def test_repeated_call_changes_nothing(scripts: Scripts, snapshot: Snapshot) -> None:
    for _ in range(2):
        store(scripts, "e", links=["i", "j"], meets=["a"], emitter=("inv", "task", "runner"))
        once = snapshot()
    store(scripts, "e", links=["i", "j"], meets=["a"], emitter=("inv", "task", "runner"))
    assert snapshot() == once


# link_events, triggered_by


def test_links_stand_in_the_order_in_which_they_came(scripts: Scripts, snapshot: Snapshot) -> None:
    store(scripts, "e", matched=True)
    store(scripts, "f")
    link(scripts, "j", "e")
    link(scripts, "i", "e", "f")
    link(scripts, "j", "e")
    assert triggered_by(scripts, "e") == ["j", "i"]
    assert triggered_by(scripts, "f") == ["i"]
    assert triggered_by(scripts, "unknown") == []
    assert len(indexed(snapshot)) == 4


def test_event_moves_in_the_index_when_it_triggers(scripts: Scripts, snapshot: Snapshot) -> None:
    emitter = ("inv", "task", "runner")
    store(scripts, "e", 7, matched=True, emitter=emitter)
    link(scripts, "i", "e")
    for prefix in (("all",), ("code", "code"), ("invocation", "inv"), ("task", "task")):
        assert page(scripts, ranges(*prefix, matched=[True], triggered=[True])) == ["e"]
        assert page(scripts, ranges(*prefix, triggered=[False])) == []
    assert entries(scripts, ranges()) == [[b"e", b"code", b"7", b"1", b"1", b"inv", b"runner"]]
    store(scripts, "e", 7, matched=False, emitter=emitter)
    assert page(scripts, ranges(matched=[False], triggered=[True])) == ["e"]
    assert page(scripts, ranges(matched=[True])) == []
    assert len(indexed(snapshot)) == 4


def test_link_of_an_event_that_is_gone_is_not_kept(scripts: Scripts, snapshot: Snapshot) -> None:
    """Retention came before the firing: nothing would ever remove it."""
    before = snapshot().keys() - {"schema"}
    link(scripts, "i", "e")
    assert snapshot().keys() - {"schema"} == before
    assert triggered_by(scripts, "e") == []
    store(scripts, "e", links=["j"])
    assert events(scripts, "e") == [(b"event e", ["j"])]
    assert page(scripts, ranges(triggered=[True])) == ["e"]
    assert len(indexed(snapshot)) == 2


# Pages


class Event(NamedTuple):
    """What a page is asked by."""

    at: int
    code: str
    matched: bool
    triggered: bool
    invocation: str | None
    task: str | None


# Each property walks at a pace of its own; many have one time; ids are not in the order of time.
CROWD = {
    f"event-{number * 91 % 300}": Event(
        at=number * 37 % 90 // 5,
        code=("a", "aa", "1:a", "b")[number % 11 % 4],
        matched=number % 3 == 0,
        triggered=number % 5 < 2,
        invocation=None if number % 2 else f"inv-{number % 7}",
        task=None if number % 13 else "module.task",
    )
    for number in range(300)
}
WINDOWS = (ALWAYS, (0, MAX_US), (4, 11), (6, 6), (0, 0), (17, 17), (18, 99), (9, 4))
INDEXES = (("all",), ("code", "a"), ("invocation", "inv-2"), ("task", "module.task"), ("code", "z"))
CHOICES = list(product(((False,), (True,), EITHER), repeat=2))


def model(
    prefix: tuple[str, ...],
    matched: Sequence[bool],
    triggered: Sequence[bool],
    times: tuple[int, int],
    *,
    newest_first: bool = True,
) -> list[str]:
    """In the order of time; of one time, in the order of ids."""
    found = [
        (event.at, id_)
        for id_, event in CROWD.items()
        if (prefix == ("all",) or getattr(event, prefix[0]) == prefix[1])
        and event.matched in matched
        and event.triggered in triggered
        and times[0] <= event.at <= times[1]
    ]
    return [id_ for _, id_ in sorted(found, reverse=newest_first)]


@pytest.fixture
def crowded(scripts: Scripts) -> Scripts:
    for id_, event in CROWD.items():
        store(
            scripts,
            id_,
            event.at,
            code=event.code,
            matched=event.matched,
            emitter=(event.invocation, event.task, "runner"),
            # Half of the links come later.
            links=["i"] if event.triggered and event.at % 2 else [],
        )
    late = [id_ for id_, event in CROWD.items() if event.triggered and not event.at % 2]
    link(scripts, "i", *late)
    return scripts


def test_there_are_equal_times_and_every_state() -> None:
    assert len(CROWD) == 300
    assert {event.at for event in CROWD.values()} == set(range(18))
    assert len({(event.code, event.matched, event.triggered) for event in CROWD.values()}) == 16


def test_index_is_what_the_events_imply(crowded: Scripts, snapshot: Snapshot) -> None:
    assert len(indexed(snapshot)) > 2 * len(CROWD)
    assert codes(crowded) == ["a", "b", "aa", "1:a"]


@pytest.mark.parametrize("newest_first", [True, False], ids=["newest", "oldest"])
def test_page_is_that_of_a_sorted_list(crowded: Scripts, newest_first: bool) -> None:
    for prefix, (matched, triggered), times in product(INDEXES, CHOICES, WINDOWS):
        items = ranges(*prefix, matched=matched, triggered=triggered)
        expected = model(prefix, matched, triggered, times, newest_first=newest_first)
        assert page(crowded, items, times, newest_first=newest_first) == expected
        assert count(crowded, items, times) == len(expected)


def test_any_offset_and_count(crowded: Scripts) -> None:
    windows = (ALWAYS, (0, MAX_US), (4, 11), (6, 6), (9, 4))
    for prefix, (matched, triggered), times, newest_first in product(
        INDEXES[:2], CHOICES[::2], windows, EITHER
    ):
        items = ranges(*prefix, matched=matched, triggered=triggered)
        expected = model(prefix, matched, triggered, times, newest_first=newest_first)
        step = len(expected) // 12 + 1
        for offset in (*range(0, len(expected), step), len(expected) + 1, len(expected), 10**6):
            size = offset % 7 + 1
            found = page(
                crowded, items, times, offset=offset, count=size, newest_first=newest_first
            )
            assert found == expected[offset : offset + size]


def test_pages_hold_each_once(crowded: Scripts) -> None:
    for newest_first, size in product(EITHER, (1, 7, 100)):
        found: list[str] = []
        while more := page(
            crowded, ranges(), offset=len(found), count=size, newest_first=newest_first
        ):
            found += more
            assert len(found) <= len(CROWD)
        assert found == model(("all",), EITHER, EITHER, ALWAYS, newest_first=newest_first)


def test_no_ranges_hold_no_events(crowded: Scripts) -> None:
    assert page(crowded, []) == page(crowded, [], offset=3) == []
    assert count(crowded, []) == 0


def test_any_time(scripts: Scripts) -> None:
    times = [0, 1, 9, 10, 10**15, 1_794_000_000_123_456, 1_794_000_000_123_457, LAST_US]
    ids = [f"{time}" for time in times]
    for time in times:
        store(scripts, f"{time}", time)
    for offset in range(len(times) + 1):
        expected = ids[offset : offset + 3]
        assert page(scripts, ranges(), offset=offset, count=3, newest_first=False) == expected
        reverse = ids[::-1][offset : offset + 3]
        assert page(scripts, ranges(), offset=offset, count=3) == reverse
        last = page(scripts, ranges(), (0, MAX_US), offset=offset, count=3)
        assert last == reverse
    for first, last in pairwise(times):
        assert page(scripts, ranges(), (first, last - 1)) == [f"{first}"]
        assert page(scripts, ranges(), (first + 1, last)) == [f"{last}"]
        assert count(scripts, ranges(), (first, last)) == 2


def test_hostile_texts(scripts: Scripts, snapshot: Snapshot) -> None:
    for number, text in enumerate(HOSTILE):
        store(
            scripts,
            text,
            code=text,
            matched=number % 2 == 0,
            emitter=(text, text, text),
            event=to_bytes(text),
            links=[text, f"{text}2"],
        )
        link(scripts, text, text)
    indexed(snapshot)
    in_order = sorted(HOSTILE, key=to_bytes)
    assert page(scripts, ranges(), newest_first=False) == in_order
    assert page(scripts, ranges(), offset=5, count=9) == in_order[::-1][5:14]
    assert sorted(codes(scripts, 7), key=to_bytes) == in_order
    assert events(scripts, *HOSTILE) == [(to_bytes(text), [text, f"{text}2"]) for text in HOSTILE]
    for text in HOSTILE:
        for relation in ("code", "invocation", "task"):
            assert page(scripts, ranges(relation, text)) == [text]
            assert count(scripts, ranges(relation, text)) == 1
        assert triggered_by(scripts, text) == [text, f"{text}2"]
    assert expire(scripts, before=LAST_US) == in_order
    assert snapshot().keys() == {"schema"}


# event_codes


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
def test_each_code_once(scripts: Scripts, at_once: int) -> None:
    for number in range(20):
        emitter = ("c", "codd", None)
        store(scripts, f"{number}", number, code=f"code-{number % 5}", emitter=emitter)
        link(scripts, "i", *([f"{number}"] if number % 2 else []))
    assert codes(scripts, at_once) == [f"code-{number}" for number in range(5)]


# expire_events


def stored_at(scripts: Scripts, *times: int) -> None:
    """Events of some times, in all four states."""
    for time in times:
        at = time // 100
        store(scripts, f"{time}", time, matched=at % 2 == 0, links=["i"] if at % 4 > 1 else [])


def test_removes_what_is_older_than_a_time(scripts: Scripts, snapshot: Snapshot) -> None:
    stored_at(scripts, 300, 100, 400, 200)
    assert expire(scripts, before=100) == []
    assert expire(scripts, before=301) == ["100", "200", "300"]
    assert page(scripts, ranges()) == ["400"]
    assert events(scripts, "100", "200", "300", "400") == [None] * 3 + [(b"event 400", [])]
    assert triggered_by(scripts, "200") == []
    assert len(indexed(snapshot)) == 2
    assert expire(scripts, before=301) == []


def test_removes_the_oldest_beyond_a_number(scripts: Scripts, snapshot: Snapshot) -> None:
    stored_at(scripts, 300, 100, 200, 400)
    assert expire(scripts, keep=4) == []
    assert expire(scripts, keep=3) == ["100"]
    assert expire(scripts, keep=1) == ["200", "300"]
    assert page(scripts, ranges()) == ["400"]
    assert len(indexed(snapshot)) == 2


def test_no_limit_removes_nothing(scripts: Scripts) -> None:
    stored_at(scripts, 0, 100)
    assert expire(scripts) == []
    assert page(scripts, ranges()) == ["100", "0"]


@pytest.mark.parametrize(("before", "keep", "left"), [(250, 4, 2), (150, 1, 1), (150, 9, 3)])
def test_goes_as_far_as_either_limit_says(
    scripts: Scripts, before: int, keep: int, left: int
) -> None:
    stored_at(scripts, 100, 200, 300, 400)
    gone = ["100", "200", "300", "400"][: 4 - left]
    assert expire(scripts, before=before, keep=keep) == gone
    assert count(scripts, ranges()) == left


@pytest.mark.parametrize("limit", [{"before": LAST_US}, {"keep": 1}])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_removes_the_oldest_and_no_more_than_asked_for(
    scripts: Scripts, limit: dict[str, int], size: int
) -> None:
    stored_at(scripts, 300, 100, 200, 400)
    assert expire(scripts, count=size, **limit) == ["100", "200", "300"][:size]


def test_nothing_is_left_of_what_is_removed(scripts: Scripts, snapshot: Snapshot) -> None:
    store(scripts, "other", 99, emitter=("inv", "task", "runner"), links=["i"])
    before = snapshot()
    store(scripts, "e", emitter=("inv", "task", "runner"), links=["i"], matched=True)
    assert expire(scripts, before=11) == ["e"]
    assert snapshot() == before


def test_runs_go_with_the_event_that_had_a_part_in_them(
    scripts: Scripts, snapshot: Snapshot
) -> None:
    store(scripts, "other", 99)
    before = snapshot()
    store(scripts, "e")
    for number in range(7):
        prefixes = pack(pack("all"), pack("event", "e"), pack("task", "module.task"))
        scripts.trigger_store_run(
            run_id=f"{number}", at_us=number, prefixes=prefixes, event_ids=pack("e"), run=b"run"
        )
    assert expire(scripts, before=11) == ["e"]
    # What an event has beyond a few is left to whoever asked, for the sake of the server's time.
    assert sorted(snapshot()["trigger_runs"]) == [b"5", b"6"]
    reply = scripts.trigger_remove_runs_of(count=100, items=[("e",)])
    assert reply == ("OK", [2])
    assert snapshot() == before


def test_crowd_goes_in_the_order_of_time(crowded: Scripts, snapshot: Snapshot) -> None:
    expected = model(("all",), EITHER, EITHER, ALWAYS, newest_first=False)
    gone: list[str] = []
    while more := expire(crowded, before=12, keep=80, count=37):
        gone += more
        assert len(gone) <= 220
    assert gone == expected[:220]
    assert page(crowded, ranges(), newest_first=False) == expected[220:]
    indexed(snapshot)
    while more := expire(crowded, before=LAST_US, count=50):
        gone += more
        assert len(gone) <= len(CROWD)
    assert gone == expected
    assert snapshot().keys() == {"schema"}


# Client data


def test_client_data_is_used_as_long_as_the_event_is_there(
    scripts: Scripts, snapshot: Snapshot
) -> None:
    store(scripts, "e", 1, event=to_bytes(reference("a") + reference("b")))
    store(scripts, "f", 2, event=to_bytes(reference("b")))
    assert uses(snapshot) == {
        (reference("a"), "event e"),
        (reference("b"), "event e"),
        (reference("b"), "event f"),
    }
    assert idle(snapshot) == set()
    assert expire(scripts, before=2) == ["e"]
    assert uses(snapshot) == {(reference("b"), "event f")}
    assert idle(snapshot) == {reference("a"), reference("b")}


def test_client_data_of_an_older_record_is_released(scripts: Scripts, snapshot: Snapshot) -> None:
    store(scripts, "e", event=to_bytes(reference("a") + reference("b")))
    store(scripts, "e", event=to_bytes(reference("b") + reference("c")))
    assert uses(snapshot) == {(reference("b"), "event e"), (reference("c"), "event e")}
    assert reference("a") in idle(snapshot)
    assert reference("c") not in idle(snapshot)


def test_client_data_of_what_an_event_meets_is_used(scripts: Scripts, snapshot: Snapshot) -> None:
    scripts.trigger_store_event(
        event_id="e",
        code="code",
        at_us=1,
        matched="1",
        emitter=pack(*NOBODY),
        event=b"{}",
        links=b"",
        items=[("a", "condition", to_bytes(reference("a")))],
    )
    assert uses(snapshot) == {(reference("a"), "valid a")}


def test_time_of_an_event_is_no_float(scripts: Scripts, raw: Redis, key: Key) -> None:
    store(scripts, "e", LAST_US)
    assert list(unpack(raw.hget(key("events"), "e")))[1] == b"%d" % LAST_US
