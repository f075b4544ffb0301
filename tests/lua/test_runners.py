"""heartbeat, active_runners, expire_runners."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lua.life import SECOND
from lua.samples import HOSTILE
from pynenc_redis_lua.codec import pack, to_bytes, unpack

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from lua.life import Life

    type Key = Callable[[str], bytes]


def hear_of(
    life: Life, *runners: str, eligible: str = "", queues: bytes = b"", keeps: int = 0
) -> None:
    reply = life.call(
        "orchestrator/heartbeat",
        eligible=eligible,
        queues=queues,
        keeps_queues=keeps,
        outage_us=60 * SECOND,
        items=[(runner,) for runner in runners],
    )
    assert reply == ("OK", [])


def said(life: Life, runner: str) -> list[bytes | None]:
    """First heartbeat, eligibility and queues of a runner."""
    return list(unpack(life.snapshot()["runners"][to_bytes(runner)]))


def active(life: Life, within_us: int) -> list[str]:
    found = life.scripts.orchestrator_active_runners(within_us=within_us).values[0]
    return [id_.decode() for id_, _, _ in found]


def now(raw: Redis) -> int:
    seconds, microseconds = raw.time()
    return seconds * SECOND + microseconds


def test_notes_the_servers_time_and_what_a_runner_says(life: Life, raw: Redis) -> None:
    before = now(raw)
    hear_of(life, "a", "b", eligible="1", queues=pack("q", "r"))
    after = now(raw)
    times = dict(life.snapshot()["heartbeats"])
    assert times.keys() == {b"a", b"b"}
    for runner in ("a", "b"):
        assert before <= times[runner.encode()] <= after
        assert said(life, runner) == [b"%d" % times[runner.encode()], b"1", pack("q", "r")]


def test_time_of_the_first_heartbeat_stays(life: Life, raw: Redis, key: Key) -> None:
    raw.hset(key("runners"), "a", pack(1234, "", pack("q")))
    hear_of(life, "a", "new", eligible="1", queues=pack("r"))
    assert said(life, "a") == [b"1234", b"1", pack("r")]
    assert said(life, "new")[1:] == [b"1", pack("r")]


def test_queues_stay_where_none_are_said(life: Life) -> None:
    hear_of(life, "a", queues=pack("q", "r"))
    hear_of(life, "a", "new", eligible="1", keeps=1)
    assert said(life, "a")[1:] == [b"1", pack("q", "r")]
    assert said(life, "new")[1:] == [b"1", b""]


def test_no_queues_may_be_said(life: Life) -> None:
    hear_of(life, "a", queues=pack("q"))
    hear_of(life, "a")
    assert said(life, "a")[2] == b""


def test_active_are_those_heard_of_within_a_time(life: Life, raw: Redis, key: Key) -> None:
    ages = {"long ago": 100, "now": 0, "a while ago": 20}
    hear_of(life, *ages)
    for runner, age in ages.items():
        raw.zincrby(key("heartbeats"), -age * SECOND, runner)
    assert active(life, 200 * SECOND) == ["long ago", "a while ago", "now"]
    assert active(life, 60 * SECOND) == ["a while ago", "now"]
    hear_of(life, "long ago")
    assert active(life, 60 * SECOND) == ["a while ago", "now", "long ago"]


def test_reads_when_a_runner_was_heard_of_and_what_it_said(life: Life) -> None:
    hear_of(life, "a", eligible="1", queues=pack("q"))
    stored = life.snapshot()
    [(_, score)] = stored["heartbeats"]
    reply = life.scripts.orchestrator_active_runners(within_us=60 * SECOND)
    assert reply == ("OK", [[[b"a", b"%d" % score, stored["runners"][b"a"]]]])


@pytest.mark.parametrize("within_us", [0, -60 * SECOND])
def test_no_time_is_nobody(life: Life, raw: Redis, key: Key, within_us: int) -> None:
    hear_of(life, "a")
    raw.zincrby(key("heartbeats"), -SECOND, "a")
    assert active(life, within_us) == []


def test_hostile_ids(life: Life) -> None:
    hear_of(life, *HOSTILE, queues=pack(*HOSTILE))
    found = life.scripts.orchestrator_active_runners(within_us=60 * SECOND).values[0]
    assert {id_ for id_, _, _ in found} == {to_bytes(text) for text in HOSTILE}
    assert {list(unpack(info))[2] for _, _, info in found} == {pack(*HOSTILE)}


# expire_runners


def expire(life: Life, *, age_us: int = 0, count: int = 100) -> int:
    removed: int = life.call("orchestrator/expire_runners", age_us=age_us, count=count).values[0]
    return removed


def silent_for(life: Life, raw: Redis, key: Key, ages: dict[str, int]) -> None:
    """Runners heard of some seconds ago."""
    hear_of(life, *ages)
    for runner, age in ages.items():
        raw.zincrby(key("heartbeats"), -age * SECOND, runner)


def known(life: Life) -> set[bytes]:
    stored = life.snapshot()
    found = set(stored.get("runners", {}))
    assert found == set(dict(stored.get("heartbeats", [])))
    return found


def test_silent_ones_are_forgotten(life: Life, raw: Redis, key: Key) -> None:
    silent_for(life, raw, key, {"old": 100, "new": 20})
    assert expire(life, age_us=200 * SECOND) == 0
    assert expire(life, age_us=60 * SECOND) == 1
    assert known(life) == {b"new"}


@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_longest_silent_first_and_no_more_than_asked_for(
    life: Life, raw: Redis, key: Key, count: int
) -> None:
    ages = {"c": 30, "b": 20, "a": 10}
    silent_for(life, raw, key, ages)
    assert expire(life, count=count) == min(count, 3)
    assert known(life) == {runner.encode() for runner in list(ages)[count:]}


def test_forgotten_one_that_comes_back_is_new(life: Life, raw: Redis, key: Key) -> None:
    raw.hset(key("runners"), "a", pack(1234, "", pack("q")))
    raw.zadd(key("heartbeats"), {"a": 1234})
    assert expire(life) == 1
    hear_of(life, "a", keeps=1)
    assert said(life, "a")[0] != b"1234"
    assert said(life, "a")[2] == b""


# Outages


def silence_known(life: Life) -> bytes | None:
    since: bytes | None = life.snapshot().get("heartbeats_since")
    return since


def test_first_heartbeat_of_an_app_ends_no_outage(life: Life) -> None:
    hear_of(life, "a", "b")
    assert silence_known(life) is None


def test_one_runners_silence_is_no_outage(life: Life, raw: Redis, key: Key) -> None:
    hear_of(life, "a", "b")
    raw.zincrby(key("heartbeats"), -100 * SECOND, "a")
    raw.zincrby(key("heartbeats"), -50 * SECOND, "b")
    hear_of(life, "c")
    assert silence_known(life) is None


def test_heartbeat_after_everybodys_silence_notes_its_time(
    life: Life, raw: Redis, key: Key
) -> None:
    hear_of(life, "a", "b")
    for runner in ("a", "b"):
        raw.zincrby(key("heartbeats"), -100 * SECOND, runner)
    hear_of(life, "b", "a")
    since = silence_known(life)
    ended, last = (int(time or 0) for time in unpack(since or b""))
    assert dict(life.snapshot()["heartbeats"])[b"b"] == ended
    assert ended - last >= 100 * SECOND
    hear_of(life, "a")
    assert silence_known(life) == since


def test_nobody_is_forgotten_for_the_silence_of_an_outage(life: Life, raw: Redis, key: Key) -> None:
    silent_for(life, raw, key, {"cut off": 100, "first": 100, "dead long before": 300})
    hear_of(life, "first")
    assert expire(life, age_us=80 * SECOND) == 1
    assert known(life) == {b"cut off", b"first"}
    life.outage_ended(81 * SECOND)
    assert expire(life, age_us=80 * SECOND) == 1
    assert known(life) == {b"first"}


# expire_contexts


def store(life: Life, raw: Redis, key: Key, ages: dict[str, int]) -> None:
    """Contexts that were sent some seconds ago."""
    life.scripts.state_store_runner_contexts(items=[(runner, b"{}") for runner in ages])
    for runner, age in ages.items():
        raw.zincrby(key("context_times"), -age * SECOND, runner)


def expire_contexts(life: Life, *, age_us: int = 0, count: int = 100) -> int:
    found: int = life.call("state/expire_contexts", age_us=age_us, count=count).values[0]
    return found


def contexts(life: Life) -> set[bytes]:
    stored = life.snapshot()
    found = set(stored.get("runner_contexts", {}))
    assert found == set(stored.get("context_times", []))
    return found


def test_contexts_that_nobody_sends_any_more_are_forgotten(
    life: Life, raw: Redis, key: Key
) -> None:
    store(life, raw, key, {"old": 100, "new": 20})
    assert expire_contexts(life, age_us=200 * SECOND) == 0
    assert expire_contexts(life, age_us=60 * SECOND) == 1
    assert contexts(life) == {b"new"}


def test_context_of_a_runner_that_is_heard_of_stays(life: Life, raw: Redis, key: Key) -> None:
    store(life, raw, key, {"alive": 100, "silent": 100})
    hear_of(life, "alive", "silent")
    raw.zincrby(key("heartbeats"), -90 * SECOND, "silent")
    assert expire_contexts(life, age_us=60 * SECOND) == 2
    assert contexts(life) == {b"alive"}
    # It is not looked at again before it is silent for as long.
    assert expire_contexts(life, age_us=60 * SECOND) == 0


@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_oldest_contexts_first_and_no_more_than_asked_for(
    life: Life, raw: Redis, key: Key, count: int
) -> None:
    ages = {"c": 30, "b": 20, "a": 10}
    store(life, raw, key, ages)
    assert expire_contexts(life, count=count) == min(count, 3)
    assert contexts(life) == {runner.encode() for runner in list(ages)[count:]}


def test_context_that_is_sent_again_is_new(life: Life, raw: Redis, key: Key) -> None:
    store(life, raw, key, {"client": 100})
    life.submit("a", runner="client")
    assert expire_contexts(life, age_us=60 * SECOND) == 0
    assert contexts(life) == {b"client"}
