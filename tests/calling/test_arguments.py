"""A call with wrong arguments fails before anything is sent; right ones arrive as they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

import servers
from calling.tools import commands, scripts_on, settings_of, write_library
from pynenc_redis_lua.client import Connection
from pynenc_redis_lua.errors import ScriptArgumentError, ScriptDefinitionError
from pynenc_redis_lua.keys import app_tag
from pynenc_redis_lua.scripts.runner import MAX_INTEGER, ScriptRunner
from servers import Server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


RESULT: dict[str, Any] = {"invocation_id": "i", "serialized": b"x"}
PAGE: dict[str, Any] = {"cursor": "0", "count": 1}
ITEM = ("i", b"record", 1)

# Script, arguments, what the error names.
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("state/set_result", {"invocation_id": "i"}, "missing arguments ['serialized']"),
    ("state/set_result", {}, "missing arguments ['invocation_id', 'serialized']"),
    ("state/set_result", {**RESULT, "result": b""}, "unknown arguments ['result']"),
    ("state/set_result", {**RESULT, "items": []}, "unknown arguments ['items']"),
    ("state/add_histories", {"contexts": b""}, "missing arguments ['items']"),
    *(
        ("state/set_result", {**RESULT, "serialized": value}, "serialized must be bytes")
        for value in ("text", None, 1, ["x"], bytearray(b"x"))
    ),
    *(
        (
            "state/set_result",
            {**RESULT, "invocation_id": value},
            "invocation_id must be a non-empty",
        )
        for value in ("", b"i", None, 1)
    ),
    *(
        ("app/infos_page", {**PAGE, "cursor": value}, "cursor must be a text")
        for value in (b"0", None, 0)
    ),
    *(
        ("app/infos_page", {**PAGE, "count": value}, "count must be an integer")
        for value in (True, "1", 1.0, None, MAX_INTEGER + 1, -MAX_INTEGER - 1)
    ),
    *(
        ("state/add_histories", {"contexts": b"", "items": [ITEM, item]}, name)
        for item, name in (
            (list(ITEM), "an item is (invocation_id, record, at_us)"),
            (ITEM[:2], "an item is (invocation_id, record, at_us)"),
            ((*ITEM, 1), "an item is (invocation_id, record, at_us)"),
            (None, "an item is (invocation_id, record, at_us)"),
            (("", b"record", 1), "invocation_id must be a non-empty text"),
            (("i", "record", 1), "record must be bytes"),
            (("i", b"record", True), "at_us must be microseconds"),
            (("i", b"record", 1.0), "at_us must be microseconds"),
            (("i", b"record", MAX_INTEGER + 1), "at_us must be microseconds"),
        )
    ),
    *(("state/add_histories", {"contexts": b"", "items": items}, "items") for items in (None, 5)),
]

ECHO = """\
#!lua flags=no-writes
--- Answer with what arrived.
-- @version 1
-- @key results
-- @arg identity id
-- @arg text str
-- @arg data bytes
-- @arg number int
-- @arg at_us us
-- @item name str
-- @item size int
-- @returns GOT values
-- @cost O(n)
local types = type(number) .. " " .. type(at_us)
local values = { "GOT", results, identity, text, data, string.format("%.0f", number), at_us, types }
for i = 1, item_count do
  local name, size = item(i)
  values[#values + 1] = name
  values[#values + 1] = string.format("%.0f", size * 2)
end
return values
"""
QUEUE = """\
#!lua flags=no-writes
--- Answer with the keys.
-- @version 1
-- @key results
-- @key queue <- name
-- @arg name id
-- @returns BOTH results queue
-- @cost O(1)
return { "BOTH", results, queue }
"""


@pytest.fixture
def runner(connection: Connection, app_id: str, tmp_path: Path) -> ScriptRunner:
    """Calls two scripts of the test's own."""
    files = {"test/echo": ECHO, "test/queue": QUEUE.replace("name", "queue_name")}
    return ScriptRunner(connection, app_id, write_library(tmp_path, files))


def nowhere() -> Connection:
    """A connection whose use would be another error than that of an argument."""
    return Connection(
        settings_of(Server("nowhere", f"redis://{servers.HOST}:1/0"), redis_outage_budget=0.0)
    )


class TestWrong:
    @pytest.mark.parametrize(("script", "arguments", "message"), WRONG, ids=repr)
    def test_is_refused_by_script_and_argument(
        self, script: str, arguments: dict[str, Any], message: str
    ) -> None:
        scripts = scripts_on(nowhere(), "app")
        with pytest.raises(ScriptArgumentError, match=f"^{script}: .*{re.escape(message)}"):
            scripts.call(script, **arguments)

    def test_sends_nothing(self, one_program: Path, start: Callable[..., Server]) -> None:
        server = start(one_program)
        with server.client() as client:
            scripts = scripts_on(Connection(settings_of(server)), "app")
            scripts.state_set_result(**RESULT)
            before = commands(client)
            for script, arguments, _ in WRONG:
                with pytest.raises(TypeError):
                    scripts.call(script, **arguments)
            assert commands(client) == before
            scripts.state_set_result(**RESULT)
            assert commands(client) != before

    def test_is_shown_in_part_only(self) -> None:
        with pytest.raises(ScriptArgumentError) as caught:
            scripts_on(nowhere(), "app").call(
                "state/set_result", **{**RESULT, "serialized": "x" * 2**20}
            )
        assert len(str(caught.value)) < 200

    def test_script_is_refused(self) -> None:
        with pytest.raises(ScriptDefinitionError, match=r"no script 'state/none'"):
            scripts_on(nowhere(), "app").call("state/none")


class TestRight:
    def test_arrives_as_it_was(self, runner: ScriptRunner, app_id: str) -> None:
        data = bytes(range(256))
        reply = runner.call(
            "test/echo",
            identity="\ud800 \U0001f600 {}:*",
            text="",
            data=data,
            number=-MAX_INTEGER,
            at_us=MAX_INTEGER,
            items=[("one", 1), ("", -2)],
        )
        assert reply.tag == "GOT"
        assert reply.values == [
            f"pynenc:{{{app_tag(app_id)}}}:results".encode(),
            "\ud800 \U0001f600 {}:*".encode("utf-8", "surrogatepass"),
            b"",
            data,
            b"-9007199254740992",
            b"9007199254740992",
            b"number string",
            b"one",
            b"2",
            b"",
            b"-4",
        ]

    def test_may_be_no_items(self, runner: ScriptRunner) -> None:
        reply = runner.call(
            "test/echo", identity="i", text="", data=b"", number=0, at_us=0, items=[]
        )
        assert len(reply.values) == 7

    @pytest.mark.parametrize("name", ["high", "a:b", "{x}", "é \ud800", "<queue_name>", "{app}"])
    def test_name_goes_into_the_key(self, runner: ScriptRunner, app_id: str, name: str) -> None:
        start = f"pynenc:{{{app_tag(app_id)}}}:"
        queue = f"{start}queue:{name}".encode("utf-8", "surrogatepass")
        reply = runner.call("test/queue", queue_name=name)
        assert reply == ("BOTH", [f"{start}results".encode(), queue])

    def test_may_be_called_name(self, one_server: Server, tmp_path: Path) -> None:
        library = write_library(tmp_path, {"test/queue": QUEUE})
        runner = ScriptRunner(Connection(settings_of(one_server)), "app", library)
        reply = runner.call("test/queue", name="high")
        assert reply.values[1].endswith(b":queue:high")

    def test_names_of_two_calls_are_not_mixed(self, runner: ScriptRunner) -> None:
        for name in ("low", "high", "low"):
            reply = runner.call("test/queue", queue_name=name)
            assert reply.values[1].endswith(f":queue:{name}".encode())
