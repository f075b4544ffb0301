"""service_start, service_end, service_active, services_page, services_trim."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from lua.life import SECOND
from pynenc_redis_lua.codec import pack, unpack_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from lua.life import Life
    from pynenc_redis_lua.scripts.runner import Reply

    type Key = Callable[[str], bytes]

DEAD = 60 * SECOND


class Execution(NamedTuple):
    """An execution of an atomic service, as it is stored."""

    runner: str | None
    start: str | None
    end: str | None
    status: str | None
    reason: str | None


def start(
    life: Life,
    id_: str,
    *,
    runner: str = "runner",
    at: int | None = None,
    status: str = "running",
    reason: str = "",
    overdue_us: int = 0,
) -> Reply:
    return life.call(
        "orchestrator/service_start",
        service_id=id_,
        runner_id=runner,
        start="" if at is None else f"{at}",
        status=status,
        reason=reason,
        dead_us=DEAD,
        overdue_us=overdue_us,
    )


def end(
    life: Life,
    id_: str,
    at: int,
    *,
    runner: str = "runner",
    status: str = "completed",
    reason: str = "",
) -> Reply:
    return life.call(
        "orchestrator/service_end",
        service_id=id_,
        runner_id=runner,
        ended=at,
        status=status,
        reason=reason,
    )


def executions(life: Life) -> dict[str, Execution]:
    stored = life.snapshot()
    found = stored.get("services", {})
    read = {id_.decode(): Execution(*unpack_text(packed)) for id_, packed in found.items()}
    times = {id_.decode(): f"{score:.0f}" for id_, score in stored.get("service_times", [])}
    assert times == {id_: execution.start for id_, execution in read.items()}
    return read


def active(life: Life) -> str | None:
    reply = life.scripts.orchestrator_service_active()
    if reply.tag == "NONE":
        return None
    id_, packed = reply.values
    assert packed == life.snapshot()["services"][id_]
    return id_.decode()


def now(raw: Redis) -> int:
    seconds, microseconds = raw.time()
    return seconds * SECOND + microseconds


def test_start_is_recorded_and_holds(life: Life) -> None:
    assert start(life, "one", at=1000, reason="why") == ("STARTED", [b"1000"])
    assert executions(life) == {"one": Execution("runner", "1000", None, "running", "why")}
    assert active(life) == "one"


def test_start_has_the_servers_time_if_none_is_given(life: Life, raw: Redis) -> None:
    before = now(raw)
    [at] = start(life, "one").values
    assert before <= int(at) <= now(raw)
    assert executions(life)["one"].start == at.decode()


def test_only_one_runs_at_a_time(life: Life, raw: Redis) -> None:
    time = now(raw)
    start(life, "one", runner="first", at=time)
    assert start(life, "two", runner="second", at=time + 5) == ("BLOCKED", [b"%d" % (time + 5)])
    assert active(life) == "one"
    reason = "prior_running:one runner:first"
    blocked = Execution("second", f"{time + 5}", f"{time + 5}", "blocked", reason)
    assert executions(life)["two"] == blocked


def test_blocked_one_keeps_the_reason_that_was_given(life: Life, raw: Redis) -> None:
    start(life, "one", at=now(raw))
    start(life, "two", reason="why")
    assert executions(life)["two"].reason == "why"


def test_blocked_from_the_start_holds_nothing(life: Life) -> None:
    assert start(life, "one", at=7, status="blocked", reason="late") == ("BLOCKED", [b"7"])
    assert executions(life) == {"one": Execution("runner", "7", "7", "blocked", "late")}
    assert active(life) is None


def test_next_one_runs_after_the_end(life: Life, raw: Redis) -> None:
    time = now(raw)
    start(life, "one", at=time)
    assert end(life, "one", time + 5, reason="done") == ("OK", [])
    assert active(life) is None
    completed = Execution("runner", f"{time}", f"{time + 5}", "completed", "done")
    assert executions(life)["one"] == completed
    assert start(life, "two").tag == "STARTED"


def test_end_without_reason_keeps_that_of_the_start(life: Life) -> None:
    start(life, "one", at=1, reason="why")
    end(life, "one", 2)
    assert executions(life)["one"].reason == "why"


def test_first_end_stands(life: Life) -> None:
    start(life, "one", at=1)
    end(life, "one", 2, status="abandoned", reason="first")
    once = life.snapshot()
    assert end(life, "one", 3, reason="second") == ("OK", [])
    assert life.snapshot() == once


def test_end_of_one_leaves_the_holder(life: Life, raw: Redis) -> None:
    start(life, "one", at=now(raw))
    start(life, "two")
    end(life, "two", now(raw))
    end(life, "three", now(raw))
    assert active(life) == "one"


def test_end_of_an_unknown_one_is_recorded_with_no_length(life: Life) -> None:
    end(life, "one", 5, reason="done")
    assert executions(life) == {"one": Execution("runner", "5", "5", "completed", "done")}


# A holder that is dead


def test_dead_holder_is_taken_over(life: Life, raw: Redis) -> None:
    time = now(raw)
    start(life, "one", runner="dead", at=time)
    life.beat("dead", ago_us=DEAD + SECOND)
    assert start(life, "two", runner="heir", at=time + 1).tag == "STARTED"
    assert active(life) == "two"
    lost = executions(life)["one"]
    assert lost[:2] == ("dead", f"{time}")
    assert lost[3:] == ("abandoned", "dead_holder")
    assert time <= int(lost.end or 0) <= now(raw)


def test_holder_with_a_heartbeat_is_not_taken_over_however_long_it_runs(
    life: Life,
) -> None:
    start(life, "one", runner="alive", at=1)
    life.beat("alive", ago_us=DEAD - 30 * SECOND)
    assert start(life, "two").tag == "BLOCKED"


@pytest.mark.parametrize(("ago_us", "tag"), [(DEAD + SECOND, "STARTED"), (0, "BLOCKED")])
def test_of_a_holder_without_a_heartbeat_the_start_counts(
    life: Life, raw: Redis, ago_us: int, tag: str
) -> None:
    start(life, "one", runner="unheard", at=now(raw) - ago_us)
    assert start(life, "two").tag == tag


def test_holder_is_not_taken_over_after_an_outage(life: Life, raw: Redis) -> None:
    """Everybody has been silent: who comes back first does not know who else is alive."""
    time = now(raw)
    start(life, "one", runner="cut off", at=time)
    life.beat("cut off", "first", ago_us=DEAD + SECOND)
    life.beat("first", outage_us=DEAD)
    assert start(life, "two", runner="first", at=time + 1).tag == "BLOCKED"
    life.outage_ended(DEAD + SECOND)
    assert start(life, "three", runner="first", at=time + 2).tag == "STARTED"


# A service that nobody runs


def overdue(life: Life, *, seconds: int = 30, runner: str = "old") -> bool:
    """Start it if nobody has for a time; where that is refused, nothing is recorded."""
    before = life.snapshot()
    reply = start(life, life.new_op(), runner=runner, overdue_us=seconds * SECOND)
    assert reply.tag == "STARTED" or life.snapshot() == before
    return reply.tag == "STARTED"


@pytest.fixture
def old(life: Life, raw: Redis) -> None:
    """A runner that has been there for a minute."""
    life.beat("old")
    raw.hset(life.key("runners"), "old", pack(now(raw) - 60 * SECOND, "1", b""))


@pytest.mark.usefixtures("old")
@pytest.mark.parametrize(("seconds", "started"), [(61, False), (30, True)])
def test_service_that_never_ran_is_overdue(life: Life, seconds: int, started: bool) -> None:
    assert overdue(life, seconds=seconds) == started


@pytest.mark.usefixtures("old")
@pytest.mark.parametrize(("seconds", "started"), [(21, False), (19, True)])
def test_service_is_overdue_when_its_last_run_began_long_ago(
    life: Life, raw: Redis, seconds: int, started: bool
) -> None:
    # Its runner has gone since: it is the time of its run that counts.
    start(life, "one", runner="gone", at=now(raw) - 20 * SECOND)
    end(life, "one", now(raw))
    assert overdue(life, seconds=seconds) == started


@pytest.mark.usefixtures("old")
def test_service_that_runs_is_not_overdue_however_long(life: Life, raw: Redis) -> None:
    start(life, "one", runner="alive", at=now(raw) - 2 * DEAD)
    life.beat("alive")
    assert not overdue(life)


@pytest.mark.usefixtures("old")
def test_service_whose_runner_died_is_overdue(life: Life, raw: Redis) -> None:
    start(life, "one", runner="dead", at=now(raw) - 2 * DEAD)
    life.beat("dead", ago_us=2 * DEAD)
    assert overdue(life)
    assert executions(life)["one"].status == "abandoned"


@pytest.mark.usefixtures("old")
def test_blocked_attempt_is_no_run(life: Life, raw: Redis) -> None:
    start(life, "one", at=now(raw) - 40 * SECOND)
    assert start(life, "two", at=now(raw)).tag == "BLOCKED"
    end(life, "one", now(raw))
    assert overdue(life)


@pytest.mark.usefixtures("old")
def test_only_one_of_two_starts_what_is_overdue(life: Life) -> None:
    life.beat("also old")
    life.raw.hset(life.key("runners"), "also old", pack(1, "1", b""))
    assert overdue(life)
    end(life, active(life) or "", 1)
    assert not overdue(life, runner="also old")


def test_young_or_unknown_runner_calls_nothing_overdue(life: Life) -> None:
    life.beat("young")
    assert not overdue(life, runner="young")
    assert not overdue(life, runner="unknown")


def test_end_of_one_that_was_taken_over_leaves_the_heir(life: Life) -> None:
    start(life, "one", at=1)
    start(life, "two", runner="heir")
    end(life, "one", 2)
    assert active(life) == "two"
    assert executions(life)["one"].status == "abandoned"


# Replay


@pytest.mark.parametrize("status", ["running", "blocked"])
def test_repeated_start_replies_the_same(life: Life, status: str) -> None:
    first = start(life, "one", status=status)
    once = life.snapshot()
    assert start(life, "one", status=status) == first
    assert life.snapshot() == once


def test_repeated_start_of_one_that_was_blocked_is_blocked(life: Life, raw: Redis) -> None:
    time = now(raw)
    start(life, "one", at=time)
    first = start(life, "two")
    end(life, "one", time)
    assert start(life, "two") == first


def test_repeated_start_of_one_that_ended_does_not_hold(life: Life) -> None:
    start(life, "one", at=1)
    end(life, "one", 2)
    once = life.snapshot()
    start(life, "one", at=1)
    assert life.snapshot() == once
    assert active(life) is None


# Pages


def page(life: Life, *, until: int = 2**53, offset: int = 0, count: int = 100) -> list[str]:
    found = life.scripts.orchestrator_services_page(until_us=until, offset=offset, count=count)
    assert all(packed == life.snapshot()["services"][id_] for id_, packed in found.values[0])
    return [id_.decode() for id_, _ in found.values[0]]


def test_newest_first(life: Life) -> None:
    for at in (30, 10, 20):
        start(life, f"at {at}", at=at, status="blocked")
    assert page(life) == ["at 30", "at 20", "at 10"]
    assert page(life, until=20) == ["at 20", "at 10"]
    assert page(life, until=9) == []
    assert page(life, offset=1, count=1) == ["at 20"]
    assert page(life, offset=3) == []


@pytest.mark.parametrize("count", [1, 2, 5])
def test_pages_hold_each_once(life: Life, count: int) -> None:
    ids = [f"{number}" for number in range(5)]
    for number, id_ in enumerate(ids):
        start(life, id_, at=number // 3, status="blocked")
    pages = [page(life, offset=offset, count=count) for offset in range(0, 6, count)]
    assert [id_ for found in pages for id_ in found] == ids[::-1]


# Trim


def trim(
    life: Life, *protected: str, age_us: int = 0, keep: int = 0, offset: int = 0, count: int = 100
) -> tuple[int, int]:
    """How many went and how many stayed of those that were looked at."""
    removed, stayed = life.call(
        "orchestrator/services_trim",
        age_us=age_us,
        keep=keep,
        offset=offset,
        count=count,
        items=[(id_,) for id_ in protected],
    ).values
    return removed, stayed


def ended(life: Life, raw: Redis, *ages: int) -> None:
    """Executions that ended some seconds ago."""
    time = now(raw)
    for age in ages:
        start(life, f"{age}", at=time - (age + 5) * SECOND)
        end(life, f"{age}", time - age * SECOND)


def test_removes_what_ended_long_ago(life: Life, raw: Redis) -> None:
    ended(life, raw, 300, 200, 100)
    assert trim(life, age_us=150 * SECOND) == (2, 1)
    assert executions(life).keys() == {"100"}


def test_removes_the_oldest_beyond_a_number(life: Life, raw: Redis) -> None:
    ended(life, raw, 300, 200, 100)
    assert trim(life, keep=3) == (0, 3)
    assert trim(life, keep=2) == (1, 2)
    assert executions(life).keys() == {"200", "100"}


def test_no_limit_removes_nothing(life: Life, raw: Redis) -> None:
    ended(life, raw, 300)
    assert trim(life) == (0, 1)
    assert executions(life).keys() == {"300"}


@pytest.mark.parametrize("limit", [{"age_us": 1}, {"keep": 1}])
def test_what_runs_or_is_referred_to_stays(life: Life, raw: Redis, limit: dict[str, int]) -> None:
    start(life, "running", at=1)
    hear = now(raw) - 400 * SECOND
    for number in range(3):
        start(life, f"{number}", at=hear + number, status="blocked")
    assert trim(life, "0", "2", "unknown", **limit) == (1, 3)
    assert executions(life).keys() == {"running", "0", "2"}
    assert active(life) is not None


def test_repeated_trim_removes_nothing_more(life: Life, raw: Redis) -> None:
    ended(life, raw, 300, 200, 100)
    trim(life, keep=2)
    once = life.snapshot()
    assert trim(life, keep=2) == (0, 2)
    assert life.snapshot() == once


def test_what_started_a_run_that_is_recorded_stays(life: Life, raw: Redis) -> None:
    ended(life, raw, 300, 200, 100)
    life.scripts.trigger_store_run(
        run_id="run",
        at_us=1,
        prefixes=pack(pack("all"), pack("service", "300")),
        event_ids=b"",
        run=b"{}",
    )
    assert trim(life, age_us=SECOND) == (2, 1)
    assert executions(life).keys() == {"300"}
    life.scripts.trigger_expire_runs(before_us=2, keep=0, count=1)
    assert trim(life, age_us=SECOND) == (1, 0)


def test_looks_at_no_more_than_asked_for(life: Life, raw: Redis) -> None:
    ended(life, raw, 300, 200, 100)
    assert trim(life, age_us=SECOND, count=2) == (2, 0)
    assert executions(life).keys() == {"100"}


def test_goes_on_behind_those_that_stay(life: Life, raw: Redis) -> None:
    ended(life, raw, 300, 200, 100)
    assert trim(life, "300", "200", age_us=SECOND, offset=2) == (1, 0)
    assert executions(life).keys() == {"300", "200"}
