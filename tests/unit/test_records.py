"""Records of the history as they are kept, and back; how a call is named in the index."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest
from pynenc.identifiers.call_id import CallId
from pynenc.identifiers.invocation_id import InvocationId
from pynenc.identifiers.task_id import TaskId
from pynenc.invocation.status import InvocationStatus, InvocationStatusRecord
from pynenc.state_backend.base_state_backend import InvocationHistory

from pynenc_redis_lua.codec import unpack
from pynenc_redis_lua.records import call_name, history_record, to_history


@pytest.mark.parametrize(
    ("owner", "context", "kept"),
    [
        ("runner", "runner", None),
        ("runner", "other", b"other"),
        ("runner", "", b""),
        (None, "runner", b"runner"),
        (None, "", b""),
    ],
)
def test_a_context_that_is_the_owner_is_kept_once(
    owner: str | None, context: str, kept: bytes | None
) -> None:
    status = InvocationStatusRecord(InvocationStatus.RUNNING, owner, datetime.now(UTC))
    history = InvocationHistory("inv", status, context, "parent")
    record = history_record(history)
    assert list(unpack(record))[4] == kept
    assert to_history(InvocationId("inv"), record) == history


@pytest.mark.parametrize("length", [39, 40, 41, 100])
def test_a_call_has_its_id_or_the_digest_of_a_long_one(length: int) -> None:
    call = CallId(TaskId("module", "function"), "a" * (length - len("module.function:")))
    name = call.key.encode()
    assert len(name) == length
    digest = hashlib.sha1(name).hexdigest().encode()
    assert call_name(call) == (name if length <= 40 else digest)
