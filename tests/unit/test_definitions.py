"""What a script's author may get wrong is refused when the script is read, with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pynenc_redis_lua.errors import ScriptDefinitionError
from pynenc_redis_lua.keys import KeyTable
from pynenc_redis_lua.scripts.library import Library

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pynenc_redis_lua.scripts.library import Script

KEYS = """
schema_version = 3
[apps]
pattern = "pynenc:apps"
owner = "app"
type = "hash"
meaning = "Apps."
[schema]
pattern = "pynenc:{app}:schema"
owner = "state"
type = "string"
meaning = "Schema number."
[results]
pattern = "pynenc:{app}:results"
owner = "state"
type = "hash"
meaning = "Results."
[index]
pattern = "pynenc:{app}:index"
owner = "state"
type = "zset"
meaning = "Index."
[queue]
pattern = "pynenc:{app}:queue:<name>"
owner = "broker"
type = "list"
meaning = "Waiting invocations."
"""

# The scripts that the mistakes are made in; mind the numbers of their lines.
WRITER = """\
#!lua
--- Store a result.
-- @version 1
-- @key results
-- @arg invocation_id id
-- @arg result bytes
-- @returns OK | FULL
-- @errors NOT_FOUND
-- @cost O(1)
if redis.call("HLEN", results) > 9 then
  return { "FULL" }
end
start_writing()
redis.call("HSET", results, invocation_id, result)
return { "OK" }
"""
READER = """\
#!lua flags=no-writes
--- Read results.
-- @version 1
-- @key results
-- @item invocation_id id
-- @returns OK results
-- @cost O(n)
local found = {}
for i = 1, item_count do
  found[i] = redis.call("HGET", results, item(i))
end
return { "OK", found }
"""
SCRIPT = "state/script"

type Load = Callable[..., Script]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Write a script, with further files, and read it."""
    (tmp_path / "keys.toml").write_text(KEYS, encoding="utf-8")

    def load(text: str, files: dict[str, str] | None = None) -> Script:
        for name, content in {f"{SCRIPT}.lua": text, **(files or {})}.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, encoding="utf-8")
        return Library(tmp_path, KeyTable.load(tmp_path / "keys.toml")).script(SCRIPT)

    return load


def changed(text: str, changes: dict[int, str | None]) -> str:
    """Replace lines of a text by their numbers; None takes the line out."""
    lines = [changes.get(number, line) for number, line in enumerate(text.splitlines(), start=1)]
    return "".join(f"{line}\n" for line in lines if line is not None)


def use(snippet: str) -> str:
    return f'--[[% use "lib/{snippet}.lua" %]]'


def inline(snippet: str) -> str:
    return f'--[[% inline "lib/{snippet}.lua" %]]'


def place_of(script: Script, text: str) -> str:
    """Where a line of the rendered script, which must be there once, says that it comes from."""
    (number,) = (n for n, line in enumerate(script.rendered.text.splitlines()) if line == text)
    return script.rendered.lines[number]


def argument_named(name: str) -> dict[int, str | None]:
    return {
        6: f"-- @arg {name} str",
        14: f'redis.call("HSET", results, invocation_id, {name})',
    }


@dataclass(frozen=True)
class Mistake:
    """What is changed in which script, and the place and words of the error."""

    name: str
    changes: dict[int, str | None]
    message: str
    line: int
    file: str = f"{SCRIPT}.lua"
    text: str = WRITER
    files: dict[str, str] = field(default_factory=dict)


HEADER = [
    Mistake("no first line", {1: None}, "first line must be '#!lua'", line=1),
    Mistake("unknown flags", {1: "#!lua flags=no-cluster"}, "first line must be '#!lua'", line=1),
    Mistake("a space too much", {1: "#!lua "}, "first line must be '#!lua'", line=1),
    Mistake("no description", {2: None}, "must begin with a description", line=2),
    Mistake("unknown tag", {5: "-- @argument invocation_id id"}, "unknown tag @argument", line=5),
    Mistake("no version", {3: None}, "missing @version", line=2),
    Mistake("empty version", {3: "-- @version"}, "missing @version", line=2),
    Mistake("version 0", {3: "-- @version 0"}, "@version '0' is not a number", line=3),
    Mistake("version in words", {3: "-- @version one"}, "@version 'one' is not a number", line=3),
    Mistake("two versions", {4: "-- @version 2\n-- @key results"}, "@version stands twice", line=4),
    Mistake("no returns", {7: None}, "missing @returns", line=2),
    Mistake("returns without a tag", {7: "-- @returns OK | done"}, "'done' is not 'TAG", line=7),
    Mistake("no cost", {9: None}, "missing @cost", line=2),
    Mistake("unknown type", {6: "-- @arg result json"}, "result: type 'json' is none of", line=6),
    Mistake("no type", {6: "-- @arg result"}, "result: type '' is none of", line=6),
    Mistake("name in capitals", {6: "-- @arg Result str"}, "name in lower case", line=6),
    Mistake("unknown key", {4: "-- @key result"}, "@key 'result' is not in keys.toml", line=4),
    Mistake("key with more words", {4: "-- @key results first"}, "'results first' is not", line=4),
    Mistake("key that is read on a condition", {4: "-- @key results read first if x"}, "not", 4),
    Mistake("condition of a reader", {4: "-- @key results if x"}, "only a writer", 4, text=READER),
    Mistake("argument twice", {6: "-- @arg invocation_id str"}, "the name is taken", line=6),
    Mistake("argument named as a key", {6: "-- @arg results str"}, "the name is taken", line=6),
    Mistake("column named as an argument", {6: "-- @item invocation_id id"}, "is taken", line=6),
    *(
        Mistake(f"argument named {name}", argument_named(name), name, line=6)
        for name in (
            *("fail", "item", "item_count", "start_writing", "redis", "schema_found"),
            *("end", "local", "tonumber", "ipairs"),  # Lua's own
            *("from", "self"),  # no name for a parameter of a Python method
        )
    ),
    Mistake(
        "argument named items beside items",
        {
            4: "-- @key results\n-- @arg items bytes",
            10: '  found[i] = redis.call("HGET", results, items .. item(i))',
        },
        "items: the name is taken",
        line=5,
        text=READER,
    ),
    Mistake("no keys", {4: None}, "a script needs keys", line=2),
    Mistake("keys of two slots", {4: "-- @key results\n-- @key apps"}, "all of the app's slot", 2),
    Mistake(
        "key without its name",
        {4: "-- @key results\n-- @key queue"},
        "@key queue: pattern 'pynenc:{app}:queue:<name>' and '<-' disagree",
        line=5,
    ),
    Mistake(
        "name for a key without one",
        {4: "-- @key results <- invocation_id"},
        "@key results: pattern 'pynenc:{app}:results' and '<-' disagree",
        line=4,
    ),
    Mistake(
        "key named by no argument",
        {4: "-- @key results\n-- @key queue <- name"},
        "@key queue <- name: no such @arg",
        line=5,
    ),
    Mistake(
        "key named by a number",
        {
            4: "-- @key results\n-- @key queue <- number\n-- @arg number int",
            14: 'redis.call("LPUSH", queue, invocation_id .. result)',
        },
        "@key queue <- number",
        line=5,
    ),
    Mistake(
        "header without a body",
        dict.fromkeys(range(10, 16)),
        "the script has no body",
        line=9,
    ),
]

BODY = [
    Mistake("unused key", {4: "-- @key results\n-- @key index"}, "index is not used", line=5),
    Mistake("unused argument", {6: "-- @arg result bytes\n-- @arg more str"}, "more is not", 7),
    Mistake(
        "used in a comment only",
        {14: 'redis.call("HSET", results, invocation_id, 1) -- result'},
        "result is not used",
        6,
    ),
    Mistake(
        "used in a string only",
        {14: 'redis.call("HSET", results, invocation_id, "result")'},
        "result is not used",
        line=6,
    ),
    Mistake("undeclared key", {14: 'redis.call("ZADD", index, 0, result)'}, "key 'index'", 14),
    Mistake(
        "undeclared key right after a string",
        {14: 'redis.call("HSET", results, invocation_id, result .."x"..index)'},
        "'index'",
        14,
    ),
    *(
        Mistake(f"key hidden by {line}", {14: line}, "a local 'results'", line=14)
        for line in (
            "local results = 1",
            "local a, results = 1, 2",
            "local function results() end",
            "local function f(a, results) end",
            "for _, results in ipairs({}) do end",
        )
    ),
    Mistake("bare KEYS", {10: "if KEYS[1] then"}, "bare KEYS: use the names", line=10),
    Mistake("bare ARGV", {14: "local n = #ARGV"}, "bare ARGV: use the names", line=14),
    Mistake(
        "bare KEYS after two dashes",
        {14: 'redis.call("HSET", results, invocation_id, result .. "--" .. KEYS[1])'},
        "bare KEYS",
        line=14,
    ),
    Mistake("size of an undeclared key", {10: "if index_size > 9 then"}, "index_size", 10),
    Mistake("size for a reader", {10: "  found[i] = results_size"}, "a writer", 10, text=READER),
    Mistake("undeclared code", {11: '  return fail("GONE", "…")'}, "fail('GONE') is not", 11),
    Mistake("undeclared code in quotes of one", {11: "  return fail('GONE', '…')"}, "GONE", 11),
    Mistake("undeclared code on its own line", {11: '  return fail(\n"GONE", "…")'}, "GONE", 11),
    Mistake("no start_writing", {13: None}, "calls start_writing() after its last check", 10),
    Mistake("start_writing in a comment", {13: "-- start_writing()"}, "start_writing()", 10),
    Mistake("items unread", {10: "  found[i] = results"}, "no use of item(i)", 5, text=READER),
]

SNIPPETS = [
    Mistake(
        "undeclared key in a snippet",
        {13: f"{use('add')}\nstart_writing()"},
        "key 'index' is used but not declared",
        file="lib/add.lua",
        line=3,
        files={"lib/add.lua": "-- Adds.\nlocal function add()\n  return index\nend\n"},
    ),
    Mistake(
        "bare KEYS in a snippet",
        {13: f"{use('add')}\nstart_writing()"},
        "bare KEYS",
        file="lib/add.lua",
        line=2,
        files={"lib/add.lua": "local function add()\n  return KEYS[1]\nend\n"},
    ),
    Mistake(
        "undeclared code in a snippet of a snippet",
        {13: f"{use('outer')}\nstart_writing()"},
        "GONE",
        file="lib/inner.lua",
        line=1,
        files={
            "lib/outer.lua": f"-- Outer.\n{use('inner')}\n",
            "lib/inner.lua": 'local function gone() return fail("GONE", "…") end\n',
        },
    ),
    Mistake(
        "argument that is used by a name of a snippet only",
        {13: f"{use('add')}\nstart_writing()", 14: 'redis.call("HSET", results, invocation_id, 1)'},
        "result is not used",
        line=6,
        files={"lib/add.lua": "local function add(result)\n  return result\nend\n"},
    ),
    Mistake(
        "start_writing in a snippet",
        {13: f"{use('add')}\nadd()"},
        "start_writing()",
        line=10,
        files={"lib/add.lua": "local function add()\n  start_writing()\nend\n"},
    ),
    Mistake("no such snippet", {12: f"end {use('none')}"}, "no snippet 'lib/none.lua'", line=12),
    Mistake(
        "no such snippet in a snippet",
        {13: f"{use('add')}\nstart_writing()"},
        "no snippet 'lib/none.lua'",
        file="lib/add.lua",
        line=2,
        files={"lib/add.lua": f"-- Adds.\n{use('none')}\n"},
    ),
    Mistake(
        "snippet that uses itself",
        {13: f"{use('add')}\nstart_writing()"},
        "include cycle: state/script.lua -> lib/add.lua -> lib/add.lua",
        file="lib/add.lua",
        line=2,
        files={"lib/add.lua": f"-- Adds.\n{use('add')}\n"},
    ),
    Mistake(
        "snippets that use each other",
        {13: f"{use('a')}\nstart_writing()"},
        "include cycle: state/script.lua -> lib/a.lua -> lib/b.lua -> lib/a.lua",
        file="lib/b.lua",
        line=1,
        files={"lib/a.lua": use("b"), "lib/b.lua": use("a")},
    ),
    Mistake(
        "snippet that is put into itself",
        {13: f"{use('a')}\nstart_writing()"},
        "include cycle: state/script.lua -> lib/a.lua -> lib/b.lua -> lib/a.lua",
        file="lib/b.lua",
        line=1,
        files={"lib/a.lua": inline("b"), "lib/b.lua": inline("a")},
    ),
]

TEMPLATES = [
    Mistake("undefined variable", {14: "local n = --[[= limit ]]"}, "'limit' is undefined", 14),
    Mistake(
        "undefined variable in a snippet",
        {13: f"{use('add')}\nstart_writing()"},
        "'limit' is undefined",
        file="lib/add.lua",
        line=2,
        files={"lib/add.lua": "-- Adds.\nlocal n = --[[= limit ]]\n"},
    ),
    Mistake("unknown tag", {14: "--[[% loop 3 %]]"}, "unknown tag 'loop'", line=14),
    Mistake("open loop", {14: "--[[% for n in [1] %]]\nlocal n"}, "Unexpected end of template", 14),
    Mistake("expression that is none", {14: "local n = --[[= 1 + ]]"}, "", line=14),
]


@pytest.mark.parametrize(
    "mistake", [*HEADER, *BODY, *SNIPPETS, *TEMPLATES], ids=lambda mistake: mistake.name
)
def test_a_mistake_is_refused_with_its_place(mistake: Mistake, load: Load, tmp_path: Path) -> None:
    where = re.escape(f"{tmp_path / mistake.file}:{mistake.line}: ")
    with pytest.raises(ScriptDefinitionError, match=f"^{where}.*{re.escape(mistake.message)}"):
        load(changed(mistake.text, mistake.changes), mistake.files)


def test_a_script_that_is_not_there_is_refused(load: Load, tmp_path: Path) -> None:
    load(WRITER)
    library = Library(tmp_path, KeyTable.load(tmp_path / "keys.toml"))
    with pytest.raises(ScriptDefinitionError, match=r"no script 'state/none' in "):
        library.script("state/none")


class TestHeader:
    def test_is_read(self, load: Load) -> None:
        definition = load(WRITER).definition
        assert definition.summary == "Store a result."
        assert definition.version == 1
        assert [(a.name, a.type) for a in definition.arguments] == [
            ("invocation_id", "id"),
            ("result", "bytes"),
        ]
        assert definition.returns == {"OK": "", "FULL": ""}
        assert definition.errors == ("NOT_FOUND",)
        assert definition.cost == "O(1)"
        assert not definition.read_only

    def test_of_a_reader_with_items_is_read(self, load: Load) -> None:
        definition = load(READER).definition
        assert [(column.name, column.type) for column in definition.items] == [
            ("invocation_id", "id")
        ]
        assert definition.returns == {"OK": "results"}
        assert definition.errors == ()
        assert definition.read_only

    def test_is_not_part_of_the_text(self, load: Load) -> None:
        assert "@" not in load(WRITER).rendered.text

    def test_a_description_may_have_several_lines(self, load: Load) -> None:
        script = load(changed(WRITER, {2: "--- Store a result.\n--- Or not."}))
        assert script.definition.summary == "Store a result. Or not."

    def test_a_writer_gets_the_schema_key_first(self, load: Load) -> None:
        assert [key.name for key in load(WRITER).definition.keys] == ["schema", "results"]
        assert [key.name for key in load(READER).definition.keys] == ["results"]

    def test_a_key_takes_its_name_from_an_argument(self, load: Load) -> None:
        script = load(
            changed(
                READER, {4: "-- @key queue <- name\n-- @arg name id", 10: "  x(queue, item(i))"}
            )
        )
        (key,) = script.definition.keys
        assert (key.name, key.argument) == ("queue", "name")
        assert "  x(KEYS[1], item(i))" in script.rendered.text.splitlines()

    def test_a_script_outside_the_slot_has_no_schema_key(self, load: Load) -> None:
        script = load(
            changed(WRITER, {4: "-- @key apps", 10: "if apps then", 13: None, 14: "f(%s)"}).replace(
                "%s", "apps, invocation_id, result"
            )
        )
        assert [key.name for key in script.definition.keys] == ["apps"]


class TestBody:
    def test_a_size_is_that_of_the_type_check(self, load: Load) -> None:
        text = load(changed(WRITER, {10: "if results_size > 9 then"})).rendered.text
        declared = text.index("local results_size = 0\n")
        found = text.index('results_size = redis.call("HLEN", KEYS[2])')
        assert declared < found < text.index("if results_size > 9 then")

    def test_a_type_is_checked_where_its_condition_holds(self, load: Load) -> None:
        line = '-- @key results if result ~= ""'
        text = load(changed(WRITER, {4: line})).rendered.text
        assert 'if result ~= "" then\n  redis.call("HLEN", KEYS[2])\nend\n' in text

    def test_a_type_is_left_to_a_body_that_reads_first(self, load: Load) -> None:
        text = load(changed(WRITER, {4: "-- @key results read first"})).rendered.text
        assert text.count('redis.call("HLEN", KEYS[2])') == 1

    def test_a_declared_code_may_be_used(self, load: Load) -> None:
        script = load(changed(WRITER, {11: '  return fail("NOT_FOUND", invocation_id)'}))
        assert 'return fail("NOT_FOUND", invocation_id)' in script.rendered.text

    @pytest.mark.parametrize("word", ['"index"', "'index'"])
    def test_a_word_in_a_string_is_no_key(self, load: Load, word: str) -> None:
        line = f'redis.call("HSET", results, {word}, result)'
        rendered = f'redis.call("HSET", KEYS[2], {word}, result)'
        assert load(changed(WRITER, {12: f"end {line}"})).rendered.text.count(rendered) == 1

    @pytest.mark.parametrize(
        "line", ["-- index, KEYS and fail('GONE') are but words", "x.index = y.index:index()"]
    )
    def test_a_word_in_a_comment_or_after_a_dot_is_no_key(self, load: Load, line: str) -> None:
        assert line in load(changed(WRITER, {12: f"end {line}"})).rendered.text


class TestSnippet:
    def test_is_included_once(self, load: Load) -> None:
        files = {
            "lib/pack.lua": "local function pack() end\n",
            "lib/a.lua": f"{use('pack')}\nlocal function a() pack() end\n",
            "lib/b.lua": f"{use('pack')}\nlocal function b() pack() end\n",
        }
        text = changed(WRITER, {13: "\n".join([use("b"), use("a"), use("b"), "start_writing()"])})
        text = load(text, files).rendered.text
        assert re.findall(r"local function (pack|a|b)\(", text) == ["pack", "b", "a"]

    def test_in_a_branch_is_there_with_what_the_head_has_not(self, load: Load) -> None:
        files = {
            "lib/head.lua": "local function head() end\n",
            "lib/rare.lua": "local function rare() end\n",
            "lib/a.lua": f"{use('head')}\n{use('rare')}\nlocal function a() head() rare() end\n",
        }
        branch = ["if result then", f"  {inline('a')}", "  a()", "end"]
        text = changed(WRITER, {13: "\n".join([use("head"), *branch, *branch, "start_writing()"])})
        text = load(text, files).rendered.text
        assert re.findall(r"local function (\w+)\(|^(if result then)", text, re.MULTILINE) == [
            ("head", ""),
            *[("", "if result then"), ("rare", ""), ("a", "")] * 2,
        ]

    def test_that_the_head_has_is_not_put_in_a_branch(self, load: Load) -> None:
        files = {"lib/a.lua": "local function a() end\n"}
        branch = f"{use('a')}\nif result then\n  {inline('a')}\n  a()\nend\nstart_writing()"
        text = load(changed(WRITER, {13: branch}), files).rendered.text
        assert text.count("local function a()") == 1
        assert "if result then\n  a()\nend" in text

    def test_may_use_keys_and_declared_codes(self, load: Load) -> None:
        snippet = """\
local function put(id, data)
  if data == "" then
    return fail("NOT_FOUND", id)
  end
  redis.call("HSET", results, id, data)
end
"""
        body = f"{use('put')}\nput(invocation_id, result)"
        text = load(changed(WRITER, {14: body}), {"lib/put.lua": snippet}).rendered.text
        rendered = snippet.replace("results", "KEYS[2]")
        assert text.index('"PYN_ARITY') < text.index(rendered) < text.index("\nput(")

    def test_is_read_anew_for_each_script(self, load: Load, tmp_path: Path) -> None:
        files = {
            "lib/pack.lua": "local function pack() end\n",
            "state/other.lua": changed(WRITER, {10: f"{use('pack')}\nif results then"}),
        }
        load(changed(WRITER, {10: f"{use('pack')}\nif results then"}), files)
        library = Library(tmp_path, KeyTable.load(tmp_path / "keys.toml"))
        for name in library.names:
            assert "local function pack() end" in library.script(name).rendered.text


class TestTemplate:
    def test_an_expression_is_computed(self, load: Load) -> None:
        script = load(changed(WRITER, {12: "end local n = --[[= 6 * 7 ]]"}))
        assert place_of(script, "end local n = 42") == f"{SCRIPT}.lua:12"

    def test_a_condition_chooses_lines(self, load: Load) -> None:
        branch = "end\n--[[% if false %]]\nlocal a\n--[[% else %]]\nlocal b\n--[[% endif %]]"
        script = load(changed(WRITER, {12: branch}))
        assert "local a" not in script.rendered.text
        assert place_of(script, "local b") == f"{SCRIPT}.lua:16"

    def test_a_comment_of_the_template_stays_out(self, load: Load) -> None:
        script = load(changed(WRITER, {12: "end\n--[[# KEYS[1],\nindex #]]\nlocal after"}))
        assert "KEYS[1],\n" not in script.rendered.text
        assert place_of(script, "local after") == f"{SCRIPT}.lua:15"


class TestLineMap:
    def test_covers_every_line(self, load: Load) -> None:
        rendered = load(WRITER).rendered
        assert len(rendered.lines) == len(rendered.text.splitlines())

    def test_leads_to_the_line_of_the_body(self, load: Load) -> None:
        script = load(WRITER)
        set_schema = 'if not schema_found then redis.call("SET", KEYS[1], "3") end'
        assert place_of(script, set_schema) == f"{SCRIPT}.lua:13"
        assert place_of(script, 'return { "OK" }') == f"{SCRIPT}.lua:15"

    def test_leads_into_snippets_and_back(self, load: Load) -> None:
        files = {
            "lib/outer.lua": f"-- Outer.\n\n{use('inner')}\nlocal outer",
            "lib/inner.lua": "\n\nlocal inner\n",
        }
        script = load(changed(WRITER, {12: f"end\n{use('outer')}\nlocal after"}), files)
        assert place_of(script, "local inner") == "lib/inner.lua:3"
        assert place_of(script, "local outer") == "lib/outer.lua:4"
        assert place_of(script, "local after") == f"{SCRIPT}.lua:14"

    def test_leads_into_a_branch_and_back(self, load: Load) -> None:
        files = {"lib/a.lua": f"-- A.\n{use('b')}\nlocal a", "lib/b.lua": "-- B.\n\nlocal b"}
        branch = f"end\nif result then\n  {inline('a')}\n  a()\nend\nlocal after"
        script = load(changed(WRITER, {12: branch}), files)
        assert place_of(script, "local b") == "lib/b.lua:3"
        assert place_of(script, "local a") == "lib/a.lua:3"
        assert place_of(script, "  a()") == f"{SCRIPT}.lua:15"
        assert place_of(script, "local after") == f"{SCRIPT}.lua:17"

    def test_stays_right_within_and_after_a_loop(self, load: Load) -> None:
        loop = "end\n--[[% for n in range(3) %]]\nlocal v--[[= n ]]\n\nlocal w--[[= n ]]"
        script = load(changed(WRITER, {12: f"{loop}\n--[[% endfor %]]\nlocal after"}))
        for n in range(3):
            assert place_of(script, f"local v{n}") == f"{SCRIPT}.lua:14"
            assert place_of(script, f"local w{n}") == f"{SCRIPT}.lua:16"
        assert place_of(script, "local after") == f"{SCRIPT}.lua:18"

    def test_stays_right_in_a_loop_on_one_line(self, load: Load) -> None:
        loop = "local t = { --[[% for n in range(3) %]]--[[= n ]], --[[% endfor %]] }"
        script = load(changed(WRITER, {12: f"end\n{loop}\nlocal after"}))
        assert place_of(script, "local t = { 0, 1, 2,  }") == f"{SCRIPT}.lua:13"
        assert place_of(script, "local after") == f"{SCRIPT}.lua:14"
