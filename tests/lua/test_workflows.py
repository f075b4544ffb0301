"""set_workflow_data, get_workflow_data, set_workflow_value, get_workflow_value,
workflow_types_page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lua.samples import BINARY, HOSTILE, MIB
from pynenc_redis_lua.codec import pack, to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from pynenc_redis_lua.scripts.api import Scripts

    type Key = Callable[[str], bytes]
    type Snapshot = Callable[[], dict[str, Any]]

FIELD = pack("workflow", "key")

kinds = pytest.mark.parametrize("kind", ["data", "value"])
KEYS = {"data": "workflow_data", "value": "workflow_values"}


def put(scripts: Scripts, kind: str, field: bytes, serialized: bytes) -> Any:
    return scripts.call(f"state/set_workflow_{kind}", field=field, serialized=serialized)


def get(scripts: Scripts, kind: str, field: bytes) -> Any:
    return scripts.call(f"state/get_workflow_{kind}", field=field)


@kinds
def test_reads_what_was_stored(scripts: Scripts, snapshot: Snapshot, kind: str) -> None:
    reply = put(scripts, kind, FIELD, b"payload")
    assert reply == (("OK", []) if kind == "data" else ("STORED", [b"payload"]))
    assert snapshot() == {
        "schema": b"1",
        KEYS[kind]: {FIELD: b"payload"},
        "index": [(pack(kind, "workflow", "key"), 0.0)],
    }
    assert get(scripts, kind, FIELD) == ("FOUND", [b"payload"])


@kinds
def test_reads_none_where_none_is(scripts: Scripts, snapshot: Snapshot, kind: str) -> None:
    assert get(scripts, kind, FIELD) == ("NONE", [])
    assert snapshot() == {}
    put(scripts, kind, pack("workflow", "other"), b"payload")
    put(scripts, kind, pack("other", "key"), b"payload")
    assert get(scripts, kind, FIELD) == ("NONE", [])


def test_last_write_of_data_wins(scripts: Scripts) -> None:
    put(scripts, "data", FIELD, b"a longer first one")
    assert put(scripts, "data", FIELD, b"last") == ("OK", [])
    assert get(scripts, "data", FIELD).values == [b"last"]


def test_first_write_of_a_value_wins(scripts: Scripts, snapshot: Snapshot) -> None:
    put(scripts, "value", FIELD, b"first")
    before = snapshot()
    assert put(scripts, "value", FIELD, b"later") == ("STORED", [b"first"])
    assert snapshot() == before


def test_data_and_values_do_not_meet(scripts: Scripts) -> None:
    put(scripts, "data", FIELD, b"data")
    put(scripts, "value", FIELD, b"value")
    assert get(scripts, "data", FIELD).values == [b"data"]
    assert get(scripts, "value", FIELD).values == [b"value"]


@kinds
def test_empty_payload_counts_as_one(scripts: Scripts, kind: str) -> None:
    put(scripts, kind, FIELD, b"")
    assert get(scripts, kind, FIELD) == ("FOUND", [b""])


def test_empty_value_is_a_first_write(scripts: Scripts) -> None:
    assert put(scripts, "value", FIELD, b"") == ("STORED", [b""])
    assert put(scripts, "value", FIELD, b"later") == ("STORED", [b""])


@kinds
def test_field_may_be_empty(scripts: Scripts, kind: str) -> None:
    put(scripts, kind, b"", b"payload")
    assert get(scripts, kind, b"") == ("FOUND", [b"payload"])


@kinds
def test_fields_that_read_alike_when_joined_are_kept_apart(scripts: Scripts, kind: str) -> None:
    fields = [pack("ab", "c"), pack("a", "bc"), pack("", "abc"), pack("abc", ""), pack("abc")]
    for field in fields:
        put(scripts, kind, field, field)
    assert [get(scripts, kind, field).values for field in fields] == [[field] for field in fields]


@kinds
def test_hostile_fields_and_payloads_come_back_byte_for_byte(
    scripts: Scripts, raw: Redis, key: Key, kind: str
) -> None:
    stored = {pack(text, text): to_bytes(text) + BINARY for text in HOSTILE}
    for field, payload in stored.items():
        put(scripts, kind, field, payload)
    assert raw.hgetall(key(KEYS[kind])) == stored
    assert raw.zrange(key("index"), 0, -1) == sorted(pack(kind) + field for field in stored)
    for field, payload in stored.items():
        assert get(scripts, kind, field) == ("FOUND", [payload])


@kinds
def test_large_fields_and_payloads_come_back_byte_for_byte(scripts: Scripts, kind: str) -> None:
    field, payload = pack(MIB, MIB), BINARY * 2**13
    put(scripts, kind, field, payload)
    assert get(scripts, kind, field) == ("FOUND", [payload])


# Types


def relate_runs(scripts: Scripts, *runs: tuple[str, str, str]) -> None:
    scripts.state_relate(items=[(pack("run", *run, None),) for run in runs])


def types(
    scripts: Scripts, count: int = 1000, between: Callable[[], Any] = lambda: None
) -> list[bytes]:
    """All pages of the types, with something done between them."""
    found: list[bytes] = []
    after = b""
    while True:
        page = scripts.state_workflow_types_page(after=after, count=count).values[0]
        assert [after, *page] == sorted({after, *page})
        found += page
        if len(page) < count:
            return found
        assert len(page) == count
        after = page[-1]
        between()


def test_no_runs_no_types(scripts: Scripts) -> None:
    assert scripts.state_workflow_types_page(after=b"", count=9) == ("PAGE", [[]])
    scripts.state_relate(items=[(pack("sub", "w", "inv"),), (pack("rum", "m", "f", "w", None),)])
    assert types(scripts) == []


@pytest.mark.parametrize("count", [1, 2, 7, 1000])
def test_each_type_is_listed_once_however_many_runs_it_has(scripts: Scripts, count: int) -> None:
    expected = [pack(module, func) for module in ("m", "mm", "n") for func in ("f", "ff", "g")]
    relate_runs(
        scripts,
        *(
            (module, func, f"workflow-{i}")
            for module in ("m", "mm", "n")
            for func in ("f", "ff", "g")
            for i in range(25)
        ),
    )
    assert types(scripts, count) == sorted(expected)


@pytest.mark.parametrize("count", [1, 7])
def test_hostile_types_are_listed(scripts: Scripts, count: int) -> None:
    relate_runs(scripts, *((text, text, text) for text in HOSTILE), ("", "", ""))
    expected = {pack(text, text) for text in HOSTILE} | {pack("", "")}
    assert types(scripts, count) == sorted(expected)


def test_types_that_read_alike_when_joined_are_listed_apart(scripts: Scripts) -> None:
    named = [("ab", "c"), ("a", "bc"), ("a1:b", "c"), ("a", "1:bc"), ("", "abc"), ("abc", "")]
    relate_runs(scripts, *((*name, f"w{i}") for name in named for i in range(3)))
    assert types(scripts, 1) == sorted(pack(*name) for name in named)


def test_type_of_a_large_name_is_listed(scripts: Scripts) -> None:
    relate_runs(scripts, ("m", MIB, "w1"), ("m", MIB, "w2"), ("z", "f", "w"))
    assert types(scripts, 1) == sorted([pack("m", MIB), pack("z", "f")])


@pytest.mark.parametrize("count", [1, 2, 7])
def test_pages_give_types_that_are_there_throughout_once_and_in_order(
    scripts: Scripts, raw: Redis, key: Key, count: int
) -> None:
    stays = [(f"m{i:02}", "f") for i in range(20)]
    comes_and_goes = [(f"m{i:02}", "e") for i in range(20)] + [(f"m{i:02}", "g") for i in range(20)]
    relate_runs(scripts, *((*name, f"w{i}") for name in stays for i in range(3)))
    relate_runs(scripts, *((*name, "w") for name in comes_and_goes[::2]))
    pages = 0

    def change() -> None:
        nonlocal pages
        pages += 1
        kept = pages % 2
        raw.zrem(key("index"), *(pack("run", *name, "w", None) for name in comes_and_goes[kept::2]))
        relate_runs(scripts, *((*name, "w") for name in comes_and_goes[1 - kept :: 2]))

    found = types(scripts, count, change)
    expected = [pack(*name) for name in stays]
    assert [packed for packed in found if packed in expected] == expected
    assert len(found) == len(set(found))
    assert pages > 3


def test_page_goes_on_behind_a_type_whose_runs_were_removed(
    scripts: Scripts, raw: Redis, key: Key
) -> None:
    relate_runs(scripts, ("m", "a", "w"), ("m", "b", "w"), ("m", "c", "w"))
    [first] = scripts.state_workflow_types_page(after=b"", count=1).values[0]
    raw.zrem(key("index"), pack("run", "m", "a", "w", None))
    rest = scripts.state_workflow_types_page(after=first, count=9).values[0]
    assert (first, rest) == (pack("m", "a"), [pack("m", "b"), pack("m", "c")])
