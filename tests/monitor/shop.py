"""What the backend says of the shop: the tests compare the pages of the monitor with it."""

from __future__ import annotations

import importlib
import sys
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from pynenc.arguments import Arguments
from pynenc.call import Call
from pynenc.identifiers.task_id import TaskId

from monitor.tools import EXAMPLES

if TYPE_CHECKING:
    from pynenc import Pynenc
    from pynenc.identifiers.invocation_id import InvocationId
    from pynenc.invocation.status import InvocationStatus
    from pynenc.task import Task
    from pynenc.trigger.monitoring import TriggerRunRecord

ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


class Shop:
    """A shop that has been filled; `app` is an app of this process with the same data."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.folder = Path(environment["MONITORED_FOLDER"])
        if str(EXAMPLES) not in sys.path:
            sys.path.append(str(EXAMPLES))
        # The module makes an app, too.
        with mock.patch.dict("os.environ", environment):
            tasks = importlib.import_module("monitored.tasks")
        self.tasks = {task_id.key for task_id in tasks.app.tasks}
        self.app: Pynenc = tasks.build(
            environment["MONITORED_APP"], environment["MONITORED_URL"], self.folder
        )

    def remove(self) -> None:
        """Remove all that the shop left on the server."""
        self.app.purge()
        client: Any = self.app.state_backend
        client.client.hdel("pynenc:apps", self.app.app_id)

    def task(self, name: str) -> Task:
        task = self.app.get_task(TaskId("monitored.tasks", name))
        assert task is not None
        return task

    def submit(self, orders: range) -> set[str]:
        """Queue the packing of some orders; no worker is there to do it."""
        group = self.task("pack").parallelize([(order,) for order in orders])
        return {str(invocation.invocation_id) for invocation in group.invocations}

    def call_of(self, name: str, order: int) -> Call:
        return Call(self.task(name), Arguments({"order": order}))

    def invocation_of(self, name: str, order: int) -> InvocationId:
        [found] = self.app.orchestrator.get_call_invocation_ids(self.call_of(name, order).call_id)
        return found

    def count(self, *statuses: InvocationStatus, task: str | None = None) -> int:
        return self.app.orchestrator.count_invocations(
            self.task(task).task_id if task else None, list(statuses) or None
        )

    def ids(self, *statuses: InvocationStatus) -> set[str]:
        found = self.app.orchestrator.get_invocation_ids_paginated(
            statuses=list(statuses) or None, limit=1_000_000
        )
        return {str(id_) for id_ in found}

    @cached_property
    def workflow(self) -> InvocationId:
        """A run of the workflow."""
        return next(iter(self.app.state_backend.get_all_workflow_runs())).workflow_id

    @cached_property
    def event(self) -> str:
        """An event that triggered something."""
        return self.app.trigger.get_events(triggered=True, limit=1)[0].event_id

    @cached_property
    def trigger_run(self) -> TriggerRunRecord:
        return self.app.trigger.get_trigger_runs_for_event(self.event)[0]

    @cached_property
    def runner(self) -> str:
        return self.app.orchestrator.get_active_runners()[0].runner_id

    @cached_property
    def service_runs(self) -> list[Any]:
        """The runs of pynenc's atomic service."""
        found = self.app.orchestrator.get_atomic_service_executions_in_timerange(*ALWAYS)
        return list(found)

    @cached_property
    def names(self) -> dict[str, str]:
        """What stands for each placeholder in the path of a page."""
        run = self.trigger_run
        return {
            "app_id": self.app.app_id,
            "invocation_id": self.invocation_of("pack", 1),
            "task_id_key": "monitored.tasks.charge",
            "call_id_key": self.call_of("charge", 7).call_id.key,
            "workflow_type_key": "monitored.tasks.fulfil",
            "runner_id": self.runner,
            "event_id": self.event,
            "trigger_id": run.trigger_id,
            "trigger_run_id": run.trigger_run_id,
            "condition_id": run.condition_ids[0],
            "valid_condition_id": run.valid_condition_ids[0],
            "atomic_service_run_id": run.atomic_service_run_id or "",
        }
