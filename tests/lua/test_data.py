"""store, store_chunk, renew, retrieve, expire: client data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lua.life import SECOND
from lua.samples import BINARY, HOSTILE, MIB
from pynenc_redis_lua.codec import pack, to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from lua.life import Life

    type Key = Callable[[str], bytes]


def store(life: Life, reference: str, *chunks: bytes) -> None:
    """Store a value as the client data store does: the first chunk last."""
    for number, chunk in enumerate(chunks[1:], start=1):
        life.call("data/store_chunk", reference=reference, part=f"p{number}", data=chunk)
    life.call("data/store", reference=reference, data=pack("p", len(chunks), chunks[0]))


def retrieve(life: Life, field: bytes) -> bytes | None:
    reply = life.scripts.data_retrieve(field=field)
    return reply.values[0] if reply.tag == "FOUND" else None


def expire(life: Life, *, age_us: int = 0, count: int = 100) -> int:
    looked_at: int = life.call("data/expire", age_us=age_us, count=count).values[0]
    return looked_at


def idle(raw: Redis, key: Key, ages: dict[str, int]) -> None:
    """Let the last users of values be gone some seconds ago."""
    seconds, _ = raw.time()
    times = {to_bytes(id_): (seconds - ago) * SECOND for id_, ago in ages.items()}
    raw.zadd(key("client_data_idle"), times)


def test_stores_a_value_that_is_not_idle(life: Life) -> None:
    """Whoever is to refer to it has yet to be stored."""
    store(life, "reference", BINARY)
    assert life.snapshot() == {
        "schema": b"1",
        "client_data": {b"reference": pack("p", 1, BINARY)},
    }
    assert expire(life) == 0


def test_chunks_have_fields_of_their_own(life: Life) -> None:
    store(life, "reference", b"one", b"two", b"three")
    assert life.snapshot()["client_data"] == {
        b"reference": pack("p", 3, b"one"),
        pack("reference", "p1"): b"two",
        pack("reference", "p2"): b"three",
    }


def test_comes_back_byte_for_byte(life: Life) -> None:
    store(life, "reference", BINARY, MIB.encode())
    assert retrieve(life, b"reference") == pack("p", 2, BINARY)
    assert retrieve(life, pack("reference", "p1")) == MIB.encode()


def test_nothing_comes_back_where_nothing_is(life: Life) -> None:
    store(life, "reference", b"one")
    assert retrieve(life, b"other") is None
    assert retrieve(life, pack("reference", "p1")) is None


def test_value_that_is_there_stays(life: Life) -> None:
    store(life, "reference", b"first", b"second")
    store(life, "reference", b"other", b"others")
    assert retrieve(life, b"reference") == pack("p", 2, b"first")
    assert retrieve(life, pack("reference", "p1")) == b"second"


def test_hostile_references(life: Life, raw: Redis, key: Key) -> None:
    life.checks_each_step = False
    for text in HOSTILE:
        store(life, text, to_bytes(text), b"chunk")
    for text in HOSTILE:
        assert retrieve(life, to_bytes(text)) == pack("p", 2, to_bytes(text))
    idle(raw, key, dict.fromkeys(HOSTILE, 1))
    assert expire(life) == len(HOSTILE)
    assert life.snapshot() == {"schema": b"1"}


# renew


def test_renewed_value_is_young_again(life: Life, raw: Redis, key: Key) -> None:
    store(life, "reference", b"one")
    idle(raw, key, {"reference": 100})
    assert life.call("data/renew", reference="reference") == ("STORED", [])
    assert expire(life, age_us=50 * SECOND) == 0


def test_stored_once_more_is_young_again(life: Life, raw: Redis, key: Key) -> None:
    store(life, "reference", b"one")
    idle(raw, key, {"reference": 100})
    store(life, "reference", b"one")
    assert expire(life, age_us=50 * SECOND) == 0


def test_what_is_not_stored_is_not_renewed(life: Life) -> None:
    assert life.call("data/renew", reference="reference") == ("NONE", [])
    life.call("data/store_chunk", reference="reference", part="p1", data=b"chunk")
    once = life.snapshot()
    assert life.call("data/renew", reference="reference") == ("NONE", [])
    assert life.snapshot() == once


# expire


def test_goes_by_age(life: Life, raw: Redis, key: Key) -> None:
    store(life, "old", b"one", b"two")
    store(life, "new", b"one", b"two")
    idle(raw, key, {"old": 100, "new": 20})
    assert expire(life, age_us=200 * SECOND) == 0
    assert expire(life, age_us=60 * SECOND) == 1
    assert life.snapshot()["client_data"].keys() == {b"new", pack("new", "p1")}
    assert expire(life) == 1
    assert life.snapshot() == {"schema": b"1"}


def test_value_that_nothing_ever_referred_to_stays(life: Life) -> None:
    """A trigger component of another kind may keep a reference to it; a purge removes it."""
    store(life, "reference", b"one")
    while expire(life):
        pass
    assert "client_data" in life.snapshot()

    life.call("data/purge")
    assert "client_data" not in life.snapshot()


@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_oldest_first_and_no_more_than_asked_for(
    life: Life, raw: Redis, key: Key, count: int
) -> None:
    ages = {"c": 30, "b": 20, "a": 10}
    for reference in ages:
        store(life, reference, b"one")
    idle(raw, key, ages)

    assert expire(life, count=count) == min(count, 3)

    left = [reference.encode() for reference in list(ages)[count:]]
    assert sorted(life.snapshot().get("client_data", {})) == sorted(left)


def test_value_in_use_stays(life: Life, raw: Redis, key: Key) -> None:
    store(life, "used", b"one", b"two")
    store(life, "use", b"one", b"two")
    idle(raw, key, {"used": 1, "use": 1})
    raw.zadd(key("client_data_uses"), {pack("used", "inv"): 0})
    assert expire(life) == 2
    assert life.snapshot()["client_data"].keys() == {b"used", pack("used", "p1")}
    assert "client_data_idle" not in life.snapshot()
    assert expire(life) == 0


def test_value_of_many_chunks_goes_wholly(life: Life, raw: Redis, key: Key) -> None:
    store(life, "reference", *(b"%d" % number for number in range(30)))
    store(life, "reference1", b"one", b"two")
    idle(raw, key, {"reference": 2, "reference1": 1})
    assert expire(life, count=1) == 1
    assert life.snapshot()["client_data"].keys() == {b"reference1", pack("reference1", "p1")}


def test_chunks_of_a_value_that_never_became_whole_go_too(life: Life) -> None:
    """Its client died before it sent the first chunk, which comes last."""
    life.call("data/store_chunk", reference="reference", part="p1", data=b"chunk")
    life.call("data/store_chunk", reference="reference", part="p2", data=b"chunk")
    while expire(life):
        pass
    assert "client_data" not in life.snapshot()


def test_entry_without_a_value_goes(life: Life, raw: Redis, key: Key) -> None:
    raw.zadd(key("client_data_idle"), {"gone": 1})
    assert expire(life) == 1
    assert life.snapshot() == {"schema": b"1"}
