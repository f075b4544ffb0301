"""store_run, get_runs, runs_page, services_page, expire_runs, remove_runs_of."""

from __future__ import annotations

from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import pytest

from lua.samples import BINARY, HOSTILE, MAX_US
from pynenc_redis_lua.codec import pack, to_bytes, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pynenc_redis_lua.scripts.api import Scripts

    type Snapshot = Callable[[], dict[str, Any]]

LAST_US = 2**52 - 1
ALL = pack("all")


def store(
    scripts: Scripts,
    id_: str,
    at: int = 10,
    *,
    prefixes: Iterable[bytes] = (),
    events: Iterable[str] = (),
    run: bytes | None = None,
) -> None:
    reply = scripts.trigger_store_run(
        run_id=id_,
        at_us=at,
        prefixes=pack(ALL, *prefixes),
        event_ids=pack(*events),
        run=to_bytes(f"run {id_}") if run is None else run,
    )
    assert reply == ("OK", [])


def store_event(scripts: Scripts, id_: str, code: str) -> None:
    scripts.trigger_store_event(
        event_id=id_,
        code=code,
        at_us=10,
        matched="1",
        emitter=pack(None, None, None),
        event=b"{}",
        links=b"",
        items=[],
    )


def page(
    scripts: Scripts,
    *prefix: str,
    times: tuple[int, int] = (0, LAST_US),
    after: bytes = b"",
    count: int = 1000,
) -> list[list[bytes]]:
    reply = scripts.trigger_runs_page(
        prefix=pack(*prefix), from_us=times[0], to_us=times[1], after=after, count=count
    )
    assert reply.tag == "PAGE"
    entries: list[list[bytes]] = reply.values[0]
    return entries


def found(
    scripts: Scripts, *prefix: str, times: tuple[int, int] = (0, LAST_US), count: int = 1000
) -> list[str]:
    """All pages one after the other; each entry holds the run of its id."""
    entries: list[list[bytes]] = []
    while True:
        after = entries[-1][0] if entries else b""
        more = page(scripts, *prefix, times=times, after=after, count=count)
        entries += more
        assert len(entries) <= 1000
        if len(more) < count:
            break
    ids = [to_text(behind[16:]) for behind, _ in entries]
    assert [run for _, run in entries] == [to_bytes(f"run {id_}") for id_ in ids]
    return ids


def runs(scripts: Scripts, *ids: str) -> list[bytes | None]:
    stored: list[bytes | None] = scripts.trigger_get_runs(items=[(id_,) for id_ in ids]).values[0]
    return stored


def services(scripts: Scripts, count: int = 100) -> list[str]:
    ids: list[bytes] = []
    after = b""
    while True:
        more = scripts.trigger_services_page(after=after, count=count).values[0]
        assert len(more) <= count
        ids += more
        assert len(ids) <= 100
        # A page that is not full is the last one.
        if len(more) < count:
            break
        after = more[-1]
    return [to_text(id_) for id_ in ids]


def expire(scripts: Scripts, *, before: int = 0, keep: int = 0, count: int = 100) -> int:
    reply = scripts.trigger_expire_runs(before_us=before, keep=keep, count=count)
    assert reply.tag == "OK"
    removed: int = reply.values[0]
    return removed


def remove_runs_of(scripts: Scripts, *events: str, count: int = 100) -> int:
    reply = scripts.trigger_remove_runs_of(count=count, items=[(id_,) for id_ in events])
    assert reply.tag == "OK"
    removed: int = reply.values[0]
    return removed


# store_run, get_runs


def test_run_is_found_by_each_of_its_beginnings(scripts: Scripts, snapshot: Snapshot) -> None:
    relations = ("event", "task", "invocation", "source", "valid", "service")
    store(scripts, "a", 7, prefixes=[pack(relation, "x") for relation in relations])
    assert runs(scripts, "unknown", "a") == [None, b"run a"]
    assert page(scripts, "all") == [[b"0000000000000007a", b"run a"]]
    for relation in relations:
        assert found(scripts, relation, "x") == ["a"]
        assert found(scripts, relation, "y") == []
    # What is read in lexical order has one score.
    assert [score for _, score in snapshot()["trigger_run_index"]] == [0] * 7


def test_code_of_each_event_that_is_stored_leads_to_the_run(
    scripts: Scripts, snapshot: Snapshot
) -> None:
    for id_, code in (("e", "one"), ("f", "two"), ("g", "two"), ("h", "other")):
        store_event(scripts, id_, code)
    store(scripts, "a", events=["e", "unknown", "f", "g"])
    assert [found(scripts, "code", code) for code in ("one", "two", "other")] == [["a"], ["a"], []]
    assert len(snapshot()["trigger_run_index"]) == 3


def test_run_stored_again_is_in_place_of_the_older_record(
    scripts: Scripts, snapshot: Snapshot
) -> None:
    store_event(scripts, "e", "code")
    store(scripts, "a", 5, prefixes=[pack("task", "old"), pack("service", "old")], events=["e"])
    store(scripts, "a", 9, prefixes=[pack("task", "new")], run=b"new")
    assert runs(scripts, "a") == [b"new"]
    assert page(scripts, "all") == [[b"0000000000000009a", b"new"]]
    assert page(scripts, "task", "new") == [[b"0000000000000009a", b"new"]]
    assert len(snapshot()["trigger_run_index"]) == 2
    once = snapshot()
    store(scripts, "a", 9, prefixes=[pack("task", "new")], run=b"new")
    assert snapshot() == once


def test_run_keeps_the_codes_that_its_events_had(scripts: Scripts, snapshot: Snapshot) -> None:
    """They are with the run, for the event may have gone before it."""
    store_event(scripts, "e", "old")
    store(scripts, "a", events=["e"])
    store_event(scripts, "e", "new")
    assert (found(scripts, "code", "old"), found(scripts, "code", "new")) == (["a"], [])
    store(scripts, "a", events=["e"])
    assert (found(scripts, "code", "old"), found(scripts, "code", "new")) == ([], ["a"])
    assert len(snapshot()["trigger_run_index"]) == 2


def test_any_bytes_come_back(scripts: Scripts) -> None:
    store(scripts, "a", run=BINARY)
    assert runs(scripts, "a") == [BINARY]
    assert page(scripts, "all")[0][1] == BINARY


# runs_page

# Times that many have in common, and relations that few have; ids are not in the order of time.
RUNS = {
    f"run-{number * 91 % 200}": (
        number * 37 % 60 // 4,
        f"task-{number % 3}",
        f"code-{number % 5 // 2}",
    )
    for number in range(200)
}


def model(relation: str, value: str, times: tuple[int, int]) -> list[str]:
    """The oldest first; of one time, in the order of ids."""
    ids = [
        (at, id_)
        for id_, (at, task, code) in RUNS.items()
        if times[0] <= at <= times[1]
        and value in {"task": {task}, "code": {code}, "all": {""}}[relation]
    ]
    return [id_ for _, id_ in sorted(ids)]


@pytest.fixture
def crowded(scripts: Scripts) -> Scripts:
    for number in range(3):
        store_event(scripts, f"event of code-{number}", f"code-{number}")
    for id_, (at, task, code) in RUNS.items():
        store(scripts, id_, at, prefixes=[pack("task", task)], events=[f"event of {code}"])
    return scripts


def test_there_are_equal_times() -> None:
    assert len(RUNS) == 200
    assert len({at for at, _, _ in RUNS.values()}) == 15


@pytest.mark.parametrize("count", [1, 7, 1000])
def test_page_is_that_of_a_sorted_list(crowded: Scripts, count: int) -> None:
    ways = [("all", ""), *product(["task"], ["task-0", "task-2", "task"]), ("code", "code-1")]
    for relation, value in ways:
        prefix = (relation, value) if value else (relation,)
        for times in ((0, LAST_US), (3, 9), (5, 5), (0, 0), (14, 14), (15, 99), (9, 3)):
            expected = model(relation, value, times)
            assert found(crowded, *prefix, times=times, count=count) == expected


@pytest.mark.parametrize("count", [1, 2, 5])
def test_no_more_than_asked_for(crowded: Scripts, count: int) -> None:
    ids = [to_text(behind[16:]) for behind, _ in page(crowded, "all", count=count)]
    assert ids == model("all", "", (0, LAST_US))[:count]


def test_page_goes_on_behind_one_that_is_gone(crowded: Scripts) -> None:
    expected = model("all", "", (0, LAST_US))
    last = page(crowded, "all", count=50)[-1][0]
    assert expire(crowded, before=LAST_US, count=60) == 60
    ids = [to_text(behind[16:]) for behind, _ in page(crowded, "all", after=last)]
    assert ids == expected[60:]


def test_any_time(scripts: Scripts) -> None:
    times = [0, 1, 9, 10, 10**15, 1_794_000_000_123_456, 1_794_000_000_123_457, LAST_US]
    for time in times:
        store(scripts, f"{time}", time)
    assert found(scripts, "all") == [f"{time}" for time in times]
    assert found(scripts, "all", times=(0, MAX_US)) == [f"{time}" for time in times]
    for first, last in pairwise(times):
        assert found(scripts, "all", times=(first, last - 1)) == [f"{first}"]
        assert found(scripts, "all", times=(first + 1, last)) == [f"{last}"]


@pytest.mark.parametrize("value", ["a", "1:a", "aa"])
def test_values_of_similar_names_are_kept_apart(scripts: Scripts, value: str) -> None:
    for other in ("a", "aa", "1:a", "A", "3:1:a"):
        store(scripts, f"of {other}", prefixes=[pack("task", other), pack("service", other)])
    assert found(scripts, "task", value) == [f"of {value}"]


def test_hostile_ids(scripts: Scripts, snapshot: Snapshot) -> None:
    texts = sorted(HOSTILE, key=to_bytes)
    for text in HOSTILE:
        store_event(scripts, text, text)
        store(
            scripts,
            text,
            prefixes=[pack("event", text), pack("task", text), pack("service", text)],
            events=[text],
        )
    assert found(scripts, "all", count=7) == texts
    assert sorted(services(scripts), key=to_bytes) == texts
    for text in HOSTILE:
        for relation in ("event", "task", "code", "service"):
            assert found(scripts, relation, text) == [text]
    half = len(HOSTILE) // 2
    assert remove_runs_of(scripts, *HOSTILE[:half]) == half
    assert expire(scripts, before=LAST_US) == len(HOSTILE) - half
    assert not {"trigger_runs", "trigger_run_index"} & snapshot().keys()


# services_page


@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_each_service_once(scripts: Scripts, count: int) -> None:
    for number in range(12):
        service = f"service-{number % 5}"
        prefixes = [pack("service", service), pack("source", "none"), pack("servicf", "none")]
        store(scripts, f"{number}", number, prefixes=prefixes)
    assert services(scripts, count) == [f"service-{number}" for number in range(5)]


def test_service_whose_runs_are_gone_is_not_named(scripts: Scripts) -> None:
    for number in range(4):
        store(scripts, f"{number}", number, prefixes=[pack("service", f"{number // 2}")])
    expire(scripts, before=1)
    assert services(scripts) == ["0", "1"]
    expire(scripts, before=2)
    assert services(scripts) == ["1"]


# expire_runs


def stored_at(scripts: Scripts, *times: int) -> None:
    for time in times:
        store(scripts, f"{time}", time, prefixes=[pack("task", "t"), pack("event", "e")])


def test_removes_what_is_older_than_a_time(scripts: Scripts) -> None:
    stored_at(scripts, 300, 100, 200)
    assert expire(scripts, before=100) == 0
    assert expire(scripts, before=201) == 2
    assert found(scripts, "all") == ["300"]
    assert found(scripts, "task", "t") == ["300"]
    assert runs(scripts, "100", "200", "300") == [None, None, b"run 300"]


def test_removes_the_oldest_beyond_a_number(scripts: Scripts) -> None:
    stored_at(scripts, 300, 100, 200, 400)
    assert expire(scripts, keep=4) == 0
    assert expire(scripts, keep=3) == 1
    assert expire(scripts, keep=1) == 2
    assert found(scripts, "all") == ["400"]


def test_no_limit_removes_nothing(scripts: Scripts) -> None:
    stored_at(scripts, 0, 100)
    assert expire(scripts) == 0
    assert found(scripts, "all") == ["0", "100"]


@pytest.mark.parametrize(("before", "keep", "left"), [(250, 4, 2), (150, 1, 1), (150, 9, 3)])
def test_goes_as_far_as_either_limit_says(
    scripts: Scripts, before: int, keep: int, left: int
) -> None:
    stored_at(scripts, 100, 200, 300, 400)
    assert expire(scripts, before=before, keep=keep) == 4 - left
    assert found(scripts, "all") == ["100", "200", "300", "400"][4 - left :]


@pytest.mark.parametrize("limit", [{"before": LAST_US}, {"keep": 1}])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_removes_the_oldest_and_no_more_than_asked_for(
    scripts: Scripts, limit: dict[str, int], count: int
) -> None:
    stored_at(scripts, 300, 100, 200, 400)
    assert expire(scripts, count=count, **limit) == count
    assert found(scripts, "all") == ["100", "200", "300", "400"][count:]


def test_nothing_is_left_of_what_is_removed(scripts: Scripts, snapshot: Snapshot) -> None:
    store_event(scripts, "e", "code")
    before = snapshot()
    relations = ("event", "task", "invocation", "source", "valid", "service")
    store(scripts, "a", prefixes=[pack(relation, "x") for relation in relations], events=["e"])
    assert expire(scripts, before=11) == 1
    assert snapshot() == before


# remove_runs_of


def test_runs_of_some_events_go_wholly(scripts: Scripts, snapshot: Snapshot) -> None:
    store(scripts, "other", prefixes=[pack("event", "ee"), pack("task", "t")])
    alone = snapshot()
    store(scripts, "a", prefixes=[pack("event", "e"), pack("event", "f"), pack("task", "t")])
    store(scripts, "b", prefixes=[pack("event", "f"), pack("valid", "v")])
    assert remove_runs_of(scripts, "unknown", "e", "f", "e") == 2
    assert snapshot() == alone


@pytest.mark.parametrize("count", [1, 3, 4, 6])
def test_no_more_than_asked_for_go(scripts: Scripts, count: int) -> None:
    for number in range(3):
        store(scripts, f"e{number}", number, prefixes=[pack("event", "e")])
        store(scripts, f"f{number}", number, prefixes=[pack("event", "f")])
    assert remove_runs_of(scripts, "e", "f", count=count) == count
    left = [*found(scripts, "event", "e"), *found(scripts, "event", "f")]
    assert left == ["e0", "e1", "e2", "f0", "f1", "f2"][count:]
