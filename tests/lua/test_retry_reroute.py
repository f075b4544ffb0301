"""retry, reroute, count_retry, get_status, statuses_of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lua.model import NORMAL, QUEUE
from pynenc_redis_lua.broker import sortable_priority
from pynenc_redis_lua.codec import pack
from pynenc_redis_lua.errors import ScriptError

if TYPE_CHECKING:
    from lua.life import Life

ways_back = pytest.mark.parametrize("how", ["retry", "rerouted"])


def about_to(how: str, life: Life, **submission: str) -> None:
    """Bring an invocation to where it may be sent back."""
    if how == "retry":
        life.running("a", **submission)
    else:
        life.pending("a", **submission)


@ways_back
def test_status_history_and_queue_are_one_commit(life: Life, how: str) -> None:
    about_to(how, life)
    tag, [owner, at_us, *_] = life.send_back(how, "a")
    record = life.record("a")
    assert (tag, owner) == ("OK", pack(None))
    assert (record.status, record.owner) == (how, None)
    assert record.at_us == int(at_us)
    assert life.history("a")[-1] == (how, None, "runner")
    assert life.queued() == ["a"]
    assert record.retries == (how == "retry")


@ways_back
def test_goes_to_the_queue_and_priority_of_now(life: Life, how: str) -> None:
    about_to(how, life, queue="old")
    high = sortable_priority(1.0)
    life.send_back(how, "a", queue="new", priority=high)
    record = life.record("a")
    assert (record.queue, record.priority) == ("new", high)
    assert life.snapshot()["queue"] == [(pack("new") + high + b"0000000000000002a", 0)]
    assert life.snapshot()["doorbell:new"] == [b"1"]


@ways_back
def test_goes_behind_those_that_wait_already(life: Life, how: str) -> None:
    about_to(how, life)
    life.submit("b")
    life.send_back(how, "a")
    assert life.claim().ids == ["b", "a"]


@ways_back
def test_repeated_call_changes_nothing(life: Life, how: str) -> None:
    about_to(how, life)
    first = life.send_back(how, "a", op="op")
    once = life.snapshot()
    assert life.send_back(how, "a", op="op") == first
    assert life.snapshot() == once


@ways_back
def test_repeated_call_after_another_claim_changes_nothing(life: Life, how: str) -> None:
    about_to(how, life)
    first = life.send_back(how, "a", op="op")
    life.claim(runner="other")
    once = life.snapshot()
    # As the server keeps what each consumer was told last; a zombie's next operation is another.
    assert life.send_back(how, "a", op="op") == first
    assert life.send_back(how, "a", op="new").tag == "REFUSED"
    assert life.snapshot() == once


@ways_back
def test_who_is_not_the_owner_is_refused(life: Life, how: str) -> None:
    about_to(how, life)
    once = life.snapshot()
    at_us = b"%d" % life.record("a").at_us
    before = b"running" if how == "retry" else b"pending"
    reply = life.send_back(how, "a", runner="zombie")
    assert reply == ("REFUSED", [before, pack("runner"), at_us])
    assert life.snapshot() == once


@ways_back
def test_unknown_invocation(life: Life, how: str) -> None:
    assert life.send_back(how, "a") == ("UNKNOWN", [])
    assert life.snapshot() == {}


@ways_back
def test_malformed_contexts_change_nothing(life: Life, how: str) -> None:
    about_to(how, life)
    once = life.snapshot()
    with pytest.raises(ScriptError):
        life.scripts.call(
            "orchestrator/requeue",
            queue_name=QUEUE,
            status=how,
            consumer="sender",
            priority=NORMAL,
            invocation_id="a",
            written_us=0,
            **life.by("runner") | {"contexts": b"no contexts"},
        )
    assert life.snapshot() == once


@ways_back
def test_slot_is_free_meanwhile(life: Life, how: str) -> None:
    about_to(how, life, slot="s")
    life.send_back(how, "a")
    life.submit("b", slot="s")
    assert life.claim(1).ids == ["a"]
    assert life.claim(1).waiting == 1


@ways_back
def test_one_that_is_in_a_queue_already_is_there_once(life: Life, how: str) -> None:
    about_to(how, life)
    life.scripts.broker_route(
        queue_name=QUEUE, priority=NORMAL, consumer="router", op="op", items=[("a",)]
    )
    life.send_back(how, "a")
    assert life.queued() == ["a"]


@ways_back
def test_one_that_is_in_another_queue_already_comes_to_the_queue_of_now(
    life: Life, how: str
) -> None:
    about_to(how, life)
    life.scripts.broker_route(
        queue_name="old", priority=NORMAL, consumer="router", op="op", items=[("a",)]
    )
    life.send_back(how, "a", queue="new")
    assert life.claim(queue="new").ids == ["a"]


def test_retries_are_counted(life: Life) -> None:
    life.submit("a")
    for number in range(1, 4):
        assert life.claim().ids == ["a"]
        life.commit("a", "running")
        life.send_back("retry", "a")
        assert life.record("a").retries == number


def test_reroute_keeps_the_retries(life: Life) -> None:
    about_to("retry", life)
    life.send_back("retry", "a")
    life.claim()
    life.send_back("rerouted", "a")
    assert life.record("a").retries == 1


# count_retry


def count_retry(life: Life, op: str) -> str:
    life.by_hand = True
    return life.call("orchestrator/count_retry", invocation_id="a", op=op).tag


def test_counts_a_retry_once_for_each_operation(life: Life) -> None:
    life.running("a")
    before = life.record("a")
    assert [count_retry(life, op) for op in ("x", "x", "y")] == ["OK", "OK", "OK"]
    record = life.record("a")
    assert record.retries == 2
    assert (record.status, record.owner, record.at_us) == ("running", "runner", before.at_us)


def test_counts_no_retry_of_an_unknown_invocation(life: Life) -> None:
    assert count_retry(life, "x") == "UNKNOWN"
    assert life.snapshot() == {}


# get_status, statuses_of


def test_reads_what_stands(life: Life) -> None:
    life.running("a", queue="some queue", priority=0.25)
    life.send_back("retry", "a", queue="some queue", priority=sortable_priority(0.25))
    record = life.record("a")
    assert life.scripts.orchestrator_get_status(invocation_id="a", result_bytes=4) == (
        "FOUND",
        [
            *(b"retry", pack(None), b"%d" % record.at_us, b"1"),
            *(b"some queue", sortable_priority(0.25), None),
        ],
    )


@pytest.mark.parametrize(("result_bytes", "read"), [(3, None), (4, b"four"), (5, b"four")])
def test_reads_a_result_along_that_is_not_too_large(
    life: Life, result_bytes: int, read: bytes | None
) -> None:
    life.running("a")
    life.finish("a", b"four")
    reply = life.scripts.orchestrator_get_status(invocation_id="a", result_bytes=result_bytes)
    assert reply.values[-1] == read


def test_reads_no_result_of_what_has_not_succeeded(life: Life) -> None:
    life.running("a")
    life.scripts.state_set_result(invocation_id="a", serialized=b"four")
    reply = life.scripts.orchestrator_get_status(invocation_id="a", result_bytes=4)
    assert reply.values[-1] is None


def test_reads_no_status_of_an_unknown_invocation(life: Life) -> None:
    assert life.scripts.orchestrator_get_status(invocation_id="a", result_bytes=4) == (
        "UNKNOWN",
        [],
    )


def test_reads_several_statuses_in_the_order_asked_for(life: Life) -> None:
    life.running("a")
    life.submit("b")
    items = [("b",), ("unknown",), ("a",), ("b",)]
    reply = life.scripts.orchestrator_statuses_of(items=items)
    assert reply == ("OK", [[b"registered", None, b"running", b"registered"]])


@ways_back
def test_what_is_known_already_is_not_written_again(life: Life, how: str) -> None:
    about_to(how, life)
    sent = life.send_back(how, "a", op="before")
    assert life.claim(1, consumer="sender").ids == ["a"]
    life.commit("a", "running")
    once = life.snapshot()
    again = life.send_back(how, "a", op="before", written_us=int(sent.values[1]))
    assert again.tag == "REFUSED"
    assert life.snapshot() == once


@ways_back
def test_what_is_written_again_leaves_the_reply_of_a_claim(life: Life, how: str) -> None:
    """Its consumer may have claimed on the server that lost it, and ask once more."""
    about_to(how, life)
    life.submit("b")
    assert life.claim(1, consumer="sender", op="claim").ids == ["b"]
    life.send_back(how, "a", written_us=2**51)
    assert life.claim(1, consumer="sender", op="claim").ids == ["b"]
