"""wait, release, blocking_page, and who is released by a final status."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from lua.model import QUEUE
from lua.samples import HOSTILE
from pynenc_redis_lua.codec import unpack_text

if TYPE_CHECKING:
    from lua.life import Life


def blocking(life: Life, count: int = 1000) -> list[str]:
    page = life.scripts.orchestrator_blocking_page(count=count).values[0]
    return [id_.decode() for id_ in page]


def waits(life: Life) -> set[tuple[str, str]]:
    """Who waits for whom; that both directions agree is checked after each step."""
    members = [member for member, _ in life.snapshot().get("waits", [])]
    edges = [unpack_text(member) for member in members]
    return {(waiting or "", awaited or "") for way, waiting, awaited in edges if way == "for"}


def start(life: Life, id_: str) -> None:
    """Claim one invocation that others wait for, and start it."""
    assert life.claim(1, awaited_first=1).ids == [id_]
    life.commit(id_, "running")


def test_parent_goes_on_with_the_last_of_its_children(life: Life) -> None:
    children = [f"child-{number}" for number in range(20)]
    life.running("parent")
    life.submit(*children)
    life.wait("parent", *children)
    for number, child in enumerate(children):
        assert waits(life) == {("parent", other) for other in children[number:]}
        assert blocking(life) == children[number:]
        start(life, child)
        life.finish(child)
    assert not {"waits", "blocking"} & life.snapshot().keys()


@pytest.mark.parametrize("end", ["success", "failed"])
def test_final_child_never_blocks(life: Life, end: str) -> None:
    life.running("child")
    life.commit("child", end)
    life.running("parent")
    once = life.snapshot()
    assert life.wait("parent", "child") == ("OK", [])
    assert life.snapshot() == once


def test_unknown_child_never_blocks(life: Life) -> None:
    life.running("parent")
    life.wait("parent", "unknown")
    assert waits(life) == set()


def test_only_the_children_that_are_not_final_block(life: Life) -> None:
    life.running("done")
    life.finish("done")
    life.running("parent")
    life.submit("child")
    life.wait("parent", "done", "child", "unknown")
    assert waits(life) == {("parent", "child")}


def test_waiting_twice_is_waiting_once(life: Life) -> None:
    life.running("parent")
    life.submit("child")
    life.wait("parent", "child", "child")
    once = life.snapshot()
    life.wait("parent", "child")
    assert life.snapshot() == once
    assert waits(life) == {("parent", "child")}


def test_waiting_for_nobody(life: Life) -> None:
    life.running("parent")
    life.wait("parent")
    assert waits(life) == set()


def test_several_wait_for_one(life: Life) -> None:
    for parent in ("p", "q", "r"):
        life.running(parent)
    life.submit("child")
    for parent in ("p", "q", "r"):
        life.wait(parent, "child")
    assert blocking(life) == ["child"]
    start(life, "child")
    life.finish("child")
    assert not {"waits", "blocking"} & life.snapshot().keys()


def test_chain_is_worked_off_from_its_end(life: Life) -> None:
    """Each of four waits for the next: only the last may go first."""
    life.running("root")
    chain = ["one", "two", "three"]
    life.submit(*chain)
    for waiting, awaited in zip(["root", *chain[:-1]], chain, strict=True):
        life.wait(waiting, awaited)
    for id_ in reversed(chain):
        assert blocking(life) == [id_]
        start(life, id_)
        assert blocking(life) == []
        life.finish(id_)
    assert not {"waits", "blocking"} & life.snapshot().keys()


def test_running_one_is_awaited_but_not_claimed_first(life: Life) -> None:
    life.running("child")
    life.running("parent")
    life.wait("parent", "child")
    assert waits(life) == {("parent", "child")}
    assert blocking(life) == []


@pytest.mark.parametrize("how", ["retry", "rerouted", "recover"])
def test_awaited_one_that_goes_back_is_claimed_first_again(life: Life, how: str) -> None:
    life.running("parent")
    life.pending("child")
    life.wait("parent", "child")
    if how == "retry":
        life.commit("child", "running")
    if how == "recover":
        life.recover("child", pending_us=0)
    else:
        life.send_back(how, "child")
    assert blocking(life) == ["child"]


def test_waiting_one_that_goes_back_waits_still(life: Life) -> None:
    life.running("parent")
    life.submit("child")
    life.wait("parent", "child")
    life.recover("parent", dead_us=0)
    assert waits(life) == {("parent", "child")}
    start(life, "child")
    life.finish("child")
    assert waits(life) == set()


def test_awaited_one_that_waited_is_free_when_that_ends(life: Life) -> None:
    life.running("root")
    life.running("middle")
    life.submit("child")
    life.wait("root", "middle")
    life.wait("middle", "child")
    life.recover("middle", dead_us=0)
    assert blocking(life) == ["child"]
    start(life, "child")
    life.finish("child")
    assert blocking(life) == ["middle"]


def test_final_one_waits_for_nobody_any_more(life: Life) -> None:
    life.running("parent")
    life.submit("child", "other")
    life.wait("parent", "child", "other")
    life.finish("parent")
    assert not {"waits", "blocking"} & life.snapshot().keys()


def test_final_one_leaves_what_others_wait_for(life: Life) -> None:
    life.running("p")
    life.running("q")
    life.submit("child", "other")
    life.wait("p", "child", "other")
    life.wait("q", "child")
    life.finish("p")
    assert waits(life) == {("q", "child")}
    assert blocking(life) == ["child"]


def test_circle_is_no_end_of_the_others(life: Life) -> None:
    life.submit("a", "b", "c")
    life.wait("a", "b")
    life.wait("b", "a", "c")
    assert blocking(life) == ["c"]
    assert life.claim(awaited_first=1).ids == ["c", "a", "b"]
    for id_ in ("a", "b", "c"):
        life.commit(id_, "running")
        life.finish(id_)
    assert waits(life) == set()


def test_one_that_waits_for_itself_ends(life: Life) -> None:
    life.submit("a")
    life.wait("a", "a")
    assert blocking(life) == []
    life.claim()
    life.commit("a", "running")
    life.finish("a")
    assert waits(life) == set()


def test_thousands_are_released_by_one(life: Life) -> None:
    """More than one page of edges on either side."""
    life.checks_each_step = False
    many = [f"inv-{number}" for number in range(1500)]
    life.submit(*many)
    life.running("hub", queue="other")
    life.wait("hub", *many)
    for id_ in many[:5]:
        life.wait(id_, "hub")
    life.scripts.orchestrator_wait(waiting_id="hub", items=[("hub",)])
    life.check()
    # A step removes 250 of each side, however many there are.
    op = life.new_op()
    first = life.commit("hub", "success", outcome="result", serialized=b"result", op=op).values
    assert first[-1] == 1
    life.check()
    assert len(life.snapshot()["waits"]) == 2 * 1250
    # Who lost the reply is told as well that there is more.
    repeated = life.commit("hub", "success", outcome="result", serialized=b"result", op=op).values
    assert repeated[-1] == 1
    steps = [life.call("orchestrator/release", invocation_id="hub").tag for _ in range(5)]
    assert steps == ["MORE"] * 4 + ["OK"]
    assert not {"waits", "blocking"} & life.snapshot().keys()


def test_edges_that_a_step_left_go_with_the_others(life: Life) -> None:
    """Whoever should have removed the rest has died."""
    life.checks_each_step = False
    many = [f"inv-{number}" for number in range(600)]
    life.submit(*many)
    life.running("hub", queue="other")
    life.wait("hub", *many)
    life.finish("hub")
    for id_ in many:
        life.commit(id_, "concurrency_controlled_final")
    life.check()
    assert not {"waits", "blocking"} & life.snapshot().keys()


def test_hostile_ids(life: Life) -> None:
    life.checks_each_step = False
    life.submit(*HOSTILE)
    for waiting, awaited in pairwise(HOSTILE):
        life.wait(waiting, awaited)
    life.check()
    assert life.scripts.orchestrator_blocking_page(count=9).values == [
        [HOSTILE[-1].encode("utf-8", "surrogatepass")]
    ]
    claimed = life.scripts.orchestrator_claim(
        queue_name=QUEUE, count=100, awaited_first=0, consumer="c", **life.by("runner")
    ).values[0]
    assert len(claimed) == len(HOSTILE)
    for id_ in HOSTILE:
        life.commit(id_, "running")
        life.finish(id_)
    assert not {"waits", "blocking"} & life.snapshot().keys()


# blocking_page


@pytest.mark.parametrize("count", [1, 2, 3, 4, 100])
def test_oldest_first_and_no_more_than_asked_for(life: Life, count: int) -> None:
    life.running("parent")
    life.submit("c", "b", "a")
    life.wait("parent", "a", "b", "c")
    assert blocking(life, count) == ["c", "b", "a"][:count]


# release


def test_release_removes_both_sides(life: Life) -> None:
    life.running("p")
    life.submit("a", "b")
    life.wait("p", "a", "b")
    life.wait("a", "b")
    assert life.call("orchestrator/release", invocation_id="a") == ("OK", [])
    assert waits(life) == {("p", "b")}
    assert blocking(life) == ["b"]
    life.call("orchestrator/release", invocation_id="b")
    assert not {"waits", "blocking"} & life.snapshot().keys()


def test_release_of_the_last_frees_one_that_is_awaited(life: Life) -> None:
    life.running("p")
    life.submit("a", "b")
    life.wait("p", "a")
    life.wait("a", "b")
    life.call("orchestrator/release", invocation_id="b")
    assert blocking(life) == ["a"]


def test_release_of_an_unknown_one_changes_nothing(life: Life) -> None:
    life.call("orchestrator/release", invocation_id="unknown")
    assert life.snapshot() == {"schema": b"1"}


def test_who_is_released_and_claimed_in_one_call_blocks_nobody_any_more(life: Life) -> None:
    life.running("holder", slot="s", reroutes="0")
    life.submit("second", slot="s", reroutes="0")
    life.submit("other", "last")
    life.wait("second", "holder")
    life.wait("other", "second")
    life.wait("last", "other")
    # While nobody blocks, the second one ends for its slot: the other is released, then claimed.
    assert blocking(life) == []
    claimed = life.claim(2)
    assert claimed.ids == ["other", "last"]
    assert claimed.held_back == [("second", "concurrency_controlled_final")]
    assert blocking(life) == []
