"""store_info, get_info, infos_page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lua.samples import BINARY, HOSTILE, MIB
from pynenc_redis_lua.codec import to_bytes
from pynenc_redis_lua.errors import ScriptError
from pynenc_redis_lua.scripts.api import Scripts
from pynenc_redis_lua.scripts.library import library

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from pynenc_redis_lua.client import Connection

    type Key = Callable[[str], bytes]
    type Snapshot = Callable[[], dict[str, Any]]


def read(
    scripts: Scripts, count: int = 1000, between: Callable[[], Any] = lambda: None
) -> list[tuple[bytes, bytes]]:
    """All pages of the list of apps, with something done between them."""
    found: list[tuple[bytes, bytes]] = []
    cursor = "0"
    while True:
        page, fields = scripts.app_infos_page(cursor=cursor, count=count).values
        found += zip(fields[::2], fields[1::2], strict=True)
        cursor = page.decode()
        if cursor == "0":
            return found
        between()


def test_reads_what_was_stored(scripts: Scripts, snapshot: Snapshot) -> None:
    assert scripts.app_store_info(app_id="one", info=b"{1}") == ("OK", [])
    scripts.app_store_info(app_id="two", info=b"{2}")
    assert snapshot() == {"apps": {b"one": b"{1}", b"two": b"{2}"}}
    assert scripts.app_get_info(app_id="one") == ("FOUND", [b"{1}"])
    assert sorted(read(scripts)) == [(b"one", b"{1}"), (b"two", b"{2}")]


def test_list_is_where_keys_toml_says(connection: Connection, raw: Redis, app_id: str) -> None:
    scripts = Scripts(connection, app_id, library())
    scripts.app_store_info(app_id=app_id, info=b"{}")
    try:
        assert raw.hget("pynenc:apps", to_bytes(app_id)) == b"{}"
    finally:
        raw.hdel("pynenc:apps", to_bytes(app_id))


def test_reads_none_where_none_is(scripts: Scripts, snapshot: Snapshot) -> None:
    assert scripts.app_get_info(app_id="one") == ("NONE", [])
    assert scripts.app_infos_page(cursor="0", count=10) == ("PAGE", [b"0", []])
    assert snapshot() == {}
    scripts.app_store_info(app_id="two", info=b"{}")
    assert scripts.app_get_info(app_id="one") == ("NONE", [])


def test_later_info_replaces_the_earlier(scripts: Scripts) -> None:
    for info in (b"a longer first one", b"second"):
        scripts.app_store_info(app_id="one", info=info)
    assert scripts.app_get_info(app_id="one").values == [b"second"]


def test_empty_info_is_found(scripts: Scripts) -> None:
    scripts.app_store_info(app_id="one", info=b"")
    assert scripts.app_get_info(app_id="one") == ("FOUND", [b""])
    assert read(scripts) == [(b"one", b"")]


def test_hostile_ids_and_infos_come_back_byte_for_byte(scripts: Scripts) -> None:
    for text in HOSTILE:
        scripts.app_store_info(app_id=text, info=to_bytes(text) + BINARY)
    for text in HOSTILE:
        assert scripts.app_get_info(app_id=text) == ("FOUND", [to_bytes(text) + BINARY])
    assert sorted(set(read(scripts, count=3))) == sorted(
        (to_bytes(text), to_bytes(text) + BINARY) for text in HOSTILE
    )


def test_large_ids_and_infos_come_back_byte_for_byte(scripts: Scripts) -> None:
    scripts.app_store_info(app_id=MIB, info=BINARY * 2**12)
    assert scripts.app_get_info(app_id=MIB) == ("FOUND", [BINARY * 2**12])
    assert read(scripts) == [(MIB.encode(), BINARY * 2**12)]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_pages_give_what_is_there_throughout(
    scripts: Scripts, raw: Redis, key: Key, count: int
) -> None:
    """HSCAN's promise: never missed, though it may be repeated."""
    stays = {b"stays-%d" % i: b"info" for i in range(200)}
    comes_and_goes = {b"comes-%d" % i: b"info" for i in range(300)}
    # A value above 64 bytes makes the hash a table: a compact one comes in a single page.
    raw.hset(key("apps"), mapping={b"large": BINARY, **stays})
    pages = 0

    def change() -> None:
        nonlocal pages
        pages += 1
        if pages > 10:
            return
        if pages % 2:
            raw.hset(key("apps"), mapping=comes_and_goes)
        else:
            raw.hdel(key("apps"), *comes_and_goes)

    found = read(scripts, count, change)
    assert stays.items() <= set(found)
    assert pages > 10


@pytest.mark.parametrize("cursor", ["no number", "1x"])
def test_cursor_that_no_page_gave_is_refused(scripts: Scripts, cursor: str) -> None:
    scripts.app_store_info(app_id="one", info=b"")
    with pytest.raises(ScriptError, match="invalid cursor"):
        scripts.app_infos_page(cursor=cursor, count=10)


def test_list_needs_no_schema(scripts: Scripts, raw: Redis, key: Key) -> None:
    """It outlives every layout of an app's data, so that a monitor finds the app."""
    raw.set(key("schema"), "999")
    assert scripts.app_store_info(app_id="one", info=b"{}").tag == "OK"
