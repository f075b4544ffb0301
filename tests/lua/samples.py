"""Arguments for every script, records to store, and texts that are hard to store."""

from __future__ import annotations

from typing import Any

from pynenc.serializer.constants import ReservedKeys

from pynenc_redis_lua.broker import sortable_priority
from pynenc_redis_lua.codec import pack

type Call = tuple[str, dict[str, Any]]

MAX_US = 2**53
ANY_AGE = 2**52
PRIORITY = sortable_priority(0.5)
REFERENCE = f"{ReservedKeys.CLIENT_DATA.value}:{'da7a' * 16}"


def invocation(
    call: tuple[str, str, str] = ("module", "function", "args"),
    *,
    parent: str | None = None,
    event: str | None = None,
    workflow: tuple[str, str, str] | None = None,
    parent_workflow: str | None = None,
) -> bytes:
    """A record of `invocations`; a workflow is (id, module, function)."""
    return pack(*call, parent, event, *(workflow or (None, None, None)), parent_workflow)


def history(at_us: int, status: str = "running", runner_id: str = "runner") -> bytes:
    """A record of `history`."""
    return pack(at_us, status, None, at_us, runner_id, None)


def _by(runner: str, op: str) -> dict[str, Any]:
    """Arguments that say who does something."""
    return {
        "owner": pack(runner),
        "context_id": runner,
        "contexts": pack(runner, "{}"),
        "op": op,
        "notes": 1,
    }


def submission(invocation_id: str) -> tuple[str, bytes, bytes, str, str, str, str, bytes]:
    """An item of `submit` that has something in every column."""
    return (
        invocation_id,
        invocation(parent="parent"),
        pack("x", REFERENCE),
        "module.function",
        f"slot of {invocation_id}",
        f"unique {invocation_id}",
        "1",
        pack("x", "digest"),
    )


def _submit(invocation_id: str) -> Call:
    """A queue of its own for an invocation, so that the next claim there takes it."""
    return "orchestrator/submit", {
        "queue_name": invocation_id,
        "priority": PRIORITY,
        "reuse": 0,
        "items": [submission(invocation_id)],
        **_by("client", f"submit {invocation_id}"),
    }


def _claim(invocation_id: str) -> Call:
    return "orchestrator/claim", {
        "queue_name": invocation_id,
        "count": 1,
        "awaited_first": 0,
        "consumer": f"taker of {invocation_id}",
        **_by("runner", f"claim {invocation_id}"),
    }


def _commit(invocation_id: str, status: str, outcome: str, serialized: bytes) -> Call:
    return "orchestrator/commit_status", {
        "invocation_id": invocation_id,
        "status": status,
        "outcome": outcome,
        "serialized": serialized,
        "written_us": 0,
        **_by("runner", f"{status} {invocation_id}"),
    }


def _start(invocation_id: str) -> Call:
    return _commit(invocation_id, "running", "", b"")


def _send_back(invocation_id: str, status: str) -> dict[str, Any]:
    return {
        "status": status,
        "consumer": f"sender of {invocation_id}",
        "queue_name": invocation_id,
        "priority": PRIORITY,
        "invocation_id": invocation_id,
        "written_us": 0,
        **_by("runner", f"send back {invocation_id}"),
    }


# What orchestrator/submit has as the columns of an item, trigger/fire has as arguments.
_SUBMISSION = (
    "invocation_id",
    "record",
    "serialized_arguments",
    "task",
    "slot",
    "unique_key",
    "reroutes",
    "digests",
)


def _check(collection: str = "", **more: int) -> dict[str, Any]:
    named = {"collection": collection} if collection else {}
    return {"cursor": "0", "count": 1000, "repair": 1, **named, **more}


# Arguments of each script. The writers, run in this order, store what the readers read.
SAMPLES: dict[str, dict[str, Any]] = {
    # First of all: among what the others leave, they would find something to mend.
    "check/types": {},
    "check/queue": _check(),
    "check/queued": _check(),
    "check/history": _check(),
    "check/invocations": _check(),
    "check/statuses": _check(),
    "check/status_times": _check("open"),
    "check/task_index": _check(),
    "check/concurrency": _check(),
    "check/waits": _check(grace_us=0),
    "check/blocking": _check(),
    "check/payloads": _check("results"),
    "check/workflow_data": _check("workflow_data"),
    "check/history_times": _check(),
    "check/index": _check(),
    "check/runners": _check(),
    "check/heartbeats": _check(),
    "check/runner_contexts": _check(),
    "check/context_times": _check(),
    "check/services": _check(),
    "check/service_times": _check(),
    "check/packed": _check("replies"),
    "check/triggers": _check(),
    "check/condition_index": _check(),
    "check/changes": _check(),
    "check/valid_conditions": _check(),
    "check/valid_order": _check(),
    "check/events": _check(),
    "check/event_links": _check(),
    "check/event_index": _check(),
    "check/trigger_runs": _check(),
    "check/trigger_run_index": _check(),
    "check/client_data": _check(),
    "check/client_data_uses": _check(),
    "app/store_info": {"app_id": "app", "info": b"{}"},
    "app/get_info": {"app_id": "app"},
    "app/infos_page": {"cursor": "0", "count": 10},
    "state/upsert_invocations": {
        "contexts": pack("runner", "{}"),
        "items": [
            (
                "invocation",
                invocation(
                    parent="parent",
                    event="event",
                    workflow=("workflow", "module", "flow"),
                    parent_workflow="upper",
                ),
                pack("x", "1"),
                history(10, "registered"),
                10,
            )
        ],
    },
    "state/get_invocation": {"invocation_id": "invocation"},
    "state/add_histories": {
        "contexts": pack("runner", "{}"),
        "items": [("invocation", history(20), 20), ("other", history(20), 20)],
    },
    "state/get_history": {"invocation_id": "invocation"},
    "state/history_page": {"after_us": 0, "after_member": b"", "end_us": MAX_US, "count": 10},
    "state/invocations_page": {
        "start_us": 0,
        "after_us": 0,
        "after_member": b"",
        "end_us": MAX_US,
        "count": 10,
    },
    "state/set_result": {"invocation_id": "invocation", "serialized": b"result"},
    "state/get_result": {"invocation_id": "invocation"},
    "state/set_exception": {"invocation_id": "invocation", "serialized": b"exception"},
    "state/get_exception": {"invocation_id": "invocation"},
    "state/set_workflow_data": {"field": pack("workflow", "key"), "serialized": b"data"},
    "state/get_workflow_data": {"field": pack("workflow", "key")},
    "state/set_workflow_value": {"field": pack("workflow", "key"), "serialized": b"value"},
    "state/get_workflow_value": {"field": pack("workflow", "key")},
    "state/relate": {"items": [(pack("run", "module", "flow", "workflow", None),)]},
    "state/related_page": {"prefix": pack("parent", "parent"), "after": b"", "count": 10},
    "state/workflow_types_page": {"after": b"", "count": 10},
    "state/store_runner_contexts": {"items": [("runner", b"{}")]},
    "state/get_runner_contexts": {"items": [("runner",)]},
    "state/match_runner_contexts": {"cursor": "0", "part": "run", "count": 10},
    "state/expire_contexts": {"age_us": ANY_AGE, "count": 10},
    "state/purge": {},
    "data/store_chunk": {"reference": REFERENCE, "part": "p1", "data": b"chunk"},
    "data/store": {"reference": REFERENCE, "data": pack("p", 2, b"chunk")},
    "data/renew": {"reference": REFERENCE},
    "data/retrieve": {"field": REFERENCE.encode()},
    "data/expire": {"age_us": ANY_AGE, "count": 10},
    "data/purge": {},
    "broker/route": {
        "queue_name": "queue",
        "priority": PRIORITY,
        "consumer": "router",
        "op": "route",
        "items": [("routed",)],
    },
    "broker/retrieve": {"queue_name": "retrieved", "consumer": "taker", "op": "take"},
    "broker/count": {"items": [("queue",), ("other",)]},
    "broker/expire_replies": {"cursor": "0", "age_us": ANY_AGE, "count": 10},
    "broker/purge": {"queue_name": "queue"},
    "orchestrator/register": {
        "owner": pack("client"),
        "op": "register",
        "items": [
            (
                *("registered", "module.function", "call", "queue", PRIORITY),
                *("slot", "unique", "1", pack("x", "digest")),
            )
        ],
    },
    "orchestrator/submit": _submit("submitted")[1],
    "orchestrator/claim": _claim("claimed")[1] | {"awaited_first": 1},
    "orchestrator/is_slot_free": {"invocation_id": "submitted", "slot": "slot"},
    "orchestrator/set_status": {
        "invocation_id": "set",
        "status": "running",
        "owner": pack("runner"),
        "op": "set",
    },
    "orchestrator/commit_status": _commit("committed", "success", "result", b"result")[1],
    "orchestrator/get_status": {"invocation_id": "committed", "result_bytes": 100},
    "orchestrator/statuses_of": {"items": [("unknown",), ("submitted",)]},
    "orchestrator/requeue": _send_back("retried", "retry"),
    "orchestrator/count_retry": {"invocation_id": "counted", "op": "count"},
    "orchestrator/index_arguments": {
        "invocation_id": "indexed",
        "digests": pack("x", "digest", "y", "other"),
    },
    "orchestrator/wait": {"waiting_id": "waiting", "items": [("awaited",)]},
    "orchestrator/blocking_page": {"count": 10},
    "orchestrator/release": {"invocation_id": "released"},
    "orchestrator/page": {
        "task": "module.function",
        "offset": 0,
        "count": 10,
        "items": [("registered",), ("running",)],
    },
    "orchestrator/count": {"task": "", "items": [("registered",), ("running",)]},
    "orchestrator/task_page": {
        "task": "module.function",
        "after": b"",
        "count": 10,
        "items": [("registered",)],
    },
    "orchestrator/matching_page": {
        "prefix": pack("argument", "module.function", "x", "digest"),
        "others": pack(pack("argument", "module.function", "y", "other")),
        "after": b"",
        "count": 100,
        "items": [("registered",)],
    },
    "orchestrator/heartbeat": {
        "eligible": "1",
        "queues": pack("queue"),
        "keeps_queues": 0,
        "outage_us": 0,
        "items": [("runner",)],
    },
    "orchestrator/active_runners": {"within_us": ANY_AGE},
    "orchestrator/stale_page": {
        "status": "",
        "after_us": 0,
        "after_id": "",
        "pending_us": 0,
        "dead_us": ANY_AGE,
        "count": 100,
    },
    "orchestrator/recover": {
        "queue_name": "recovered",
        "context_id": "rescuer",
        "contexts": pack("rescuer", "{}"),
        "op": "recover",
        "notes": 1,
        "pending_us": 0,
        "dead_us": 0,
        "items": [("recovered",)],
    },
    "orchestrator/schedule_expiry": {"invocation_id": "committed"},
    "orchestrator/expire": {"age_us": ANY_AGE, "count": 10},
    "orchestrator/expire_runners": {"age_us": ANY_AGE, "count": 10},
    "orchestrator/service_end": {
        "service_id": "ended",
        "runner_id": "runner",
        "ended": 20,
        "status": "completed",
        "reason": "done",
    },
    "orchestrator/service_start": {
        "service_id": "execution",
        "runner_id": "runner",
        "start": "",
        "status": "running",
        "reason": "",
        "dead_us": ANY_AGE,
        "overdue_us": 0,
    },
    "orchestrator/service_active": {},
    "orchestrator/services_page": {"until_us": MAX_US, "offset": 0, "count": 10},
    "orchestrator/services_trim": {
        "age_us": ANY_AGE,
        "keep": 10,
        "offset": 0,
        "count": 10,
        "items": [("ended",)],
    },
    "orchestrator/purge": {},
    "trigger/register": {
        "task": "module.triggered",
        "items": [
            (
                "condition",
                "condition",
                b"{condition}",
                pack(
                    pack("kind", "cron", "condition"),
                    pack("task", "module.function", "condition"),
                    pack("watch", "module.function", "registered", "condition"),
                ),
            ),
            (
                "trigger",
                "trigger",
                pack("module.triggered", "or", None, pack("condition")),
                pack(
                    pack("by", "condition", "trigger"),
                    pack("triggers", "module.triggered", "trigger"),
                ),
            ),
        ],
    },
    "trigger/conditions_page": {"prefix": pack("kind"), "after": b"", "count": 10},
    "trigger/get_conditions": {"items": [("condition",)]},
    "trigger/get_triggers": {"items": [("trigger",)]},
    "trigger/triggers_of": {"items": [("condition",)]},
    "trigger/record": {
        "consumer": "recorder",
        "op": "record",
        "items": [
            (b"", "valid", "condition", b"{valid}"),
            (b"", "other", "condition", b"{other}"),
        ],
    },
    "trigger/valid_page": {"after": 0, "count": 10},
    "trigger/settle": {"trigger_id": "trigger", "items": [("valid", 1, 0)]},
    "trigger/clear": {"items": [("unknown",)]},
    "trigger/changes_page": {"age_us": 0, "offset": 0, "count": 10},
    "trigger/store_cron": {
        "condition_id": "condition",
        "tick": "2026-01-01T00:00:00",
        "expected": "",
        "op": "tick",
        "items": [("tick", "condition", b"{tick}")],
    },
    "trigger/get_cron": {"items": [("condition",)]},
    "trigger/claim_run": {
        "run_id": "run",
        "lease_us": ANY_AGE,
        "consumer": "claimer",
        "op": "claim",
    },
    "trigger/store_event": {
        "event_id": "event",
        "code": "code",
        "at_us": 10,
        "matched": "1",
        "emitter": pack("emitter", "module.function", "runner"),
        "event": b"{event}",
        "links": pack("started"),
        "items": [("of event", "condition", b"{of event}")],
    },
    "trigger/link_events": {"invocation_id": "linked", "items": [("event",)]},
    "trigger/get_events": {"items": [("event",)]},
    "trigger/events_page": {
        "from_us": 0,
        "to_us": 20,
        "offset": 0,
        "count": 10,
        "newest_first": 1,
        "whole": 1,
        "items": [(pack("all", 1, 1),)],
    },
    "trigger/count_events": {"from_us": 0, "to_us": 20, "items": [(pack("all", 1, 1),)]},
    "trigger/event_codes": {"after": b"", "count": 10},
    "trigger/triggered_by": {"event_id": "event"},
    "trigger/store_run": {
        "run_id": "run",
        "at_us": 10,
        "prefixes": pack(pack("all"), pack("event", "event"), pack("service", "service")),
        "event_ids": pack("event"),
        "run": b"{run}",
    },
    "trigger/get_runs": {"items": [("run",)]},
    "trigger/runs_page": {
        "prefix": pack("all"),
        "from_us": 0,
        "to_us": 20,
        "after": b"",
        "count": 10,
    },
    "trigger/services_page": {"after": b"", "count": 10},
    "trigger/fire": {
        "queue_name": "fired",
        "priority": PRIORITY,
        "reuse": 0,
        **dict(zip(_SUBMISSION, submission("fired"), strict=True)),
        "trigger_id": "trigger",
        "run_id": "fired run",
        "run_us": 10,
        "run_prefixes": pack(pack("all"), pack("event", "event")),
        "run": b"{run}",
        "event_ids": pack("event"),
        "items": [],
        **_by("runner", "fire"),
    },
    "trigger/fire_existing": {
        "invocation_id": "existing",
        "trigger_id": "trigger",
        "run_id": "run of existing",
        "run_us": 10,
        "run_prefixes": pack(pack("all"), pack("event", "event")),
        "run": b"{run}",
        "event_ids": pack("event"),
        "items": [],
    },
    "trigger/expire_pending": {"age_us": ANY_AGE, "count": 10},
    "trigger/expire_events": {"before_us": 0, "keep": 10, "count": 10},
    "trigger/expire_runs": {"before_us": 0, "keep": 10, "count": 10},
    "trigger/remove_runs_of": {"count": 10, "items": [("unknown",)]},
    "trigger/purge": {},
}

# What has to be there for a sample to do something, if it is not the sample before it.
BEFORE: dict[str, list[Call]] = {
    "data/renew": [
        ("data/store", SAMPLES["data/store"]),
        # An invocation that referred to it is gone: it is idle.
        *(_submit("user"), _claim("user"), _start("user")),
        _commit("user", "success", "result", b"result"),
        ("orchestrator/expire", {"age_us": 0, "count": 1}),
    ],
    "broker/retrieve": [
        (
            "broker/route",
            SAMPLES["broker/route"] | {"queue_name": "retrieved", "consumer": "other router"},
        )
    ],
    "orchestrator/claim": [_submit("claimed")],
    "orchestrator/set_status": [_submit("set"), _claim("set")],
    "orchestrator/commit_status": [_submit("committed"), _claim("committed"), _start("committed")],
    "orchestrator/requeue": [_submit("retried"), _claim("retried"), _start("retried")],
    "orchestrator/count_retry": [_submit("counted")],
    "orchestrator/index_arguments": [_submit("indexed")],
    "orchestrator/wait": [_submit("waiting"), _submit("awaited")],
    "orchestrator/release": [
        _submit("released"),
        ("orchestrator/wait", {"waiting_id": "waiter", "items": [("released",)]}),
    ],
    "orchestrator/heartbeat": [
        (
            "orchestrator/heartbeat",
            {
                "eligible": "1",
                "queues": b"",
                "keeps_queues": 0,
                "outage_us": ANY_AGE,
                "items": [("before the outage",)],
            },
        )
    ],
    "orchestrator/recover": [_submit("recovered"), _claim("recovered")],
    "orchestrator/service_end": [
        (
            "orchestrator/service_start",
            {
                "service_id": "ended",
                "runner_id": "runner",
                "start": "10",
                "status": "running",
                "reason": "",
                "dead_us": ANY_AGE,
                "overdue_us": 0,
            },
        )
    ],
}


def sample_calls(name: str) -> list[Call]:
    """What to call for a sample: what it needs, and the sample itself."""
    return [*BEFORE.get(name, []), (name, SAMPLES[name])]


# Texts that an encoding with separators, a glob, a pattern, a number or a locale would trip over.
HOSTILE = (
    *("{", "}{", "{}", "{app}", "a{b}c"),
    *("a\nb", "\r\n", "\0", "a\0b", "\0\0", " ", "\t"),
    *(":", "::", "0:", "1:", "3:abc", "1:a1:b", "10:", "-1:x", "4:call", ":3:abc"),
    *("*", "?", "[a]", "\\", "%", "%a", "%7B", "^", "(", "[", "+", "-", ".", "$1"),
    *("0", "-0", "007", "1e3", "nan", "inf", "0x10", "nil", "false"),
    *(
        "a",
        "B",
        "b",
        "Z",
        "z",
        "É",
        "é",
        "ß",
        "\x7f",
        "\x80",
        "ÿ",
        "\uffff",
        "\U0001f600",
        "\udcff",
    ),
    *("x" * 9, "x" * 10, "x" * 99, "x" * 100),
)
MIB = "m" * 2**20
# Every byte there is: what a serializer may make.
BINARY = bytes(range(256)) * 2
