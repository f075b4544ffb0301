"""Arguments for every script, records to store, and texts that are hard to store."""

from __future__ import annotations

from typing import Any

from pynenc_redis_lua.codec import pack

MAX_US = 2**53


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


# Arguments of each script. The writers, run in this order, store what the readers read.
SAMPLES: dict[str, dict[str, Any]] = {
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
    "state/purge": {},
}

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
