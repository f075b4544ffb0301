"""Consistency: every index held against every record, a page of one collection in each step.

Each step is one script that verifies a page against its counterparts. Every commit of this package
is atomic, so between scripts all that is verified here holds, also while workers work: what is
reported is damage, never a moment in between. `docs/consistency.md` lists what is verified, and
what a repair does.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from pynenc_redis_lua.errors import WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pynenc_redis_lua.scripts.api import Scripts

# An invocation that many wait for ends in several commits, with an outage between them at worst.
RELEASE_GRACE_US = 60 * 1_000_000


@dataclass(frozen=True)
class Problem:
    """Something that does not agree.

    Attributes:
        kind: What kind of problem; `docs/consistency.md` lists them.
        key: The key that is wrong, as `lua/keys.toml` names it.
        id: What it is about: an invocation, an event, …; any bytes.
        text: What is wrong, for people.
        repaired: Whether it has been mended.
    """

    kind: str
    key: str
    id: bytes
    text: str
    repaired: bool = False

    def __str__(self) -> str:
        """Return one line without control characters, whatever the id holds."""
        shown = self.id.decode("utf-8", "backslashreplace")
        mended = " (repaired)" if self.repaired else ""
        return f"{self.kind} {self.key} {shown!r}: {self.text}{mended}"


@dataclass(frozen=True)
class Collection:
    """A collection and the script that verifies a page of it.

    Attributes:
        key: The key that is paged.
        script: Name of the script below `check/`.
        count: Entries of a page: a step stays below ten milliseconds of the server's time.
        named: Whether the script verifies several collections and is told which.
    """

    key: str
    script: str
    count: int = 100
    named: bool = False

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the script that are the same for each page."""
        arguments: dict[str, Any] = {"count": self.count}
        if self.named:
            arguments["collection"] = self.key
        if self.script == "waits":
            arguments["grace_us"] = RELEASE_GRACE_US
        return arguments


# Records before what refers to them: what a repair removes, the later collections let go.
COLLECTIONS = (
    Collection("queued", "queued"),
    Collection("queue", "queue"),
    Collection("history", "history", 50),
    Collection("invocations", "invocations"),
    Collection("statuses", "statuses", 50),
    Collection("registered", "status_times", named=True),
    Collection("open", "status_times", named=True),
    Collection("expiring", "status_times", named=True),
    Collection("task_index", "task_index"),
    Collection("concurrency", "concurrency", 50),
    Collection("waits", "waits", 50),
    Collection("blocking", "blocking"),
    Collection("arguments", "payloads", named=True),
    Collection("results", "payloads", named=True),
    Collection("exceptions", "payloads", named=True),
    Collection("workflow_data", "workflow_data", 50, named=True),
    Collection("workflow_values", "workflow_data", 50, named=True),
    Collection("history_times", "history_times"),
    Collection("index", "index"),
    Collection("runners", "runners"),
    Collection("heartbeats", "heartbeats"),
    Collection("runner_contexts", "runner_contexts"),
    Collection("context_times", "context_times"),
    Collection("services", "services"),
    Collection("service_times", "service_times"),
    Collection("replies", "packed", named=True),
    Collection("triggers", "triggers"),
    Collection("condition_index", "condition_index"),
    Collection("cron_times", "packed", named=True),
    Collection("changes", "changes"),
    Collection("valid_conditions", "valid_conditions", 50),
    Collection("valid_order", "valid_order"),
    Collection("event_links", "event_links"),
    Collection("events", "events", 50),
    Collection("event_index", "event_index", 50),
    Collection("trigger_runs", "trigger_runs"),
    Collection("trigger_run_index", "trigger_run_index"),
    Collection("client_data", "client_data", 1),
    Collection("client_data_uses", "client_data_uses"),
)


def check(
    scripts: Scripts, *, repair: bool = False, looked_at: Counter[str] | None = None
) -> Iterator[Problem]:
    """Verify every index of an app against every record, and mend what is found if asked to.

    Without `repair` nothing is written. Workers may go on meanwhile; what is added or removed then
    may or may not be looked at. A purge is one commit of each component: what is left between them
    looks damaged, and is.

    Args:
        scripts: The scripts of the app.
        repair: Whether to mend what is found, in a step that verifies it once more.
        looked_at: Counts the entries of each collection that were looked at.

    Yields:
        Each problem once, collection after collection.

    Raises:
        NewerSchemaError: If the data was written by a newer release.
        RedisLuaError: As :meth:`~pynenc_redis_lua.scripts.runner.ScriptRunner.call`.
    """
    counts = Counter[str]() if looked_at is None else looked_at
    wrong = list(_wrong_keys(scripts))
    yield from wrong
    if any(problem.key == "schema" for problem in wrong):
        # Every script that may write refuses an app of which the schema is not known.
        return
    for collection in COLLECTIONS:
        try:
            yield from _check_collection(scripts, collection, counts, repair=repair)
        except WrongTypeError:
            # Which key that is was told before.
            continue


def is_empty(scripts: Scripts) -> bool:
    """Tell whether the app has no data at all."""
    types, _ = scripts.check_types().values
    return set(types) == {b"none"}


def _wrong_keys(scripts: Scripts) -> Iterator[Problem]:
    """Find keys of another type, and a schema number that is none.

    What is there is somebody else's: to remove it is not for a program.
    """
    types, schema = scripts.check_types().values
    table = scripts.library.table
    if schema is not None and schema.isdigit() and int(schema) > table.schema_version:
        # A newer release may have other types; the first script that may write refuses.
        return
    uses = scripts.library.script("check/types").definition.keys
    for use, held in zip(uses, types, strict=True):
        wanted = table.keys[use.name].type
        if held.decode() not in {"none", wanted}:
            text = f"it is a {held.decode()}, not a {wanted}; look at it, and remove it yourself"
            yield Problem("wrong_type", use.name, b"", text)
    if schema is not None and not schema.isdigit():
        yield Problem("unreadable", "schema", schema, "it is no number of a schema")


def _check_collection(
    scripts: Scripts, collection: Collection, counts: Counter[str], *, repair: bool
) -> Iterator[Problem]:
    # A scan may come upon an entry more than once.
    seen: set[Problem] = set()
    cursor = "0"
    while True:
        page = _page(scripts, collection, cursor, repair=False)
        found = page.problems
        counts[collection.key] += page.looked_at
        if repair and found:
            # The same page once more, which replies with what it could not mend: a call that is
            # repeated because its reply was lost replies the same. Pages may differ where a hash
            # grows between the two; what this one left out comes with the next.
            page = _page(scripts, collection, cursor, repair=True)
            found = [replace(it, repaired=it not in page.problems) for it in found]
        for problem in found:
            if problem not in seen:
                seen.add(problem)
                yield problem
        cursor = page.cursor
        if cursor == "0":
            return


class _Page(NamedTuple):
    cursor: str
    looked_at: int
    problems: list[Problem]


def _page(scripts: Scripts, collection: Collection, cursor: str, *, repair: bool) -> _Page:
    next_cursor, problems, *looked_at = scripts.call(
        f"check/{collection.script}",
        cursor=cursor,
        repair=int(repair),
        **collection.arguments(),
    ).values
    return _Page(
        next_cursor.decode(),
        sum(looked_at),
        [
            Problem(kind.decode(), _name(key), id_, text.decode("utf-8", "backslashreplace"))
            for kind, key, id_, text in problems
        ],
    )


def _name(key: bytes) -> str:
    """Return what `lua/keys.toml` calls a key of an app."""
    return key.partition(b"}:")[2].decode()
