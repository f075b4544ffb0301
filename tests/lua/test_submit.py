"""submit, register, index_arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lua.model import NORMAL, QUEUE, TASK, Record, call_member
from lua.samples import BINARY, HOSTILE, history, invocation
from pynenc_redis_lua.codec import pack, to_bytes, unpack
from pynenc_redis_lua.errors import ScriptError
from pynenc_redis_lua.keys import app_tag, key_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from lua.life import Life
    from pynenc_redis_lua.scripts.runner import Reply


def test_stores_registers_records_and_queues_in_one_commit(life: Life) -> None:
    record = invocation(parent="parent", workflow=("workflow", "module", "flow"))
    reply = life.submit(
        "inv", record=record, arguments=pack("x", "1"), slot="s", unique="u", op="op"
    )
    assert reply == ("OK", [[]])
    stored = life.snapshot()
    time = life.record("inv").registered_us
    digits = b"%d" % time
    assert stored == {
        "schema": b"1",
        "invocations": {b"inv": record},
        "arguments": {b"inv": pack("x", "1")},
        "index": [
            (call_member("module.function:args", "inv"), 0),
            (pack("type", "module.flow", "inv"), 0),
            (pack("parent", "parent", "inv"), 0),
            (pack("workflow", "workflow", "module.flow", "inv"), 0),
        ],
        "history": {
            b"inv": pack(pack(time, "registered", "client", None, None, "parent")),
        },
        "history_times": [(pack("1", "inv"), time)],
        "runner_contexts": {b"client": b"<client>"},
        "context_times": [b"client"],
        "statuses": {
            b"inv": pack(
                *("registered", "client", time, "op", 0, time, TASK, QUEUE, NORMAL),
                *("s", "u", "1", b"", ""),
            ),
        },
        "registered": [(b"inv", time)],
        "open": [(b"inv", time)],
        "task_index": [(pack(TASK, "registered") + digits + b"inv", 0)],
        "concurrency": [(pack("unique", "u", "inv"), 0)],
        "queue": [(pack(QUEUE) + NORMAL + b"0000000000000001inv", 0)],
        "queued": {b"inv": pack(pack(QUEUE) + NORMAL + b"0000000000000001inv")},
        "queue_sequence": b"1",
        f"doorbell:{QUEUE}": [b"1"],
    }


def test_time_is_the_servers(life: Life, raw: Redis) -> None:
    def now() -> int:
        seconds, microseconds = raw.time()
        return seconds * 1_000_000 + microseconds

    # A cluster node's clock is the machine's, as is that of every other node.
    before = now()
    life.submit("inv")
    assert before <= life.record("inv").registered_us <= now()


def test_batch_keeps_its_order_in_queue_and_time(life: Life) -> None:
    ids = [f"inv-{number}" for number in range(20, 0, -1)]
    life.submit(*ids)
    assert life.queued() == ids
    times = [life.record(id_).registered_us for id_ in ids]
    assert times == list(range(times[0], times[0] + 20))
    assert [id_.decode() for id_, _ in life.snapshot()["registered"]] == ids


def test_priorities_go_before_the_order_of_arrival(life: Life) -> None:
    for priority in (0.5, 0.0, 1.0, 0.25, 0.5):
        life.submit(f"{priority} {len(life.queued())}", priority=priority)
    assert life.queued() == ["1.0 2", "0.5 0", "0.5 4", "0.25 3", "0.0 1"]


def test_repeated_submit_changes_nothing(life: Life) -> None:
    life.submit("a", "b", slot="s", op="op")
    once = life.snapshot()
    assert life.submit("a", "b", slot="s", op="op") == ("OK", [[]])
    assert life.snapshot() == once


def test_repeated_submit_leaves_what_has_been_claimed_since(life: Life) -> None:
    life.submit("a", "b", slot="s", unique="u", op="op")
    life.claim(1)
    once = life.snapshot()
    life.submit("a", "b", slot="s", unique="u", op="op")
    assert life.snapshot() == once


def test_batch_that_was_there_in_part_gets_the_rest(life: Life) -> None:
    life.submit("b")
    life.submit("a", "b", "c")
    assert life.queued() == ["b", "a", "c"]


def test_twice_in_a_batch_is_once(life: Life) -> None:
    life.submit("a", "a")
    assert life.queued() == ["a"]
    assert len(life.history("a")) == 1


def test_hostile_texts(life: Life) -> None:
    life.checks_each_step = False
    for text in HOSTILE:
        life.submit(
            text,
            record=invocation((text, text, text), parent=text),
            task=text,
            slot=text,
            unique=text,
            digests=pack(text, text),
            queue=text,
            arguments=pack(text, to_bytes(text) + BINARY),
        )
    life.check()
    for text in HOSTILE:
        claimed, held_back, waiting, left, _ = life.scripts.orchestrator_claim(
            queue_name=text, count=9, awaited_first=0, consumer=text, **life.by(text)
        ).values
        assert (held_back, waiting, left) == ([], 0, 0)
        [[id_, record, arguments]] = claimed
        assert id_ == to_bytes(text)
        assert record == invocation((text, text, text), parent=text)
        assert arguments == pack(text, to_bytes(text) + BINARY)
        assert life.commit(text, "running", runner=text).tag == "OK"
        assert life.finish(text, runner=text).tag == "OK"
    life.check()


def test_malformed_item_stores_nothing_of_its_batch(life: Life) -> None:
    with pytest.raises(ScriptError):
        life.scripts.orchestrator_submit(
            queue_name=QUEUE,
            priority=NORMAL,
            reuse=0,
            items=[
                ("a", invocation(), b"", TASK, "", "", "", b""),
                ("b", b"no record", b"", TASK, "", "", "", b""),
            ],
            **life.by("client"),
        )
    assert life.snapshot() == {}


@pytest.mark.parametrize("digests", [pack("x"), b"x", pack("x", None)])
def test_malformed_digests_store_nothing(life: Life, digests: bytes) -> None:
    with pytest.raises(ScriptError):
        life.scripts.orchestrator_submit(
            queue_name=QUEUE,
            priority=NORMAL,
            reuse=0,
            items=[("a", invocation(), b"", TASK, "", "", "", digests)],
            **life.by("client"),
        )
    assert life.snapshot() == {}


def test_damaged_record_that_is_replaced_stores_nothing(
    life: Life, raw: Redis, key: Callable[[str], bytes]
) -> None:
    raw.hset(key("invocations"), "damaged", b"\xc1")
    before = life.snapshot()
    with pytest.raises(ScriptError):
        life.submit("a", "damaged", unique="u")
    assert life.snapshot() == before


def test_malformed_contexts_store_nothing(life: Life) -> None:
    with pytest.raises(ScriptError):
        life.scripts.orchestrator_submit(
            queue_name=QUEUE,
            priority=NORMAL,
            reuse=0,
            items=[("a", invocation(), b"", TASK, "", "", "", b"")],
            **life.by("client") | {"contexts": b"no contexts"},
        )
    assert life.snapshot() == {}


def test_rings_once_for_each_and_eight_times_at_most(life: Life) -> None:
    life.submit("a", "b", "c")
    assert len(life.snapshot()[f"doorbell:{QUEUE}"]) == 3
    life.submit(*(f"inv-{number}" for number in range(100)))
    assert len(life.snapshot()[f"doorbell:{QUEUE}"]) <= 16


def test_bell_goes_by_itself(life: Life, raw: Redis, app_id: str) -> None:
    life.submit("a")
    bell = key_table().keys["doorbell"].on_server(app_tag(app_id), QUEUE)
    assert 0 < raw.ttl(bell) <= 60


# Registration concurrency


def test_reuse_names_the_one_that_is_registered_and_stores_nothing(life: Life) -> None:
    assert life.submit("a", unique="u", reuse=1) == ("OK", [[]])
    once = life.snapshot()
    assert life.submit("b", unique="u", reuse=1, runner="other") == ("EXISTS", [b"a"])
    assert life.snapshot() == once


def test_reuse_tells_keys_apart(life: Life) -> None:
    for number, unique in enumerate(("u", "uu", "v", "1:u", "")):
        assert life.submit(f"{number}", unique=unique, reuse=1).tag == "OK"
    assert life.submit("again", unique="uu", reuse=1) == ("EXISTS", [b"1"])


def test_repeated_submit_does_not_find_itself(life: Life) -> None:
    assert life.submit("a", unique="u", reuse=1, op="op") == ("OK", [[]])
    assert life.submit("a", unique="u", reuse=1, op="op") == ("OK", [[]])
    assert life.queued() == ["a"]


@pytest.mark.parametrize("step", ["claim", "hold back"])
def test_reuse_ends_when_it_is_registered_no_more(life: Life, step: str) -> None:
    if step == "hold back":
        life.pending("holder", slot="s")
    life.submit("a", unique="u", slot="s", reuse=1)
    life.claim()
    assert life.status("a")[0] == ("rerouted" if step == "hold back" else "pending")
    assert life.submit("b", unique="u", reuse=1) == ("OK", [[]])
    assert life.submit("c", unique="u", reuse=1) == ("EXISTS", [b"b"])


def test_without_reuse_the_key_forbids_nothing(life: Life) -> None:
    life.submit("a", "b", unique="u")
    assert life.queued() == ["a", "b"]


def test_reuse_names_the_first_of_several(life: Life) -> None:
    life.submit("b", "a", unique="u")
    reply = life.submit("c", unique="u", reuse=1)
    assert reply.tag == "EXISTS"
    assert reply.values[0] in {b"a", b"b"}


# What concurrency control of an invocation is, once more


def test_submitted_once_more_takes_over_its_concurrency_control(life: Life) -> None:
    life.submit("a", slot="s", unique="u", digests=pack("x", "1"))
    life.submit("a", slot="t", unique="v", reroutes="", digests=pack("y", "2"))
    record = life.record("a")
    assert (record.slot, record.unique, record.reroutes) == ("t", "v", "")
    assert record.digests == pack("y", "2")
    assert life.queued() == ["a"]


def test_submitted_once_more_while_it_holds_a_slot(life: Life) -> None:
    life.running("a", slot="s")
    life.submit("a", slot="t")
    life.submit("b", slot="s")
    life.submit("c", slot="t")
    assert life.claim()[:3] == (["b"], [("c", "concurrency_controlled"), ("c", "rerouted")], 1)


# register, for apps that keep the rest elsewhere


def register(life: Life, *ids: str, op: str = "op", **values: Any) -> Reply:
    life.by_hand = True
    columns = {"slot": "", "unique": "", "reroutes": "1", "digests": b""} | values
    return life.call(
        "orchestrator/register",
        owner=pack("client"),
        op=op,
        items=[(id_, TASK, "call", QUEUE, NORMAL, *columns.values()) for id_ in ids],
    )


def test_register_writes_the_status_and_the_call_alone(life: Life) -> None:
    tag, [time] = register(life, "inv", slot="s", unique="u", digests=pack("x", "1"))
    at_us = int(time)
    assert tag == "OK"
    record = Record(
        *("registered", "client", at_us, "op", 0, at_us, TASK, QUEUE, NORMAL),
        *("s", "u", "1", pack("x", "1"), "call"),
    )
    assert life.snapshot() == {
        "schema": b"1",
        "index": [(call_member("call", "inv"), 0)],
        "statuses": {b"inv": record.packed()},
        "registered": [(b"inv", at_us)],
        "open": [(b"inv", at_us)],
        "task_index": [(record.task_member(b"inv"), 0)],
        "concurrency": [
            (pack("unique", "u", "inv"), 0),
            (pack("argument", TASK, "x", "1", "inv"), 0),
        ],
    }


def test_register_leaves_what_is_known(life: Life) -> None:
    life.pending("a", slot="s")
    once = life.snapshot()
    register(life, "a", slot="s", op="other")
    assert life.snapshot() == once


# index_arguments


def test_indexed_arguments_replace_those_before(life: Life) -> None:
    life.submit("inv", digests=pack("x", "1", "y", "2"))
    reply = life.call(
        "orchestrator/index_arguments", invocation_id="inv", digests=pack("x", "1", "z", "3")
    )
    assert reply == ("OK", [])
    members = [list(unpack(member)) for member, _ in life.snapshot()["concurrency"]]
    assert sorted(members) == [
        [b"argument", TASK.encode(), b"x", b"1", b"inv"],
        [b"argument", TASK.encode(), b"z", b"3", b"inv"],
    ]


def test_indexed_arguments_last_as_long_as_the_invocation(life: Life) -> None:
    life.running("inv")
    life.call("orchestrator/index_arguments", invocation_id="inv", digests=pack("x", "1"))
    life.finish("inv")
    assert len(life.snapshot()["concurrency"]) == 1
    assert life.expire() == 1
    assert "concurrency" not in life.snapshot()


def test_arguments_of_an_unknown_invocation_are_not_indexed(life: Life) -> None:
    arguments = {"invocation_id": "inv", "digests": pack("x", "1")}
    assert life.call("orchestrator/index_arguments", **arguments) == ("UNKNOWN", [])
    assert life.snapshot() == {}


@pytest.mark.parametrize("digests", [pack("x"), b"x", pack("x", None)])
def test_malformed_digests_change_nothing(life: Life, digests: bytes) -> None:
    life.submit("inv", digests=pack("x", "1"))
    once = life.snapshot()
    with pytest.raises(ScriptError):
        life.scripts.orchestrator_index_arguments(invocation_id="inv", digests=digests)
    assert life.snapshot() == once


@pytest.mark.parametrize("known", [False, True])
def test_control_of_what_comes_twice_in_a_batch_is_the_last(life: Life, *, known: bool) -> None:
    if known:
        life.submit("a", slot="0", unique="0", digests=pack("x", "0"))
    stored, digests = invocation(), [pack("x", n) for n in "12"]
    items = [
        ("a", stored, b"", TASK, n, n, "1", digest) for n, digest in zip("12", digests, strict=True)
    ]
    life.call(
        "orchestrator/submit",
        queue_name=QUEUE,
        priority=NORMAL,
        reuse=0,
        items=items,
        **life.by("client"),
    )
    record = life.record("a")
    assert (record.slot, record.unique, record.digests) == ("2", "2", digests[1])
    assert life.queued() == ["a"]
    assert life.history("a") == [("registered", "client", "client")]


# The index


def indexed(raw: Redis, key: Callable[[str], bytes]) -> set[bytes]:
    return set(raw.zrange(key("index"), 0, -1))


@pytest.mark.parametrize("ids", [("a",), ("a", "b")])
def test_all_relations_are_indexed(
    life: Life, raw: Redis, key: Callable[[str], bytes], ids: tuple[str, ...]
) -> None:
    life.submit(
        *ids,
        record=invocation(parent="parent", event="event", workflow=("id", "module", "function")),
    )
    relations = {
        pack(*relation, id_)
        for id_ in ids
        for relation in (
            ("parent", "parent"),
            ("event", "event"),
            ("workflow", "id", "module.function"),
            ("type", "module.function"),
        )
    }
    assert relations < indexed(raw, key)


@pytest.mark.parametrize("more", [(), ("b",)])
def test_relations_that_were_stored_before_go(
    life: Life, raw: Redis, key: Callable[[str], bytes], more: tuple[str, ...]
) -> None:
    life.scripts.state_upsert_invocations(
        contexts=b"", items=[("a", invocation(parent="before"), b"", history(1), 1)]
    )
    life.submit("a", *more, record=invocation(parent="parent"))
    assert not any(b"before" in member for member in indexed(raw, key))
    assert pack("parent", "parent", "a") in indexed(raw, key)
