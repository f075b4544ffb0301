"""Trigger: conditions that are met start tasks, once each, whatever is killed when.

A change of status that some condition watches is noted in the commit that makes it; a condition
that is met is recorded; a trigger fires in one commit with the invocation that it starts.
"""

from __future__ import annotations

from pynenc_redis_lua.trigger.cron import Cron
from pynenc_redis_lua.trigger.events import Events
from pynenc_redis_lua.trigger.firing import Firings
from pynenc_redis_lua.trigger.runs import Runs

__all__ = ["RedisTrigger"]


class RedisTrigger(Firings, Cron, Events, Runs):
    """Trigger component on Redis or Valkey.

    Args:
        app: The app whose triggers it keeps.

    Every method raises, besides what is said there, the errors of
    :meth:`~pynenc_redis_lua.scripts.runner.ScriptRunner.call`.
    """
