"""From a Lua file to the text that the server runs.

Jinja2 does the rendering, with delimiters that are Lua comments, so that the raw files are valid
Lua for editors and linters: ``--[[= expression ]]`` and ``--[[% tag %]]``. Two tags are our own.
``--[[% use "lib/name.lua" %]]`` includes a snippet the first time it is met, at the head of the
script. ``--[[% inline "lib/name.lua" %]]`` puts it where the tag stands, behind what it uses itself
and the head has not: in a branch that is seldom taken, for functions cost a call even if nobody
calls them. Cycles are refused.

Only code enters a template, so that a script's SHA is a function of code alone.
"""

from __future__ import annotations

import hashlib
import re
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from jinja2 import Environment, StrictUndefined, TemplateError, nodes
from jinja2.ext import Extension
from pynenc.serializer.constants import ReservedKeys

from pynenc_redis_lua.errors import ScriptDefinitionError
from pynenc_redis_lua.scripts.check import SIZE, check, replace_names
from pynenc_redis_lua.scripts.definition import NUMBER_TYPES, Argument, Definition
from pynenc_redis_lua.scripts.status_machine import status_flags, status_targets

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from jinja2.parser import Parser

    from pynenc_redis_lua.keys import KeyTable

# Marks the end of every source line with its file and number while Jinja2 moves lines about;
# no Lua source holds this control character.
_MARK = "\x01"
_MARKED = re.compile(f"{_MARK}([^{_MARK}]*){_MARK}")


_FAIL = (
    "local function fail(code, message)",
    '  return redis.error_reply("PYN_" .. code .. " " .. message)',
    "end",
)
# Around what is put inside a function: what a snippet calls its parameters is its own affair.
_SHADOWING, _POP = "-- luacheck: push ignore 43", "-- luacheck: pop"
# What each type alone is asked for.
_SIZES = {"string": "STRLEN", "hash": "HLEN", "list": "LLEN", "zset": "ZCARD"}


class Line(NamedTuple):
    """A line of a rendered script, and the ``file:line`` that it came from."""

    text: str
    source: str


@dataclass(frozen=True)
class Rendered:
    """A script as the server gets it.

    Attributes:
        text: The Lua text.
        sha1: Its address for EVALSHA.
        lines: For each line of `text`, the ``file:line`` that it came from.
    """

    text: str
    sha1: str
    lines: tuple[str, ...]


class _Source(NamedTuple):
    name: str
    first_line: int


@dataclass
class _Includes:
    folder: Path
    environment: Environment | None = None
    snippets: dict[str, str] = field(default_factory=dict)
    open: list[_Source] = field(default_factory=list)

    def use(self, name: str, line: int) -> str:
        """Render a snippet, behind those that it uses itself, unless that was done before."""
        where = f"{self.folder / self.open[-1].name}:{self.open[-1].first_line + line - 1}"
        names = [source.name for source in self.open]
        if name in names:
            raise ScriptDefinitionError(f"{where}: include cycle: {' -> '.join([*names, name])}")
        if name not in self.snippets:
            path = self.folder / name
            if not path.is_file():
                raise ScriptDefinitionError(f"{where}: no snippet {name!r}")
            lines = path.read_text(encoding="utf-8").splitlines()
            self.snippets[name] = self.render(_Source(name, 1), lines)
        return ""

    def inline(self, name: str, line: int) -> str:
        """Render a snippet for the place of its tag, with those that are not at hand there."""
        at_hand = self.snippets
        self.snippets = dict(at_hand)
        self.use(name, line)
        texts = [text for known, text in self.snippets.items() if known not in at_hand]
        self.snippets = at_hand
        return "\n".join([_SHADOWING, *texts, _POP]) if texts else ""

    def render(self, source: _Source, lines: Iterable[str]) -> str:
        self.open.append(source)
        template = "\n".join(
            f"{line}{_MARK}{source.name}:{number}{_MARK}"
            for number, line in enumerate(lines, start=source.first_line)
        )
        if self.environment is None:
            raise RuntimeError("render() before the environment is made")
        try:
            text = self.environment.from_string(template).render()
        except TemplateError as error:
            line = source.first_line + _line_of(error) - 1
            raise ScriptDefinitionError(f"{self.folder / source.name}:{line}: {error}") from error
        self.open.pop()
        return text


def _line_of(error: TemplateError) -> int:
    """Return the line of a template at which it failed: in the error, or in its traceback."""
    line = getattr(error, "lineno", None)
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == "<template>":
            line = frame.lineno
    return line or 1


class _Include(Extension):
    """The tags ``use "lib/name.lua"`` and ``inline "lib/name.lua"``."""

    tags = {"use", "inline"}  # noqa: RUF012 - Jinja2 declares it so

    def parse(self, parser: Parser) -> nodes.Node:
        tag = next(parser.stream)
        name = parser.parse_expression()
        arguments = [name, nodes.Const(tag.lineno)]
        call = nodes.Call(nodes.Name(f"_{tag.value}", "load"), arguments, [], None, None)
        return nodes.Output([call]).set_lineno(tag.lineno)


def render(definition: Definition, table: KeyTable, folder: Path) -> Rendered:
    """Render a script.

    Raises:
        ScriptDefinitionError: If a template is wrong, with file and line.
    """
    includes = _Includes(folder)
    environment = Environment(
        block_start_string="--[[%",
        block_end_string="%]]",
        variable_start_string="--[[=",
        variable_end_string="]]",
        comment_start_string="--[[#",
        comment_end_string="#]]",
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - the output is Lua, not HTML
        extensions=[_Include],
    )
    environment.globals.update(
        _use=includes.use,
        _inline=includes.inline,
        status_flags=status_flags(),
        status_targets=status_targets(),
        client_data_prefix=ReservedKeys.CLIENT_DATA.value,
    )
    includes.environment = environment
    relative = f"{definition.name}.lua"
    body = _lines(includes.render(_Source(relative, definition.body_line), definition.body))
    snippets = [line for text in includes.snippets.values() for line in _lines(text)]
    check(definition, snippets, body, table, folder)
    # Snippets stand before the arguments, which they are given: what a snippet calls its parameters
    # is its own affair.
    written = [*snippets, *body]
    sized = _sized(definition, written)
    fails = any("fail(" in line.text for line in written)
    arguments = _arguments(definition, table, body, sized)
    lines = [
        *(Line(text, f"{relative}:1") for text in _opening(definition, sized, fails=fails)),
        *snippets,
        *(Line(text, f"{relative}:1") for text in arguments),
        *body,
    ]
    lines = [Line(_in_place(line.text, definition, table), line.source) for line in lines]
    text = "".join(f"{line.text}\n" for line in lines)
    sha1 = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return Rendered(text, sha1, tuple(line.source for line in lines))


def _lines(marked: str) -> list[Line]:
    lines: list[Line] = []
    for line in marked.split("\n"):
        text = _MARKED.sub("", line).rstrip()
        # A line that held nothing but a tag is gone from the script, but for its line break.
        if text.strip():
            places = _MARKED.findall(line)
            lines.append(Line(text, places[0] if places else lines[-1].source))
    return lines


def _sized(definition: Definition, lines: list[Line]) -> list[str]:
    """Return the keys whose sizes a writer uses, as `<key>_size`: those before its first write."""
    used = {name for line in lines for name in SIZE.findall(line.text)}
    return [key.name for key in definition.keys if key.name in used and not definition.read_only]


def _opening(definition: Definition, sized: list[str], *, fails: bool) -> list[str]:
    """Return the head of every script: what it is, the check of its arity, how it fails."""
    flags = f" flags={definition.flag}" if definition.flag else ""
    arguments, columns = len(definition.arguments), len(definition.items)
    wrong = f"#ARGV ~= {arguments}"
    if columns:
        wrong = f"(#ARGV < {arguments} or (#ARGV - {arguments}) % {columns} ~= 0)"
    return [
        f"#!lua{flags}",
        f"-- {definition.name} version {definition.version}",
        f"if #KEYS ~= {len(definition.keys)} or {wrong} then",
        '  return redis.error_reply("PYN_ARITY got " .. #KEYS .. " keys and "',
        '    .. #ARGV .. " arguments")',
        "end",
        *(_FAIL if fails else ()),
        *(f"local {name}_size = 0" for name in sized),
    ]


def _arguments(
    definition: Definition, table: KeyTable, body: list[Line], sized: list[str]
) -> list[str]:
    """Return what stands right before every body: its arguments and, for writers, the guards."""
    conditions = [key.condition for key in definition.keys]
    lines = _names(definition, "\n".join([*conditions, *(line.text for line in body)]))
    return lines if definition.read_only else lines + _guards(definition, table, sized)


def _value(argument: Argument, index: str) -> str:
    return f"tonumber(ARGV[{index}])" if argument.type in NUMBER_TYPES else f"ARGV[{index}]"


def _names(definition: Definition, body: str) -> list[str]:
    # What only completes the name of a key needs no local.
    lines = [
        f"local {argument.name} = {_value(argument, str(number))}"
        for number, argument in enumerate(definition.arguments, start=1)
        if re.search(rf"\b{argument.name}\b", body)
    ]
    if definition.items:
        first, columns = len(definition.arguments), len(definition.items)
        values = ", ".join(
            _value(column, f"at + {number}")
            for number, column in enumerate(definition.items, start=1)
        )
        lines += [
            f"local item_count = (#ARGV - {first}) / {columns}",
            "local function item(i)",
            f"  local at = {first} + (i - 1) * {columns}",
            f"  return {values}",
            "end",
        ]
    return lines


def _guards(definition: Definition, table: KeyTable, sized: list[str]) -> list[str]:
    """Return the checks of a writer: the schema, for most, and the types of keys.

    Redis does not roll back: a command that meets a key of another type would stop the script in
    the middle of its writes, so before the first each key is asked for its size, which fails for a
    key of another type. It costs less than to ask for the type.
    """
    lines = _schema_gate(table.schema_version) if definition.gated else []
    for key in definition.keys:
        if key.name == "schema" or key.read_first:
            continue
        size = f'redis.call("{_SIZES[table.keys[key.name].type]}", {key.name})'
        line = f"{key.name}_size = {size}" if key.name in sized else size
        lines += [f"if {key.condition} then", f"  {line}", "end"] if key.condition else [line]
    return lines


def _schema_gate(version: int) -> list[str]:
    return [
        'local schema_found = redis.call("GET", schema)',
        f"if schema_found and tonumber(schema_found) > {version} then",
        '  return redis.error_reply("PYN_NEWER_SCHEMA the data has schema " .. schema_found ..',
        f'    ", this release writes schema {version}")',
        "end",
    ]


def _in_place(text: str, definition: Definition, table: KeyTable) -> str:
    """Put what keys and `start_writing()` stand for in their place.

    As locals and a function they would be made in each call, and captured by each function anew.
    """
    if definition.gated:
        first = f'if not schema_found then redis.call("SET", schema, "{table.schema_version}") end'
        text = text.replace("start_writing()", first)
    keys = {key.name: f"KEYS[{n}]" for n, key in enumerate(definition.keys, start=1)}
    return replace_names(text, keys)
