"""store_runner_contexts, get_runner_contexts, match_runner_contexts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lua.samples import BINARY, HOSTILE, MIB
from pynenc_redis_lua.codec import pack, to_bytes, to_text
from pynenc_redis_lua.errors import ScriptError

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from pynenc_redis_lua.scripts.api import Scripts

    type Key = Callable[[str], bytes]
    type Snapshot = Callable[[], dict[str, Any]]


def store(scripts: Scripts, *runner_ids: str) -> None:
    """Store contexts, each of which names its runner."""
    scripts.state_store_runner_contexts(items=[(id_, to_bytes(f"<{id_}>")) for id_ in runner_ids])


def match(
    scripts: Scripts, part: str, count: int = 1000, between: Callable[[], Any] = lambda: None
) -> list[tuple[bytes, bytes]]:
    """All pages of the contexts whose id contains a text, with something done between them."""
    found: list[tuple[bytes, bytes]] = []
    cursor = "0"
    while True:
        reply = scripts.state_match_runner_contexts(cursor=cursor, part=part, count=count)
        found += [(runner_id, context) for runner_id, context in reply.values[1]]
        cursor = reply.values[0].decode()
        if cursor == "0":
            return found
        between()


def get(scripts: Scripts, *runner_ids: str) -> list[bytes]:
    return scripts.state_get_runner_contexts(items=[(id_,) for id_ in runner_ids]).values[0]


def test_reads_what_was_stored(scripts: Scripts, snapshot: Snapshot) -> None:
    reply = scripts.state_store_runner_contexts(items=[("r1", b"{1}"), ("r2", b"{2}")])
    assert reply == ("OK", [])
    assert snapshot() == {
        "schema": b"1",
        "runner_contexts": {b"r1": b"{1}", b"r2": b"{2}"},
        "context_times": [b"r1", b"r2"],
    }
    assert scripts.state_get_runner_contexts(items=[("r1",)]) == ("OK", [[b"{1}"]])


def test_reads_in_the_order_asked_and_leaves_out_what_is_not_stored(
    scripts: Scripts, snapshot: Snapshot
) -> None:
    assert get(scripts, "r1", "r2") == []
    assert snapshot() == {}
    store(scripts, "r1", "r2", "r3")
    assert get(scripts, "no", "r3", "no", "r1", "r3", "no") == [b"<r3>", b"<r1>", b"<r3>"]


def test_later_context_replaces_the_earlier(scripts: Scripts) -> None:
    scripts.state_store_runner_contexts(items=[("r", b"a longer first one")])
    scripts.state_store_runner_contexts(items=[("r", b"second"), ("r", b"third")])
    assert get(scripts, "r") == [b"third"]


def test_a_list_may_have_more_fields_than_the_stack_of_lua(scripts: Scripts) -> None:
    contexts = pack(*(part for number in range(6_000) for part in (f"r{number}", "{}")))
    scripts.state_add_histories(contexts=contexts, items=[])
    assert len(get(scripts, *(f"r{number}" for number in range(6_000)))) == 6_000


def test_empty_context_is_one(scripts: Scripts) -> None:
    scripts.state_store_runner_contexts(items=[("r", b"")])
    assert get(scripts, "r") == [b""]
    assert match(scripts, "r") == [(b"r", b"")]


def test_hostile_ids_and_contexts_come_back_byte_for_byte(scripts: Scripts) -> None:
    scripts.state_store_runner_contexts(items=[(text, to_bytes(text) + BINARY) for text in HOSTILE])
    assert get(scripts, *HOSTILE) == [to_bytes(text) + BINARY for text in HOSTILE]
    assert sorted(match(scripts, "", count=3)) == sorted(
        (to_bytes(text), to_bytes(text) + BINARY) for text in HOSTILE
    )


def test_large_ids_and_contexts_come_back_byte_for_byte(scripts: Scripts) -> None:
    scripts.state_store_runner_contexts(items=[(MIB, BINARY * 2**12), ("r", b"")])
    assert get(scripts, MIB) == [BINARY * 2**12]
    assert match(scripts, "mm") == [(MIB.encode(), BINARY * 2**12)]


def test_matches_ids_that_contain_the_text(scripts: Scripts) -> None:
    store(scripts, "runner-1", "runner-2", "RUNNER-1", "other")
    assert sorted(match(scripts, "ner-")) == [
        (b"runner-1", b"<runner-1>"),
        (b"runner-2", b"<runner-2>"),
    ]
    assert match(scripts, "runner-1x") == []


def test_matches_nothing_where_nothing_is(scripts: Scripts) -> None:
    reply = scripts.state_match_runner_contexts(cursor="0", part="", count=10)
    assert reply == ("PAGE", [b"0", []])


def test_hostile_texts_are_matched_literally(scripts: Scripts) -> None:
    store(scripts, *HOSTILE)
    for part in map(to_bytes, HOSTILE):
        expected = sorted(id_ for id_ in map(to_bytes, HOSTILE) if part in id_)
        assert sorted(id_ for id_, _ in match(scripts, to_text(part))) == expected


@pytest.mark.parametrize("count", [1, 2, 7])
def test_pages_give_what_is_there_throughout(
    scripts: Scripts, raw: Redis, key: Key, count: int
) -> None:
    """HSCAN's promise: never missed, though it may be repeated."""
    stays = [f"stays-{i}" for i in range(200)]
    comes_and_goes = [f"comes-{i}" for i in range(300)]
    # A value above 64 bytes makes the hash a table: a compact one comes in a single page.
    scripts.state_store_runner_contexts(items=[("large", BINARY)])
    store(scripts, *stays, *comes_and_goes[::2])
    pages = 0

    def change() -> None:
        nonlocal pages
        pages += 1
        if pages > 10:
            return
        kept = pages % 2
        raw.hdel(key("runner_contexts"), *comes_and_goes[kept::2])
        store(scripts, *comes_and_goes[1 - kept :: 2])

    found = match(scripts, "stays", count, change)
    assert set(found) == {(to_bytes(id_), to_bytes(f"<{id_}>")) for id_ in stays}
    assert pages > 10


@pytest.mark.parametrize("cursor", ["no number", "1x"])
def test_cursor_that_no_page_gave_is_refused(scripts: Scripts, cursor: str) -> None:
    store(scripts, "r")
    with pytest.raises(ScriptError, match="invalid cursor"):
        scripts.state_match_runner_contexts(cursor=cursor, part="", count=10)
