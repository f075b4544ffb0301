"""stale_page, recover: nothing that is not final stands still for ever."""

from __future__ import annotations

from itertools import pairwise, product
from typing import TYPE_CHECKING

import pytest
from pynenc.invocation.status import InvocationStatus

from lua.life import SECOND, YEAR
from lua.model import AVAILABLE, FINAL, LONG_AGO, NORMAL, QUEUE, STATUSES, Record
from pynenc_redis_lua.codec import pack
from pynenc_redis_lua.errors import ScriptError

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from lua.life import Life

    type Key = Callable[[str], bytes]
    type Place = Callable[[dict[str, Record]], None]

OWNED = {"running", "paused"}
NEVER = 2**52
# The statuses through which recovery brings an invocation back.
STEPS = {
    "pending": ["pending_recovery", "rerouted"],
    "running": ["running_recovery", "rerouted"],
    "paused": ["killed", "rerouted"],
    "pending_recovery": ["rerouted"],
    "running_recovery": ["rerouted"],
    "killed": ["rerouted"],
    "concurrency_controlled": ["rerouted"],
    **{status: [] for status in AVAILABLE},
}


def stale(
    life: Life,
    *,
    status: str = "",
    pending_us: int = NEVER,
    dead_us: int = NEVER,
    count: int = 100,
    between: Callable[[], object] = lambda: None,
) -> list[str]:
    """All pages of what stands still, with something done between the pages."""
    found: list[str] = []
    after = (0, "")
    while True:
        page, *cursor = life.scripts.orchestrator_stale_page(
            status=status,
            after_us=after[0],
            after_id=after[1],
            pending_us=pending_us,
            dead_us=dead_us,
            count=count,
        ).values
        found += [id_.decode() for id_, _ in page]
        if not cursor:
            return found
        after = int(cursor[0]), cursor[1].decode()
        between()


def now(raw: Redis) -> int:
    seconds, microseconds = raw.time()
    return seconds * SECOND + microseconds


def route(life: Life, *ids: str) -> None:
    life.scripts.broker_route(
        queue_name=QUEUE,
        priority=NORMAL,
        consumer="router",
        op=life.new_op(),
        items=[(id_,) for id_ in ids],
    )


# What stands still


@pytest.mark.parametrize("status", sorted(set(STATUSES) - FINAL - OWNED))
def test_without_a_running_owner_the_age_of_the_status_decides(
    life: Life, raw: Redis, place: Place, status: str
) -> None:
    time = now(raw)
    place(
        {
            "old": Record(status, "runner", at_us=time - 100 * SECOND),
            "new": Record(status, "runner", at_us=time - 20 * SECOND),
        }
    )
    assert stale(life, pending_us=60 * SECOND) == ["old"]
    assert stale(life, pending_us=10 * SECOND) == ["old", "new"]
    assert stale(life, pending_us=200 * SECOND, dead_us=0) == []


@pytest.mark.parametrize("status", sorted(AVAILABLE))
def test_what_is_free_to_run_is_where_it_should_be_in_a_queue(
    life: Life, place: Place, status: str
) -> None:
    place({"queued": Record(status), "lost": Record(status)})
    route(life, "queued")
    assert stale(life, pending_us=0) == ["lost"]


@pytest.mark.parametrize("status", sorted(OWNED))
def test_after_an_outage_every_owner_has_the_dead_limit_to_be_heard_of(
    life: Life, place: Place, status: str
) -> None:
    minute = 60 * SECOND
    life.beat("cut off", "first", ago_us=2 * minute)
    life.beat("dead before", ago_us=4 * minute)
    place(
        {
            "a": Record(status, "cut off"),
            "b": Record(status, "unheard"),
            "c": Record(status, "dead before"),
        }
    )
    assert stale(life, dead_us=minute) == ["a", "b", "c"]
    life.beat("first", outage_us=minute)
    # However often there is an outage, it saves nobody who was dead before the last one.
    assert stale(life, dead_us=minute) == ["b", "c"]
    assert life.recover("a", dead_us=minute) == []
    life.outage_ended(minute + SECOND)
    assert stale(life, dead_us=minute) == ["a", "b", "c"]
    assert life.recover("a", dead_us=minute) == ["a"]


@pytest.mark.parametrize("status", sorted(OWNED))
def test_with_a_running_owner_its_last_heartbeat_decides(
    life: Life, raw: Redis, place: Place, status: str
) -> None:
    time = now(raw)
    life.beat("alive", ago_us=20 * SECOND)
    life.beat("dead", ago_us=100 * SECOND)
    owners = ("alive", "dead", "unheard", None, "")
    place({f"of {owner}": Record(status, owner, at_us=time) for owner in owners})
    at_us = 60 * SECOND
    dead = {"of dead", "of unheard", "of None", "of "}
    assert set(stale(life, dead_us=at_us, pending_us=0)) == dead
    assert set(stale(life, dead_us=10 * SECOND)) == {*dead, "of alive"}
    assert "of dead" not in stale(life, dead_us=200 * SECOND)


@pytest.mark.parametrize("status", sorted(FINAL))
def test_final_one_never_stands_still(life: Life, place: Place, status: str) -> None:
    place({"a": Record(status, "runner")})
    assert stale(life, pending_us=0, dead_us=0) == []
    assert life.recover("a", pending_us=0, dead_us=0) == []


def test_asked_for_one_status_names_that_alone(life: Life, place: Place) -> None:
    statuses = sorted(set(STATUSES) - FINAL)
    place({status: Record(status, "runner") for status in statuses})
    for status in statuses:
        assert stale(life, status=status, pending_us=0, dead_us=0) == [status]
    assert sorted(stale(life, pending_us=0, dead_us=0)) == statuses


def test_names_the_queue(life: Life, place: Place) -> None:
    place({"a": Record("pending", "runner", queue="some queue", priority=b"12345678")})
    page = life.scripts.orchestrator_stale_page(
        status="", after_us=0, after_id="", pending_us=0, dead_us=0, count=10
    )
    assert page == ("PAGE", [[[b"a", b"some queue"]]])


@pytest.mark.parametrize("count", [1, 2, 3, 10, 11])
def test_pages_hold_each_once_also_those_of_one_time(life: Life, place: Place, count: int) -> None:
    ids = [f"inv-{number}" for number in range(10)]
    times = [LONG_AGO + number // 6 for number in range(10)]
    place({id_: Record("pending", "r", at_us=at) for id_, at in zip(ids, times, strict=True)})
    assert stale(life, pending_us=0, count=count) == ids


@pytest.mark.parametrize("count", [1, 2, 3])
def test_pages_go_on_behind_what_was_recovered_meanwhile(
    life: Life, place: Place, count: int
) -> None:
    ids = [f"inv-{number}" for number in range(6)]
    place({id_: Record("pending", "runner") for id_ in ids})
    moved = iter(ids)
    found = stale(
        life,
        pending_us=YEAR,
        count=count,
        between=lambda: life.recover(next(moved, "none"), pending_us=YEAR),
    )
    assert found == ids


def test_pages_pass_over_what_does_not_stand_still(life: Life, place: Place) -> None:
    place({f"{number}": Record("running" if number % 3 else "pending") for number in range(9)})
    assert stale(life, status="pending", pending_us=0, count=2) == ["0", "3", "6"]


# Recovering


@pytest.mark.parametrize(("status", "steps"), sorted(STEPS.items()))
def test_each_status_comes_back_to_its_queue_step_by_step(
    life: Life, place: Place, status: str, steps: list[str]
) -> None:
    place({"a": Record(status, "lost", queue="q", priority=b"12345678", slot="s")})
    assert life.recover("a", queue="q", pending_us=0) == ["a"]
    last = steps[-1] if steps else status
    record = life.record("a")
    assert record.status == last
    assert (record.queue, record.priority) == ("q", b"12345678")
    assert life.queued() == ["a"]
    recorded = life.history("a") if steps else []
    assert recorded == [(step, None, "rescuer") for step in steps]
    assert life.snapshot()["doorbell:q"] == [b"1"]
    if steps:
        assert life.claim(queue="q").ids == ["a"]


def test_every_status_that_is_not_final_is_recovered_as_pynenc_allows() -> None:
    assert STEPS.keys() == set(STATUSES) - FINAL
    for status, steps in STEPS.items():
        way = [InvocationStatus(step) for step in (status, *steps)]
        assert all(a.can_transition_to(b) for a, b in pairwise(way))
        assert way[-1].is_available_for_run()


def test_moved_on_since_it_was_found_is_left_alone(life: Life, raw: Redis, place: Place) -> None:
    time = now(raw)
    life.beat("alive", ago_us=SECOND)
    place(
        {
            "pending": Record("pending", "runner", at_us=time),
            "running": Record("running", "alive"),
            "final": Record("success"),
            "queued": Record("registered"),
            "stale": Record("pending", "runner"),
        }
    )
    route(life, "queued")
    once = life.snapshot()
    found = ("pending", "running", "final", "queued", "unknown")
    limits = {"pending_us": 60 * SECOND, "dead_us": 60 * SECOND}
    assert life.recover(*found, **limits) == []
    changed = life.snapshot()
    for rescuers in ("runner_contexts", "context_times"):
        changed.pop(rescuers)
        once.pop(rescuers, None)
    assert changed == once
    assert life.recover(*found, "stale", **limits) == ["stale"]


def test_one_of_another_queue_is_left_to_the_call_for_that_queue(life: Life, place: Place) -> None:
    """Its doorbell is not among the keys of this call."""
    place({"a": Record("pending", "runner", queue="q"), "b": Record("pending", "runner")})
    assert life.recover("a", "b", queue="q", pending_us=0) == ["a"]
    assert life.status("b") == ("pending", "runner")


def test_slot_of_the_lost_one_is_free(life: Life) -> None:
    life.running("a", slot="s", runner="lost")
    life.submit("b", slot="s")
    life.recover("a", dead_us=0)
    assert life.claim(1).ids == ["b"]
    assert life.claim(1).waiting == 1


@pytest.mark.parametrize("status", sorted(STEPS))
def test_repeated_recovery_replies_the_same_and_changes_nothing(
    life: Life, place: Place, status: str
) -> None:
    place({"a": Record(status, "lost")})
    first = life.recover("a", pending_us=0, op="op")
    once = life.snapshot()
    assert first == ["a"]
    assert life.recover("a", pending_us=0, op="op") == first
    bell = {f"doorbell:{QUEUE}": None}
    assert life.snapshot() | bell == once | bell


def test_recovered_by_two_is_queued_once(life: Life) -> None:
    life.running("a", runner="lost")
    assert life.recover("a", dead_us=0, pending_us=0) == ["a"]
    assert life.recover("a", dead_us=0, pending_us=0, runner="other") == []
    assert life.queued() == ["a"]


def test_batch_keeps_its_order(life: Life, place: Place) -> None:
    ids = [f"inv-{number}" for number in range(9, 0, -1)]
    place({id_: Record("pending", "lost") for id_ in ids})
    assert life.recover(*ids, pending_us=0) == ids
    assert life.queued() == ids


def test_malformed_contexts_change_nothing(life: Life) -> None:
    life.running("a")
    once = life.snapshot()
    with pytest.raises(ScriptError):
        life.scripts.orchestrator_recover(
            queue_name=QUEUE,
            context_id="rescuer",
            contexts=pack("rescuer"),
            op="op",
            notes=0,
            pending_us=0,
            dead_us=0,
            items=[("a",)],
        )
    assert life.snapshot() == once


@pytest.mark.parametrize(("steps", "queued"), [*product([1, 2, 3, 4], [True, False])])
def test_a_life_that_breaks_off_anywhere_goes_on(life: Life, steps: int, queued: bool) -> None:
    """After each step of a life: what recovery leaves can be claimed, started and finished."""
    life.submit("a")
    for step, how in enumerate(("claim", "running", "paused"), start=2):
        if step <= steps:
            life.claim(runner="lost") if how == "claim" else life.commit("a", how, runner="lost")
    if queued and steps > 1:
        route(life, "a")
    found = stale(life, pending_us=0, dead_us=0)
    assert found == (["a"] if steps > 1 else [])
    life.recover(*found, pending_us=0, dead_us=0)
    assert life.claim().ids == ["a"]
    life.commit("a", "running")
    assert life.finish("a").tag == "OK"
