"""The header of a Lua file: the only declaration of a script.

The header follows the ``#!lua`` line: a description, then tags, one a line::

    #!lua flags=no-writes
    --- One sentence on what the script does.
    -- @version 1
    -- @key results
    -- @key queue <- queue_name      (a key with a name in it, and the argument it comes from)
    -- @key history read first       (of a writer: what it is written behind has met its type)
    -- @key changes if notes == 1    (of a writer: it is written only if this holds, which is Lua)
    -- @arg invocation_id id
    -- @item member bytes            (columns of the items that follow the arguments)
    -- @returns OK result | NONE
    -- @errors NOT_FOUND
    -- @resend written_us <- time    (to a server that has lost it: see `scripts/recent.py`; if it
                                     names an argument, that has what the first reply told)
    -- @cost O(1)

Argument types: ``id`` (non-empty text), ``str`` (text), ``bytes``, ``int`` and ``count`` (Lua
numbers, a count at least 1), ``us`` (µs since 1970; stays a decimal string in Lua, whose numbers
print with 14 digits).
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pynenc_redis_lua.errors import ScriptDefinitionError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pynenc_redis_lua.keys import KeyTable

ARGUMENT_TYPES = frozenset({"id", "str", "bytes", "int", "count", "us"})
NUMBER_TYPES = frozenset({"int", "count"})

_FLAGS = {
    "#!lua": "",
    "#!lua flags=no-writes": "no-writes",
    "#!lua flags=allow-oom": "allow-oom",
}
_TAG = re.compile(r"--\s*@(\w+)\s*(.*)")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_KEY = re.compile(
    r"(?P<name>\S+)( <- (?P<argument>\w+))?((?P<read_first> read first)| if (?P<condition>.+))?"
)
_RETURN = re.compile(r"([A-Z][A-Z_]*)\b(.*)")
# Names that a declaration would hide from the body, or that Lua or Python can't take for a local or
# a parameter.
_RESERVED = frozenset(
    {"fail", "item", "items", "item_count", "start_writing", "schema_found", "self"}
    | {"redis", "cjson", "cmsgpack", "string", "table", "math", "ipairs", "pairs", "tonumber"}
    | {"tostring", "unpack", "type", "error", "and", "break", "do", "else", "elseif", "end"}
    | {"false", "for", "function", "if", "in", "local", "nil", "not", "or", "repeat", "return"}
    | {"then", "true", "until", "while"}
    | set(keyword.kwlist)
)


@dataclass(frozen=True)
class KeyUse:
    """A ``@key`` line.

    Attributes:
        name: The key.
        argument: The argument that completes its name, if it has one.
        read_first: Whether the body reads it before it writes, so that its type needs no check.
        condition: What must hold for its type to matter, as Lua has it; empty for always.
    """

    name: str
    argument: str | None = None
    read_first: bool = False
    condition: str = ""


@dataclass(frozen=True)
class Resend:
    """An ``@resend`` line: the argument that then has what was told after OK, if it names one."""

    argument: str
    value: str


@dataclass(frozen=True)
class Argument:
    """An ``@arg`` or ``@item`` line."""

    name: str
    type: str


@dataclass(frozen=True)
class Definition:
    """A script as its header declares it.

    Attributes:
        name: Path below the Lua folder without suffix, such as ``state/add_histories``.
        path: The file.
        summary: What it does.
        flag: What its first line says of it to the server: ``no-writes``, ``allow-oom`` or nothing.
        version: Raised with every change of the rendered text.
        keys: Keys in the order of KEYS; a writing script has ``schema`` first.
        arguments: Arguments in the order of ARGV.
        items: Columns of the items that follow the arguments; empty if it takes none.
        header_lines: Line of each key, argument and item in the file, by name.
        returns: Tag of each expected reply, with the words that describe its values.
        errors: Codes it refuses with.
        resend: How a call of the last seconds is sent again to a server that may have lost it, or
            None if it is not.
        cost: Its complexity.
        body_line: Line of the file on which the body begins, from 1.
        body: The lines after the header.
    """

    name: str
    path: Path
    summary: str
    flag: str
    version: int
    keys: tuple[KeyUse, ...]
    arguments: tuple[Argument, ...]
    items: tuple[Argument, ...]
    header_lines: dict[str, int]
    returns: dict[str, str]
    errors: tuple[str, ...]
    resend: Resend | None
    cost: str
    body_line: int
    body: tuple[str, ...]

    @property
    def read_only(self) -> bool:
        """Whether it is flagged ``no-writes``."""
        return self.flag == "no-writes"

    @property
    def gated(self) -> bool:
        """Whether the script checks the schema number before it writes."""
        return any(key.name == "schema" for key in self.keys) and not self.read_only


def parse(path: Path, name: str, table: KeyTable) -> Definition:
    """Read a script and check it against its own header.

    Raises:
        ScriptDefinitionError: At the first mistake, with file and line.
    """
    return _Parser(path, name, table).definition()


class _Parser:
    def __init__(self, path: Path, name: str, table: KeyTable) -> None:
        self.path = path
        self.name = name
        self.table = table
        self.lines = path.read_text(encoding="utf-8").splitlines()
        self.summary: list[str] = []
        self.tags: list[tuple[int, str, str]] = []

    def error(self, line: int, message: str) -> ScriptDefinitionError:
        return ScriptDefinitionError(f"{self.path}:{line}: {message}")

    def definition(self) -> Definition:
        flag = self._flag()
        body_line = self._header()
        arguments = tuple(self._typed("arg"))
        items = tuple(self._typed("item"))
        keys = self._keys(arguments, read_only=flag == "no-writes")
        returns = self._returns()
        return Definition(
            name=self.name,
            path=self.path,
            summary=" ".join(self.summary),
            flag=flag,
            version=self._version(),
            keys=keys,
            arguments=arguments,
            items=items,
            header_lines=self._header_lines(),
            returns=returns,
            errors=tuple(self._text("errors", required=False).split()),
            resend=self._resend(arguments, returns),
            cost=self._text("cost"),
            body_line=body_line,
            body=tuple(self.lines[body_line - 1 :]),
        )

    def _flag(self) -> str:
        first = self.lines[0] if self.lines else ""
        if first not in _FLAGS:
            known = " or ".join(map(repr, _FLAGS))
            raise self.error(1, f"first line must be {known}, not {first!r}")
        return _FLAGS[first]

    def _header(self) -> int:
        for number, line in enumerate(self.lines[1:], start=2):
            found = _TAG.match(line)
            if found:
                self.tags.append((number, found[1], found[2].strip()))
            elif self.tags or not line.startswith("--"):
                break
            else:
                self.summary.append(line.lstrip("-").strip())
        else:
            raise self.error(len(self.lines), "the script has no body")
        body_line = number
        known = {"version", "key", "arg", "item", "returns", "errors", "resend", "cost"}
        for line_number, tag, _ in self.tags:
            if tag not in known:
                raise self.error(line_number, f"unknown tag @{tag}; known are {sorted(known)}")
        if not self.summary:
            raise self.error(2, "the header must begin with a description ('--- …')")
        return body_line

    def _lines(self, tag: str) -> list[tuple[int, str]]:
        return [(number, text) for number, known, text in self.tags if known == tag]

    def _text(self, tag: str, *, required: bool = True) -> str:
        found = self._lines(tag)
        if len(found) > 1:
            raise self.error(found[1][0], f"@{tag} stands twice")
        if not found or not found[0][1]:
            if required:
                raise self.error(2, f"missing @{tag}")
            return ""
        return found[0][1]

    def _version(self) -> int:
        text = self._text("version")
        if not text.isdecimal() or int(text) < 1:
            raise self.error(self._lines("version")[0][0], f"@version {text!r} is not a number ≥ 1")
        return int(text)

    def _typed(self, tag: str) -> list[Argument]:
        arguments = []
        for number, text in self._lines(tag):
            name, _, kind = text.partition(" ")
            if not _NAME.fullmatch(name):
                raise self.error(number, f"@{tag} needs a name in lower case, not {name!r}")
            if kind not in ARGUMENT_TYPES:
                raise self.error(
                    number, f"@{tag} {name}: type {kind!r} is none of {sorted(ARGUMENT_TYPES)}"
                )
            arguments.append(Argument(name, kind))
        return arguments

    def _keys(self, arguments: tuple[Argument, ...], *, read_only: bool) -> tuple[KeyUse, ...]:
        uses: list[KeyUse] = []
        for number, text in self._lines("key"):
            found = _KEY.fullmatch(text)
            if not found:
                raise self.error(number, f"@key {text!r} is not 'name <- argument if condition'")
            name, argument, condition = found["name"], found["argument"], found["condition"] or ""
            key = self.table.keys.get(name)
            if key is None:
                raise self.error(number, f"@key {name!r} is not in keys.toml")
            if bool(key.named_by) != bool(argument):
                raise self.error(number, f"@key {name}: pattern {key.pattern!r} and '<-' disagree")
            texts = {known.name for known in arguments if known.type in {"id", "str"}}
            if argument and argument not in texts:
                raise self.error(
                    number, f"@key {name} <- {argument}: no such @arg of type id or str"
                )
            read_first = bool(found["read_first"])
            if read_only and (read_first or condition):
                raise self.error(number, f"@key {name}: only a writer checks types")
            uses.append(KeyUse(name, argument, read_first, condition))
        in_slot = {self.table.keys[use.name].in_slot for use in uses}
        if len(in_slot) != 1:
            raise self.error(2, "a script needs keys, all of the app's slot or none of it")
        if in_slot == {True} and not read_only and all(use.name != "schema" for use in uses):
            uses.insert(0, KeyUse("schema"))
        return tuple(uses)

    def _returns(self) -> dict[str, str]:
        text = self._text("returns")
        tags = {}
        for alternative in text.split("|"):
            found = _RETURN.fullmatch(alternative.strip())
            if not found:
                number = self._lines("returns")[0][0]
                raise self.error(number, f"@returns: {alternative.strip()!r} is not 'TAG words'")
            tags[found[1]] = found[2].strip()
        return tags

    def _resend(self, arguments: tuple[Argument, ...], returns: Mapping[str, str]) -> Resend | None:
        for number, text in self._lines("resend"):
            argument, _, value = (part.strip() for part in text.partition("<-"))
            if text and argument not in {known.name for known in arguments}:
                raise self.error(number, f"@resend: no such @arg {argument!r}")
            if text and value not in returns.get("OK", "").split():
                raise self.error(number, f"@resend {argument}: OK does not return {value!r}")
            return Resend(argument, value)
        return None

    def _header_lines(self) -> dict[str, int]:
        lines: dict[str, int] = {}
        for number, tag, text in self.tags:
            if tag not in {"key", "arg", "item"}:
                continue
            name = re.split(r"[\s<]", text, maxsplit=1)[0]
            if name in lines or name in _RESERVED:
                raise self.error(number, f"@{tag} {name}: the name is taken")
            lines[name] = number
        return lines
