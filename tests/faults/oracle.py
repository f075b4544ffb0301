"""What really happened, kept outside of the system under test, and the judge of what it says.

Clients note what they submit and what was acknowledged, bodies of tasks note each execution; each
line is on disk before anything else happens. In the end all of it is compared with the server.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pynenc.exceptions import InvocationStatusError
from pynenc.identifiers.invocation_id import InvocationId
from pynenc.invocation.status import InvocationStatus, validate_transition

from life.tools import client_of, key_of
from lua.model import Record
from pynenc_redis_lua.codec import unpack
from pynenc_redis_lua.records import to_history

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pynenc import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation

RECOVERIES = {InvocationStatus.RUNNING_RECOVERY, InvocationStatus.PENDING_RECOVERY}


@cache
def _opened(path: str, _process: int) -> int:
    return os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)


class Oracle:
    """The file of one test; every process appends to it.

    Args:
        path: The file.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)

    def note(self, what: str, token: str, **more: Any) -> None:
        """Append a line, and return when it is on disk."""
        line = json.dumps({"what": what, "token": token, "at": time.time(), **more}) + "\n"
        file = _opened(self.path, os.getpid())
        os.write(file, line.encode())
        os.fsync(file)

    def submit(
        self, tokens: Iterable[str], call: Callable[[], Iterable[DistributedInvocation[Any, Any]]]
    ) -> list[DistributedInvocation[Any, Any]]:
        """Submit one invocation for each token, and note what was acknowledged."""
        tokens = list(tokens)
        for token in tokens:
            self.note("submitted", token)
        made = list(call())
        for token, invocation in zip(tokens, made, strict=True):
            self.note("acknowledged", token, id=invocation.invocation_id)
        return made

    def lines(self, what: str) -> Iterator[dict[str, Any]]:
        """What was noted so far, of one kind."""
        if not Path(self.path).exists():
            return
        with Path(self.path).open(encoding="utf-8") as file:
            for line in file:
                # The last line of a process that was killed may be cut.
                if line.endswith("\n") and (noted := json.loads(line))["what"] == what:
                    yield noted

    def acknowledged(self) -> dict[str, str]:
        """The tokens of acknowledged submissions, by invocation id."""
        return {line["id"]: line["token"] for line in self.lines("acknowledged")}


@dataclass
class Verdict:
    """What the comparison says.

    Attributes:
        acknowledged: Submissions that were acknowledged.
        known: Invocations that the server has.
        lost: Acknowledged, and not on the server.
        unexpected: On the server, and nobody submitted it; or one submission, two invocations.
        stuck: Not final.
        wrong: History against the rules or out of order, or more than one final status.
        wrong_result: Neither the token of the task nor its error.
        unexecuted: Succeeded, and its body never ran.
        unexplained: Executed more often than it was recovered, and once more.
        extra: Executions beyond the first of each.
        recovered_from: From which owners what was recovered, one entry a recovery.
    """

    acknowledged: int
    known: int
    lost: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    wrong_result: list[str] = field(default_factory=list)
    unexecuted: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    extra: int = 0
    recovered_from: Counter[str] = field(default_factory=Counter)

    def assert_clean(self, *, but: Iterable[str] = ()) -> None:
        """Nothing is lost, stuck, wrong or without an explanation, but what a test expects."""
        faults = {
            name: found[:5]
            for name, found in vars(self).items()
            if isinstance(found, list) and found and name not in but
        }
        assert faults == {}


def judge(app: Pynenc, oracle: Oracle, *, retention: bool = False) -> Verdict:
    """Compare what was noted with what the server has.

    Args:
        app: The app.
        oracle: What was noted.
        retention: Whether what had come to its end may have been removed.
    """
    client = client_of(app)
    records = {
        id_.decode(): Record.read(packed)
        for id_, packed in client.hgetall(key_of(app, "statuses")).items()
    }
    histories = client.hgetall(key_of(app, "history"))
    acknowledged = oracle.acknowledged()
    executions = Counter(line["id"] for line in oracle.lines("began"))
    verdict = Verdict(len(acknowledged), len(records))
    ended = {line["id"] for line in oracle.lines("ended")} if retention else set()
    verdict.lost = sorted(acknowledged.keys() - records.keys() - ended)
    verdict.unexpected = _unexpected(app, oracle, records.keys())
    for id_, record in records.items():
        history = [
            to_history(InvocationId(id_), entry)
            for entry in unpack(histories.get(id_.encode(), b""))
        ]
        statuses = [entry.status_record.status for entry in history]
        if not record.is_final:
            verdict.stuck.append(f"{id_}: {[status.value for status in statuses]}")
        times = [entry.timestamp for entry in history]
        if _breaks_the_rules(statuses, record) or times != sorted(times):
            verdict.wrong.append(f"{id_}: {record} {[status.value for status in statuses]}")
        if _has_wrong_result(app, id_, record):
            verdict.wrong_result.append(id_)
        owners = [
            before.status_record.runner_id or "nobody"
            for before, after in pairwise(history)
            if after.status_record.status in RECOVERIES
        ]
        verdict.recovered_from.update(owners)
        began = executions[id_]
        again = len(owners) + statuses.count(InvocationStatus.RETRY)
        if record.status == InvocationStatus.SUCCESS and not began:
            verdict.unexecuted.append(id_)
        if began > 1 + again:
            verdict.unexplained.append(f"{id_}: {began} times {[s.value for s in statuses]}")
        verdict.extra += max(began - 1 - statuses.count(InvocationStatus.RETRY), 0)
    return verdict


def _breaks_the_rules(statuses: list[InvocationStatus], record: Record) -> bool:
    for before, after in pairwise([None, *statuses]):
        try:
            validate_transition(before, after)
        except InvocationStatusError:
            return True
    finals = sum(status.is_final() for status in statuses)
    return statuses[-1:] != [record.status] or finals != record.is_final


def _has_wrong_result(app: Pynenc, id_: str, record: Record) -> bool:
    """The tasks of these tests return their token, or raise it."""
    if record.status not in {InvocationStatus.SUCCESS, InvocationStatus.FAILED}:
        return False
    token = app.state_backend.get_invocation(InvocationId(id_)).arguments.kwargs["token"]
    if record.status == InvocationStatus.FAILED:
        return str(app.state_backend.get_exception(InvocationId(id_))) != token
    return bool(app.state_backend.get_result(InvocationId(id_)) != token)


def _unexpected(app: Pynenc, oracle: Oracle, known: Iterable[str]) -> list[str]:
    acknowledged = oracle.acknowledged()
    tokens = Counter(acknowledged.values())
    for id_ in known - acknowledged.keys():
        invocation = app.state_backend.get_invocation(InvocationId(id_))
        tokens[invocation.arguments.kwargs["token"]] += 1
    submitted = {line["token"] for line in oracle.lines("submitted")}
    return [token for token, times in tokens.items() if times > 1 or token not in submitted]
