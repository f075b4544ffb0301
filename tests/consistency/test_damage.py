"""Each kind of damage is found, named, and mended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import servers
from consistency.damages import DAMAGES, GARBAGE, Damage
from faults.scale import scaled
from lua.model import check as check_model
from pynenc_redis_lua import consistency
from pynenc_redis_lua.codec import pack
from pynenc_redis_lua.consistency import COLLECTIONS, Problem, check
from pynenc_redis_lua.errors import NewerSchemaError, ScriptError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consistency.busy import Busy
    from consistency.damages import Expected
    from servers import Server


@pytest.fixture(params=scaled(servers.names()[:1], servers.names()))
def server(request: pytest.FixtureRequest) -> Server:
    """One server in the everyday tests: what differs between them, each script meets in `lua`."""
    return servers.running(request.param)


@pytest.fixture(autouse=True)
def _without_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ended just now has ended."""
    monkeypatch.setattr(consistency, "RELEASE_GRACE_US", 0)


def told(problems: Iterable[Problem]) -> set[Expected]:
    return {(problem.kind, problem.key, problem.id) for problem in problems}


@pytest.mark.parametrize("damage", DAMAGES, ids=str)
def test_damage_is_found_and_mended(busy: Busy, damage: Damage) -> None:
    expected = set(damage.plant(busy))
    damaged = busy.stored()
    found = list(check(busy.scripts))
    assert told(found) == expected
    assert not any(problem.repaired for problem in found)
    # To look changes nothing.
    assert busy.stored() == damaged

    mended = list(check(busy.scripts, repair=True))
    # What follows from a problem may go with it.
    assert told(mended) & expected
    left = list(check(busy.scripts))
    if damage.lasting:
        assert {problem.kind for problem in left} == {"lost"}
    else:
        assert all(problem.repaired for problem in mended)
        assert left == []
        check_model(busy.stored())


def test_damage_beyond_a_page(busy: Busy) -> None:
    ghosts = {b"ghost %d" % number: number + 1 for number in range(1_000)}
    busy.raw.zadd(busy.key("registered"), ghosts)
    expected = {("stray", "registered", ghost) for ghost in ghosts}
    assert told(check(busy.scripts)) == expected
    mended = list(check(busy.scripts, repair=True))
    # A scan may come upon a member twice; it is told once.
    assert len(mended) == len(expected)
    assert all(problem.repaired for problem in mended)
    assert list(check(busy.scripts)) == []


def test_unreadable_status_stops_retention_until_it_is_repaired(busy: Busy) -> None:
    busy.raw.hset(busy.key("statuses"), busy.ids["success"], GARBAGE)
    busy.raw.zadd(busy.key("expiring"), {busy.ids["success"]: 1})
    expire = busy.scripts.orchestrator_expire
    with pytest.raises(ScriptError, match="orchestrator/expire"):
        expire(age_us=0, count=1)
    assert all(problem.repaired for problem in check(busy.scripts, repair=True))
    while expire(age_us=0, count=100).values[0]:
        pass
    assert busy.raw.zcard(busy.key("expiring")) == 0
    assert list(check(busy.scripts)) == []


@pytest.mark.parametrize(
    "key", [it.key for it in COLLECTIONS] + ["queue_sequence", "trigger_claims"]
)
def test_key_of_another_type_is_left_to_people(busy: Busy, key: str) -> None:
    busy.raw.delete(busy.key(key))
    busy.raw.sadd(busy.key(key), "somebody else's")
    before = busy.stored_by_others(key)
    [first, *_] = found = list(check(busy.scripts, repair=True))
    assert (first.kind, first.key, first.repaired) == ("wrong_type", key, False)
    assert [problem for problem in found if problem.kind == "wrong_type"] == [first]
    assert busy.stored_by_others(key) == before


@pytest.mark.parametrize("key", ["registered", "open", "task_index", "index", "history_times"])
def test_index_is_built_anew(busy: Busy, key: str) -> None:
    """As after somebody else's key was removed from its place."""
    if key == "index":
        # Runs and sub-invocations of workflows are nowhere else.
        kept = [it for it in busy.members("index") if it.startswith((pack("run"), pack("sub")))]
    before = busy.stored()[key]
    busy.raw.delete(busy.key(key))
    if key == "index":
        busy.raw.zadd(busy.key(key), dict.fromkeys(kept, 0))
    assert all(problem.repaired for problem in check(busy.scripts, repair=True))
    assert busy.stored()[key] == before


def test_schema_that_is_no_number_is_left_to_people(busy: Busy) -> None:
    busy.raw.set(busy.key("schema"), GARBAGE)
    before = busy.stored()
    [problem] = check(busy.scripts, repair=True)
    assert (problem.kind, problem.key, problem.id) == ("unreadable", "schema", GARBAGE)
    assert not problem.repaired
    assert busy.stored() == before


@pytest.mark.parametrize("repair", [False, True])
def test_newer_schema_is_refused(busy: Busy, repair: bool) -> None:
    busy.raw.set(busy.key("schema"), 2)
    before = busy.stored()
    with pytest.raises(NewerSchemaError):
        list(check(busy.scripts, repair=repair))
    assert busy.stored() == before


def test_edges_of_what_has_just_ended_may_be_on_their_way(
    busy: Busy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is waited for by many releases them in several commits."""
    monkeypatch.setattr(consistency, "RELEASE_GRACE_US", 3600 * 1_000_000)
    waiting, done = busy.ids["waiting"], busy.ids["success"]
    edges = {pack("for", waiting, done): 0, pack("by", done, waiting): 0}
    busy.raw.zadd(busy.key("waits"), edges)
    assert list(check(busy.scripts)) == []


def test_problem_is_one_line_whatever_its_id() -> None:
    problem = Problem(
        "stray", "queue", b"a\nb\x1b[1m\xff\xed\xb3\xbf \xc3\xa9", "no such thing", True
    )
    line = str(problem)
    assert line.isprintable()
    assert (
        line
        == "stray queue 'a\\nb\\x1b[1m\\\\xff\\\\xed\\\\xb3\\\\xbf é': no such thing (repaired)"
    )
