"""What a script author may get wrong: the body against its header, snippets included."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pynenc_redis_lua.errors import ScriptDefinitionError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pynenc_redis_lua.keys import KeyTable
    from pynenc_redis_lua.scripts.definition import Definition
    from pynenc_redis_lua.scripts.render import Line

# The size of a key before the first write, which the type check of a writer finds.
SIZE = re.compile(r"\b([a-z]\w*)_size\b")
_BARE = re.compile(r"\b(KEYS|ARGV)\b")
_FAIL = re.compile(r"\bfail\(\s*[\"']([A-Z_]+)[\"']")
# Strings before comments: a string may hold two dashes.
_STRING_OR_COMMENT = re.compile(r"""(\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*')|--.*""")
# Neither a field (`record.queue`; `..` before a name is no dot of a field) nor one of a table under
# construction (`queue = …`).
_NAME = re.compile(r"(?<![:\w])(?<!(?<!\.)\.)[a-z]\w*(?!\w|\s*=[^=])")
# What declares locals: `local`, a loop, parameters.
_LOCALS = (
    re.compile(r"\b(?:local(?: function)?|for) ([\w, ]+)"),
    re.compile(r"\bfunction\b[^(]*\(([\w, ]*)"),
)
_CODE_NAME = re.compile(f"{_STRING_OR_COMMENT.pattern}|({_NAME.pattern})")


def check(
    definition: Definition,
    snippets: list[Line],
    body: list[Line],
    table: KeyTable,
    folder: Path,
) -> None:
    """Hold a rendered body and its snippets against the header.

    Raises:
        ScriptDefinitionError: At the first mistake, with the file and line of its source.
    """
    declared = {key.name for key in definition.keys}
    for line in snippets + body:
        code = _bare_code(line.text)
        for name in sorted(_locals(code) & declared):
            mistake = f"a local {name!r} can't stand beside the key of that name"
            raise ScriptDefinitionError(f"{folder / line.source}: {mistake}")
        if found := _BARE.search(code):
            mistake = f"bare {found[1]}: use the names that the header declares"
            raise ScriptDefinitionError(f"{folder / line.source}: {mistake}")
        for name in sorted(set(SIZE.findall(code)) & table.keys.keys()):
            if definition.read_only or name not in declared:
                mistake = f"{name}_size is known only to a writer that declares {name!r} with @key"
                raise ScriptDefinitionError(f"{folder / line.source}: {mistake}")
        for name in sorted(set(_NAME.findall(code)) & table.keys.keys() - declared):
            mistake = f"key {name!r} is used but not declared with @key"
            raise ScriptDefinitionError(f"{folder / line.source}: {mistake}")
    _check_errors(definition, snippets + body, folder)
    _check_used(definition, _names(snippets), _names(body))


def _locals(code: str) -> set[str]:
    lists = [names for pattern in _LOCALS for names in pattern.findall(code)]
    return {name for names in lists for name in re.findall(r"\w+", names)}


def replace_names(text: str, values: Mapping[str, str]) -> str:
    """Put values in place of names in a line of code, but not in its strings and comments."""
    return _CODE_NAME.sub(lambda found: values.get(found[2], found[0]), text)


def _bare_code(text: str) -> str:
    return _STRING_OR_COMMENT.sub(lambda found: '""' if found[1] else "", text)


def _names(lines: list[Line]) -> set[str]:
    return {name for line in lines for name in _NAME.findall(_bare_code(line.text))}


def _check_errors(definition: Definition, lines: list[Line], folder: Path) -> None:
    """Look for codes over line ends: a call may put its arguments on lines of their own."""
    code = "\n".join(_STRING_OR_COMMENT.sub(lambda found: found[1] or "", x.text) for x in lines)
    for found in _FAIL.finditer(code):
        if found[1] not in definition.errors:
            line = lines[code.count("\n", 0, found.start())]
            raise ScriptDefinitionError(
                f"{folder / line.source}: fail({found[1]!r}) is not declared in @errors"
            )


def _check_used(definition: Definition, in_snippets: set[str], in_body: set[str]) -> None:
    keys = {key.name for key in definition.keys}
    completing = {key.argument for key in definition.keys}
    columns = {column.name for column in definition.items}
    for name, line in definition.header_lines.items():
        # A snippet uses keys by name; arguments it is given.
        used = name in in_body or (name in keys and name in in_snippets)
        if not used and name not in completing | columns:
            raise ScriptDefinitionError(f"{definition.path}:{line}: {name} is not used")
    if columns and "item" not in in_body:
        line = definition.header_lines[definition.items[0].name]
        raise ScriptDefinitionError(f"{definition.path}:{line}: no use of item(i) for the @items")
    if definition.gated and "start_writing" not in in_body:
        raise ScriptDefinitionError(
            f"{definition.path}:{definition.body_line}: a script that writes calls start_writing()"
            " after its last check and before its first write"
        )
