"""relate, related_page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lua.model import call_member
from lua.samples import HOSTILE, MIB, invocation
from pynenc_redis_lua.codec import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from pynenc_redis_lua.scripts.api import Scripts

    type Key = Callable[[str], bytes]


def relate(scripts: Scripts, *members: bytes) -> None:
    scripts.state_relate(items=[(member,) for member in members])


def read(
    scripts: Scripts, *prefix: str, count: int = 1000, between: Callable[[], Any] = lambda: None
) -> list[bytes]:
    """All pages of the members that begin with some fields, with something done between them."""
    found: list[bytes] = []
    after = b""
    while True:
        page = scripts.state_related_page(prefix=pack(*prefix), after=after, count=count).values[0]
        assert [after, *page] == sorted({after, *page})
        found += page
        if len(page) < count:
            return found
        assert len(page) == count
        after = page[-1]
        between()


def test_stores_members_once(scripts: Scripts, raw: Redis, key: Key) -> None:
    members = [pack("run", "m", "f", "w", None), pack("sub", "w", "inv")]
    reply = scripts.state_relate(items=[(member,) for member in [*members, members[0]]])
    assert reply == ("OK", [])
    stored = raw.zrange(key("index"), 0, -1, withscores=True)
    assert stored == [(member, 0.0) for member in sorted(members)]
    assert raw.get(key("schema")) == b"1"


def test_reads_nothing_where_nothing_is(scripts: Scripts) -> None:
    assert scripts.state_related_page(prefix=b"", after=b"", count=9) == ("PAGE", [[]])
    relate(scripts, pack("sub", "w", "inv"))
    assert read(scripts, "sub", "other") == []


def test_reads_the_members_of_a_prefix_in_lexical_order(scripts: Scripts) -> None:
    wanted = [pack("sub", "w", f"inv-{i}") for i in range(20)]
    others = [pack("run", "w", "x"), pack("sub", "v", "x"), pack("sub", "ww", "x"), pack("sub")]
    relate(scripts, *others, *reversed(wanted))
    assert read(scripts, "sub", "w") == sorted(wanted)


def test_empty_prefix_reads_everything(scripts: Scripts) -> None:
    members = [pack("sub", "w", "inv"), pack("run", "m", "f", "w", None), pack("", "x"), pack(None)]
    relate(scripts, *members)
    assert read(scripts, count=1) == sorted(members)


def test_prefix_ends_at_a_field_and_not_within(scripts: Scripts) -> None:
    """The length before a field keeps one text apart from another that it begins."""
    relate(scripts, *(pack("sub", text, "inv") for text in ("a", "ab", "a1:b", "a:", "", "1:a")))
    for text in ("a", "ab", "a1:b", "a:", "", "1:a"):
        assert read(scripts, "sub", text) == [pack("sub", text, "inv")]


@pytest.mark.parametrize("count", [1, 2, 7, 1000])
def test_hostile_members_are_found_under_their_own_prefix(scripts: Scripts, count: int) -> None:
    relate(scripts, *(pack("sub", text, other) for text in HOSTILE for other in HOSTILE))
    for text in HOSTILE[:: 1 if count > 2 else 20]:
        expected = sorted(pack("sub", text, other) for other in HOSTILE)
        assert read(scripts, "sub", text, count=count) == expected


def test_hostile_invocations_are_found_by_every_relation(scripts: Scripts) -> None:
    scripts.state_upsert_invocations(
        contexts=b"",
        items=[
            (
                text,
                invocation((text, "f", "a"), parent=text, event=text, workflow=(text, text, "f")),
                b"",
                b"",
                0,
            )
            for text in HOSTILE
        ],
    )
    for text in HOSTILE:
        for prefix in (
            [*unpack(call_member(f"{text}.f:a", text))][:2],
            ("parent", text),
            ("event", text),
            ("workflow", text),
            ("workflow", text, f"{text}.f"),
            ("type", f"{text}.f"),
        ):
            [member] = read(scripts, *prefix)
            assert member.endswith(pack(text))
    assert len(read(scripts, "type")) == len(HOSTILE)


def test_large_members_are_found(scripts: Scripts) -> None:
    relate(scripts, pack("sub", MIB, "inv"), pack("sub", MIB[1:], "inv"), pack("sub", "w", MIB))
    assert read(scripts, "sub", MIB, count=1) == [pack("sub", MIB, "inv")]
    assert read(scripts, "sub", "w", count=1) == [pack("sub", "w", MIB)]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_pages_give_what_is_there_throughout_once_and_in_order(
    scripts: Scripts, raw: Redis, key: Key, count: int
) -> None:
    stays = [pack("sub", "w", f"stays-{i:02}") for i in range(30)]
    comes_and_goes = [pack("sub", "w", f"stays-{i:02}x") for i in range(-1, 30)]
    relate(scripts, *stays, *comes_and_goes[::2])
    pages = 0

    def change() -> None:
        nonlocal pages
        pages += 1
        kept = pages % 2
        raw.zrem(key("index"), *comes_and_goes[kept::2])
        relate(scripts, *comes_and_goes[1 - kept :: 2])

    found = read(scripts, "sub", "w", count=count, between=change)
    assert [member for member in found if member in stays] == stays
    assert len(found) == len(set(found))
    assert pages > 3


@pytest.mark.parametrize("count", [1, 2, 7])
def test_pages_go_on_behind_a_member_that_was_removed(
    scripts: Scripts, raw: Redis, key: Key, count: int
) -> None:
    members = [pack("sub", "w", f"inv-{i:02}") for i in range(30)]
    relate(scripts, *members)
    found: list[bytes] = []
    after = b""
    while page := scripts.state_related_page(
        prefix=pack("sub", "w"), after=after, count=count
    ).values[0]:
        found += page
        after = page[-1]
        raw.zrem(key("index"), after)
    assert found == members


def test_page_reads_invocations_that_moved_to_another_parent_there_only(
    scripts: Scripts,
) -> None:
    for parent in ("before", "after"):
        scripts.state_upsert_invocations(
            contexts=b"", items=[("inv", invocation(parent=parent), b"", b"", 0)]
        )
    assert read(scripts, "parent", "before") == []
    assert read(scripts, "parent", "after") == [pack("parent", "after", "inv")]


def test_order_is_that_of_bytes(scripts: Scripts) -> None:
    relate(scripts, *(pack("x", text) for text in HOSTILE))
    found = read(scripts, "x", count=3)
    assert found == sorted(pack("x", t) for t in HOSTILE)
