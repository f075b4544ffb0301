"""What RedisStateBackend promises beyond pynenc's own suite."""

from __future__ import annotations

import threading
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pynenc.arguments import Arguments
from pynenc.call import Call
from pynenc.exceptions import InvocationNotFoundError
from pynenc.identifiers.call_id import CallId
from pynenc.identifiers.invocation_id import InvocationId
from pynenc.identifiers.task_id import TaskId
from pynenc.invocation import DistributedInvocation
from pynenc.invocation.status import InvocationStatus, InvocationStatusRecord
from pynenc.models.call_dto import CallDTO
from pynenc.models.invocation_dto import InvocationDTO
from pynenc.runner.runner_context import RunnerContext
from pynenc.state_backend.base_state_backend import InvocationHistory
from pynenc.workflow import WorkflowIdentity
from pynenc_tests.conftest import MockPynenc

import servers
from pynenc_redis_lua.state_backend import RedisStateBackend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pynenc import Pynenc

TASK = TaskId("shop.orders", "ship")
START = datetime(2026, 1, 1, tzinfo=UTC)
mock_app = MockPynenc()


@mock_app.task
def ship(order: int) -> int:
    return order


@pytest.fixture
def backend(app: Pynenc) -> RedisStateBackend:
    assert isinstance(app.state_backend, RedisStateBackend)
    return app.state_backend


def entry(
    number: int,
    *,
    parent: str | None = None,
    event: str | None = None,
    workflow: WorkflowIdentity | None = None,
    arguments: dict[str, str] | None = None,
) -> tuple[InvocationDTO, CallDTO]:
    call_id = CallId(TASK, f"args-{number}")
    dto = InvocationDTO(
        invocation_id=InvocationId(f"inv-{number:06}"),
        call_id=call_id,
        workflow=workflow,
        parent_invocation_id=InvocationId(parent) if parent else None,
        parent_event_id=event,
    )
    return dto, CallDTO(call_id, arguments if arguments is not None else {"order": str(number)})


def history(
    seconds: float, status: InvocationStatus = InvocationStatus.RUNNING
) -> InvocationHistory:
    record = InvocationHistory("unused", InvocationStatusRecord(status, "runner", START), "runner")
    record._timestamp = START + timedelta(seconds=seconds)
    return record


@pytest.fixture
def calls(backend: RedisStateBackend, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The scripts that the backend calls; runners that other tests left are not among them."""
    called: list[str] = []
    run = backend.scripts._run

    def counted(prepared: Any, keys: list[bytes], argv: list[bytes]) -> Any:
        called.append(prepared.name)
        return run(prepared, keys, argv)

    monkeypatch.setattr(backend.scripts, "_run", counted)
    return called


class TestInvocations:
    def test_an_invocation_comes_back_as_it_was_stored(self, backend: RedisStateBackend) -> None:
        workflow = WorkflowIdentity(InvocationId("wf"), TaskId("a.b", "c"), InvocationId("up"))
        stored = entry(1, parent="p", event="e", workflow=workflow, arguments={"ü": "", "": "\0"})

        backend._upsert_invocations([stored])

        assert backend._get_invocation(InvocationId("inv-000001")) == stored

    def test_an_unknown_invocation_is_none_or_an_error(self, backend: RedisStateBackend) -> None:
        assert backend._get_invocation(InvocationId("nobody")) is None
        with pytest.raises(InvocationNotFoundError, match="nobody"):
            backend.get_invocation(InvocationId("nobody"))

    def test_an_update_moves_the_invocation_in_every_index(
        self, backend: RedisStateBackend
    ) -> None:
        first = WorkflowIdentity(InvocationId("wf-1"), TaskId("m", "one"))
        second = WorkflowIdentity(InvocationId("wf-2"), TaskId("m", "two"))
        backend._upsert_invocations([entry(1, parent="p1", event="e1", workflow=first)])

        backend._upsert_invocations([entry(1, parent="p2", event="e2", workflow=second)])

        found = {
            "p1": list(backend.get_child_invocations(InvocationId("p1"))),
            "p2": list(backend.get_child_invocations(InvocationId("p2"))),
            "e1": list(backend.get_invocations_by_parent_event("e1")),
            "e2": list(backend.get_invocations_by_parent_event("e2")),
            "wf-1": list(backend.get_invocation_ids_by_workflow("wf-1")),
            "wf-2": list(backend.get_invocation_ids_by_workflow("wf-2")),
            "m.one": list(backend.get_invocation_ids_by_workflow(None, "m.one")),
            "m.two": list(backend.get_invocation_ids_by_workflow(None, "m.two")),
        }
        new = {"p2", "e2", "wf-2", "m.two"}
        assert found == {name: ["inv-000001"] if name in new else [] for name in found}

    def test_workflow_criteria_hold_together(self, backend: RedisStateBackend) -> None:
        workflow = WorkflowIdentity(InvocationId("wf"), TaskId("m", "f"))
        backend._upsert_invocations([entry(1, workflow=workflow), entry(2)])

        def find(*criteria: str | None) -> list[InvocationId]:
            return list(backend.get_invocation_ids_by_workflow(*criteria))

        assert find("wf", "m.f") == find("wf") == find(None, "m.f") == find() == ["inv-000001"]
        assert find("unknown", "m.f") == find("wf", "m.other") == []

    def test_a_batch_with_history_is_one_call(
        self, app: Pynenc, backend: RedisStateBackend, calls: list[str]
    ) -> None:
        ship.app = app
        invocations = [
            DistributedInvocation.isolated(Call(ship, Arguments({"order": i}))) for i in range(300)
        ]
        calls.clear()

        backend.upsert_with_history(
            invocations,
            InvocationStatusRecord(InvocationStatus.REGISTERED),
            RunnerContext("Runner", "runner-1", RunnerContext("Parent", "runner-0")),
        )

        assert calls == ["state/upsert_invocations"]
        for invocation in invocations:
            assert backend.get_invocation(invocation.invocation_id) == invocation
            [record] = backend.get_history(invocation.invocation_id)
            assert record.status_record.status == InvocationStatus.REGISTERED
        assert len(backend._get_runner_contexts(["runner-0", "runner-1"])) == 2

    def test_a_large_batch_is_cut_into_calls_of_a_thousand(
        self, backend: RedisStateBackend, calls: list[str]
    ) -> None:
        backend._upsert_invocations([entry(i, parent="p") for i in range(2_500)])

        assert calls == 3 * ["state/upsert_invocations"]
        children = list(backend.get_child_invocations(InvocationId("p")))
        assert children == [f"inv-{i:06}" for i in range(2_500)]

    def test_a_page_boundary_holds_still_while_data_is_added(
        self, backend: RedisStateBackend
    ) -> None:
        even = [entry(i, parent="p") for i in range(0, 6_000, 2)]
        backend._upsert_invocations(even)
        children = backend.get_child_invocations(InvocationId("p"))
        found = [next(children) for _ in range(1_500)]

        backend._upsert_invocations([entry(i, parent="p") for i in range(1, 6_000, 2)])
        found += children

        assert len(found) == len(set(found))
        assert {dto.invocation_id for dto, _ in even} <= set(found)

    @pytest.mark.parametrize("size", [0, 1, 64 * 2**20])
    def test_values_of_any_size_pass(self, backend: RedisStateBackend, size: int) -> None:
        value = "é" * (size // 2) + "x" * (size % 2)
        stored = entry(1, arguments={"order": value})

        backend._upsert_invocations([stored])
        backend._set_result(InvocationId("inv-000001"), value)

        assert backend._get_invocation(InvocationId("inv-000001")) == stored
        assert backend._get_result(InvocationId("inv-000001")) == value


class TestHistory:
    def test_the_same_record_twice_is_one(self, backend: RedisStateBackend) -> None:
        ids = [InvocationId("a"), InvocationId("b")]
        for _ in range(3):
            backend._add_histories(ids, history(1))

        assert [len(backend.get_history(id_)) for id_ in ids] == [1, 1]
        [page] = backend.iter_history_in_timerange(START, START + timedelta(hours=1))
        assert [record.invocation_id for record in page] == ["a", "b"]

    def test_a_record_comes_back_as_it_was_stored(self, backend: RedisStateBackend) -> None:
        record = InvocationHistory(
            "a", InvocationStatusRecord(InvocationStatus.RETRY, None), "ctx", "parent"
        )
        backend._add_histories([InvocationId("a")], record)

        assert backend.get_history(InvocationId("a")) == [record]
        assert backend.get_history(InvocationId("a"))[0].timestamp == record.timestamp

    @pytest.mark.parametrize("batch_size", [1, 7, 100, 1_000])
    def test_ranges_are_read_in_order_whatever_the_page(
        self, backend: RedisStateBackend, batch_size: int
    ) -> None:
        # Many records of one moment: the pages have to part them.
        for second in range(4):
            ids = [InvocationId(f"inv-{second}-{i}") for i in range(25)]
            backend._add_histories(ids, history(second))

        pages = list(
            backend.iter_history_in_timerange(
                START + timedelta(seconds=1), START + timedelta(seconds=2), batch_size
            )
        )

        records = [record for page in pages for record in page]
        assert {len(page) for page in pages[:-1]} <= {batch_size}
        assert len(records) == len({record.invocation_id for record in records}) == 50
        assert records == sorted(records, key=lambda record: record.timestamp)

    def test_each_invocation_of_a_range_comes_once(self, backend: RedisStateBackend) -> None:
        for second in (5, 1, 3, 2, 4, 3):
            for i in range(10):
                backend._add_histories([InvocationId(f"inv-{i}")], history(second + i / 100))
        backend._add_histories([InvocationId("late")], history(10))

        pages = backend.iter_invocations_in_timerange(
            START + timedelta(seconds=2), START + timedelta(seconds=4, milliseconds=500), 3
        )

        assert [id_ for page in pages for id_ in page] == [f"inv-{i}" for i in range(10)]

    def test_ranges_hold_still_while_records_are_added(self, backend: RedisStateBackend) -> None:
        before = [InvocationId(f"old-{i}") for i in range(200)]
        for i, id_ in enumerate(before):
            backend._add_histories([id_], history(i))
        pages = backend.iter_history_in_timerange(START, START + timedelta(seconds=400), 50)
        found = [record.invocation_id for record in next(pages)]

        backend._add_histories([InvocationId("past")], history(0.5))
        backend._add_histories([InvocationId("ahead")], history(199.5))
        found += [record.invocation_id for page in pages for record in page]

        assert found == [*before, "ahead"]

    @pytest.mark.parametrize("server", servers.names()[:1], indirect=True)
    def test_reading_a_range_takes_the_memory_of_a_page(self, backend: RedisStateBackend) -> None:
        def peak_of(records: int) -> int:
            tracemalloc.start()
            pages = backend.iter_history_in_timerange(START, START + timedelta(days=1), 100)
            assert sum(len(page) for page in pages) == records
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            return peak

        def add(batches: range) -> None:
            for second in batches:
                ids = [InvocationId(f"inv-{second}-{i}") for i in range(1_000)]
                backend._add_histories(ids, history(second))

        add(range(1))
        few = peak_of(1_000)
        add(range(1, 20))

        assert peak_of(20_000) < 1.5 * few

    def test_open_ranges_reach_every_record(self, backend: RedisStateBackend) -> None:
        record = history(0)
        record._timestamp = datetime(1969, 7, 20, tzinfo=UTC)
        backend._add_histories([InvocationId("moon")], record)

        [[found]] = backend.iter_history_in_timerange(
            datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
        )

        assert found.timestamp == record.timestamp


class TestResults:
    def test_a_missing_value_names_the_invocation(self, backend: RedisStateBackend) -> None:
        with pytest.raises(KeyError, match=r"no result .* nobody"):
            backend._get_result(InvocationId("nobody"))
        with pytest.raises(KeyError, match=r"no exception .* nobody"):
            backend._get_exception(InvocationId("nobody"))

    def test_text_of_every_kind_comes_back(self, backend: RedisStateBackend) -> None:
        for text in ("", "\0\n{}", "é", "\ud800"):
            backend._set_result(InvocationId("a"), text)
            backend._set_exception(InvocationId("a"), text)
            assert backend._get_result(InvocationId("a")) == text
            assert backend._get_exception(InvocationId("a")) == text


class TestWorkflows:
    WORKFLOW = WorkflowIdentity(InvocationId("wf"), TaskId("m", "f"))

    def test_a_stored_none_is_not_the_default(self, backend: RedisStateBackend) -> None:
        assert backend.get_workflow_data(self.WORKFLOW, "key", "default") == "default"

        backend.set_workflow_data(self.WORKFLOW, "key", None)

        assert backend.get_workflow_data(self.WORKFLOW, "key", "default") is None

    def test_the_first_deterministic_value_stands(self, backend: RedisStateBackend) -> None:
        assert backend.get_workflow_deterministic_value(self.WORKFLOW, "key") is None

        assert backend.set_workflow_deterministic_value(self.WORKFLOW, "key", [1]) == [1]
        assert backend.set_workflow_deterministic_value(self.WORKFLOW, "key", [2]) == [1]
        assert backend.get_workflow_deterministic_value(self.WORKFLOW, "key") == [1]

    def test_400_racing_threads_read_one_value(self, backend: RedisStateBackend) -> None:
        together = threading.Barrier(400)
        read: list[int] = []

        def race(mine: int) -> None:
            together.wait()
            backend.set_workflow_deterministic_value(self.WORKFLOW, "race", mine)
            read.append(backend.get_workflow_deterministic_value(self.WORKFLOW, "race"))

        threads = [threading.Thread(target=race, args=(i,)) for i in range(400)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(read) == 400
        assert len(set(read)) == 1

    def test_runs_types_and_sub_invocations(self, backend: RedisStateBackend) -> None:
        runs = [
            WorkflowIdentity(InvocationId(f"{func}-{i}"), TaskId("m", func), parent)
            for func in ("one", "two")
            for i in range(3)
            for parent in (None, InvocationId("up"))
        ]
        for run in [*runs, *runs]:
            backend.store_workflow_run(run)
            backend.store_workflow_sub_invocation(run.workflow_id, InvocationId("sub"))

        assert list(backend.get_all_workflow_types()) == [TaskId("m", "one"), TaskId("m", "two")]
        assert sorted(backend.get_all_workflow_runs(), key=str) == sorted(runs, key=str)
        assert set(backend.get_workflow_runs(TaskId("m", "two"))) == set(runs[6:])
        assert list(backend.get_workflow_runs(TaskId("m", "tw"))) == []
        assert list(backend.get_workflow_sub_invocations(InvocationId("one-1"))) == ["sub"]


class TestRunnerContexts:
    @pytest.mark.parametrize("part", ["*", "a?c", "[a]", "\\", "%", "_", ".", "\n", ""])
    def test_a_partial_id_is_literal_text(self, backend: RedisStateBackend, part: str) -> None:
        plain, special = RunnerContext("R", "abc-000"), RunnerContext("R", f"x{part}y")
        for context in (plain, special):
            backend.store_runner_context(context)

        found = {context.runner_id for context in backend.get_matching_runner_contexts(part)}

        assert found == ({plain.runner_id} if part == "" else set()) | {special.runner_id}

    def test_all_matches_are_found_among_many(self, backend: RedisStateBackend) -> None:
        backend._store_contexts(RunnerContext("R", f"runner-{i}-x") for i in range(3_000))

        found = [context.runner_id for context in backend.get_matching_runner_contexts("-x")]

        assert sorted(found) == sorted(f"runner-{i}-x" for i in range(3_000))

    def test_contexts_are_stored_with_those_above_them(self, backend: RedisStateBackend) -> None:
        context = RunnerContext("C", "child", RunnerContext("P", "parent"))
        backend.add_history(
            InvocationId("a"), InvocationStatusRecord(InvocationStatus.PENDING, "child"), context
        )
        backend._runner_context_cache.clear()

        assert backend.get_runner_context("child") == context
        assert backend.get_runner_context("parent") == context.parent_ctx
        assert backend.get_runner_context("nobody") is None

    def test_contexts_are_stored_again_after_a_purge(self, backend: RedisStateBackend) -> None:
        context = RunnerContext("C", "child")
        backend.store_runner_context(context)
        backend.purge()

        backend.store_runner_context(context)

        assert backend._get_runner_context("child") == context


class TestApps:
    def test_an_unknown_app_is_a_value_error(self, backend: RedisStateBackend) -> None:
        backend.client.hdel("pynenc:apps", backend.app.app_id)
        with pytest.raises(ValueError, match="no app"):
            backend.get_app_info()

    def test_discovery_finds_the_apps_of_the_configured_server(
        self, make_app: Callable[..., Pynenc], app_id: str
    ) -> None:
        apps = [make_app(f"{app_id}-{i}") for i in range(3)]
        infos = {app.app_id: app.state_backend.get_app_info() for app in apps}

        assert infos.items() <= RedisStateBackend.discover_app_infos().items()
        assert infos.items() <= RedisStateBackend.get_all_app_infos().items()

    def test_a_purge_removes_one_app_and_no_other(
        self, make_app: Callable[..., Pynenc], app_id: str
    ) -> None:
        names = [app_id, f"{app_id}:", f"{{{app_id}}}", app_id[:-1], "*", app_id * 4]
        backends = [make_app(name).state_backend for name in names]
        for backend in backends:
            fill(backend)

        backends[0].purge()

        assert contents(backends[0]) == [None, [], [], []]
        expected = contents(backends[1])
        assert expected[0] is not None
        assert all(contents(backend) == expected for backend in backends[2:])

    @pytest.mark.parametrize("server", servers.names()[:1], indirect=True)
    def test_the_number_of_keys_does_not_depend_on_the_number_of_invocations(
        self, backend: RedisStateBackend
    ) -> None:
        tag = backend.scripts._app_tag

        def keys() -> set[bytes]:
            return {key for key in _scan(backend) if b"{%b}" % tag.encode() in key}

        fill(backend, range(1_000))
        few = keys()
        fill(backend, range(1_000, 100_000))

        assert keys() == few
        assert len(few) == 10


def fill(backend: RedisStateBackend, numbers: range = range(3)) -> None:
    """Data of every kind but workflow values, for each number."""
    workflow = WorkflowIdentity(InvocationId("wf"), TaskId("m", "f"))
    backend._upsert_invocations([entry(i, parent="p", workflow=workflow) for i in numbers])
    ids = [InvocationId(f"inv-{i:06}") for i in numbers]
    backend._add_histories(ids, history(numbers[0]))
    for id_ in ids[:50]:
        backend._set_result(id_, "result")
        backend._set_exception(id_, "exception")
        backend.set_workflow_data(workflow, id_, 1)
        backend.set_workflow_deterministic_value(workflow, id_, 1)
    backend.store_workflow_run(workflow)


def contents(backend: RedisStateBackend) -> list[object]:
    return [
        backend._get_invocation(InvocationId("inv-000001")),
        list(backend.get_child_invocations(InvocationId("p"))),
        list(backend.get_all_workflow_runs()),
        backend.get_history(InvocationId("inv-000001")),
    ]


def _scan(backend: RedisStateBackend) -> Iterator[bytes]:
    return backend.client.scan_iter(count=1_000)
