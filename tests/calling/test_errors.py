"""What the server refuses comes back typed, with the script and the place in its source."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import redis

from calling.tools import scripts_on, settings_of, write_library
from lua.conftest import on_primaries
from pynenc_redis_lua import errors
from pynenc_redis_lua.client import Connection
from pynenc_redis_lua.keys import app_tag
from pynenc_redis_lua.scripts.library import library
from pynenc_redis_lua.scripts.runner import ScriptRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pynenc_redis_lua.scripts.api import Scripts
    from servers import Server

HEADER = """\
#!lua
--- Do something.
-- @version 3
-- @key results
-- @arg field id
-- @returns OK
-- @errors BROKEN
-- @cost O(1)
"""
# The bodies begin with line 9.
BODIES = {
    "refuse": """\
if redis.call("HEXISTS", results, field) == 0 then
  return fail("BROKEN", "there is no " .. field)
end
start_writing()
return { "OK" }
""",
    "unknown": """\
start_writing()
return redis.error_reply("PYN_NEVER_HEARD_OF " .. results .. field)
""",
    "in_snippet": """\
--[[% use "lib/outer.lua" %]]
start_writing()
outer(results .. field)
return { "OK" }
""",
    "in_branch": """\
start_writing()
if field ~= "" then
  --[[% inline "lib/outer.lua" %]]
  outer(results .. field)
end
return { "OK" }
""",
    "in_body": """\
start_writing()

error("no more " .. results .. field)
""",
    "in_loop": """\
start_writing()
--[[% for n in range(3) %]]
redis.call("HSET", results, field, --[[= n ]])
redis.call("--[[= ["HLEN", "SCARD", "LLEN"][n] ]]", results)
--[[% endfor %]]
return { "OK" }
""",
    "uncompiled": """\
start_writing()
local = results field
return { "OK" }
""",
    "odd": """\
start_writing()
return { "DONE", results, field }
""",
    "bare": """\
start_writing()
return redis.call("HSET", results, field, "x")
""",
}
SNIPPETS = {
    "lib/outer": '--[[% use "lib/inner.lua" %]]\nlocal function outer(x)\n  return inner(x)\nend\n',
    "lib/inner": "-- Fails.\n\nlocal function inner(x)\n  return x.field.field\nend\n",
}


@pytest.fixture
def runner(connection: Connection, app_id: str, tmp_path: Path) -> Iterator[ScriptRunner]:
    """Calls scripts that fail."""
    files = {f"test/{name}": HEADER + body for name, body in BODIES.items()}
    yield ScriptRunner(connection, app_id, write_library(tmp_path, {**SNIPPETS, **files}))
    connection.client.delete(key("schema", app_id), key("results", app_id))


def key(name: str, app_id: str) -> str:
    return f"pynenc:{{{app_tag(app_id)}}}:{name}"


def failure(runner: ScriptRunner, script: str) -> errors.ScriptError:
    """The error of a script."""
    with pytest.raises(errors.ScriptError) as caught:
        runner.call(script, field="the field")
    return caught.value


class TestScriptError:
    def test_of_a_declared_code_has_its_message(self, runner: ScriptRunner) -> None:
        error = failure(runner, "test/refuse")
        assert (error.script, error.version, error.code) == ("test/refuse", 3, "PYN_BROKEN")
        assert str(error) == "test/refuse (version 3): BROKEN there is no the field"
        assert error.location is None

    def test_of_an_unknown_code_is_told(self, runner: ScriptRunner) -> None:
        error = failure(runner, "test/unknown")
        assert type(error) is errors.ScriptError
        assert (error.script, error.version, error.code) == (
            "test/unknown",
            3,
            "PYN_NEVER_HEARD_OF",
        )

    @pytest.mark.parametrize(
        ("script", "location", "message"),
        [
            ("test/in_snippet", "lib/inner.lua:4", "attempt to index field 'field'"),
            ("test/in_branch", "lib/inner.lua:4", "attempt to index field 'field'"),
            ("test/in_body", "test/in_body.lua:11", "no more pynenc:"),
            ("test/uncompiled", "test/uncompiled.lua:10", "'<name>' expected near '='"),
        ],
    )
    def test_of_lua_names_the_line_of_its_source(
        self, runner: ScriptRunner, script: str, location: str, message: str
    ) -> None:
        error = failure(runner, script)
        assert type(error) is errors.ScriptError
        assert (error.script, error.version, error.location) == (script, 3, location)
        assert str(error).startswith(f"{script} (version 3) at {location}: ")
        assert message in str(error)
        assert error.code == "ERR"

    def test_of_lua_names_no_line_that_is_not_in_the_source(self, runner: ScriptRunner) -> None:
        # What the server adds at the end has the line of the rendered script, and a hash.
        assert not re.search(r"script: |on @user_script", str(failure(runner, "test/in_body")))

    def test_of_a_command_in_a_loop_names_its_line(self, runner: ScriptRunner) -> None:
        error = failure(runner, "test/in_loop")
        assert isinstance(error, errors.WrongTypeError)
        assert (error.code, error.location) == ("WRONGTYPE", "test/in_loop.lua:12")

    @pytest.mark.parametrize("script", ["test/odd", "test/bare"])
    def test_of_an_undeclared_reply_shows_it(self, runner: ScriptRunner, script: str) -> None:
        assert "unexpected reply" in str(failure(runner, script))

    def test_of_a_wrong_number_of_arguments_has_a_code(
        self, runner: ScriptRunner, app_id: str
    ) -> None:
        script = runner.library.script("test/refuse").rendered
        keys = [key("schema", app_id), key("results", app_id)]
        client = runner.connection.client
        for arguments in ([], ["a", "b"]):
            with pytest.raises(redis.ResponseError, match=r"^PYN_ARITY got 2 keys and "):
                client.eval(script.text, len(keys), *keys, *arguments)

    def test_has_the_error_of_redis_py_as_its_cause(self, runner: ScriptRunner) -> None:
        assert isinstance(failure(runner, "test/refuse").__cause__, redis.ResponseError)

    def test_leaves_the_connection_in_use(self, runner: ScriptRunner, app_id: str) -> None:
        failure(runner, "test/refuse")
        runner.connection.client.hset(key("results", app_id), "the field", "x")
        assert runner.call("test/refuse", field="the field") == ("OK", [])


class TestWrongType:
    def test_is_told_by_writers_before_they_write(self, scripts: Scripts, app_id: str) -> None:
        scripts.connection.client.set(key("history_times", app_id), "of somebody else")
        with pytest.raises(errors.WrongTypeError, match=r"holds a string, not a zset") as caught:
            scripts.state_add_histories(contexts=b"", items=[("i", b"record", 1)])
        assert str(caught.value).endswith(
            f": {key('history_times', app_id)} holds a string, not a zset"
        )
        assert caught.value.code == "WRONGTYPE"
        assert not scripts.connection.client.exists(key("history", app_id))
        assert not scripts.connection.client.exists(key("schema", app_id))

    def test_is_told_by_readers(self, scripts: Scripts, app_id: str) -> None:
        scripts.connection.client.set(key("results", app_id), "of somebody else")
        with pytest.raises(
            errors.WrongTypeError, match=r"results holds a string, not a hash"
        ) as caught:
            scripts.state_get_result(invocation_id="i")
        assert caught.value.code == "WRONGTYPE"
        assert caught.value.location
        assert caught.value.location.startswith("state/get_result.lua:")

    def test_is_told_of_no_key_that_is_as_it_should_be(self, scripts: Scripts, app_id: str) -> None:
        scripts.state_add_histories(contexts=b"", items=[("i", b"record", 1)])
        scripts.connection.client.set(key("history_times", app_id), "of somebody else")
        with pytest.raises(errors.WrongTypeError) as caught:
            scripts.state_add_histories(contexts=b"", items=[("i", b"another", 2)])
        assert str(caught.value).count(" holds a ") == 1

    def test_is_told_of_each_key(self, scripts: Scripts, app_id: str) -> None:
        for name in ("history", "history_times"):
            scripts.connection.client.set(key(name, app_id), "of somebody else")
        with pytest.raises(
            errors.WrongTypeError, match=r"not a hash; .*history_times .*not a zset"
        ):
            scripts.state_add_histories(contexts=b"", items=[("i", b"record", 1)])


@pytest.fixture
def without(server: Server, app_id: str) -> Iterator[Callable[[str], Scripts]]:
    """Gives the scripts to a user who may not use a command."""
    admin, names = Connection(settings_of(server)), []

    def scripts_without(command: str) -> Scripts:
        name = f"no-{command}-{uuid.uuid4().hex}"
        names.append(name)
        rules = ("on", "nopass", "allkeys", "+@all", f"-{command}")
        on_primaries(admin.client, "ACL SETUSER", name, *rules)
        user = {"redis_username": name, "redis_password": ""}
        return scripts_on(Connection(settings_of(server, **user)), app_id)

    yield scripts_without
    for name in names:
        on_primaries(admin.client, "ACL DELUSER", name)


class TestForbiddenCommand:
    def test_is_told_by_writers_before_they_write(
        self, without: Callable[[str], Scripts], scripts: Scripts, app_id: str
    ) -> None:
        # A script that could not look at its keys would not know what it may rely on.
        with pytest.raises(errors.PermissionDeniedError):
            without("zcard").state_add_histories(contexts=b"", items=[("i", b"record", 1)])
        assert not scripts.connection.client.exists(key("history", app_id))
        assert not scripts.connection.client.exists(key("schema", app_id))

    def test_of_which_only_the_name_of_a_key_depends_leaves_the_error_as_it_is(
        self, without: Callable[[str], Scripts], scripts: Scripts, app_id: str
    ) -> None:
        scripts.connection.client.set(key("results", app_id), "of somebody else")
        with pytest.raises(errors.WrongTypeError, match="wrong kind of value"):
            without("type").state_get_result(invocation_id="i")


class TestNewerSchema:
    def test_is_refused_by_writers_and_read_by_readers(self, scripts: Scripts, app_id: str) -> None:
        scripts.state_set_result(invocation_id="i", serialized=b"x")
        newer = library().table.schema_version + 1
        scripts.connection.client.set(key("schema", app_id), newer)
        with pytest.raises(errors.NewerSchemaError, match=rf"schema {newer}\b"):
            scripts.state_set_result(invocation_id="i", serialized=b"y")
        assert scripts.state_get_result(invocation_id="i") == ("FOUND", [b"x"])


class TestOutOfMemory:
    def test_is_told_and_nothing_is_stored(
        self, program: Path, start: Callable[..., Server]
    ) -> None:
        scripts = scripts_on(Connection(settings_of(start(program, "--maxmemory", "1"))), "app")
        with pytest.raises(errors.ServerOutOfMemoryError, match=r"maxmemory") as caught:
            scripts.state_set_result(invocation_id="i", serialized=b"x")
        assert (caught.value.script, caught.value.code) == ("state/set_result", "OOM")
        assert scripts.connection.client.dbsize() == 0
        assert scripts.state_get_result(invocation_id="i") == ("NONE", [])
        scripts.connection.client.config_set("maxmemory", 0)
        scripts.state_set_result(invocation_id="i", serialized=b"x")
        assert scripts.state_get_result(invocation_id="i") == ("FOUND", [b"x"])


class TestPermission:
    @pytest.mark.parametrize(
        ("rules", "message"),
        [
            (("~*", "+@all", "-evalsha"), r"'evalsha' command"),
            (("~pynenc:{other}:*", "+@all"), r"\bkeys?\b"),
            (("~*", "+@all", "-hset"), r"'hset' command|can't run this command"),
        ],
        ids=["script", "keys", "command in the script"],
    )
    def test_that_is_missing_is_told(
        self, program: Path, start: Callable[..., Server], rules: tuple[str, ...], message: str
    ) -> None:
        server = start(program)
        with server.client() as client:
            client.execute_command("ACL SETUSER", "limited", "on", ">secret", *rules)
            limited = settings_of(server, redis_username="limited", redis_password="secret")
            scripts = scripts_on(Connection(limited), "app")
            with pytest.raises(errors.PermissionDeniedError, match=message) as caught:
                scripts.state_set_result(invocation_id="i", serialized=b"x")
            assert caught.value.script == "state/set_result"
            assert "secret" not in str(caught.value)
            assert not client.hlen(key("results", "app"))


class TestValueTooLarge:
    MEBIBYTE = 2**20

    @pytest.fixture
    def scripts_of_2_mib(self, program: Path, start: Callable[..., Server]) -> Scripts:
        """Scripts on a server that takes 2 MiB in one piece."""
        server = start(program, "--proto-max-bulk-len", "2mb")
        return scripts_on(Connection(settings_of(server)), "app")

    def test_is_refused_and_nothing_is_stored(self, scripts_of_2_mib: Scripts) -> None:
        scripts = scripts_of_2_mib
        value = bytes(2 * self.MEBIBYTE + 1)
        message = r"state/set_result: serialized has 2,097,153 bytes, .* takes 2,097,152 "
        with pytest.raises(errors.ValueTooLargeError, match=message):
            scripts.state_set_result(invocation_id="i", serialized=value)
        assert scripts.connection.client.dbsize() == 0
        scripts.state_set_result(invocation_id="i", serialized=value[1:])
        assert scripts.state_get_result(invocation_id="i") == ("FOUND", [value[1:]])

    def test_is_named_within_its_item(self, scripts_of_2_mib: Scripts) -> None:
        items = [("i", b"record", 1), ("j", bytes(3 * self.MEBIBYTE), 2)]
        with pytest.raises(errors.ValueTooLargeError, match=r"record of item 1 has 3,145,728"):
            scripts_of_2_mib.state_add_histories(contexts=b"", items=items)
        assert scripts_of_2_mib.connection.client.dbsize() == 0

    def test_is_no_error_for_one_that_fits(self, scripts: Scripts) -> None:
        value = bytes(range(256)) * (64 * self.MEBIBYTE // 256)
        scripts.state_set_result(invocation_id="i", serialized=value)
        assert scripts.state_get_result(invocation_id="i") == ("FOUND", [value])

    def test_is_judged_by_the_default_where_the_limit_cannot_be_read(
        self, one_program: Path, start: Callable[..., Server]
    ) -> None:
        server = start(one_program)
        with server.client() as client:
            rules: list[Any] = ["on", ">secret", "~*", "+@all", "-config"]
            client.execute_command("ACL SETUSER", "limited", *rules)
        limited = settings_of(server, redis_username="limited", redis_password="secret")
        scripts = scripts_on(Connection(limited), "app")
        scripts.state_set_result(invocation_id="i", serialized=bytes(2 * self.MEBIBYTE))
        reply = scripts.state_get_result(invocation_id="i")
        assert reply == ("FOUND", [bytes(2 * self.MEBIBYTE)])
