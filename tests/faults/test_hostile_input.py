"""Names and values of any text are stored and given back as they are, or refused.

Hypothesis puts them together of what means something to somebody: to Redis Cluster, globs, Lua, the
templates of our scripts, packed lists, RESP, JSON. Two apps with such ids work side by side, and
neither ever sees or loses anything for the other.
"""

from __future__ import annotations

import re
from contextlib import ExitStack, contextmanager
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pynenc.app_info import AppInfo
from pynenc.arguments import Arguments
from pynenc.call import Call
from pynenc.conf.config_task import ConcurrencyControlType
from pynenc.exceptions import ConfigError
from pynenc.identifiers.invocation_id import InvocationId
from pynenc.identifiers.task_id import TaskId
from pynenc.invocation.status import InvocationStatus
from pynenc.serializer.constants import ReservedKeys
from pynenc.workflow.workflow_identity import WorkflowIdentity

import servers
from faults.scale import FULL, scaled
from life.tools import as_runner, build_app, claim, client_of, runner
from lua.conftest import contents, keys_of
from lua.model import check
from pynenc_redis_lua.codec import to_bytes, to_text
from pynenc_redis_lua.errors import ScriptError
from pynenc_redis_lua.state_backend import RedisStateBackend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from pynenc import Pynenc
    from pynenc.task import Task

    from servers import Server

STANDALONE = [name for name in servers.names() if "cluster" not in name]
pytestmark = pytest.mark.parametrize("server", scaled(STANDALONE[:1], STANDALONE), indirect=True)


def has_surrogates(text: str) -> bool:
    """Whether it is no text that UTF-8 can encode."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


PIECES = [
    *("{", "}", "{}", "{a}", "}{", "pynenc:{a}:queue", ":queue", "pynenc:apps"),
    *("*", "?", "[a-z]", "[^a]", "\\", "\\*", "~", "%R~"),
    *("%", "%s", "%d+", "%00", "%7B", "]]", "--]]", "[[", "--", "KEYS[1]", "' .. nil .. '"),
    *("--[[= x ]]", '--[[% use "lib/time.lua" %]]', "{{ x }}", "{% raw %}"),
    *(":", "0:", "1:a", "3:abc", "9007199254740993:", "-1:", "::"),
    *("\0", "\n", "\r\n", "\r\n$3\r\nabc\r\n", "*1\r\n", "\t", " ", "\x7f", "\x80", "\xff"),
    *('"', "'", "\\u0000", "null", "true", "0", "-0", "1e400", "nan", "é", "e\u0301", "\U0001f600"),
    *("\ud800", "\udfff", "\u2028", "\ufeff", "a", "A", ".", "..", "/", "#", "\x1b[2J"),
    *("__pynenc__client_data__:", "registered", "slot", "unique"),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=6).map("".join) | st.text(max_size=12)
# pynenc takes a text that begins so for a reference to client data, whoever made it.
VALUES = TEXTS.filter(lambda text: not text.startswith(ReservedKeys.CLIENT_DATA))
NAMES = TEXTS.filter(bool)
ENCODABLE = NAMES.filter(lambda name: not has_surrogates(name))
MIB = 2**20
HUGE = ["x" * MIB, "}" * MIB, "\0" * MIB, "é*" * (MIB // 3)]
# The shape of every key of ours; the test of scripts has a list of apps for itself.
KEY = re.compile(rb"pynenc:(\{[A-Za-z0-9_.~%-]+\}:[a-z_]+(:[A-Za-z0-9_.-]+)?|apps(:[0-9a-f]+)?)")
S = InvocationStatus
# The name of an argument with which a task fails.
FAILS = "fails with"

fuzzed = settings(
    max_examples=scaled(25, 200),
    derandomize=not FULL,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def task_of(app: Pynenc, module: str, name: str, **options: Any) -> Task:
    """A task of any name, which gives back its arguments or fails with them."""

    def function(**values: str) -> dict[str, str]:
        if FAILS in values:
            raise LookupError(values[FAILS])
        return values

    function.__module__, function.__name__, function.__qualname__ = module, name, name
    return app.task(function, **options)


def submit(app: Pynenc, task: Task, values: dict[str, str]) -> str:
    # A function can't have arguments of any name; a call can.
    return str(app.orchestrator.route_call(Call(task, Arguments(values))).invocation_id)


def stored(app: Pynenc) -> dict[str, Any]:
    client = client_of(app)
    names = keys_of(client, app.app_id)
    parts = (to_text(name.partition(b"}:")[2]) for name in names)
    return dict(zip(parts, contents(client, names), strict=True))


def remove(app: Pynenc) -> None:
    """Remove every key of an app, in whatever name."""
    client = client_of(app)
    for name in keys_of(client, app.app_id):
        client.delete(name)
    client.hdel("pynenc:apps", to_bytes(app.app_id))


@contextmanager
def apps(server: Server, *ids: str) -> Iterator[list[Pynenc]]:
    """Apps of these ids; every key on the server is one that ours can have."""
    with ExitStack() as stack:
        found = []
        for app_id in ids:
            app = build_app(server, app_id)
            stack.callback(remove, app)
            found.append(app)
        yield found
        keys = client_of(found[0]).keys("pynenc:*")
        assert [key for key in keys if not KEY.fullmatch(key)] == []


@contextmanager
def unchanged(*others: Pynenc) -> Iterator[None]:
    """Whatever is done meanwhile, nothing of these apps changes."""
    before = [stored(app) for app in others]
    yield
    assert [stored(app) for app in others] == before


class Story:
    """All that can be given a name or a value of any text, of one app."""

    def __init__(self, app: Pynenc, texts: dict[str, str]) -> None:
        self.app = app
        self.texts = texts
        self.task = task_of(app, texts["module"], texts["task"])
        self.who = runner(texts["runner"])
        self.values = {texts["argument"]: texts["value"], "of": f"app {app.app_id}"}

    def tell(self) -> None:
        """Do a bit of everything, and find that it is what was given."""
        app, state = self.app, self.app.state_backend
        state.store_app_info(AppInfo.from_app(app))
        app.orchestrator.register_runner_heartbeats([self.who.runner_id])
        with as_runner(app, self.who):
            self.id = submit(app, self.task, self.values)
            self.failing = submit(app, self.task, {FAILS: self.texts["value"]})
        succeeding, failing = claim(app, self.who, 2)
        succeeding.run(self.who)
        with pytest.raises(LookupError) as error:
            failing.run(self.who)
        assert error.value.args == (self.texts["value"],)
        with as_runner(app, self.who):
            self.waiting = submit(app, self.task, self.values)
        workflow = WorkflowIdentity(InvocationId(self.texts["workflow"]), self.task.task_id, None)
        state.store_workflow_run(workflow)
        state.set_workflow_data(workflow, self.texts["key"], self.values)
        state.set_workflow_deterministic_value(workflow, self.texts["key"], self.values)

    def check(self) -> None:
        """All of it is there, and nothing else."""
        app, state, orch = self.app, self.app.state_backend, self.app.orchestrator
        check(stored(app))
        ids = [self.id, self.failing, self.waiting]
        assert orch.count_invocations() == 3
        assert orch.count_invocations(self.task.task_id) == 3
        assert list(orch.get_task_invocation_ids(self.task.task_id)) == ids
        assert orch.get_invocation_ids_paginated(statuses=[S.SUCCESS]) == [self.id]
        assert state.get_result(self.id) == self.values
        assert state.get_exception(self.failing).args == (self.texts["value"],)
        self._check_invocation()
        self._check_runner()
        workflow = WorkflowIdentity(InvocationId(self.texts["workflow"]), self.task.task_id, None)
        assert list(state.get_all_workflow_runs()) == [workflow]
        assert list(state.get_all_workflow_types()) == [self.task.task_id]
        assert state.get_workflow_data(workflow, self.texts["key"]) == self.values
        assert state.get_workflow_deterministic_value(workflow, self.texts["key"]) == self.values
        assert state.get_app_info() == AppInfo.from_app(app)

    def _check_invocation(self) -> None:
        invocation = self.app.state_backend.get_invocation(InvocationId(self.id))
        assert invocation.task.task_id == TaskId(self.texts["module"], self.texts["task"])
        assert invocation.arguments.kwargs == self.values
        found = self.app.orchestrator.get_call_invocation_ids(invocation.call.call_id)
        assert sorted(found) == sorted([self.id, self.waiting])

    def _check_runner(self) -> None:
        state, name = self.app.state_backend, self.texts["runner"]
        record = self.app.orchestrator.get_invocation_status_record(InvocationId(self.waiting))
        assert (record.status, record.runner_id) == (S.REGISTERED, name)
        assert {it.runner_context_id for it in state.get_history(InvocationId(self.id))} == {name}
        assert [it.runner_id for it in state.get_matching_runner_contexts(name)] == [name]
        assert [it.runner_id for it in self.app.orchestrator.get_active_runners()] == [name]


def is_refused_by_pynenc(app: Pynenc, texts: dict[str, str]) -> bool:
    """Whether it can't encode the names: then nothing is stored."""
    if not any(has_surrogates(texts[name]) for name in ENCODED):
        return False
    with unchanged(app), pytest.raises(UnicodeEncodeError):
        submit(app, task_of(app, texts["module"], texts["task"]), {texts["argument"]: ""})
    return True


TEXTS_OF_A_STORY = {
    "module": NAMES,
    "task": NAMES,
    "argument": NAMES.filter(lambda name: name not in {FAILS, "of"}),
    "value": VALUES,
    "runner": NAMES,
    "workflow": NAMES,
    "key": TEXTS,
}
# Of these pynenc makes a hash, or the name of a setting.
ENCODED = ("module", "task", "argument")
PLAIN = dict.fromkeys(TEXTS_OF_A_STORY, "plain")


def test_apps_side_by_side_keep_what_each_was_given(
    server: Server, figure: Callable[[str], None]
) -> None:
    pairs = 0

    @fuzzed
    @given(
        ids=st.lists(NAMES, min_size=2, max_size=2, unique=True),
        texts=st.fixed_dictionaries(TEXTS_OF_A_STORY),
    )
    @example(ids=["a", "a}"], texts=PLAIN)
    @example(ids=["a", "A"], texts=PLAIN)
    @example(ids=["a", "{a}"], texts=PLAIN)
    @example(ids=["%7D", "}"], texts=PLAIN)
    @example(ids=scaled([HUGE[0], "x"], HUGE[:2]), texts=PLAIN)
    @example(ids=["a", "b"], texts=dict(zip(TEXTS_OF_A_STORY, cycle(HUGE), strict=False)))
    def story(ids: list[str], texts: dict[str, str]) -> None:
        nonlocal pairs
        pairs += 1
        tell_side_by_side(server, ids, texts)

    story()
    figure(f"{pairs:,} pairs of apps on {server.name}: all given back, nothing of another app's")


def tell_side_by_side(server: Server, ids: list[str], texts: dict[str, str]) -> None:
    with apps(server, *ids) as (one, other):
        if is_refused_by_pynenc(one, texts):
            return
        stories = [Story(app, texts) for app in (one, other)]
        with unchanged(other):
            stories[0].tell()
        with unchanged(one):
            stories[1].tell()
        for story in stories:
            story.check()
        listed = RedisStateBackend.discover_app_infos()
        assert set(ids) <= set(listed)
        assert all(listed[app_id].app_id == app_id for app_id in ids)
        with unchanged(other):
            one.purge()
        assert stored(one) == {}
        stories[1].check()


@fuzzed
@given(values=st.dictionaries(st.tuples(NAMES, TEXTS), VALUES, min_size=1, max_size=8))
@example(values={("ab", "c"): "1", ("a", "bc"): "2", ("a", "b:1c"): "3", ("a", "b"): "4"})
@example(values={(HUGE[0], HUGE[1]): "1", (HUGE[1], HUGE[0]): HUGE[2]})
def test_workflow_data_is_found_under_its_own_key(
    server: Server, values: dict[tuple[str, str], str]
) -> None:
    def workflow(id_: str) -> WorkflowIdentity:
        return WorkflowIdentity(InvocationId(id_), TaskId("module", "task"), None)

    with apps(server, "workflows") as [app]:
        state = app.state_backend
        for (id_, key), value in values.items():
            state.set_workflow_data(workflow(id_), key, value)
            state.set_workflow_deterministic_value(workflow(id_), key, value + "!")
        for (id_, key), value in values.items():
            assert state.get_workflow_data(workflow(id_), key) == value
            assert state.set_workflow_deterministic_value(workflow(id_), key, "") == value + "!"
            assert state.get_workflow_deterministic_value(workflow(id_), key) == value + "!"
            other = workflow(id_ + "'")
            if (other.workflow_id, key) not in values:
                assert state.get_workflow_data(other, key) is None


@fuzzed
@given(names=st.lists(NAMES, min_size=1, max_size=6, unique=True), part=TEXTS)
@example(names=["a", "a*", "[a]", "A", "a\0", "\0a"], part="*")
@example(names=HUGE, part=HUGE[0])
def test_runners_are_told_apart(server: Server, names: list[str], part: str) -> None:
    with apps(server, "runners") as [app]:
        task = task_of(app, "module", "task")
        app.orchestrator.register_runner_heartbeats(names, consumed_queues=["default"])
        assert {it.runner_id for it in app.orchestrator.get_active_runners()} == set(names)
        owned = {name: submit(app, task, {"of": f"runner {name}"}) for name in names}
        for name, id_ in owned.items():
            assert [str(it.invocation_id) for it in claim(app, runner(name))] == [id_]
        for name, id_ in owned.items():
            assert app.orchestrator.get_invocation_status_record(id_).runner_id == name
        matching = app.state_backend.get_matching_runner_contexts(part)
        assert {it.runner_id for it in matching} & set(names) == {it for it in names if part in it}


@fuzzed
@given(tasks=st.lists(st.tuples(ENCODABLE, ENCODABLE), min_size=1, max_size=6, unique_by=".".join))
@example(tasks=[("a", "b"), ("a", "b%"), ("a", "b*"), ("a", "B"), ("a:1", "b"), ("a", "b\0")])
@example(tasks=[(HUGE[0], HUGE[1]), (HUGE[1], HUGE[0])])
def test_tasks_are_told_apart(server: Server, tasks: list[tuple[str, str]]) -> None:
    with apps(server, "tasks") as [app]:
        made = [task_of(app, module, name) for module, name in tasks]
        ids = [submit(app, task, {"of": f"task {task.task_id.key}"}) for task in made]
        for task, id_ in zip(made, ids, strict=True):
            assert list(app.orchestrator.get_task_invocation_ids(task.task_id)) == [id_]
            assert list(app.orchestrator.get_existing_invocations(task)) == [id_]
            assert app.orchestrator.count_invocations(task.task_id, [S.REGISTERED]) == 1
            assert app.state_backend.get_invocation(id_).task.task_id == task.task_id
        claimed = claim(app, runner("one"), len(ids))
        assert [it.task.task_id for it in claimed] == [it.task_id for it in made]


@fuzzed
@given(
    calls=st.lists(
        st.dictionaries(ENCODABLE, VALUES, min_size=1, max_size=3), min_size=1, max_size=6
    ),
    again=st.randoms(use_true_random=False),
)
@example(calls=[{"a": "bc"}, {"ab": "c"}, {"a": "b", "c": ""}, {"a": "b", "c": "0:"}], again=None)
@example(calls=[{"a": "x", "b": "y"}, {'a"x"b': "y"}], again=None)
@example(calls=[{HUGE[0]: HUGE[1]}, {HUGE[1]: HUGE[0]}], again=None)
def test_calls_are_one_only_if_their_arguments_are(
    server: Server, calls: list[dict[str, str]], again: Random | None
) -> None:
    with apps(server, "calls") as [app]:
        mode = ConcurrencyControlType.ARGUMENTS
        once = task_of(app, "module", "task", registration_concurrency=mode)
        repeated = [*calls, *(again.sample(calls, len(calls)) if again else calls)]
        ids = [submit(app, once, call) for call in repeated]
        for call, id_ in zip(repeated, ids, strict=True):
            same = {other for other, it in zip(ids, repeated, strict=True) if it == call}
            assert same == {id_}
            given_back = app.state_backend.get_invocation(InvocationId(id_)).arguments.kwargs
            assert given_back == call
        distinct = {tuple(sorted(call.items())) for call in calls}
        assert len(set(ids)) == len(distinct)


@fuzzed
@given(names=st.lists(TEXTS | st.from_regex(r"[\w.-]+\n?", fullmatch=True), min_size=1, max_size=6))
@example(names=["a", "a.", "A", "a-b", "a_b", "a\n"])
@example(names=["x" * MIB, "y" * MIB, HUGE[1]])
def test_queues_are_told_apart_or_refused(server: Server, names: list[str]) -> None:
    with apps(server, "queues") as [app]:
        allowed: dict[str, str] = {}
        for name in names:
            id_ = InvocationId(f"in {name}")
            if re.fullmatch(r"[A-Za-z0-9_.-]+", name, re.ASCII):
                allowed[name] = id_
                app.broker.route_invocation(id_, name, 0.0)
            else:
                with unchanged(app), pytest.raises(ConfigError):
                    app.broker.route_invocation(id_, name, 0.0)
        for name, id_ in allowed.items():
            assert app.broker.count_invocations([name]) == names.count(name)
            taken = {app.broker.retrieve_invocation(name) for _ in range(names.count(name))}
            assert taken == {id_}
            assert app.broker.retrieve_invocation(name) is None


def test_a_runner_without_a_name_claims_nothing(server: Server) -> None:
    with apps(server, "nameless") as [app]:
        submit(app, task_of(app, "module", "task"), {})
        with unchanged(app), pytest.raises(ScriptError, match="needs a runner"):
            claim(app, runner(""))
