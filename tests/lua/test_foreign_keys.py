"""Submissions and changes of all kinds, while somebody else holds one of the keys at each step."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from pynenc.invocation.status import InvocationStatus, get_status_definition

from lua.conftest import held_by_somebody_else
from lua.model import STATUSES
from lua.samples import PRIORITY, REFERENCE, invocation
from pynenc_redis_lua.codec import pack
from pynenc_redis_lua.errors import WrongTypeError
from pynenc_redis_lua.scripts.library import library

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from pynenc_redis_lua.scripts.api import Scripts

STEPS = 200
IDS = [f"invocation {number}" for number in range(30)]
TASKS = ("module.watched", "module.unwatched")


class Chooser:
    """Chooses what is called, and which key is not ours meanwhile."""

    def __init__(self, seed: int, scripts: Scripts) -> None:
        self.scripts = scripts
        self.random = random.Random(seed)
        self.number = 0

    def by(self) -> dict[str, Any]:
        self.number += 1
        return {
            "owner": pack("runner"),
            "context_id": "runner",
            "contexts": self.random.choice([b"", pack("runner", "{}")]),
            # Some calls are made twice.
            "op": f"op {self.number - self.random.choice([0, 0, 0, 1])}",
            "notes": self.random.choice([0, 1]),
        }

    def submission(self) -> tuple[str, dict[str, Any]]:
        choose = self.random.choice
        items = [
            (
                choose(IDS),
                invocation(parent=choose([None, "parent"])),
                choose([b"", b"x", REFERENCE.encode()]),
                choose(TASKS),
                choose(["", "slot"]),
                choose(["", "unique"]),
                choose(["0", "1"]),
                choose([b"", pack("x", "digest")]),
            )
            for _ in range(choose([1, 1, 4]))
        ]
        how = {"queue_name": "queue", "priority": PRIORITY, "reuse": choose([0, 0, 1])}
        return "orchestrator/submit", {**how, "items": items, **self.by()}

    def change(self) -> tuple[str, dict[str, Any]]:
        choose = self.random.choice
        id_ = choose(IDS)
        [known] = self.scripts.orchestrator_statuses_of(items=[(id_,)]).values[0]
        allowed = targets(known) or STATUSES
        what = {
            "invocation_id": id_,
            "status": choose(sorted(allowed)),
            "outcome": choose(["", "result", "exception"]),
            "serialized": choose([b"", b"x", REFERENCE.encode()]),
            "written_us": choose([0, 0, 0, 1]),
        }
        return "orchestrator/commit_status", {**what, **self.by()}

    def keys(self, script: str) -> list[str]:
        """The keys of a script in any order, but the bell, which has the name of a queue in it."""
        uses = library().script(script).definition.keys
        keys = [use.name for use in uses if not use.argument]
        return self.random.sample(keys, len(keys))


def targets(status: bytes | None) -> list[InvocationStatus]:
    """The statuses that may follow one; none behind a final one."""
    if status is None:
        return []
    return list(get_status_definition(InvocationStatus(status.decode())).allowed_transitions)


def watch(scripts: Scripts) -> None:
    """Have a trigger watch some statuses of a task."""
    watches = [
        pack("watch", TASKS[0], status, "condition")
        for status in ("registered", "running", "success")
    ]
    scripts.call(
        "trigger/register",
        task="module.triggered",
        items=[
            ("condition", "condition", b"{condition}", pack(*watches)),
            (
                "trigger",
                "trigger",
                pack("module.triggered", "or", None, pack("condition")),
                pack(pack("by", "condition", "trigger")),
            ),
        ],
    )


@pytest.mark.parametrize("seed", range(8))
def test_call_is_refused_before_it_writes_or_leaves_the_key_alone(
    scripts: Scripts,
    raw: Redis,
    key: Callable[[str], bytes],
    snapshot: Callable[[], dict[str, Any]],
    seed: int,
) -> None:
    chooser, refused, left_alone = Chooser(seed, scripts), set[str](), set[str]()
    watch(scripts)
    for _ in range(STEPS):
        script, arguments = chooser.random.choice(
            [chooser.submission, chooser.change, chooser.change]
        )()
        before = snapshot()
        # The first call that goes through, because it has no need of the key, is the last one.
        for name in chooser.keys(script):
            with held_by_somebody_else(raw, key(name)):
                try:
                    scripts.call(script, **arguments)
                except WrongTypeError:
                    held = before | {name: {b"somebody else's"}}
                    assert snapshot() == held, (script, name, arguments)
                    refused.add(name)
                else:
                    left_alone.add(name)
                    break
        scripts.orchestrator_wait(waiting_id=IDS[0], items=[(chooser.random.choice(IDS[1:]),)])
        scripts.orchestrator_claim(
            **chooser.by(), queue_name="queue", count=2, awaited_first=1, consumer="consumer"
        )
    assert {"history", "open", "concurrency"} < refused
    assert {"expiring", "changes"} < left_alone
