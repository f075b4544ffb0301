"""commit_status: to start, to finish, to fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lua.model import QUEUE
from lua.samples import BINARY, MIB
from pynenc_redis_lua.codec import pack
from pynenc_redis_lua.errors import ScriptError

if TYPE_CHECKING:
    from lua.life import Life


def test_result_status_and_history_are_one_commit(life: Life) -> None:
    life.running("a")
    tag, [owner, at_us, *_] = life.finish("a", BINARY)
    stored = life.snapshot()
    assert (tag, owner) == ("OK", pack(None))
    assert stored["results"] == {b"a": BINARY}
    assert "exceptions" not in stored
    assert life.status("a") == ("success", None)
    assert life.history("a") == [
        ("registered", "client", "client"),
        ("pending", "runner", "runner"),
        ("running", "runner", "runner"),
        ("success", None, "runner"),
    ]
    assert stored["expiring"] == [(b"a", float(at_us))]
    assert "open" not in stored


def test_exception_status_and_history_are_one_commit(life: Life) -> None:
    life.running("a")
    assert life.fail("a", BINARY).tag == "OK"
    stored = life.snapshot()
    assert stored["exceptions"] == {b"a": BINARY}
    assert "results" not in stored
    assert life.status("a") == ("failed", None)


def test_large_result(life: Life) -> None:
    life.running("a")
    life.finish("a", MIB.encode())
    assert life.snapshot()["results"] == {b"a": MIB.encode()}


def test_empty_result_is_a_result(life: Life) -> None:
    life.running("a")
    life.finish("a", b"")
    assert life.snapshot()["results"] == {b"a": b""}


def test_context_of_the_runner_is_stored_with_the_change(life: Life) -> None:
    life.pending("a")
    life.commit("a", "running")
    assert life.snapshot()["runner_contexts"][b"runner"] == b"<runner>"


def test_malformed_contexts_change_nothing(life: Life) -> None:
    life.running("a")
    once = life.snapshot()
    with pytest.raises(ScriptError):
        life.scripts.orchestrator_commit_status(
            invocation_id="a",
            status="success",
            outcome="result",
            serialized=b"result",
            written_us=0,
            **life.by("runner") | {"contexts": b"no contexts"},
        )
    assert life.snapshot() == once


# Zombies: those who are not the owner any more


def recovered_and_claimed_by_another(life: Life) -> None:
    life.running("a", runner="zombie")
    assert life.recover("a", dead_us=0) == ["a"]
    assert life.claim(runner="heir").ids == ["a"]


@pytest.mark.parametrize("status", ["running", "success", "failed", "retry", "paused", "killed"])
def test_zombie_is_refused_before_anything_is_stored(life: Life, status: str) -> None:
    recovered_and_claimed_by_another(life)
    life.commit("a", "running", runner="heir")
    once = life.snapshot()
    reply = life.commit("a", status, runner="zombie", outcome="result", serialized=b"late")
    at_us = b"%d" % life.record("a").at_us
    assert reply == ("REFUSED", [b"running", pack("heir"), at_us])
    assert life.snapshot() == once


def test_zombie_does_not_overwrite_the_result(life: Life) -> None:
    recovered_and_claimed_by_another(life)
    life.commit("a", "running", runner="heir")
    life.finish("a", b"of the heir", runner="heir")
    assert life.finish("a", b"late", runner="zombie").tag == "REFUSED"
    assert life.fail("a", b"late", runner="zombie").tag == "REFUSED"
    assert life.snapshot()["results"] == {b"a": b"of the heir"}


def test_zombie_that_comes_back_before_the_heir_starts_is_refused(life: Life) -> None:
    recovered_and_claimed_by_another(life)
    assert life.finish("a", runner="zombie").tag == "REFUSED"
    assert life.commit("a", "running", runner="zombie").tag == "REFUSED"
    assert life.status("a") == ("pending", "heir")


def test_same_runner_that_lost_it_and_claimed_it_again_may_finish(life: Life) -> None:
    life.running("a")
    life.recover("a", dead_us=0)
    life.claim()
    assert life.finish("a").tag == "REFUSED"
    life.commit("a", "running")
    assert life.finish("a").tag == "OK"


@pytest.mark.parametrize("final", ["success", "failed"])
def test_final_is_final(life: Life, final: str) -> None:
    life.running("a")
    life.commit("a", final)
    once = life.snapshot()
    for status in ("success", "failed", "running", "pending", "rerouted", "running_recovery"):
        assert life.commit("a", status).tag == "REFUSED"
    assert life.snapshot() == once


# Replay


@pytest.mark.parametrize("status", ["running", "success"])
def test_repeated_commit_replies_the_same_and_records_once(life: Life, status: str) -> None:
    life.pending("a")
    if status == "success":
        life.commit("a", "running")
    change = {"outcome": "result", "serialized": b"result", "op": "op"}
    first = life.commit("a", status, **change)
    once = life.snapshot()
    assert life.commit("a", status, **change) == first
    assert life.snapshot() == once


def test_other_operation_that_does_the_same_is_refused(life: Life) -> None:
    life.running("a")
    life.commit("a", "success", op="op")
    assert life.commit("a", "success", op="other").tag == "REFUSED"


# The slot of running concurrency control


def two_pending_in_one_slot(life: Life) -> None:
    """One that was claimed before it had a slot, and one that has it."""
    life.pending("a")
    life.submit("a", slot="s")
    life.submit("b")
    life.claim()
    life.submit("b", slot="s")


def test_start_in_a_slot_that_is_taken_is_refused(life: Life) -> None:
    two_pending_in_one_slot(life)
    assert life.commit("a", "running").tag == "OK"
    once = life.snapshot()
    at_us = b"%d" % life.record("b").at_us
    assert life.commit("b", "running") == ("TAKEN", [b"pending", pack("runner"), at_us])
    assert life.snapshot() == once


def test_start_in_a_slot_that_is_free_again(life: Life) -> None:
    two_pending_in_one_slot(life)
    life.commit("a", "running")
    life.commit("b", "running")
    life.finish("a")
    assert life.commit("b", "running").tag == "OK"


def test_repeated_start_does_not_find_its_own_slot_taken(life: Life) -> None:
    life.pending("a", slot="s")
    first = life.commit("a", "running", op="op")
    assert life.commit("a", "running", op="op") == first


def test_paused_one_resumes_in_a_slot_that_is_free(life: Life) -> None:
    life.running("a", slot="s")
    life.commit("a", "paused")
    assert life.commit("a", "running").tag == "OK"


def test_paused_one_does_not_resume_while_another_runs(life: Life) -> None:
    life.running("a", slot="s")
    life.commit("a", "paused")
    life.running("b", slot="s")
    assert life.commit("a", "running").tag == "TAKEN"
    assert life.status("a") == ("paused", "runner")


def test_finish_is_never_taken(life: Life) -> None:
    life.running("a", slot="s")
    assert life.finish("a").tag == "OK"


# Client data that results refer to

REFERENCE = "__pynenc__client_data__:" + "0123456789abcdef" * 4


def test_result_uses_the_client_data_that_it_refers_to(life: Life) -> None:
    life.running("a")
    life.finish("a", REFERENCE.encode())
    assert life.snapshot()["client_data_uses"] == [(pack(REFERENCE, "a"), 0)]


def test_refused_result_uses_nothing(life: Life) -> None:
    life.running("a")
    assert life.finish("a", REFERENCE.encode(), runner="zombie").tag == "REFUSED"
    assert "client_data_uses" not in life.snapshot()


def test_finished_one_that_is_queued_still_is_passed_over(life: Life) -> None:
    life.running("a")
    life.scripts.broker_route(
        queue_name=QUEUE, priority=b"12345678", consumer="router", op="op", items=[("a",)]
    )
    life.finish("a")
    assert life.claim() == ([], [], 0, 0)
    assert life.queued() == []


# Written again to a server that may have lost it


def test_what_is_written_again_has_the_time_that_it_had(life: Life) -> None:
    life.pending("a")
    at_us = 2**51  # later than any clock
    life.commit("a", "running", written_us=at_us)
    assert life.commit("a", "success", written_us=at_us + 1).values[1] == b"%d" % (at_us + 1)


def test_what_is_known_already_is_not_written_again(life: Life) -> None:
    life.pending("a")
    paused = life.commit("a", "running") and life.commit("a", "paused")
    life.commit("a", "running")
    once = life.snapshot()
    for ago in (0, 1):
        again = life.commit("a", "paused", written_us=int(paused.values[1]) - ago)
        assert again.tag == "REFUSED"
    assert life.snapshot() == once
