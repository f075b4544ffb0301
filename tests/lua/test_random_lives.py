"""Steps in any order, by anybody: after each, all keys agree, and in the end nothing is left."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from lua.model import FINAL, NORMAL, STATUSES, Record
from lua.samples import invocation
from pynenc_redis_lua.codec import pack

if TYPE_CHECKING:
    from collections.abc import Callable

    from lua.life import Life

IDS = [f"inv-{number}" for number in range(12)]
RUNNERS = ("one", "two", "three")
QUEUES = ("queue", "queue-2")
STAYING = {"schema", "runner_contexts", "context_times", "queue_sequence", "replies"}


class Crowd:
    """Runners that do anything at any time to a handful of invocations."""

    def __init__(self, life: Life, seed: int) -> None:
        self.life = life
        self.random = Random(seed)
        self.steps: list[Callable[[], Any]] = [
            *[self.submit] * 3,
            *[self.claim] * 4,
            *[self.commit] * 8,
            *[self.send_back] * 3,
            *[self.wait] * 3,
            *[self.recover] * 2,
            self.route,
            self.release,
            self.index_arguments,
            self.expire,
        ]

    def one(self) -> str:
        return self.random.choice(IDS)

    def some(self) -> list[str]:
        return self.random.sample(IDS, self.random.randint(1, 4))

    def runner_of(self, id_: str) -> str:
        """Mostly the owner, so that something happens."""
        stored = self.life.snapshot().get("statuses", {}).get(id_.encode())
        owner = Record.read(stored).owner if stored else None
        return owner if owner and self.random.random() < 0.9 else self.random.choice(RUNNERS)

    def submit(self) -> None:
        ids = self.some()
        self.life.submit(
            *ids,
            record=invocation(parent=self.one()),
            slot=self.random.choice(["", "", "s", "t"]),
            unique=self.random.choice(["", "u", "v"]),
            reroutes=self.random.choice(["", "1"]),
            digests=pack("x", self.random.randint(1, 3)),
            queue=self.random.choice(QUEUES),
            priority=self.random.choice([0.0, 0.5, 1.0]),
            reuse=int(len(ids) == 1),
        )

    def claim(self) -> None:
        runner = self.random.choice(RUNNERS)
        self.life.claim(
            self.random.randint(1, 4),
            queue=self.random.choice(QUEUES),
            awaited_first=self.random.randint(0, 1),
            runner=runner,
            consumer=runner,
        )

    def commit(self) -> None:
        # What is free to run comes with a queue: see `send_back`.
        statuses = [s for s in STATUSES if not s.is_available_for_run()]
        id_ = self.one()
        status = self.random.choice([*statuses, "running", "running", "success"])
        self.life.commit(id_, status, runner=self.runner_of(id_), outcome="result")

    def send_back(self) -> None:
        id_, how = self.one(), self.random.choice(["retry", "rerouted"])
        runner = self.runner_of(id_)
        self.life.send_back(how, id_, queue=self.random.choice(QUEUES), runner=runner)

    def wait(self) -> None:
        self.life.wait(self.one(), *self.some())

    def recover(self) -> None:
        age = self.random.choice([0, 2**52])
        queue = self.random.choice(QUEUES)
        self.life.recover(*self.some(), queue=queue, pending_us=age, dead_us=age)

    def route(self) -> None:
        self.life.call(
            "broker/route",
            queue_name=self.random.choice(QUEUES),
            priority=NORMAL,
            consumer="router",
            op=self.life.new_op(),
            items=[(id_,) for id_ in self.some()],
        )

    def release(self) -> None:
        self.life.call("orchestrator/release", invocation_id=self.one())

    def index_arguments(self) -> None:
        digests = pack("y", self.random.randint(1, 3))
        self.life.call("orchestrator/index_arguments", invocation_id=self.one(), digests=digests)

    def expire(self) -> None:
        self.life.expire(number=1)

    def finish_all(self) -> None:
        """Recover, claim and finish until all is final: whatever had happened, nothing is stuck."""
        for _ in range(100):
            records = {
                id_.decode(): Record.read(packed)
                for id_, packed in self.life.snapshot().get("statuses", {}).items()
            }
            going = {id_ for id_, record in records.items() if record.status not in FINAL}
            if not going:
                return
            for queue in QUEUES:
                self.life.recover(*going, queue=queue, pending_us=0, dead_us=0)
                for id_ in self.life.claim(queue=queue, awaited_first=1).ids:
                    self.life.commit(id_, "running")
                    self.life.finish(id_)
        pytest.fail(f"stuck: {going}")


@pytest.mark.parametrize("seed", range(3))
def test_keys_agree_after_each_step_and_nothing_is_left_in_the_end(life: Life, seed: int) -> None:
    crowd = Crowd(life, seed)
    for _ in range(120):
        crowd.random.choice(crowd.steps)()
    crowd.finish_all()
    life.expire()
    for queue in QUEUES:
        life.claim(100, queue=queue)  # what was routed there by hand and is not known any more
    left = {name for name in life.snapshot() if not name.startswith("doorbell:")}
    assert left <= STAYING
