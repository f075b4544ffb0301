"""Claiming: how a runner gets its work."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pynenc.identifiers.invocation_id import InvocationId
from pynenc.invocation.status import InvocationStatus
from pynenc.runner.process_runner import ProcessRunner
from pynenc.runner.thread_runner import ThreadRunner

from pynenc_redis_lua.codec import pack, to_text
from pynenc_redis_lua.component import left_when_full
from pynenc_redis_lua.operation import consumer_id, new_operation
from pynenc_redis_lua.orchestrator.core import OrchestratorCore
from pynenc_redis_lua.records import packed_contexts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.runner.runner_context import RunnerContext
    from pynenc.types import Params, Result

    from pynenc_redis_lua.scripts.runner import Reply
    from pynenc_redis_lua.state_backend import RedisStateBackend

# Invocations of one claim, and rounds of a claim that finds nothing but held back invocations: the
# server is held up for a few milliseconds at the most.
_MOST = 50
_ROUNDS = 8
# Who last looked into the queue so long ago does so before it waits for the doorbell: a worker that
# dies between hearing that and claiming takes the ring with it.
_TRUST_BELL_SECONDS = 1.0
# How long a runner waits that has something to do besides: pynenc's own default.
_BUSY_SECONDS = 0.1
# Heartbeats, triggers and recovery may be late by this share of their interval.
_SHARE_OF_INTERVAL = 0.25
# How long a runner that got something waits at the most before it is looked for more.
_PAUSE_SECONDS = 0.01
# How long a runner waits at the least.
_LEAST_SECONDS = 0.01


class Claiming(OrchestratorCore):
    """How runners get their work."""

    # When an idle worker looks into the queue whether the doorbell rang or not.
    _look_again_at = 0.0

    def get_invocations_to_run(
        self,
        max_num_invocations: int,
        runner_ctx: RunnerContext,
        queue_provider: Callable[[], Sequence[str]] | None = None,
        on_queue_retrieved: Callable[[str], None] | None = None,
    ) -> Iterator[DistributedInvocation[Params, Result]]:
        """Claim invocations and iterate over them.

        Where there are none, wait for the doorbell and look again, for `queue_timeout_sec` in all.
        A running thread runner, which starts each one as it comes, is given what comes in that
        time as well, as far as it has threads for it: more than `max_num_invocations` in all if
        some of them have ended meanwhile.
        """
        queue_provider = queue_provider or self.app.runner.queue_names_for_retrieval
        on_queue_retrieved = on_queue_retrieved or self.app.runner.note_queue_retrieved
        if self._state is None:
            yield from super().get_invocations_to_run(
                max_num_invocations, runner_ctx, queue_provider, on_queue_retrieved
            )
            return
        claim = Claim(self, self._state, runner_ctx, queue_provider, on_queue_retrieved)
        begin, running = time.monotonic(), self.app.runner.running
        room, looks = max_num_invocations, begin >= self._look_again_at
        served = self._served(runner_ctx)
        while room > 0:
            before = claim.found
            if looks:
                yield from claim.invocations(room)
                trusts = claim.found == before and not claim.held_back
                self._look_again_at = begin + _TRUST_BELL_SECONDS if trusts else 0.0
            until = begin + self._patience(claim)
            if claim.found == before:
                seconds = until - time.monotonic()
                looks = seconds > 0 and self._bell_rings(queue_provider(), seconds, running=running)
                if not looks:
                    break
            elif served:
                room = _room_before(until, served)
            else:
                break
        if served:
            # Whoever is stopped sends what is in its list back to the queue, ended or not.
            served._reclaim_available_slots()  # noqa: SLF001 - the only way to have it tidied

    def _served(self, runner_ctx: RunnerContext) -> ThreadRunner | None:
        """Return the runner if it is itself who asks, and is given more after it got something.

        Another round of its loop would sleep for longer, hear no doorbell meanwhile and not find
        out which threads have ended. Its threads are for its loop alone to count, not for whoever
        else asks beside it.
        """
        runner = self.app.runner
        if not isinstance(runner, ThreadRunner) or runner_ctx != runner.runner_context:
            return None
        return runner if runner.running and not self._alone else None

    def _bell_rings(self, queue_names: Sequence[str], seconds: float, *, running: bool) -> bool:
        return self.scripts.wait_for_any(
            "doorbell",
            queue_names,
            seconds,
            # Children of some runners claim with a runner that is never said to be running.
            goes_on=lambda: self.app.runner.running == running,
        )

    @property
    def _alone(self) -> bool:
        """Whether there is only one connection, which must not be kept from what runs."""
        return self.conf.redis_pool_max_connections == 1

    def _patience(self, claim: Claim) -> float:
        """Return for how many seconds to wait: the runner's loop stands still meanwhile."""
        runner = self.app.runner
        interval = self.app.conf.atomic_service_check_interval_minutes * 60
        seconds = min(
            self.app.broker.conf.queue_timeout_sec,
            interval * _SHARE_OF_INTERVAL,
            # A reply that has begun is waited for by the socket, which must not give up on it.
            self.conf.socket_timeout / 2,
        )
        # Of pynenc's runners that claim, this one pauses and resumes its children in its loop.
        has_children = isinstance(runner, ProcessRunner) and runner.child_runner_ids
        # Nothing rings when the slot is free again that an invocation was held back for.
        if has_children or claim.held_back or self._alone:
            seconds = min(seconds, _BUSY_SECONDS)
        # Who neither looks nor waits would not rest.
        return max(seconds, _LEAST_SECONDS)


def _room_before(until: float, runner: ThreadRunner) -> int:
    """Wait for a thread runner to have room; return for how many, 0 if it gets no more now."""
    pause = max(min(_PAUSE_SECONDS, 2 * runner.conf.runner_loop_sleep_time_sec), 0.001)
    while True:
        # Also where there is room: what comes thick and fast is claimed together.
        time.sleep(pause)
        if not runner.running or time.monotonic() >= until:
            return 0
        room: int = runner._reclaim_available_slots()  # noqa: SLF001 - nothing else tells
        if room > 0:
            return room


class Claim:
    """One round of claiming for a runner.

    Args:
        orchestrator: Whose invocations are claimed.
        state: Where they are stored.
        runner_ctx: The runner.
        queue_provider: Gives the queues in the order of the runner's strategy.
        on_queue_retrieved: Told from which queue something came.

    Attributes:
        found: How many were claimed so far, those that can't be loaded here among them.
        held_back: Whether concurrency control held anything back so far.
    """

    def __init__(
        self,
        orchestrator: OrchestratorCore,
        state: RedisStateBackend[Any, Any],
        runner_ctx: RunnerContext,
        queue_provider: Callable[[], Sequence[str]],
        on_queue_retrieved: Callable[[str], None],
    ) -> None:
        self._orchestrator = orchestrator
        self._state = state
        self._runner_ctx = runner_ctx
        self._queue_provider = queue_provider
        self._on_queue_retrieved = on_queue_retrieved
        self.found = 0
        self.held_back = False
        # Whether more stands behind what was held back.
        self._left = False

    def invocations(self, count: int) -> Iterator[DistributedInvocation[Any, Any]]:
        """Claim up to `count` invocations and iterate over them.

        From one queue they come in one commit; from several, one at a time in the order that the
        runner's strategy gives for each.
        """
        awaited_first = bool(self._orchestrator.conf.blocking_control)
        while count > 0:
            names = self._queue_provider()
            batch: list[DistributedInvocation[Any, Any]] = []
            size = 1
            for name in names:
                size = min(count, _MOST) if len(names) == 1 else 1
                batch = self._claim(name, size, awaited_first=awaited_first)
                awaited_first = False
                # What runs may stand behind many that are held back.
                for _ in range(_ROUNDS):
                    if batch or not self._left:
                        break
                    batch = self._claim(name, size, awaited_first=False)
                if batch:
                    self._on_queue_retrieved(name)
                    yield from batch
                    break
            count -= len(batch)
            if len(batch) < size:
                return

    def _claim(
        self, queue_name: str, count: int, *, awaited_first: bool
    ) -> list[DistributedInvocation[Any, Any]]:
        contexts = self._state.new_contexts(self._runner_ctx)
        reply: Reply | None = None
        with left_when_full(self._orchestrator.app):
            reply = self._orchestrator.scripts.orchestrator_claim(
                queue_name=queue_name,
                count=count,
                awaited_first=int(awaited_first),
                owner=pack(self._runner_ctx.runner_id),
                context_id=self._runner_ctx.runner_id,
                contexts=packed_contexts(contexts),
                consumer=consumer_id(),
                op=new_operation(),
                notes=int(self._orchestrator.commits_triggers),
            )
        if reply is None:
            self._left = False
            return []
        claimed, held_back, waiting, left, noted = reply.values
        if claimed or held_back:
            self._state.remember_contexts(contexts)
        self.found += len(claimed)
        self.held_back = self.held_back or bool(waiting)
        self._left = bool(left) and not claimed
        invocations = list(self._loaded(claimed))

        def report() -> None:
            self._orchestrator.report_status(invocations, InvocationStatus.PENDING)
            self._orchestrator.report_changes(held[:3] for held in held_back)

        self._orchestrator.after_commit(noted, report, invocations)
        for id_, _, status, more in held_back:
            if more:
                self._orchestrator.blocking_control.release_waiters(InvocationId(to_text(id_)))
            self._orchestrator.app.logger.info(
                "invocation:%s status:%s by concurrency control", to_text(id_), to_text(status)
            )
        return invocations

    def _loaded(self, claimed: list[list[bytes]]) -> Iterator[DistributedInvocation[Any, Any]]:
        for fields in claimed:
            try:
                yield self._state.to_invocation(*fields)
            except Exception:
                # A task that this worker can't import must not take the others along, nor the
                # worker: it stays pending until recovery gives it to another one.
                self._orchestrator.app.logger.exception(
                    "invocation:%s can't be loaded by this worker", to_text(fields[0])
                )
