"""purge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lua.conftest import EnforcedScripts, remove
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

OWNED = {name for name, key in key_table().keys.items() if key.owner == "state"}


def test_names_every_key_that_the_state_backend_owns() -> None:
    assert {use.name for use in library().script("state/purge").definition.keys} == OWNED


def test_removes_what_the_state_backend_owns_and_nothing_else(
    seeded: Scripts, snapshot: Snapshot
) -> None:
    before = snapshot()
    assert before.keys() >= OWNED
    assert seeded.state_purge() == ("OK", [])
    assert snapshot() == {name: held for name, held in before.items() if name not in OWNED}


def test_purge_of_an_empty_app_leaves_nothing(scripts: Scripts, snapshot: Snapshot) -> None:
    assert scripts.state_purge() == ("OK", [])
    assert snapshot() == {}


def test_leaves_other_apps_alone(
    seeded: Scripts, snapshot: Snapshot, caller: Caller, app_id: str, raw: Redis
) -> None:
    before = snapshot()
    other = f"{app_id} other"
    neighbour = EnforcedScripts(caller, other, seeded.library)
    neighbour.state_set_result(invocation_id="invocation", serialized=b"result")
    neighbour.state_purge()
    assert neighbour.state_get_result(invocation_id="invocation").tag == "NONE"
    assert snapshot() == before
    remove(raw, other)


def test_app_can_be_written_afterwards(seeded: Scripts, snapshot: Snapshot) -> None:
    before = snapshot()
    seeded.state_purge()
    for name, arguments in SAMPLES.items():
        if library().script(name).definition.gated and name != "state/purge":
            seeded.call(name, **arguments)
    assert snapshot() == before
