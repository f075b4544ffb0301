"""pynenc's integration suite of its monitor.

Each module of the suite builds an app of its own, in memory or in SQLite, when it is imported, and
some of its tests build more: here they all get our components instead.
"""

from __future__ import annotations

import sys
import threading
from copy import copy
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from pynenc import Pynenc, PynencBuilder

import servers
from pynenc_redis_lua.builder import COMPONENTS

pytest.importorskip("fastapi", reason="the monitor's extra stops at Python 3.12")
from pynmon.app import app as pynmon_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from servers import Server


def _ours(builder: PynencBuilder, *_: Any, **__: Any) -> PynencBuilder:
    return builder.custom_config(**COMPONENTS)


_patches = [patch.object(PynencBuilder, name, _ours) for name in ("memory", "sqlite")]
for each in _patches:
    each.start()
from pynenc_tests.integration.pynmon.all_tests import *  # noqa: E402, F403
from pynenc_tests.integration.pynmon.conftest import *  # noqa: E402, F403

for each in _patches:
    each.stop()


def one_at_a_time(app: Pynenc) -> Callable[[], None]:
    """pynenc's registration for several runners in one process, as a test of the suite has them.

    It iterates over a dictionary that the others clear meanwhile; the runner that meets this ends,
    and the test waits for it in vain. So it does on pynenc's own SQLite backend: see
    docs/conformance.md.
    """
    register, lock = app.register_deferred_triggers, threading.Lock()

    def locked() -> None:
        with lock:
            register()

    return locked


@pytest.fixture(params=[name for name in servers.names() if "cluster" not in name])
def server(request: pytest.FixtureRequest) -> Server:
    """Not a cluster: runners of processes are in it."""
    return servers.running(request.param)


@pytest.fixture(autouse=True)
def app_of_the_module(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, server: Server
) -> Iterator[None]:
    """Let the app of the suite's module be the one that the monitor shows, on this server."""
    # The environment is what child processes see as well.
    monkeypatch.setenv("PYNENC__REDIS_URL", server.url)
    monkeypatch.setenv("PYNENC__REDIS_CLUSTER", str(server.cluster))
    app = sys.modules[request.function.__module__].app
    monkeypatch.setattr(request.module, "app", app, raising=False)
    # The suite's server sets all routes up once more for each test, until their lifespans, one
    # within the other, exceed Python's depth of calls.
    for grown in ("routes", "lifespan_context"):
        monkeypatch.setattr(pynmon_app.router, grown, copy(getattr(pynmon_app.router, grown)))
    monkeypatch.setattr(app, "register_deferred_triggers", one_at_a_time(app))
    for component in ("broker", "client_data_store", "orchestrator", "state_backend", "trigger"):
        monkeypatch.setattr(app, f"_{component}", None)
    with patch.object(PynencBuilder, "memory", _ours), patch.object(PynencBuilder, "sqlite", _ours):
        yield
        app.purge()
