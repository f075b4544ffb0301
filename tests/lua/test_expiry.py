"""expire, schedule_expiry: of what retention removes, nothing at all is left."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from lua.life import SECOND, YEAR
from lua.model import LONG_AGO, NORMAL, QUEUE, TASK, Record
from lua.samples import HOSTILE, invocation
from pynenc_redis_lua.codec import pack, to_bytes
from pynenc_redis_lua.errors import ScriptError

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from lua.life import Life

    type Key = Callable[[str], bytes]
    type Place = Callable[[dict[str, Record]], None]

# What is of the app and not of an invocation.
STAYING = {
    "schema",
    "runner_contexts",
    "context_times",
    "queue_sequence",
    "heartbeats",
    "runners",
    "replies",
}


def left(life: Life) -> dict[str, Any]:
    """What is stored beside what may stay."""
    stored = life.snapshot()
    return {
        key: held
        for key, held in stored.items()
        if key not in STAYING and not key.startswith("doorbell:")
    }


def reference(digit: str) -> str:
    """A reference key of client data, as pynenc makes it."""
    return f"__pynenc__client_data__:{digit * 64}"


def store(life: Life, key: str, *chunks: bytes) -> None:
    """Store client data."""
    for number, chunk in enumerate(chunks[1:], start=1):
        life.scripts.data_store_chunk(reference=key, part=f"p{number}", data=chunk)
    life.scripts.data_store(reference=key, data=pack("p", len(chunks), chunks[0]))


def test_of_everything_nothing_is_left(life: Life) -> None:
    args = pack("x", reference("a"), "y", "2")
    controlled = {"slot": "s", "unique": "u", "digests": pack("x", "1", "y", "2")}
    store(life, reference("a"), b"one", b"two", b"three")
    store(life, reference("b"), b"result")
    store(life, reference("c"), b"exception")
    life.running("parent", record=invocation(event="event"), **controlled, arguments=args)
    life.submit("child", "other", record=invocation(parent="parent"), **controlled, arguments=args)
    life.wait("parent", "child", "other")
    life.send_back("retry", "parent")
    life.running("unrelated", queue="other queue")
    life.finish("unrelated", b"result")
    for _ in range(20):
        for id_ in life.claim(1, awaited_first=1).ids:
            life.commit(id_, "running")
            how = life.fail if id_ == "other" else life.finish
            how(id_, reference("c" if id_ == "other" else "b").encode())
    assert life.expire() == 4
    assert left(life).keys() == {"client_data", "client_data_idle"}
    assert life.call("data/expire", age_us=0, count=100).values == [3]
    assert left(life) == {}


def test_hostile_texts(life: Life) -> None:
    life.checks_each_step = False
    for text in HOSTILE:
        record = invocation(
            (text, text, text),
            parent=text,
            event=text,
            workflow=(text, text, text),
            parent_workflow=text,
        )
        life.submit(
            text,
            record=record,
            task=text,
            slot=text,
            unique=text,
            digests=pack(text, text),
            arguments=pack(text, text),
        )
        life.scripts.state_relate(
            items=[(pack("run", text, text, text, text),), (pack("sub", text, text),)]
        )
        life.scripts.state_set_workflow_data(field=pack(text, text), serialized=b"data")
        life.scripts.state_set_workflow_value(field=pack(text, text), serialized=b"value")
    life.check()
    claimed = life.scripts.orchestrator_claim(
        queue_name=QUEUE, count=100, awaited_first=0, consumer="c", **life.by("runner")
    ).values[0]
    for id_, _, _ in claimed:
        text = id_.decode("utf-8", "surrogatepass")
        life.commit(text, "running")
        life.finish(text)
    assert life.expire() == len(HOSTILE)
    assert left(life) == {}


@pytest.mark.parametrize("status", ["success", "failed", "concurrency_controlled_final"])
def test_goes_by_the_age_of_its_final_status(
    life: Life, raw: Redis, place: Place, status: str
) -> None:
    seconds, _ = raw.time()
    age = {"old": 100, "new": 20}
    place({id_: Record(status, at_us=(seconds - ago) * SECOND) for id_, ago in age.items()})
    assert life.expire(age_us=200 * SECOND) == 0
    assert life.expire(age_us=60 * SECOND) == 1
    assert life.snapshot()["statuses"].keys() == {b"new"}
    assert life.expire(age_us=60 * SECOND) == 0


@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_removes_the_oldest_and_no_more_than_asked_for(
    life: Life, place: Place, count: int
) -> None:
    ids = ["c", "b", "a"]
    place({id_: Record("success", at_us=LONG_AGO + n) for n, id_ in enumerate(ids)})
    assert life.expire(number=count) == min(count, 3)
    kept = life.snapshot().get("statuses", {})
    assert set(kept) == {id_.encode() for id_ in ids[count:]}


def test_what_is_not_final_stays_however_old(life: Life, place: Place) -> None:
    place({"a": Record("running", "runner"), "b": Record("registered")})
    once = life.snapshot()
    assert life.expire() == 0
    assert life.snapshot() == once | {"schema": b"1"}


def test_leaves_everything_of_the_others(life: Life) -> None:
    shared: dict[str, Any] = {
        "record": invocation(parent="parent", event="event", workflow=("w", "m", "f")),
        "slot": "s",
        "unique": "u",
        "digests": pack("x", "1"),
        "arguments": pack("x", reference("a")),
    }
    life.submit("a", **shared)
    alone = life.snapshot()
    life.running("b", queue="other", **shared)
    life.finish("b")
    assert life.expire() == 1
    stored = life.snapshot()
    changed = {key for key in stored if stored[key] != alone.get(key)}
    assert changed <= STAYING | {"doorbell:other", "client_data_idle"}
    assert alone.keys() <= stored.keys()


def test_finished_one_that_is_queued_still_leaves_the_queue(life: Life) -> None:
    life.running("a")
    life.scripts.broker_route(
        queue_name="other", priority=NORMAL, consumer="router", op="op", items=[("a",), ("a",)]
    )
    life.finish("a")
    assert life.expire() == 1
    assert left(life) == {}


def test_repeated_sweep_changes_nothing(life: Life) -> None:
    life.running("a")
    life.finish("a")
    life.submit("b")
    life.expire()
    once = life.snapshot()
    assert life.expire() == 0
    assert life.snapshot() == once


def test_long_history_goes_wholly(life: Life) -> None:
    life.submit("a")
    for _ in range(30):
        life.claim()
        life.send_back("rerouted", "a")
    life.claim()
    life.commit("a", "running")
    life.finish("a")
    assert len(life.snapshot()["history_times"]) == 64
    life.expire()
    assert left(life) == {}


@pytest.mark.parametrize("name", ["invocations", "statuses", "history"])
def test_those_before_an_unreadable_one_go_wholly(
    life: Life, raw: Redis, key: Key, name: str
) -> None:
    for id_ in ("a", "bad", "c"):
        store(life, reference("a"), b"data")
        life.running(id_, arguments=pack("x", reference("a")))
        life.finish(id_)
    readable = raw.hget(key(name), "bad")
    raw.hset(key(name), "bad", b"\xc1 rubbish")
    once = life.snapshot()
    # Not by `life`, whose check reads all there is.
    expire = partial(life.scripts.orchestrator_expire, age_us=0, count=100)
    assert expire().values == [1]
    kept = life.snapshot()
    for held in ("invocations", "arguments", "results", "history", "statuses"):
        assert kept[held] == {id_: value for id_, value in once[held].items() if id_ != b"a"}
    with pytest.raises(ScriptError, match=r"invocation bad can't be read: .") as refusal:
        expire()
    assert refusal.value.location
    assert life.snapshot() == kept
    raw.hset(key(name), "bad", readable)
    assert life.expire() == 2
    assert left(life).keys() <= {"client_data", "client_data_idle"}


def test_invocations_registered_for_other_backends_leave_nothing(life: Life) -> None:
    """The call of one is in the index, though its record is kept elsewhere."""
    life.by_hand = True
    life.scripts.orchestrator_register(
        owner=pack("client"),
        op="op",
        items=[("a", TASK, "call", QUEUE, NORMAL, "", "", "", b"")],
    )
    for status in ("pending", "running", "success"):
        life.scripts.orchestrator_set_status(
            invocation_id="a", status=status, owner=pack("runner"), op=status
        )
    assert life.expire() == 1
    assert left(life) == {}


# Workflows


def workflow(life: Life, root: str, *, parent: str | None = None, steps: int = 3) -> list[str]:
    """Run a workflow with steps, data and values; return its invocations, all final."""
    ids = [root, *(f"{root}/{step}" for step in range(steps))]
    for id_ in ids:
        record = invocation(workflow=(root, "module", "flow"), parent_workflow=parent)
        life.running(id_, record=record)
        life.finish(id_)
        life.scripts.state_set_workflow_data(field=pack(root, f"key of {id_}"), serialized=b"d")
        life.scripts.state_set_workflow_value(field=pack(root, f"key of {id_}"), serialized=b"v")
    members = [pack("run", "module", "flow", root, parent)]
    members += [pack("sub", root, id_) for id_ in ids[1:]]
    if parent:
        members.append(pack("sub", parent, root))
    life.scripts.state_relate(items=[(member,) for member in members])
    return ids


def test_workflow_goes_with_its_runs_data_and_values(life: Life) -> None:
    ids = workflow(life, "root")
    assert life.expire() == len(ids)
    assert left(life) == {}


@pytest.mark.parametrize("number", [1, 2])
def test_workflow_goes_whichever_of_its_invocations_goes_first(life: Life, number: int) -> None:
    workflow(life, "upper")
    workflow(life, "lower", parent="upper")
    while life.expire(number=number):
        pass
    assert left(life) == {}


def test_step_that_goes_takes_nothing_from_its_workflow(life: Life, raw: Redis, key: Key) -> None:
    workflow(life, "root", steps=2)
    life.by_hand = True
    stored = life.snapshot()
    raw.zadd(key("expiring"), {"root/0": LONG_AGO})
    removed = life.scripts.orchestrator_expire(age_us=YEAR, count=10).values[0]
    after = life.snapshot()
    assert removed == 1
    assert after["workflow_data"] == stored["workflow_data"]
    assert after["workflow_values"] == stored["workflow_values"]
    members = {member for member, _ in after["index"]}
    assert pack("run", "module", "flow", "root", None) in members
    assert pack("sub", "root", "root/1") in members
    assert pack("sub", "root", "root/0") not in members


def test_workflow_leaves_those_of_similar_names(life: Life, raw: Redis, key: Key) -> None:
    others = ("root-", "roo", "4:root", "ROOT")
    for other in others:
        workflow(life, other)
    alone = life.snapshot()
    ids = workflow(life, "root")
    life.by_hand = True
    raw.zadd(key("expiring"), dict.fromkeys(ids, LONG_AGO))
    removed = life.scripts.orchestrator_expire(age_us=YEAR, count=100).values[0]
    assert removed == len(ids)
    unchanged = alone.keys() - STAYING
    stored = life.snapshot()
    assert {name: stored[name] for name in unchanged} == {name: alone[name] for name in unchanged}


def test_workflow_of_thousands_of_steps_goes_wholly(life: Life) -> None:
    record = invocation(workflow=("root", "module", "flow"))
    life.running("root", record=record)
    items = [(pack("sub", "root", f"inv-{number}"),) for number in range(2500)]
    life.scripts.state_relate(items=items)
    for number in range(5):
        life.scripts.state_set_workflow_data(field=pack("root", f"{number}"), serialized=b"d")
    life.finish("root")
    steps = 0
    while life.expire():
        steps += 1
    # Each removes 500 of them at the most.
    assert steps == 6
    assert left(life) == {}


def test_data_of_a_workflow_goes_with_its_last_invocation(life: Life) -> None:
    """Not with its root: what still runs may ask for it."""
    record = invocation(workflow=("root", "module", "flow"))
    life.running("root", record=record)
    life.running("step", record=record)
    life.scripts.state_set_workflow_data(field=pack("root", "key"), serialized=b"d")
    life.scripts.state_set_workflow_value(field=pack("root", "key"), serialized=b"v")
    life.finish("root")
    life.expire()
    assert life.scripts.state_get_workflow_data(field=pack("root", "key")).tag == "FOUND"
    assert life.scripts.state_get_workflow_value(field=pack("root", "key")).tag == "FOUND"
    life.finish("step")
    life.expire()
    assert left(life) == {}


# Client data


def data_expire(life: Life) -> int:
    looked_at: int = life.call("data/expire", age_us=0, count=100).values[0]
    return looked_at


@pytest.mark.parametrize("place_of", ["first", "last", "only"])
def test_data_that_an_argument_refers_to_stays_as_long_as_it_does(
    life: Life, place_of: str
) -> None:
    arguments = {
        "first": pack("x", reference("a"), "y", "1"),
        "last": pack("y", "1", "x", reference("a")),
        "only": pack("x", reference("a")),
    }
    store(life, reference("a"), b"one", b"two")
    life.running("inv", arguments=arguments[place_of])
    assert life.snapshot()["client_data_uses"] == [(pack(reference("a"), "inv"), 0)]
    data_expire(life)
    assert to_bytes(reference("a")) in life.snapshot()["client_data"]
    life.finish("inv")
    life.expire()
    data_expire(life)
    assert left(life) == {}


def test_shared_data_stays_for_the_last_that_refers_to_it(life: Life) -> None:
    store(life, reference("a"), b"one", b"two")
    for id_ in ("a", "b"):
        life.running(id_, arguments=pack("x", reference("a")))
    life.finish("a", reference("a").encode())
    life.expire()
    data_expire(life)
    assert to_bytes(reference("a")) in life.snapshot()["client_data"]
    life.finish("b")
    life.expire()
    assert data_expire(life) == 1
    assert left(life) == {}


def test_data_of_arguments_and_result_of_one_invocation(life: Life) -> None:
    """Both refer to the same value, and one use stands for both."""
    store(life, reference("a"), b"one")
    life.running("a", arguments=pack("x", reference("a"), "y", reference("a")))
    life.finish("a", reference("a").encode())
    data_expire(life)
    assert to_bytes(reference("a")) in life.snapshot()["client_data"]
    life.expire()
    data_expire(life)
    assert left(life) == {}


def test_data_that_is_used_again_later_stays(life: Life) -> None:
    store(life, reference("a"), b"one")
    life.running("a", arguments=pack("x", reference("a")))
    life.finish("a")
    life.expire()
    life.submit("b", arguments=pack("x", reference("a")))
    data_expire(life)
    assert to_bytes(reference("a")) in life.snapshot()["client_data"]


# schedule_expiry


def test_scheduled_one_is_found_by_retention(life: Life, raw: Redis) -> None:
    life.by_hand = True
    assert life.scripts.orchestrator_schedule_expiry(invocation_id="unknown") == ("OK", [])
    [(id_, score)] = life.snapshot()["expiring"]
    seconds, _ = raw.time()
    assert id_ == b"unknown"
    assert abs(score - seconds * SECOND) < 60 * SECOND
    assert life.expire() == 1
    assert left(life) == {}


def test_time_of_the_final_status_stands(life: Life) -> None:
    life.running("a")
    life.finish("a")
    once = life.snapshot()
    life.call("orchestrator/schedule_expiry", invocation_id="a")
    assert life.snapshot() == once
