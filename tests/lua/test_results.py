"""set_result, get_result, set_exception, get_exception."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lua.samples import BINARY, HOSTILE, MIB
from pynenc_redis_lua.codec import to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from pynenc_redis_lua.scripts.api import Scripts

pytestmark = pytest.mark.parametrize("what", ["result", "exception"])


def test_reads_what_was_stored(
    scripts: Scripts, raw: Redis, key: Callable[[str], bytes], what: str
) -> None:
    reply = scripts.call(f"state/set_{what}", invocation_id="inv", serialized=b"payload")
    assert reply == ("OK", [])
    assert raw.hgetall(key(f"{what}s")) == {b"inv": b"payload"}
    assert raw.get(key("schema")) == b"1"
    assert scripts.call(f"state/get_{what}", invocation_id="inv") == ("FOUND", [b"payload"])


def test_reads_none_where_none_is(
    scripts: Scripts, snapshot: Callable[[], dict[str, Any]], what: str
) -> None:
    assert scripts.call(f"state/get_{what}", invocation_id="inv") == ("NONE", [])
    assert snapshot() == {}
    scripts.call(f"state/set_{what}", invocation_id="other", serialized=b"payload")
    assert scripts.call(f"state/get_{what}", invocation_id="inv") == ("NONE", [])


def test_touches_its_own_key_only(
    scripts: Scripts, snapshot: Callable[[], dict[str, Any]], what: str
) -> None:
    scripts.call(f"state/set_{what}", invocation_id="inv", serialized=b"payload")
    assert snapshot() == {"schema": b"1", f"{what}s": {b"inv": b"payload"}}


def test_later_one_replaces_the_earlier(scripts: Scripts, what: str) -> None:
    for serialized in (b"a longer earlier one", b"later"):
        scripts.call(f"state/set_{what}", invocation_id="inv", serialized=serialized)
    assert scripts.call(f"state/get_{what}", invocation_id="inv").values == [b"later"]


def test_empty_payload_is_found(scripts: Scripts, what: str) -> None:
    scripts.call(f"state/set_{what}", invocation_id="inv", serialized=b"")
    assert scripts.call(f"state/get_{what}", invocation_id="inv") == ("FOUND", [b""])


def test_hostile_ids_and_payloads_come_back_byte_for_byte(
    scripts: Scripts, raw: Redis, key: Callable[[str], bytes], what: str
) -> None:
    for text in HOSTILE:
        scripts.call(f"state/set_{what}", invocation_id=text, serialized=to_bytes(text) + BINARY)
    for text in HOSTILE:
        reply = scripts.call(f"state/get_{what}", invocation_id=text)
        assert reply == ("FOUND", [to_bytes(text) + BINARY])
    assert raw.hlen(key(f"{what}s")) == len(HOSTILE)


def test_large_ids_and_payloads_come_back_byte_for_byte(scripts: Scripts, what: str) -> None:
    payload = BINARY * 2**13
    scripts.call(f"state/set_{what}", invocation_id=MIB, serialized=payload)
    assert scripts.call(f"state/get_{what}", invocation_id=MIB) == ("FOUND", [payload])
    assert scripts.call(f"state/get_{what}", invocation_id=MIB[1:]) == ("NONE", [])
