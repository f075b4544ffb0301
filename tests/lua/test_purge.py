"""The purges of each component."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lua.conftest import EnforcedScripts, remove, write_samples
from lua.samples import SAMPLES
from pynenc_redis_lua.keys import key_table
from pynenc_redis_lua.scripts.library import library

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from lua.conftest import Caller
    from pynenc_redis_lua.scripts.api import Scripts

    type Key = Callable[[str], bytes]
    type Snapshot = Callable[[], dict[str, Any]]

PURGES = [name for name in library().names if name.endswith("/purge")]
each_purge = pytest.mark.parametrize("purge", PURGES)


def owned(purge: str) -> set[str]:
    """The keys of the component that purges, and the schema number, which goes with each."""
    component = purge.partition("/")[0]
    return {name for name, key in key_table().keys.items() if key.owner == component} | {"schema"}


def test_every_key_of_an_app_goes_with_some_purge() -> None:
    in_slot = {name for name, key in key_table().keys.items() if key.in_slot}
    assert {name for purge in PURGES for name in owned(purge)} == in_slot


@each_purge
def test_names_every_key_that_its_component_owns(purge: str) -> None:
    assert {use.name for use in library().script(purge).definition.keys} == owned(purge)


@each_purge
def test_removes_what_its_component_owns_and_nothing_else(
    seeded: Scripts, snapshot: Snapshot, purge: str
) -> None:
    before = snapshot()
    # A bell is named after its queue: that of the queue named here goes.
    names = {f"{name}:queue" if name == "doorbell" else name for name in owned(purge)}
    assert before.keys() >= names
    assert seeded.call(purge, **SAMPLES[purge]) == ("OK", [])
    assert snapshot() == {name: held for name, held in before.items() if name not in names}


@each_purge
def test_purge_of_an_empty_app_leaves_nothing(
    scripts: Scripts, snapshot: Snapshot, purge: str
) -> None:
    assert scripts.call(purge, **SAMPLES[purge]) == ("OK", [])
    assert snapshot() == {}


@each_purge
def test_leaves_other_apps_alone(
    seeded: Scripts, snapshot: Snapshot, caller: Caller, app_id: str, raw: Redis, purge: str
) -> None:
    before = snapshot()
    other = f"{app_id} other"
    neighbour = EnforcedScripts(caller, other, seeded.library)
    neighbour.state_set_result(invocation_id="invocation", serialized=b"result")
    neighbour.state_purge()
    neighbour.call(purge, **SAMPLES[purge])
    assert neighbour.state_get_result(invocation_id="invocation").tag == "NONE"
    assert snapshot() == before
    remove(raw, other)


def test_app_can_be_written_afterwards(scripts: Scripts, snapshot: Snapshot) -> None:
    write_samples(scripts)
    before = snapshot()
    for purge in PURGES:
        scripts.call(purge, **SAMPLES[purge])
    bells = {name for name in before if name.startswith("doorbell:")} - {"doorbell:queue"}
    assert snapshot().keys() == bells | {"apps"}
    write_samples(scripts)
    assert snapshot().keys() == before.keys()
    assert sizes(snapshot()) == sizes(before)


def sizes(stored: dict[str, Any]) -> dict[str, int]:
    """How much each key holds; a bell rings on from before."""
    return {name: len(held) for name, held in stored.items() if not name.startswith("doorbell:")}
