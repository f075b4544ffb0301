"""pynenc's own suite on our components, on every server of the matrix."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest
from pynenc import Pynenc
from pynenc.serializer.base_serializer import BaseSerializer
from pynenc.util.subclasses import get_all_subclasses

# The fixtures that the suite takes from its own conftests.
from pynenc_tests.conftest import *  # noqa: F403
from pynenc_tests.integration.combinations.conftest import *  # noqa: F403
from pynenc_tests.integration.orchestrator.conftest import *  # noqa: F403
from pynenc_tests.util.subclasses import get_runner_subclasses

import servers
from conformance import report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write docs/conformance.md, if the run is to do so: see `make conformance`."""
    if os.environ.get("CONFORMANCE_REPORT"):
        outcomes = ("passed", "skipped", "failed", "error")
        report.write([each for name in outcomes for each in terminalreporter.stats.get(name, [])])


@pytest.fixture
def app_instance(make_app: Callable[..., Pynenc]) -> Pynenc:
    return make_app()


def standalone() -> list[str]:
    return [name for name in servers.names() if "cluster" not in name]


def combinations() -> list[tuple[str, str, str]]:
    """Each server with each runner and a serializer in turn, as the suite's own list has it.

    Not a cluster: the suite forks hundreds of processes, each of which asks for its layout.
    """
    runners = sorted(runner.__name__ for runner in get_runner_subclasses())
    serializers = sorted(each.__name__ for each in get_all_subclasses(BaseSerializer))
    return [
        (server, runner, serializers[number % len(serializers)])
        for server in standalone()
        for number, runner in enumerate(runners)
    ]


@pytest.fixture(params=combinations(), ids="-".join)
def app_combination_instance(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Pynenc]:
    """An app configured by the environment, which child processes see as well."""
    name, runner, serializer = request.param
    server = servers.running(name)
    components = {
        "CLIENT_DATA_STORE_CLS": "RedisClientDataStore",
        "ORCHESTRATOR_CLS": "RedisOrchestrator",
        "BROKER_CLS": "RedisBroker",
        "STATE_BACKEND_CLS": "RedisStateBackend",
        "TRIGGER_CLS": "RedisTrigger",
        "SERIALIZER_CLS": serializer,
        "RUNNER_CLS": runner,
        "REDIS_URL": server.url,
        "REDIS_CLUSTER": str(server.cluster),
        "APP_ID": f"{request.node.name}-{uuid.uuid4().hex[:8]}",
        "PRINT_ARGUMENTS": "False",
        # As the suite's own fixture has them.
        "RUNNER_LOOP_SLEEP_TIME_SEC": "0.01",
        "INVOCATION_WAIT_RESULTS_SLEEP_TIME_SEC": "0.01",
    }
    for field, value in components.items():
        monkeypatch.setenv(f"PYNENC__{field}", value)
    app = Pynenc()
    yield app
    app.purge()
