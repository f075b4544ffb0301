"""A healthy app is consistent, whatever it does meanwhile."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pynenc.invocation.status import InvocationStatus

from life import life_tasks
from life.tools import bind, build_app, orchestrator, remove, working
from lua.model import Record
from lua.model import check as check_model
from pynenc_redis_lua.consistency import COLLECTIONS, check
from pynenc_redis_lua.keys import key_table

if TYPE_CHECKING:
    from consistency.busy import Busy
    from servers import Server


def test_busy_app_is_consistent(busy: Busy) -> None:
    looked_at = Counter[str]()
    assert list(check(busy.scripts, looked_at=looked_at)) == []
    check_model(busy.stored())
    # All there is was looked at, and there is something of all.
    assert {collection.key for collection in COLLECTIONS} == {key for key, n in looked_at.items() if n}
    statuses = busy.raw.hvals(busy.key("statuses"))
    passing = {InvocationStatus.CONCURRENCY_CONTROLLED}
    assert {Record.read(it).status for it in statuses} == set(InvocationStatus) - passing
