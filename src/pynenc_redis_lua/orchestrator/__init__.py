"""Orchestrator: the life of invocations, each step one commit.

Where state backend and broker of the app are ours as well and on the same server, a step is one
script: submit, claim, start, finish, retry, reroute. Where one of them is not, the chain of
pynenc's base class does it, with our part of each step atomic in itself.
"""

from __future__ import annotations

from pynenc_redis_lua.orchestrator.claiming import Claiming
from pynenc_redis_lua.orchestrator.queries import Queries
from pynenc_redis_lua.orchestrator.runners import Runners
from pynenc_redis_lua.orchestrator.services import Services
from pynenc_redis_lua.orchestrator.submission import Submission
from pynenc_redis_lua.orchestrator.transitions import Transitions

__all__ = ["RedisOrchestrator"]


class RedisOrchestrator(Submission, Claiming, Transitions, Runners, Services, Queries):
    """Orchestrator on Redis or Valkey.

    Args:
        app: The app whose invocations it leads.

    Every method raises, besides what is said there, the errors of
    :meth:`~pynenc_redis_lua.scripts.runner.ScriptRunner.call`.
    """
