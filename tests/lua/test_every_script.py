"""What holds for every script, tried with the arguments of `samples.SAMPLES`."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ResponseError

from lua.conftest import (
    EnforcedScripts,
    call_sample,
    held_by_somebody_else,
    on_primaries,
    remove,
)
from lua.samples import BEFORE, PRIORITY, REFERENCE, SAMPLES, history, invocation, submission
from pynenc_redis_lua.codec import pack
from pynenc_redis_lua.errors import (
    NewerSchemaError,
    PermissionDeniedError,
    RedisLuaError,
    ScriptArgumentError,
    ScriptError,
    WrongTypeError,
)
from pynenc_redis_lua.keys import key_table
from pynenc_redis_lua.scripts.library import Library, library

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from redis import Redis

    from lua.conftest import Caller
    from pynenc_redis_lua.scripts.api import Scripts
    from pynenc_redis_lua.scripts.definition import Definition
    from pynenc_redis_lua.scripts.runner import Reply

    type Key = Callable[[str], bytes]
    type Snapshot = Callable[[], dict[str, Any]]

# A script without a sample is named by one test and left out by the others.
NAMES = [name for name in library().names if name in SAMPLES]
DEFINITIONS: dict[str, Definition] = {name: library().script(name).definition for name in NAMES}
WRITERS = [name for name, script in DEFINITIONS.items() if not script.read_only]
GATED = [name for name, script in DEFINITIONS.items() if script.gated]
WITH_ITEMS = [name for name, script in DEFINITIONS.items() if script.items]
IDS = [
    (name, argument.name)
    for name, script in DEFINITIONS.items()
    for argument in (*script.arguments, *script.items)
    if argument.type == "id"
]
PACKED = [
    (name, argument.name)
    for name in WRITERS
    for argument in (*DEFINITIONS[name].arguments, *DEFINITIONS[name].items)
    if argument.type == "bytes"
]
OF_ALL_APPS = {
    name
    for name, script in DEFINITIONS.items()
    if not any(key_table().keys[key.name].in_slot for key in script.keys)
}
COUNTED = [
    name
    for name, script in DEFINITIONS.items()
    if any(argument.name == "count" for argument in script.arguments)
]
PURGES = {name for name in NAMES if name.endswith("/purge")}
# These note the time at each call: that something is alive, or still wanted.
RENEWING = {
    "data/renew",
    "data/store",
    "data/store_chunk",
    "orchestrator/heartbeat",
}
# What a sample does not read: with a task or a status, counts and pages come from its index.
# Whether there was an outage matters of runners that are silent.
NOT_READ = {
    ("orchestrator/count", "registered"),
    ("orchestrator/page", "registered"),
    ("orchestrator/stale_page", "heartbeats_since"),
    # To tell the types is what it is for.
    *(("check/types", key.name) for key in library().script("check/types").definition.keys),
}
# Keys that a sample's call has no need of, and what makes it need them: it is refused only then.
OTHERWISE: dict[tuple[str, str], dict[str, Any]] = {
    ("orchestrator/commit_status", "exceptions"): {"status": "failed", "outcome": "exception"},
    ("orchestrator/commit_status", "client_data_uses"): {"serialized": REFERENCE.encode()},
    ("orchestrator/commit_status", "changes"): {"status": "failed"},
}


def without_times(value: Any) -> Any:
    """A reply or a snapshot, with one time in place of each that the server's clock gave."""
    match value:
        case bytes():
            # In an index, the id stands right behind the time.
            return re.sub(rb"1[6-9]\d{14}", b"<a time>", value)
        case float():
            return b"<a time>" if value > 1e15 else value
        case dict():
            return {name: without_times(held) for name, held in value.items()}
        case list() | tuple():
            return [without_times(held) for held in value]
        case _:
            return value


def _wrong_numbers() -> Iterator[tuple[str, int, int]]:
    """Calls with a wrong number of keys or arguments: (script, keys, arguments)."""
    for name, script in DEFINITIONS.items():
        keys, arguments, columns = len(script.keys), len(script.arguments), len(script.items)
        yield name, keys + 1, arguments + columns
        if keys > 1:
            yield name, keys - 1, arguments + columns
        if columns != 1:  # one argument more is one item more
            yield name, keys, arguments + columns + 1
        if arguments:
            yield name, keys, arguments - 1


WRONG_NUMBERS = list(_wrong_numbers())


def test_every_script_has_a_sample() -> None:
    assert sorted(SAMPLES) == library().names


def test_every_writer_in_the_slot_of_an_app_is_gated_by_the_schema() -> None:
    assert set(WRITERS) - OF_ALL_APPS == set(GATED)


# Repeating


@pytest.fixture
def prepared(scripts: Scripts, name: str) -> Scripts:
    """The scripts on an app with no more than what the sample needs to do something."""
    for needed, arguments in BEFORE.get(name, []):
        scripts.call(needed, **arguments)
    return scripts


@pytest.mark.parametrize("name", NAMES)
def test_second_call_replies_as_the_first_and_changes_nothing(
    prepared: Scripts, snapshot: Snapshot, name: str
) -> None:
    first = prepared.call(name, **SAMPLES[name])
    once = snapshot()
    second = prepared.call(name, **SAMPLES[name])
    if name == "orchestrator/recover":
        # The steps between are in the history alone by then.
        assert second.values == [[recovered[:2] for recovered in first.values[0]], []]
    else:
        assert second == first
    assert in_time(name, snapshot()) == in_time(name, once)


def in_time(name: str, stored: dict[str, Any]) -> dict[str, Any]:
    """A snapshot as a second call must leave it."""
    if name == "orchestrator/recover":
        # It rings once more: a worker that wakes for nothing does no harm.
        return {key: held for key, held in stored.items() if not key.startswith("doorbell:")}
    return without_times(stored) if name in RENEWING else stored


@pytest.mark.parametrize("name", NAMES)
def test_replay_among_data_changes_nothing(seeded: Scripts, snapshot: Snapshot, name: str) -> None:
    first = seeded.call(name, **SAMPLES[name])
    once = snapshot()
    assert seeded.call(name, **SAMPLES[name]) == first
    assert in_time(name, snapshot()) == in_time(name, once)


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(WRITERS)))
def test_reading_changes_nothing(seeded: Scripts, snapshot: Snapshot, name: str) -> None:
    before = snapshot()
    seeded.call(name, **SAMPLES[name])
    assert snapshot() == before


@pytest.mark.parametrize("name", NAMES)
def test_call_survives_a_script_flush(seeded: Scripts, raw: Redis, name: str) -> None:
    before = seeded.call(name, **SAMPLES[name])
    on_primaries(raw, "SCRIPT FLUSH")
    assert seeded.call(name, **SAMPLES[name]) == before


@pytest.mark.parametrize("name", WRITERS)
def test_first_write_survives_a_script_flush(
    scripts: Scripts, raw: Redis, app_id: str, key: Key, snapshot: Snapshot, name: str
) -> None:
    reply = call_sample(scripts, name)
    written = snapshot()
    remove(raw, app_id)
    raw.delete(key("apps"))
    on_primaries(raw, "SCRIPT FLUSH")
    assert without_times(call_sample(scripts, name)) == without_times(reply)
    assert without_times(snapshot()) == without_times(written)


def test_calls_survive_script_flushes_at_any_moment(scripts: Scripts, raw: Redis) -> None:
    """Also one between the reload of a script and the call that follows it."""
    over = threading.Event()

    def flush() -> None:
        while not over.is_set():
            on_primaries(raw, "SCRIPT FLUSH")

    with ThreadPoolExecutor(1) as pool:
        flushing = pool.submit(flush)
        try:
            for number in range(100):
                scripts.state_set_result(invocation_id=f"{number}", serialized=b"result")
        finally:
            over.set()
    flushing.result()
    assert scripts.state_get_result(invocation_id="99").tag == "FOUND"


# Keys in the hands of others


def raw_keys(scripts: Scripts, name: str) -> list[bytes]:
    """KEYS of a call with the sample."""
    table, tag = scripts.library.table, scripts._app_tag
    return [
        table.keys[use.name].on_server(tag, SAMPLES[name][use.argument] if use.argument else None)
        for use in DEFINITIONS[name].keys
    ]


@pytest.mark.parametrize("name", NAMES)
def test_key_of_another_type_is_refused_and_nothing_changes(
    request: pytest.FixtureRequest, raw: Redis, snapshot: Snapshot, name: str
) -> None:
    # On what the samples left a call is a replay, and reads no more than it must.
    reads_first = any(use.read_first for use in DEFINITIONS[name].keys)
    scripts = request.getfixturevalue("prepared" if reads_first else "seeded")
    if reads_first:
        scripts.call("trigger/register", **SAMPLES["trigger/register"])
    for use, held in zip(DEFINITIONS[name].keys, raw_keys(scripts, name), strict=True):
        if (name, use.name) in NOT_READ | OTHERWISE.keys():
            continue
        with held_by_somebody_else(raw, held):
            before = snapshot()
            with pytest.raises(WrongTypeError, match=use.name) as refusal:
                scripts.call(name, **SAMPLES[name])
            assert refusal.value.script == name
            assert snapshot() == before, use


@pytest.mark.parametrize(("name", "needed"), OTHERWISE)
def test_key_of_another_type_is_refused_by_a_call_that_needs_it(
    prepared: Scripts, raw: Redis, key: Key, snapshot: Snapshot, name: str, needed: str
) -> None:
    condition, trigger = SAMPLES["trigger/register"]["items"]
    watches = pack(pack("watch", "module.function", "failed", "condition"))
    items = [(*condition[:3], watches), trigger]
    prepared.call("trigger/register", **SAMPLES["trigger/register"] | {"items": items})
    with held_by_somebody_else(raw, key(needed)):
        before = snapshot()
        with pytest.raises(WrongTypeError, match=needed):
            prepared.call(name, **SAMPLES[name] | OTHERWISE[name, needed])
        assert snapshot() == before


@pytest.mark.parametrize(("name", "needless"), OTHERWISE)
def test_key_of_another_type_is_left_alone_by_a_call_that_has_no_need_of_it(
    prepared: Scripts, raw: Redis, key: Key, name: str, needless: str
) -> None:
    with held_by_somebody_else(raw, key(needless)):
        assert prepared.call(name, **SAMPLES[name]).tag == "OK"


@pytest.mark.parametrize("schema", ["next", "9" * 30])
@pytest.mark.parametrize("name", GATED)
def test_data_of_a_newer_schema_is_not_written(
    seeded: Scripts, raw: Redis, key: Key, snapshot: Snapshot, name: str, schema: str
) -> None:
    newer = str(key_table().schema_version + 1) if schema == "next" else schema
    raw.set(key("schema"), newer)
    before = snapshot()
    with pytest.raises(NewerSchemaError, match=f"schema {newer}") as refusal:
        seeded.call(name, **SAMPLES[name])
    assert refusal.value.script == name
    assert snapshot() == before


@pytest.mark.parametrize("name", GATED)
def test_schema_that_is_no_number_is_not_written(
    seeded: Scripts, raw: Redis, key: Key, snapshot: Snapshot, name: str
) -> None:
    raw.set(key("schema"), "somebody else's")
    before = snapshot()
    with pytest.raises(ScriptError):
        seeded.call(name, **SAMPLES[name])
    assert snapshot() == before


@pytest.mark.parametrize("name", sorted(set(GATED) - PURGES))
def test_first_write_sets_the_schema(prepared: Scripts, raw: Redis, key: Key, name: str) -> None:
    raw.delete(key("schema"))
    prepared.call(name, **SAMPLES[name])
    assert raw.get(key("schema")) == b"%d" % key_table().schema_version


@pytest.mark.parametrize("name", sorted(set(NAMES) - OF_ALL_APPS))
def test_app_sees_and_changes_nothing_of_another(
    seeded: Scripts, raw: Redis, snapshot: Snapshot, caller: Caller, app_id: str, name: str
) -> None:
    before = snapshot()
    other = f"{app_id}}}:x"
    reply = EnforcedScripts(caller, other, seeded.library).call(name, **SAMPLES[name])
    remove(raw, other)
    assert snapshot() == before
    remove(raw, app_id)
    assert without_times(seeded.call(name, **SAMPLES[name])) == without_times(reply)


# Arguments


@pytest.mark.parametrize(("name", "argument"), IDS)
def test_empty_id_is_refused(
    scripts: Scripts, snapshot: Snapshot, name: str, argument: str
) -> None:
    arguments = dict(SAMPLES[name])
    if argument in arguments:
        arguments[argument] = ""
    else:
        at = [column.name for column in DEFINITIONS[name].items].index(argument)
        rows = [list(row) for row in arguments["items"] or [MANY_ITEMS[name](0)]]
        rows[-1][at] = ""
        arguments["items"] = [tuple(row) for row in rows]
    with pytest.raises(ScriptArgumentError, match=f"{name}: {argument} must be"):
        scripts.call(name, **arguments)
    assert snapshot() == {}


# These store something of their own, whether it meets conditions or not.
OF_THEIR_OWN = {
    "trigger/fire",
    "trigger/fire_existing",
    "trigger/store_cron",
    "trigger/store_event",
}


@pytest.mark.parametrize("name", sorted(set(WITH_ITEMS) - OF_THEIR_OWN))
def test_no_items_write_no_data(scripts: Scripts, snapshot: Snapshot, name: str) -> None:
    arguments = {
        argument: b"" if isinstance(value, bytes) else value
        for argument, value in SAMPLES[name].items()
    }
    reply = scripts.call(name, **arguments | {"items": []})
    assert reply.tag in DEFINITIONS[name].returns
    assert not any(without_times(reply.values)) or name == "orchestrator/register"
    assert snapshot().keys() <= {"schema"}


@pytest.mark.parametrize("value", [b"no list", b"\xa9short", b"\xa1ab", b"\xc0", b"\x91\xa1a"])
@pytest.mark.parametrize(("name", "argument"), PACKED)
def test_script_that_fails_on_an_argument_changes_nothing(
    seeded: Scripts, snapshot: Snapshot, name: str, argument: str, value: bytes
) -> None:
    """Where a list is wanted: Redis does not roll back what was written before it was read."""
    # Under ids of its own, so that it is no call that is repeated.
    arguments = {
        one: f"{given} new"
        if one in {"op", "consumer", "invocation_id", "event_id", "run_id"}
        else given
        for one, given in SAMPLES[name].items()
    }
    if argument in arguments:
        arguments[argument] = value
    else:
        at = [column.name for column in DEFINITIONS[name].items].index(argument)
        rows = [list(row) for row in arguments["items"] or [MANY_ITEMS[name](0)]]
        rows[-1][at] = value
        arguments["items"] = [tuple(row) for row in rows]
    before = snapshot()
    try:
        seeded.call(name, **arguments)
    except ScriptError:
        assert snapshot() == before


@pytest.mark.parametrize("count", [0, -1])
@pytest.mark.parametrize("name", COUNTED)
def test_count_below_one_reads_nothing(seeded: Scripts, name: str, count: int) -> None:
    """A page is bounded by its arguments: design, principle 7."""
    try:
        reply = seeded.call(name, **SAMPLES[name] | {"count": count})
    except RedisLuaError:
        return
    assert not any(isinstance(value, list) and value for value in reply.values)


@pytest.mark.parametrize(("name", "keys", "arguments"), WRONG_NUMBERS)
def test_wrong_number_of_keys_or_arguments_is_refused(
    seeded: Scripts, raw: Redis, snapshot: Snapshot, name: str, keys: int, arguments: int
) -> None:
    sent = (raw_keys(seeded, name) * 2)[:keys]
    before = snapshot()
    with pytest.raises(ResponseError, match=f"PYN_ARITY got {keys} keys and {arguments} arguments"):
        raw.eval(library().script(name).rendered.text, keys, *sent, *["1"] * arguments)
    assert snapshot() == before


MANY = 10_000
# Each item of these is a range that they read: there are as many as statuses, or four.
RANGES = {
    "orchestrator/page",
    "orchestrator/task_page",
    "trigger/count_events",
    "trigger/events_page",
}


def _registration(i: int) -> tuple[Any, ...]:
    digests = pack("x", i)
    return (
        f"inv-{i}",
        "task",
        "call",
        "recovered",
        PRIORITY,
        f"slot-{i}",
        f"unique-{i}",
        "",
        digests,
    )


def _valid(i: int) -> tuple[str, str, bytes]:
    return f"entry-{i}", "condition", b"{}"


MANY_ITEMS: dict[str, Callable[[int], tuple[Any, ...]]] = {
    "trigger/clear": lambda i: (f"entry-{i}",),
    "trigger/fire": lambda i: (f"entry-{i}", 1, 1),
    "trigger/fire_existing": lambda i: (f"entry-{i}", 1, 1),
    "trigger/get_conditions": lambda i: (f"condition-{i}",),
    "trigger/get_cron": lambda i: (f"condition-{i}",),
    "trigger/get_events": lambda i: (f"event-{i}",),
    "trigger/get_runs": lambda i: (f"run-{i}",),
    "trigger/get_triggers": lambda i: (f"trigger-{i}",),
    "trigger/link_events": lambda i: (f"event-{i}",),
    "trigger/record": lambda i: (b"", *_valid(i)),
    "trigger/register": lambda i: (
        "condition",
        f"condition-{i}",
        b"{}",
        pack(pack("kind", "cron", f"condition-{i}")),
    ),
    "trigger/remove_runs_of": lambda i: (f"event-{i}",),
    "trigger/settle": lambda i: (f"entry-{i}", 1, 1),
    "trigger/store_cron": _valid,
    "trigger/store_event": _valid,
    "trigger/triggers_of": lambda i: (f"condition-{i}",),
    "broker/count": lambda i: (f"queue-{i}",),
    "broker/route": lambda i: (f"inv-{i}",),
    "orchestrator/count": lambda i: (f"status-{i}",),
    "orchestrator/heartbeat": lambda i: (f"runner-{i}",),
    "orchestrator/matching_page": lambda i: (f"status-{i}",),
    "orchestrator/recover": lambda i: (f"inv-{i}",),
    "orchestrator/register": _registration,
    "orchestrator/services_trim": lambda i: (f"execution-{i}",),
    "orchestrator/statuses_of": lambda i: (f"inv-{i}",),
    "orchestrator/submit": lambda i: submission(f"inv-{i}"),
    "orchestrator/wait": lambda i: (f"inv-{i}",),
    "state/add_histories": lambda i: (f"inv-{i}", history(i), i),
    "state/get_runner_contexts": lambda i: (f"runner-{i}",),
    "state/relate": lambda i: (pack("sub", "workflow", f"inv-{i}"),),
    "state/store_runner_contexts": lambda i: (f"runner-{i}", b"{}"),
    "state/upsert_invocations": lambda i: (
        f"inv-{i}",
        invocation(parent="parent"),
        pack("x", i),
        history(i),
        i,
    ),
}
# What the items are afterwards, by key; two members of the index for an invocation with a parent.
_REGISTERED = {"statuses": MANY, "registered": MANY, "open": MANY, "task_index": MANY}
_RECORDED = {"valid_conditions": MANY, "valid_order": MANY}
MANY_STORED: dict[str, dict[str, int]] = {
    "trigger/clear": {"valid_conditions": 0, "valid_order": 0},
    "trigger/record": _RECORDED,
    "trigger/register": {"conditions": MANY, "condition_index": MANY},
    "trigger/store_cron": _RECORDED,
    "trigger/store_event": _RECORDED,
    "broker/route": {"queue": MANY, "queued": MANY},
    "orchestrator/heartbeat": {"heartbeats": MANY, "runners": MANY},
    "orchestrator/recover": {"queue": MANY, "queued": MANY},
    # An argument and the registration key of each.
    "orchestrator/register": _REGISTERED | {"concurrency": 2 * MANY, "index": MANY},
    "orchestrator/submit": _REGISTERED
    | {
        "concurrency": 2 * MANY,
        "invocations": MANY,
        "arguments": MANY,
        "index": 2 * MANY,
        "history": MANY,
        "history_times": MANY,
        "queue": MANY,
        "queued": MANY,
        "client_data_uses": MANY,
    },
    "orchestrator/wait": {"waits": 2 * MANY, "blocking": MANY},
    "state/add_histories": {"history": MANY, "history_times": MANY},
    "state/relate": {"index": MANY},
    "state/store_runner_contexts": {"runner_contexts": MANY, "context_times": MANY},
    "state/upsert_invocations": {
        "invocations": MANY,
        "arguments": MANY,
        "index": 2 * MANY,
        "history": MANY,
        "history_times": MANY,
    },
}
# What is there before, where there has to be something, and what of it the reply then names.
MANY_BEFORE = {
    "trigger/clear": "trigger/record",
    "trigger/get_conditions": "trigger/register",
    "orchestrator/recover": "orchestrator/register",
    "orchestrator/wait": "orchestrator/register",
    "state/get_runner_contexts": "state/store_runner_contexts",
}
MANY_REPLIED: dict[str, Callable[[int], Any]] = {
    "trigger/get_conditions": lambda _: b"{}",
    "trigger/get_cron": lambda _: None,
    "trigger/get_events": lambda _: None,
    "trigger/get_runs": lambda _: None,
    "trigger/get_triggers": lambda _: None,
    "trigger/triggers_of": lambda _: [],
    "orchestrator/recover": lambda i: [b"inv-%d" % i, b"task"],
    "orchestrator/statuses_of": lambda _: None,
    "state/get_runner_contexts": lambda _: b"{}",
}


def call_with_many(scripts: Scripts, name: str) -> Reply:
    items = [MANY_ITEMS[name](i) for i in range(MANY)]
    return scripts.call(name, **SAMPLES[name] | {"items": items})


@pytest.mark.parametrize("name", sorted(set(WITH_ITEMS) - {*RANGES}))
def test_ten_thousand_items_in_one_call(scripts: Scripts, raw: Redis, key: Key, name: str) -> None:
    if name in MANY_BEFORE:
        call_with_many(scripts, MANY_BEFORE[name])
    reply = call_with_many(scripts, name)
    if name in MANY_REPLIED:
        assert reply.values[0] == [MANY_REPLIED[name](i) for i in range(MANY)]
    else:
        assert reply.tag in DEFINITIONS[name].returns
    for used, size in MANY_STORED.get(name, {}).items():
        is_hash = key_table().keys[used].type == "hash"
        assert (raw.hlen if is_hash else raw.zcard)(key(used)) == size, used


# The fixture itself


STRAY = """#!lua{flags}
--- Touch what is not declared.
-- @version 1
-- @key results
-- @returns OK
-- @cost O(1)
{start}redis.call({call})
return {{ "OK" }}
"""


def stray_scripts(caller: Caller, app_id: str, folder: Path, **parts: str) -> EnforcedScripts:
    (folder / "test").mkdir()
    (folder / "test" / "stray.lua").write_text(STRAY.format(**parts), encoding="utf-8")
    return EnforcedScripts(caller, app_id, Library(folder, key_table()))


@pytest.mark.parametrize(
    ("flags", "start", "call"),
    [
        ("", "start_writing()\n", '"HSET", results .. "_of_others", "field", "value"'),
        (" flags=no-writes", "", '"HGET", results .. "_of_others", "field"'),
    ],
    ids=["write", "read"],
)
def test_undeclared_key_is_denied(
    scripts: Scripts,
    caller: Caller,
    app_id: str,
    snapshot: Snapshot,
    tmp_path: Path,
    flags: str,
    start: str,
    call: str,
) -> None:
    scripts.state_set_result(invocation_id="invocation", serialized=b"result")
    stray = stray_scripts(caller, app_id, tmp_path, flags=flags, start=start, call=call)
    before = snapshot()
    with pytest.raises(PermissionDeniedError):
        stray.call("test/stray")
    assert snapshot() == before


def test_declared_key_is_allowed_to_the_same_user(
    caller: Caller, app_id: str, scripts: Scripts, tmp_path: Path
) -> None:
    stray = stray_scripts(
        caller, app_id, tmp_path, flags="", start="start_writing()\n", call='"HLEN", results'
    )
    assert stray.call("test/stray").tag == "OK"
    assert scripts.state_get_result(invocation_id="invocation").tag == "NONE"
