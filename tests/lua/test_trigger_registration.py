"""register, conditions_page, get_conditions, get_triggers, triggers_of, purge of triggers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lua.conftest import write_samples
from lua.samples import BINARY, HOSTILE
from pynenc_redis_lua.codec import pack, to_bytes, to_text, unpack_text
from pynenc_redis_lua.errors import ScriptError
from pynenc_redis_lua.keys import key_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from pynenc_redis_lua.scripts.api import Scripts

    type Snapshot = Callable[[], dict[str, Any]]
    type Item = tuple[str, str, bytes, bytes]

TASK = "module.triggered"


def reference(digit: str) -> str:
    """A reference key of client data, as pynenc makes it."""
    return f"__pynenc__client_data__:{digit * 64}"


def condition(id_: str, *members: bytes, data: bytes = b"{}") -> Item:
    return "condition", id_, data, pack(*members)


def stored_trigger(task: str, *conditions: str, provider: str | None = None) -> bytes:
    return pack(task, "or", provider, pack(*conditions))


def trigger(id_: str, *conditions: str, task: str = TASK, provider: str | None = None) -> Item:
    members = [pack("by", one, id_) for one in conditions]
    members.append(pack("triggers", task, id_))
    return "trigger", id_, stored_trigger(task, *conditions, provider=provider), pack(*members)


def register(scripts: Scripts, *items: Item, task: str = "") -> None:
    assert scripts.trigger_register(task=task, items=items) == ("OK", [])


def page(
    scripts: Scripts, *prefix: str, after: bytes = b"", count: int = 100
) -> list[tuple[bytes, bytes | None]]:
    reply = scripts.trigger_conditions_page(prefix=pack(*prefix), after=after, count=count)
    assert reply.tag == "PAGE"
    return [(member, stored) for member, stored in reply.values[0]]


def conditions(scripts: Scripts, *ids: str) -> list[bytes | None]:
    found: list[bytes | None] = scripts.trigger_get_conditions(
        items=[(id_,) for id_ in ids]
    ).values[0]
    return found


def triggers(scripts: Scripts, *ids: str) -> list[bytes | None]:
    found: list[bytes | None] = scripts.trigger_get_triggers(items=[(id_,) for id_ in ids]).values[
        0
    ]
    return found


def triggers_of(scripts: Scripts, *ids: str) -> list[list[str]]:
    """The triggers of each condition; that they are the stored ones is checked."""
    lists = scripts.trigger_triggers_of(items=[(id_,) for id_ in ids]).values[0]
    found = [[to_text(id_) for id_, _ in of_one] for of_one in lists]
    for names, of_one in zip(found, lists, strict=True):
        assert triggers(scripts, *names) == [stored for _, stored in of_one]
    return found


def uses(snapshot: Snapshot) -> set[tuple[str | None, ...]]:
    """Which value of client data is used by whom."""
    return {tuple(unpack_text(member)) for member, _ in snapshot().get("client_data_uses", [])}


def idle(snapshot: Snapshot) -> list[str]:
    return [to_text(member) for member, _ in snapshot().get("client_data_idle", [])]


# Conditions


def test_condition_is_found_by_each_beginning_of_its_members(scripts: Scripts) -> None:
    members = [
        pack("kind", "event", "code", "a"),
        pack("task", "module.function", "a"),
        pack("watch", "module.function", "success", "a"),
    ]
    register(scripts, condition("a", *members, data=b"{a}"))
    assert page(scripts, "kind") == [(members[0], b"{a}")]
    assert page(scripts, "kind", "event", "code") == [(members[0], b"{a}")]
    assert page(scripts, "task", "module.function") == [(members[1], b"{a}")]
    assert page(scripts, "watch", "module.function", "success") == [(members[2], b"{a}")]
    assert page(scripts, "watch", "module.function", "failed") == []
    assert page(scripts, "kind", "cron") == []
    assert conditions(scripts, "a") == [b"{a}"]


def test_conditions_are_read_in_the_order_asked_for(scripts: Scripts) -> None:
    register(scripts, condition("a", data=b"{a}"), condition("b", data=b"{b}"))
    assert conditions(scripts, "b", "unknown", "a", "b") == [b"{b}", None, b"{a}", b"{b}"]


def test_condition_registered_again_is_stored_once(scripts: Scripts, snapshot: Snapshot) -> None:
    item = condition("a", pack("kind", "cron", "a"))
    register(scripts, item)
    once = snapshot()
    register(scripts, item)
    assert snapshot() == once
    register(scripts, condition("a", pack("task", "module.function", "a"), data=b"{new}"))
    assert conditions(scripts, "a") == [b"{new}"]
    # What is read in lexical order has one score.
    assert [score for _, score in snapshot()["condition_index"]] == [0, 0]


def test_item_without_data_adds_to_the_index_alone(scripts: Scripts) -> None:
    member = pack("task", "module.function", "a")
    register(scripts, condition("a", member, data=b""))
    assert page(scripts, "task") == [(member, None)]
    register(scripts, condition("a", pack("kind", "cron", "a"), data=b"{a}"))
    register(scripts, condition("a", pack("task", "module.other", "a"), data=b""))
    assert conditions(scripts, "a") == [b"{a}"]
    assert [stored for _, stored in page(scripts, "task")] == [b"{a}"] * 2


@pytest.mark.parametrize("count", [1, 2, 3, 7, 100])
def test_pages_of_conditions_hold_each_once(scripts: Scripts, count: int) -> None:
    ids = [f"{number}" for number in range(7)]
    register(scripts, *(condition(id_, pack("kind", "cron", id_), data=b"") for id_ in ids))
    register(scripts, *(condition(id_, data=to_bytes(id_)) for id_ in ids))
    # Neighbours on both sides, which are no part of it.
    register(scripts, condition("z", pack("by", "z", "z"), pack("kinds", "z"), pack("kinc", "z")))
    found: list[tuple[bytes, bytes | None]] = []
    while len(found) % count == 0:
        more = page(scripts, "kind", after=found[-1][0] if found else b"", count=count)
        assert len(more) == min(count, len(ids) - len(found))
        found += more
        if not more:
            break
    assert found == [(pack("kind", "cron", id_), to_bytes(id_)) for id_ in ids]


@pytest.mark.parametrize("others", [("module.a", "module.aa"), ("1:a", "3:1:a"), ("a", "A")])
def test_source_tasks_of_similar_names_are_kept_apart(
    scripts: Scripts, others: tuple[str, str]
) -> None:
    for task in others:
        register(scripts, condition(f"of {task}", pack("task", task, f"of {task}")))
    for task in others:
        assert page(scripts, "task", task) == [(pack("task", task, f"of {task}"), b"{}")]


# Triggers


def test_trigger_is_found_by_each_of_its_conditions(scripts: Scripts) -> None:
    register(scripts, trigger("t", "a", "b"), trigger("u", "b"), task=TASK)
    assert triggers(scripts, "u", "unknown", "t") == [
        stored_trigger(TASK, "b"),
        None,
        stored_trigger(TASK, "a", "b"),
    ]
    assert triggers_of(scripts, "b", "unknown", "a") == [["t", "u"], [], ["t"]]


def test_conditions_of_similar_names_have_their_own_triggers(scripts: Scripts) -> None:
    for id_ in ("a", "aa", "1:a", "A"):
        register(scripts, trigger(f"of {id_}", id_))
    assert triggers_of(scripts, "a", "A", "1:a") == [["of a"], ["of A"], ["of 1:a"]]


def test_triggers_of_a_task_are_replaced(scripts: Scripts, snapshot: Snapshot) -> None:
    register(scripts, trigger("old", "a", "b"), trigger("older", "a"), task=TASK)
    register(scripts, trigger("new", "b", "c"), task=TASK)
    assert triggers(scripts, "old", "older") == [None, None]
    assert triggers_of(scripts, "a", "b", "c") == [[], ["new"], ["new"]]
    assert len(snapshot()["condition_index"]) == 3


def test_trigger_that_stays_keeps_its_place(scripts: Scripts, snapshot: Snapshot) -> None:
    register(scripts, trigger("t", "a", "b"), task=TASK)
    once = snapshot()
    register(scripts, trigger("t", "a", "b"), task=TASK)
    assert snapshot() == once


def test_no_items_remove_the_triggers_and_no_condition(
    scripts: Scripts, snapshot: Snapshot
) -> None:
    register(scripts, condition("a", pack("kind", "cron", "a")))
    alone = snapshot()
    register(scripts, trigger("t", "a", "b"), trigger("u", "a", provider="{}"), task=TASK)
    register(scripts, task=TASK)
    assert snapshot() == alone


@pytest.mark.parametrize("other", ["module.trigger", "module.triggered2", "MODULE.TRIGGERED", "1"])
def test_triggers_of_other_tasks_stay(scripts: Scripts, snapshot: Snapshot, other: str) -> None:
    register(scripts, trigger("other", "a", "b", task=other), task=other)
    alone = snapshot()
    register(scripts, trigger("t", "a", "b"), task=TASK)
    assert triggers_of(scripts, "a") == [["t", "other"]]
    register(scripts, task=TASK)
    assert snapshot() == alone


def test_without_a_task_nothing_is_replaced(scripts: Scripts) -> None:
    register(scripts, trigger("t", "a"), task=TASK)
    register(scripts, trigger("u", "a"))
    assert triggers_of(scripts, "a") == [["t", "u"]]


def test_trigger_stored_again_is_in_place_of_the_older_one(
    scripts: Scripts, snapshot: Snapshot
) -> None:
    """Of another task and with other conditions, it is found by these alone."""
    register(scripts, trigger("t", "a", "b", task="first", provider=reference("a")))
    register(scripts, trigger("t", "b", "c", task="second"))
    assert triggers_of(scripts, "a", "b", "c") == [[], ["t"], ["t"]]
    assert uses(snapshot) == set()
    once = snapshot()
    register(scripts, task="first")
    assert snapshot() == once
    register(scripts, task="second")
    assert snapshot().keys() == {"schema", "client_data_idle"}


def test_dozens_of_triggers_are_replaced_at_once(scripts: Scripts, snapshot: Snapshot) -> None:
    many = [trigger(f"{number}", "a", "b", f"{number}") for number in range(60)]
    register(scripts, *many, task=TASK)
    assert [len(found) for found in triggers_of(scripts, "a", "b", "7")] == [60, 60, 1]
    register(scripts, task=TASK)
    assert snapshot() == {"schema": b"1"}


def test_hostile_ids(scripts: Scripts, snapshot: Snapshot) -> None:
    ids = [text for text in HOSTILE if text]
    for id_ in ids:
        data = to_bytes(id_)
        members = [pack("kind", "event", id_, id_), pack("task", id_, id_)]
        register(scripts, condition(id_, *members, data=data), trigger(id_, id_, task=id_))
    assert conditions(scripts, *ids) == [to_bytes(id_) for id_ in ids]
    assert triggers_of(scripts, *ids) == [[id_] for id_ in ids]
    for id_ in ids:
        expected = [(pack("kind", "event", id_, id_), to_bytes(id_))]
        assert page(scripts, "kind", "event", id_) == expected
        assert page(scripts, "task", id_) == [(pack("task", id_, id_), to_bytes(id_))]
        register(scripts, task=id_)
    assert not [member for member, _ in snapshot()["condition_index"] if b"by" in member[:4]]
    assert "triggers" not in snapshot()


def test_any_bytes_come_back(scripts: Scripts) -> None:
    register(scripts, condition("a", data=BINARY))
    register(scripts, ("trigger", "t", BINARY, pack(pack("by", "a", "t"))))
    assert conditions(scripts, "a") == [BINARY]
    assert triggers_of(scripts, "a") == [["t"]]


# Client data


def test_client_data_is_used_as_long_as_what_refers_to_it_is_there(
    scripts: Scripts, snapshot: Snapshot
) -> None:
    provider = f'{{"a": "{reference("a")}", "b": "{reference("b")}"}}'
    register(scripts, condition("t", data=to_bytes(reference("a"))))
    register(scripts, trigger("t", "a", provider=provider), task=TASK)
    assert uses(snapshot) == {
        (reference("a"), "condition t"),
        (reference("a"), "trigger t"),
        (reference("b"), "trigger t"),
    }
    assert idle(snapshot) == []
    register(scripts, task=TASK)
    assert uses(snapshot) == {(reference("a"), "condition t")}
    assert set(idle(snapshot)) == {reference("a"), reference("b")}


def test_client_data_of_a_trigger_that_stays_is_used(scripts: Scripts, snapshot: Snapshot) -> None:
    for _ in range(2):
        register(scripts, trigger("t", "a", provider=reference("a")), task=TASK)
    assert uses(snapshot) == {(reference("a"), "trigger t")}


# Purge


def test_purge_leaves_nothing_of_triggers_and_all_else(
    scripts: Scripts, snapshot: Snapshot
) -> None:
    write_samples(scripts)
    before = snapshot()
    owned = {name for name, entry in key_table().keys.items() if entry.owner == "trigger"}
    assert owned <= before.keys()
    assert scripts.trigger_purge() == ("OK", [])
    kept = {name: held for name, held in before.items() if name not in owned | {"schema"}}
    assert snapshot() == kept


def test_what_is_neither_condition_nor_trigger_replaces_nothing(
    scripts: Scripts, snapshot: Snapshot
) -> None:
    register(scripts, condition("c"), trigger("t", "c"), task=TASK)
    before = snapshot()
    with pytest.raises(ScriptError, match="x is neither condition nor trigger: Trigger"):
        scripts.trigger_register(task=TASK, items=[condition("d"), ("Trigger", "x", b"{}", b"")])
    assert snapshot() == before


def test_members_that_are_no_list_replace_nothing(scripts: Scripts, snapshot: Snapshot) -> None:
    register(scripts, condition("c"), trigger("t", "c"), task=TASK)
    before = snapshot()
    with pytest.raises(ScriptError, match="Missing bytes in input"):
        scripts.trigger_register(task=TASK, items=[("condition", "d", b"{}", b"\xa9short")])
    assert snapshot() == before
