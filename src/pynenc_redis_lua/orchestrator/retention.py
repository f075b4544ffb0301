"""Retention: what has been final for long is removed."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from pynenc_redis_lua.client_data_store import RedisClientDataStore
from pynenc_redis_lua.component import SWEEP_SECONDS, swept
from pynenc_redis_lua.orchestrator.core import OrchestratorCore
from pynenc_redis_lua.records import MICROSECONDS
from pynenc_redis_lua.state_backend import RESEND_CONTEXTS_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pynenc.identifiers.invocation_id import InvocationId

    from pynenc_redis_lua.scripts.runner import Reply

# What is looked at in one step, which stays below ten milliseconds of the server's time.
_STEP = 25


class Retention(OrchestratorCore):
    """How old data goes."""

    # Where the next round goes on to look for replies that nobody needs any more.
    _replies_cursor = "0"

    def set_up_invocation_auto_purge(self, invocation_id: InvocationId) -> None:
        """Note an invocation for retention; a final status does so by itself."""
        self.scripts.orchestrator_schedule_expiry(invocation_id=invocation_id)

    def auto_purge(self) -> None:
        """Remove what has been final for `auto_final_invocation_purge_hours`, a step at a time.

        So goes what only they needed: client data, and what is noted of runners and consumers that
        have been silent for as long.
        """
        age_us = int(self.conf.auto_final_invocation_purge_hours * 3600 * MICROSECONDS)
        # What a runner ran may have been finished by another one, long after it fell silent.
        silence_us = 2 * max(age_us, self._dead_us)
        contexts_us = silence_us + RESEND_CONTEXTS_SECONDS * MICROSECONDS
        scripts = self.scripts
        steps: list[Callable[[], Reply]] = [
            partial(scripts.orchestrator_expire, age_us=age_us, count=_STEP),
            partial(scripts.orchestrator_expire_runners, age_us=silence_us, count=_STEP),
            partial(scripts.state_expire_contexts, age_us=contexts_us, count=_STEP),
        ]
        if self._state is not None and isinstance(self.app.client_data_store, RedisClientDataStore):
            steps.append(partial(scripts.data_expire, age_us=age_us, count=_STEP))
        deadline = time.monotonic() + SWEEP_SECONDS
        for step in steps:
            for _ in swept(step, deadline):
                pass
        self._expire_replies(silence_us, deadline)

    def _expire_replies(self, age_us: int, deadline: float) -> None:
        while True:
            reply = self.scripts.broker_expire_replies(
                cursor=self._replies_cursor, age_us=age_us, count=_STEP
            )
            self._replies_cursor = reply.values[0].decode()
            if self._replies_cursor == "0" or time.monotonic() > deadline:
                return

    def purge(self) -> None:
        """Remove all data that the orchestrator keeps of the app, at once."""
        self.scripts.orchestrator_purge()
