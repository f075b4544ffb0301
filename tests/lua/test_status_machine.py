"""set_status, commit_status: pynenc's own state machine says what every change must come to."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from pynenc.exceptions import InvocationStatusError
from pynenc.invocation.status import (
    InvocationStatus,
    InvocationStatusRecord,
    status_record_transition,
)

from lua.model import LONG_AGO, STATUSES, Record, check
from pynenc_redis_lua.codec import pack, unpack, unpack_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lua.life import Life
    from pynenc_redis_lua.scripts.api import Scripts
    from pynenc_redis_lua.scripts.runner import Reply

    type Place = Callable[[dict[str, Record]], None]
    type Snapshot = Callable[[], dict[str, Any]]
    type Apply = Callable[[Scripts, "Change"], Reply]

OWNERS = (None, "", "owner", "another")


class Change(NamedTuple):
    """An attempt to change the status of an invocation."""

    before: Record
    status: InvocationStatus
    runner: str | None

    @property
    def id(self) -> str:
        return f"{self.before.owner!r} to {self.status} by {self.runner!r}"

    def expected(self) -> InvocationStatusRecord | None:
        """What pynenc makes of it: the new record, or None for a refusal."""
        status = InvocationStatus(self.before.status)
        record = InvocationStatusRecord(status, self.before.owner)
        try:
            return status_record_transition(record, self.status, self.runner)
        except InvocationStatusError:
            return None


def changes(status: InvocationStatus) -> Iterator[Change]:
    """Every change from a status, by every kind of owner."""
    for owner, target, runner in product(OWNERS[:3], STATUSES, OWNERS):
        before = Record(status, owner, slot=f"slot {owner} {target} {runner}", unique="unique")
        yield Change(before, target, runner)


def set_status(scripts: Scripts, change: Change) -> Reply:
    return scripts.orchestrator_set_status(
        invocation_id=change.id, status=change.status, owner=pack(change.runner), op="op"
    )


def commit_status(scripts: Scripts, change: Change) -> Reply:
    outcome = {"success": "result", "failed": "exception"}.get(change.status, "")
    return scripts.orchestrator_commit_status(
        invocation_id=change.id,
        status=change.status,
        owner=pack(change.runner),
        context_id="context",
        contexts=pack("context", "{}"),
        op="op",
        notes=0,
        outcome=outcome,
        serialized=change.id.encode() if outcome else b"",
        written_us=0,
    )


both = pytest.mark.parametrize("apply", [set_status, commit_status])
NON_FINAL = [status for status in STATUSES if not status.is_final()]


@both
@pytest.mark.parametrize("status", STATUSES)
def test_refuses_what_pynenc_refuses_and_changes_nothing(
    scripts: Scripts, place: Place, snapshot: Snapshot, apply: Apply, status: InvocationStatus
) -> None:
    refused = [change for change in changes(status) if change.expected() is None]
    place({change.id: change.before for change in refused})
    before = snapshot()
    for change in refused:
        reply = apply(scripts, change)
        owner = pack(change.before.owner)
        assert reply == ("REFUSED", [status.encode(), owner, b"%d" % LONG_AGO]), change
    assert snapshot() == before
    check(before, by_hand=True)


@both
@pytest.mark.parametrize("status", NON_FINAL)
def test_allows_what_pynenc_allows_with_the_same_owner(
    scripts: Scripts, place: Place, snapshot: Snapshot, apply: Apply, status: InvocationStatus
) -> None:
    allowed = {change: expected for change in changes(status) if (expected := change.expected())}
    place({change.id: change.before for change in allowed})
    for change, expected in allowed.items():
        tag, [owner, at_us, *_] = apply(scripts, change)
        assert (tag, unpack_text(owner)) == ("OK", [expected.runner_id]), change
        assert int(at_us) > LONG_AGO
    stored = snapshot()
    check(stored, by_hand=True)
    for change, expected in allowed.items():
        record = Record.read(stored["statuses"][change.id.encode()])
        assert (record.status, record.owner) == (expected.status, expected.runner_id)
        assert (record.op, record.registered_us, record.retries) == ("op", LONG_AGO, 0)
        if apply is commit_status:
            [history] = unpack(stored["history"][change.id.encode()])
            time, *texts = unpack_text(history or b"")
            assert time == f"{record.at_us}"
            assert texts == [expected.status, expected.runner_id, None, "context", None]
    committed = apply is commit_status
    for status_with, key in (("success", "results"), ("failed", "exceptions")):
        ids = [c.id.encode() for c in allowed if committed and c.status == status_with]
        assert stored.get(key, {}) == {id_: id_ for id_ in ids}


def test_every_pair_of_statuses_is_tried() -> None:
    tried = [(change.before.status, change.status) for s in STATUSES for change in changes(s)]
    assert set(tried) == set(product(STATUSES, STATUSES))
    outcomes = {change.expected() is None for s in STATUSES for change in changes(s)}
    assert outcomes == {True, False}


@both
def test_unknown_invocation_is_no_refusal(
    scripts: Scripts, snapshot: Snapshot, apply: Apply
) -> None:
    change = Change(Record("pending", "owner"), InvocationStatus.RUNNING, "owner")
    assert apply(scripts, change) == ("UNKNOWN", [])
    assert snapshot() == {}


@both
@pytest.mark.parametrize(
    "status", ["RUNNING", "running ", "unknown", "final", " ", "running:requires"]
)
def test_what_is_no_status_is_refused(
    scripts: Scripts, place: Place, snapshot: Snapshot, apply: Apply, status: str
) -> None:
    record = Record("pending", "owner")
    change = Change(record, status, "owner")  # type: ignore[arg-type]
    place({change.id: record})
    before = snapshot()
    assert apply(scripts, change).tag == "REFUSED"
    assert snapshot() == before


@both
def test_time_goes_on_where_the_clock_goes_back(
    scripts: Scripts, place: Place, apply: Apply, life: Life
) -> None:
    ahead = 2**52
    change = Change(Record("pending", "owner", at_us=ahead), InvocationStatus.RUNNING, "owner")
    place({change.id: change.before})
    assert apply(scripts, change).values[1] == b"%d" % (ahead + 1)
    assert life.record(change.id).at_us == ahead + 1


@both
@pytest.mark.parametrize("registered_us", [0, 7, 10**16])
def test_time_of_the_registration_may_have_any_length(
    scripts: Scripts, place: Place, apply: Apply, life: Life, registered_us: int
) -> None:
    # Of a server whose clock begins with the epoch, or of one far ahead.
    before = Record("pending", "owner", registered_us=registered_us)
    change = Change(before, InvocationStatus.RUNNING, "owner")
    place({change.id: change.before})
    assert apply(scripts, change).tag == "OK"
    life.check()


@both
def test_repeated_call_replies_the_same_also_when_it_made_the_invocation_final(
    scripts: Scripts, place: Place, snapshot: Snapshot, apply: Apply
) -> None:
    change = Change(Record("running", "owner"), InvocationStatus.SUCCESS, "owner")
    place({change.id: change.before})
    first = apply(scripts, change)
    once = snapshot()
    assert apply(scripts, change) == first
    assert snapshot() == once
