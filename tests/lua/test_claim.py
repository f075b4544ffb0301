"""claim, is_slot_free."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from pynenc.invocation.status import InvocationStatus

from lua.model import NORMAL, QUEUE, TASK, Record
from lua.samples import invocation
from pynenc_redis_lua.codec import pack, to_bytes, unpack
from pynenc_redis_lua.errors import ScriptError

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from lua.life import Life

    type Place = Callable[[dict[str, Record]], None]


SENT_BACK = [("a", "concurrency_controlled"), ("a", "rerouted")]


def queue_by_hand(life: Life, *ids: str, queue: str = QUEUE) -> None:
    life.call(
        "broker/route",
        queue_name=queue,
        priority=NORMAL,
        consumer="router",
        op=life.new_op(),
        items=[(id_,) for id_ in ids],
    )


def test_hands_out_records_and_arguments_and_makes_them_pending_and_owned(life: Life) -> None:
    record = invocation(parent="parent")
    life.submit("a", record=record, arguments=pack("x", "1"))
    life.submit("b")
    reply = life.call(
        "orchestrator/claim",
        queue_name=QUEUE,
        count=10,
        awaited_first=0,
        consumer="consumer",
        **life.by("runner"),
    )
    claimed = [[b"a", record, pack("x", "1")], [b"b", invocation(), b""]]
    assert reply == ("OK", [claimed, [], 0, 0, []])
    for id_ in ("a", "b"):
        assert life.status(id_) == ("pending", "runner")
        assert life.history(id_)[1:] == [("pending", "runner", "runner")]
    assert life.snapshot()["runner_contexts"][b"runner"] == b"<runner>"
    assert life.queued() == []


def test_takes_the_highest_priority_and_then_the_first_that_came(life: Life) -> None:
    for number, priority in enumerate((0.5, 1.0, 0.5, 0.0, 1.0)):
        life.submit(f"{number}", priority=priority)
    assert life.claim(3).ids == ["1", "4", "0"]
    assert life.claim(3).ids == ["2", "3"]


@pytest.mark.parametrize("count", [1, 2, 5, 6, 1000])
def test_takes_no_more_than_asked_for_and_says_whether_there_is_more(
    life: Life, count: int
) -> None:
    ids = [f"inv-{number}" for number in range(5)]
    life.submit(*ids)
    assert life.claim(count) == (ids[:count], [], 0, int(count < 5))
    assert life.queued() == ids[count:]


def test_queues_are_apart(life: Life) -> None:
    names = ("q", "qq", "1:q", "", "Q", "q:")[:3]
    for name in names:
        life.submit(f"in {name}", queue=name)
    for name in names:
        assert life.claim(queue=name) == ([f"in {name}"], [], 0, 0)


def test_empty_queue_gives_nothing_and_remembers_nothing(life: Life) -> None:
    assert life.claim() == ([], [], 0, 0)
    assert life.snapshot() == {"schema": b"1"}


@pytest.mark.parametrize("status", ["pending", "running", "paused", "killed", "success"])
def test_passes_over_what_is_not_free_to_run(life: Life, place: Place, status: str) -> None:
    stale = Record(status, "owner")
    place({"stale": stale})
    queue_by_hand(life, "stale")
    life.submit("a")
    assert life.claim() == (["a"], [], 0, 0)
    assert life.record("stale") == stale
    assert "queued" not in life.snapshot()


def test_passes_over_what_is_not_known(life: Life) -> None:
    queue_by_hand(life, "unknown", "unknown")
    life.submit("a")
    assert life.claim() == (["a"], [], 0, 0)
    assert life.queued() == []


@pytest.mark.parametrize("damage", [b"\xc1", pack("registered"), b""], ids=repr)
def test_a_damaged_record_takes_no_other_along(
    life: Life, raw: Redis, key: Callable[[str], bytes], damage: bytes
) -> None:
    for id_ in ("a", "damaged", "b", "c"):
        life.submit(id_, slot="" if id_ == "b" else "s")
    life.checks_each_step = False
    raw.hset(key("statuses"), "damaged", damage)
    assert life.claim().ids == ["a", "b"]
    assert life.queued() == ["c"]
    raw.hdel(key("statuses"), "damaged")
    stored = life.snapshot()
    assert stored["history"].keys() >= {b"a", b"b", b"c"}
    assert [member for member, _ in stored["concurrency"]] == [pack("slot", "s", "pending", "a")]
    assert life.status("c") == ("rerouted", None)


@pytest.mark.parametrize("slot", ["", "s"])
def test_a_damaged_watch_fails_before_anything_is_written(
    life: Life, raw: Redis, key: Callable[[str], bytes], slot: str
) -> None:
    life.submit("a", "b", slot=slot)
    status = "rerouted" if slot else "pending"
    raw.zadd(key("condition_index"), {pack("watch", TASK, status) + b"\xc1": 0})
    before = life.snapshot()
    with pytest.raises(ScriptError):
        life.claim()
    assert life.snapshot() == before


def test_stale_entries_are_passed_over_but_not_without_a_limit(life: Life) -> None:
    queue_by_hand(life, *(f"unknown-{number}" for number in range(150)))
    life.submit("a")
    assert life.claim(1) == ([], [], 0, 1)
    assert len(life.queued()) == 51
    assert life.claim(1) == (["a"], [], 0, 0)


def test_all_entries_of_a_stale_one_go_at_once(life: Life) -> None:
    life.submit("a")
    life.claim()
    queue_by_hand(life, *["a"] * 150)
    life.submit("b")
    assert life.claim(1) == (["b"], [], 0, 0)


def test_entry_routed_twice_is_claimed_once(life: Life) -> None:
    life.submit("a")
    queue_by_hand(life, "a", "a")
    queue_by_hand(life, "a", queue="other")
    assert life.claim() == (["a"], [], 0, 0)
    assert life.claim(queue="other") == ([], [], 0, 0)


def test_invocation_whose_record_lost_its_task_is_claimed_like_others(
    life: Life, raw: Redis, key: Callable[[str], bytes]
) -> None:
    life.checks_each_step = False
    life.submit("a")
    fields = list(unpack(raw.hget(key("statuses"), "a")))
    fields[fields.index(to_bytes(TASK))] = None
    raw.hset(key("statuses"), "a", pack(*fields))
    assert life.claim().ids == ["a"]
    assert raw.hget(key("replies"), "consumer")


# Replay


def test_repeated_claim_gives_the_same(life: Life) -> None:
    life.submit("a", "b", "c", arguments=pack("x", "1"))
    first = life.claim(2, op="op")
    once = life.snapshot()
    assert life.claim(2, op="op") == (*first[:2], 0, 0)
    assert life.snapshot() == once


@pytest.mark.parametrize("other", [{"op": "other"}, {"consumer": "other"}])
def test_other_claim_gives_others(life: Life, other: dict[str, str]) -> None:
    life.submit("a", "b", "c")
    life.claim(1, op="op")
    assert life.claim(1, **{"op": "op"} | other).ids == ["b"]


def test_repeated_claim_leaves_out_what_somebody_else_has_by_now(life: Life) -> None:
    life.submit("a", "b")
    life.claim(2, op="op")
    assert life.recover("a", pending_us=0) == ["a"]
    assert life.claim(1, runner="other", consumer="other").ids == ["a"]
    assert life.claim(2, op="op").ids == ["b"]


def test_repeated_claim_that_comes_late_takes_nothing_else(life: Life) -> None:
    life.submit("a", "b")
    life.claim(1, op="op")
    life.commit("a", "running")
    once = life.snapshot()
    assert life.claim(1, op="op") == ([], [], 0, 1)
    assert life.snapshot() == once


def test_repeated_claim_that_held_everything_back_records_nothing_more(life: Life) -> None:
    life.running("holder", slot="s")
    life.submit("a", slot="s")
    assert life.claim(op="op").held_back == SENT_BACK
    once = life.snapshot()
    assert life.claim(op="op") == ([], [], 1, 0)
    moved = {"queue": None, "queued": None, "queue_sequence": None}
    assert life.snapshot() | moved == once | moved
    assert life.queued() == ["a"]


def test_repeated_claim_that_held_some_back_takes_nothing_else(life: Life) -> None:
    life.running("holder", slot="s")
    life.submit("a", slot="s")
    life.submit("b")
    assert life.claim(1, op="op") == (["b"], SENT_BACK, 1, 0)
    life.submit("c")
    once = life.snapshot()
    assert life.claim(1, op="op").ids == ["b"]
    assert life.snapshot() == once


def test_claim_without_owner_loses_nothing(life: Life) -> None:
    life.submit("a")
    for owner in (pack(None), pack("")):
        with pytest.raises(ScriptError, match="NO_OWNER"):
            life.scripts.orchestrator_claim(
                queue_name=QUEUE,
                count=1,
                awaited_first=0,
                consumer="consumer",
                **life.by("runner") | {"owner": owner},
            )
        assert life.status("a") == ("registered", "client")
        assert life.queued() == ["a"]


# Awaited ones


def awaited_and_others(life: Life) -> None:
    """In this order: other-1, awaited-2, other-3, awaited-4; both are awaited by a running one."""
    life.running("waiter")
    life.submit("other-1", "awaited-2", "other-3", "awaited-4")
    life.wait("waiter", "awaited-4", "awaited-2")


def test_awaited_ones_come_first_and_the_oldest_of_them_first(life: Life) -> None:
    awaited_and_others(life)
    assert life.claim(3, awaited_first=1) == (["awaited-2", "awaited-4", "other-1"], [], 0, 1)


def test_no_more_awaited_ones_than_asked_for(life: Life) -> None:
    awaited_and_others(life)
    assert life.claim(1, awaited_first=1).ids == ["awaited-2"]
    assert life.claim(1, awaited_first=1).ids == ["awaited-4"]
    assert life.claim(1, awaited_first=1).ids == ["other-1"]


def test_awaited_ones_keep_their_place_where_they_need_not_come_first(life: Life) -> None:
    awaited_and_others(life)
    assert life.claim(4).ids == ["other-1", "awaited-2", "other-3", "awaited-4"]


def test_awaited_one_that_waits_itself_does_not_come_first(life: Life) -> None:
    awaited_and_others(life)
    life.wait("awaited-2", "other-3")
    assert life.claim(3, awaited_first=1).ids == ["other-3", "awaited-4", "other-1"]


def test_awaited_one_of_another_queue_leaves_that_queue(life: Life) -> None:
    life.running("waiter")
    life.submit("awaited", queue="other")
    life.wait("waiter", "awaited")
    assert life.claim(awaited_first=1) == (["awaited"], [], 0, 0)
    assert life.queued() == []
    assert life.claim(queue="other") == ([], [], 0, 0)


def test_awaited_one_that_is_held_back_is_awaited_still(life: Life) -> None:
    life.running("holder", slot="s")
    life.running("waiter")
    life.submit("awaited", slot="s")
    life.wait("waiter", "awaited")
    once = life.snapshot()
    assert life.claim(queue="other", awaited_first=1) == ([], [], 0, 0)
    assert life.snapshot() == once
    life.finish("holder")
    assert life.claim(awaited_first=1).ids == ["awaited"]


# Running concurrency control


def test_one_invocation_holds_a_slot_from_the_claim_on(life: Life) -> None:
    life.submit("a", "b", slot="s")
    sent_back = [("b", "concurrency_controlled"), ("b", "rerouted")]
    assert life.claim() == (["a"], sent_back, 1, 0)
    assert life.claim() == ([], [], 1, 0)
    life.commit("a", "running")
    assert life.claim() == ([], [], 1, 0)
    life.finish("a")
    assert life.claim() == (["b"], [], 0, 0)


@pytest.mark.parametrize("way_out", ["success", "failed", "killed", "retry", "paused"])
def test_slot_is_free_when_its_holder_runs_no_more(life: Life, way_out: str) -> None:
    life.by_hand = True
    life.running("a", slot="s")
    life.commit("a", way_out)
    life.submit("b", slot="s")
    assert life.claim() == (["b"], [], 0, 0)


def test_slots_are_apart(life: Life) -> None:
    for number, slot in enumerate(("s", "ss", "1:s", "t", "")):
        life.submit(f"{number}", slot=slot)
    assert life.claim(number=10).waiting == 0


def test_no_slot_holds_nobody_back(life: Life) -> None:
    life.submit("a", "b")
    assert life.claim().ids == ["a", "b"]


def test_held_back_one_is_recorded_and_goes_to_the_end_of_its_queue(life: Life) -> None:
    life.running("holder", slot="s")
    life.submit("a", slot="s")
    life.submit("b", "c")
    assert life.claim(1, runner="other") == (["b"], SENT_BACK, 1, 1)
    assert life.queued() == ["c", "a"]
    assert life.status("a") == ("rerouted", None)
    assert life.history("a")[1:] == [
        ("concurrency_controlled", None, "other"),
        ("rerouted", None, "other"),
    ]


def test_held_back_one_is_recorded_once_however_long_it_waits(life: Life) -> None:
    life.running("holder", slot="s")
    life.submit("a", slot="s")
    for _ in range(5):
        assert life.claim().waiting == 1
    assert len(life.history("a")) == 3
    assert life.queued() == ["a"]


def test_held_back_one_that_was_queued_twice_is_queued_once(life: Life) -> None:
    life.running("holder", slot="s")
    life.submit("a", slot="s")
    queue_by_hand(life, "a")
    assert life.claim().waiting == 1
    assert life.queued() == ["a"]


def test_held_back_one_keeps_its_queue_and_priority(life: Life) -> None:
    life.running("holder", slot="s")
    life.submit("a", slot="s", priority=1.0)
    life.submit("b")
    life.claim(1)
    life.submit("c")
    assert life.queued() == ["a", "c"]


def test_held_back_one_that_is_not_rerouted_ends(life: Life) -> None:
    life.running("holder", slot="s")
    life.submit("a", slot="s", reroutes="")
    assert life.claim() == ([], [("a", "concurrency_controlled_final")], 0, 0)
    assert life.status("a") == ("concurrency_controlled_final", None)
    assert life.queued() == []
    assert life.history("a")[1:] == [("concurrency_controlled_final", None, "runner")]


def test_one_that_ends_when_held_back_releases_who_waits_for_it(life: Life) -> None:
    life.running("holder", slot="s")
    life.running("waiter")
    life.submit("a", slot="s", reroutes="")
    life.wait("waiter", "a")
    life.claim()
    assert "waits" not in life.snapshot()


def test_rerouted_one_does_not_end_when_it_is_held_back(life: Life) -> None:
    """pynenc does not let it: only what is registered may end so."""
    life.pending("a", slot="s", reroutes="")
    life.send_back("rerouted", "a")
    life.running("holder", slot="s", queue="other")
    assert life.claim() == ([], [], 1, 0)
    assert life.status("a") == ("rerouted", None)


def test_retried_one_is_held_back_only_as_pynenc_allows(life: Life) -> None:
    """From `retry` pynenc allows `pending` alone."""
    life.running("a", slot="s")
    life.send_back("retry", "a")
    life.running("holder", slot="s", queue="other")
    assert life.claim() == ([], [], 1, 0)
    changes = [InvocationStatus(status) for status, _, _ in life.history("a")]
    assert all(before.can_transition_to(after) for before, after in pairwise(changes))


def test_held_back_ones_do_not_starve_the_others(life: Life) -> None:
    life.running("holder", slot="s")
    life.submit(*(f"held-{number}" for number in range(20)), slot="s")
    life.submit("free")
    assert life.claim(1).ids == ["free"]


@pytest.mark.parametrize(
    ("status", "tag"), [("pending", "FREE"), ("running", "TAKEN"), ("paused", "FREE")]
)
def test_slot_is_free_unless_another_runs_in_it(
    life: Life, place: Place, status: str, tag: str
) -> None:
    place({"holder": Record(status, "runner", slot="s")})
    assert life.scripts.orchestrator_is_slot_free(invocation_id="a", slot="s") == (tag, [])
    assert life.scripts.orchestrator_is_slot_free(invocation_id="holder", slot="s").tag == "FREE"
    assert life.scripts.orchestrator_is_slot_free(invocation_id="a", slot="ss").tag == "FREE"


def test_slot_of_one_that_runs_is_not_its_own_while_another_runs_too(
    life: Life, place: Place
) -> None:
    place({id_: Record("running", "runner", slot="s") for id_ in ("a", "b")})
    for id_ in ("a", "b"):
        assert life.scripts.orchestrator_is_slot_free(invocation_id=id_, slot="s").tag == "TAKEN"


# The bell


def test_rings_for_the_next_worker_where_there_is_more(life: Life) -> None:
    life.submit("a", "b")
    before = len(life.snapshot()[f"doorbell:{QUEUE}"])
    life.claim(1)
    assert len(life.snapshot()[f"doorbell:{QUEUE}"]) == before + 1
    life.claim(1)
    assert len(life.snapshot()[f"doorbell:{QUEUE}"]) == before + 1


def test_does_not_ring_when_all_that_is_left_is_held_back(life: Life) -> None:
    """Idle workers would wake each other in a loop."""
    life.running("holder", slot="s")
    life.submit("a", slot="s")
    before = life.snapshot()[f"doorbell:{QUEUE}"]
    life.claim()
    assert life.snapshot()[f"doorbell:{QUEUE}"] == before
