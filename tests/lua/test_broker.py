"""route, retrieve, count, expire_replies: the queues."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from lua.life import SECOND
from lua.model import QUEUE
from lua.samples import HOSTILE
from pynenc_redis_lua.broker import sortable_priority
from pynenc_redis_lua.codec import pack, to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from lua.life import Life
    from pynenc_redis_lua.scripts.runner import Reply

    type Key = Callable[[str], bytes]


def route(
    life: Life, *ids: str, queue: str = QUEUE, priority: float = 0.5, op: str | None = None
) -> Reply:
    return life.call(
        "broker/route",
        queue_name=queue,
        priority=sortable_priority(priority),
        consumer="router",
        op=op or life.new_op(),
        items=[(id_,) for id_ in ids],
    )


def retrieve(
    life: Life, queue: str = QUEUE, *, consumer: str = "consumer", op: str | None = None
) -> bytes | None:
    reply = life.call(
        "broker/retrieve", queue_name=queue, consumer=consumer, op=op or life.new_op()
    )
    return reply.values[0] if reply.tag == "TAKEN" else None


def count(life: Life, *queues: str) -> int:
    number: int = life.scripts.broker_count(items=[(queue,) for queue in queues]).values[0]
    return number


def test_stores_the_place_the_sequence_and_the_operation(life: Life) -> None:
    assert route(life, "a", "b", op="op") == ("OK", [])
    stored = life.snapshot()
    priority = sortable_priority(0.5)
    places = {
        id_: pack(QUEUE) + priority + b"%016d" % number + id_
        for number, id_ in enumerate((b"a", b"b"), start=1)
    }
    assert stored["queue"] == [(place, 0) for place in places.values()]
    assert stored["queued"] == {id_: pack(place) for id_, place in places.items()}
    assert stored["queue_sequence"] == b"2"
    assert stored["replies"].keys() == {b"router"}
    assert stored[f"doorbell:{QUEUE}"] == [b"1", b"1"]


def test_first_come_first_served(life: Life) -> None:
    route(life, "c", "b")
    route(life, "a")
    assert [retrieve(life) for _ in range(4)] == [b"c", b"b", b"a", None]


PRIORITIES = [1.0, 0.9999999, 0.5, 0.25, 1e-300, 0.0, -1e-300, -0.25, -1.0, -1000.5]


def test_higher_priorities_first(life: Life) -> None:
    for priority in sorted(PRIORITIES, key=lambda number: math.sin(number * 1e6)):
        route(life, f"{priority}", priority=priority)
    taken = [retrieve(life) for _ in PRIORITIES]
    assert taken == [b"%a" % priority for priority in PRIORITIES]


def test_both_zeros_are_one_priority(life: Life) -> None:
    route(life, "a", priority=0.0)
    route(life, "b", priority=-0.0)
    route(life, "c", priority=0.0)
    assert [retrieve(life) for _ in range(3)] == [b"a", b"b", b"c"]


def test_order_holds_beyond_powers_of_ten(life: Life) -> None:
    ids = [f"inv-{number}" for number in range(120)]
    route(life, *ids)
    assert life.queued() == ids


def test_order_holds_at_large_sequence_numbers(life: Life, raw: Redis, key: Key) -> None:
    route(life, "a")
    raw.set(key("queue_sequence"), 10**15 - 2)
    route(life, "b", "c", "d")
    assert life.queued() == ["a", "b", "c", "d"]
    assert [retrieve(life) for _ in range(4)] == [b"a", b"b", b"c", b"d"]


def test_routed_twice_is_there_twice(life: Life) -> None:
    route(life, "a", "b", "a")
    assert count(life, QUEUE) == 3
    assert [retrieve(life) for _ in range(4)] == [b"a", b"b", b"a", None]


def test_one_in_several_queues(life: Life) -> None:
    route(life, "a")
    route(life, "a", queue="other", priority=1.0)
    assert retrieve(life, "other") == b"a"
    assert retrieve(life, "other") is None
    assert retrieve(life) == b"a"
    assert "queued" not in life.snapshot()


def test_hostile_names_and_ids(life: Life) -> None:
    life.checks_each_step = False
    for text in HOSTILE:
        route(life, *HOSTILE, queue=text)
    life.check()
    for text in HOSTILE:
        assert count(life, text) == len(HOSTILE)
        assert [retrieve(life, text) for _ in HOSTILE[:5]] == [to_bytes(id_) for id_ in HOSTILE[:5]]
        assert count(life, text) == len(HOSTILE) - 5
    life.check()


def test_empty_queue_remembers_nothing(life: Life) -> None:
    assert retrieve(life) is None
    assert life.snapshot() == {}


# Replay


def test_repeated_route_changes_nothing(life: Life) -> None:
    route(life, "a", "b", op="op")
    once = life.snapshot()
    assert route(life, "a", "b", op="op") == ("OK", [])
    assert life.snapshot() == once


def test_repeated_route_after_they_were_taken_changes_nothing(life: Life) -> None:
    route(life, "a", op="op")
    retrieve(life)
    route(life, "a", op="op")
    assert retrieve(life) is None


def test_repeated_retrieve_gives_the_same(life: Life) -> None:
    route(life, "a", "b")
    first = retrieve(life, op="op")
    once = life.snapshot()
    assert retrieve(life, op="op") == first == b"a"
    assert life.snapshot() == once


def test_repeated_retrieve_gives_the_same_also_from_an_empty_queue(life: Life) -> None:
    route(life, "a")
    retrieve(life, op="op")
    assert retrieve(life, op="op") == b"a"


def test_other_operation_or_consumer_takes_the_next(life: Life) -> None:
    route(life, "a", "b", "c")
    assert retrieve(life, op="op") == b"a"
    assert retrieve(life, op="op", consumer="other") == b"b"
    assert retrieve(life, op="other") == b"c"


def test_one_reply_is_kept_for_each_consumer(life: Life) -> None:
    route(life, *(f"inv-{number}" for number in range(10)))
    for _ in range(5):
        retrieve(life, consumer="x")
        retrieve(life, consumer="y")
    assert life.snapshot()["replies"].keys() == {b"router", b"x", b"y"}


# expire_replies


def expire_replies(life: Life, *, age_us: int, count: int = 10) -> None:
    cursor = "0"
    while True:
        [found] = life.call(
            "broker/expire_replies", cursor=cursor, age_us=age_us, count=count
        ).values
        cursor = found.decode()
        if cursor == "0":
            return


@pytest.mark.parametrize("consumers", [1, 1000])
def test_replies_of_long_ago_are_forgotten(
    life: Life, raw: Redis, key: Key, consumers: int
) -> None:
    seconds, _ = raw.time()
    ages = {f"{ago} {number}": ago for ago in (20, 100) for number in range(consumers)}
    replies = {id_: pack("op", (seconds - ago) * SECOND, "inv") for id_, ago in ages.items()}
    raw.hset(key("replies"), mapping=replies)
    expire_replies(life, age_us=200 * SECOND)
    assert len(life.snapshot()["replies"]) == 2 * consumers
    expire_replies(life, age_us=60 * SECOND)
    assert life.snapshot()["replies"].keys() == {b"20 %d" % n for n in range(consumers)}


def test_reply_of_now_is_kept(life: Life) -> None:
    route(life, "a", op="op")
    expire_replies(life, age_us=60 * SECOND)
    route(life, "a", op="op")
    assert count(life, QUEUE) == 1


# count


def test_counts_what_is_in_each_queue_asked_for(life: Life) -> None:
    route(life, "a", "b")
    route(life, "c", queue="other", priority=1.0)
    assert count(life, QUEUE) == 2
    assert count(life, QUEUE, "other") == 3
    assert count(life, "none") == 0
    assert count(life, QUEUE, QUEUE[:-1], QUEUE * 2) == 2


# The bell


@pytest.mark.parametrize("routed", [1, 7, 8, 9, 1000])
def test_rings_no_more_than_eight_times(life: Life, routed: int) -> None:
    route(life, *(f"inv-{number}" for number in range(routed)))
    assert len(life.snapshot()[f"doorbell:{QUEUE}"]) == min(routed, 8)


def test_stays_quiet_while_nobody_listens(life: Life) -> None:
    for number in range(50):
        route(life, f"{number}")
    assert len(life.snapshot()[f"doorbell:{QUEUE}"]) == 8


def test_rings_at_the_queue_that_filled(life: Life) -> None:
    route(life, "a", queue="other")
    assert [name for name in life.snapshot() if name.startswith("doorbell:")] == ["doorbell:other"]


@pytest.mark.parametrize("places", [b"-3:x", b"0x:x", b"9:x", b"\xc1"])
def test_place_that_is_none_keeps_nobody_waiting(
    life: Life, raw: Redis, key: Key, places: bytes
) -> None:
    life.checks_each_step = False
    life.submit("a", "b", "c")
    raw.hset(key("queued"), "b", places)
    assert life.claim() == (["a", "b", "c"], [], 0, 0)
    life.check()
    assert life.queued() == []
