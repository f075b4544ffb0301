"""Blocking control: who waits for whom."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pynenc.identifiers.invocation_id import InvocationId
from pynenc.orchestrator.base_orchestrator import BaseBlockingControl

from pynenc_redis_lua.codec import to_text
from pynenc_redis_lua.scripts.runner import batches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pynenc_redis_lua.scripts.api import Scripts

# Waits that are noted in one commit.
_WAITS = 250


class RedisBlockingControl(BaseBlockingControl):
    """Who waits for whom.

    Args:
        scripts: The scripts of the app.
    """

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    def waiting_for_results(
        self,
        caller_invocation_id: InvocationId,
        result_invocation_ids: list[InvocationId],
    ) -> None:
        """Note that an invocation waits for others; those that are final never block it."""
        items = [(invocation_id,) for invocation_id in result_invocation_ids]
        for batch in batches(items, _WAITS):
            self._scripts.orchestrator_wait(waiting_id=caller_invocation_id, items=batch)

    def release_waiters(self, waited_invocation_id: InvocationId) -> None:
        """Let those go on that wait for an invocation; one commit per 500 of them."""
        release = partial(self._scripts.orchestrator_release, invocation_id=waited_invocation_id)
        while release().tag == "MORE":
            pass

    def get_blocking_invocations(self, max_num_invocations: int) -> Iterator[InvocationId]:
        """Iterate over the invocations that block others and are free to run, oldest first."""
        if max_num_invocations > 0:
            reply = self._scripts.orchestrator_blocking_page(count=max_num_invocations)
            yield from (InvocationId(to_text(id_)) for id_ in reply.values[0])
