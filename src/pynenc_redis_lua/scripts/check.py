"""What a script author may get wrong: the body against its header, snippets included."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pynenc_redis_lua.errors import ScriptDefinitionError

if TYPE_CHECKING:
    from pathlib import Path

    from pynenc_redis_lua.keys import KeyTable
    from pynenc_redis_lua.scripts.definition import Definition
    from pynenc_redis_lua.scripts.render import Line

_BARE = re.compile(r"\b(KEYS|ARGV)\b")
_FAIL = re.compile(r"\bfail\(\s*\"([A-Z_]+)\"")
_COMMENT = re.compile(r"--.*")
_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
# Neither a field (`record.queue`) nor one of a table under construction (`queue = …`).
_NAME = re.compile(r"(?<![.:\w])[a-z]\w*(?!\w|\s*=[^=])")


def check(definition: Definition, body: list[Line], table: KeyTable, folder: Path) -> None:
    """Hold a rendered body against the header.

    Raises:
        ScriptDefinitionError: At the first mistake, with the file and line of its source.
    """
    used: set[str] = set()
    for line in body:
        code = _COMMENT.sub("", line.text)
        names = set(_NAME.findall(_STRING.sub("", code)))
        used |= names
        if mistake := _mistake(definition, table, code, names):
            raise ScriptDefinitionError(f"{folder / line.source}: {mistake}")
    _check_used(definition, used)


def _mistake(definition: Definition, table: KeyTable, code: str, names: set[str]) -> str | None:
    if found := _BARE.search(code):
        return f"bare {found[1]}: use the names that the header declares"
    for error in _FAIL.findall(code):
        if error not in definition.errors:
            return f"fail({error!r}) is not declared in @errors"
    declared = {key.name for key in definition.keys}
    for name in sorted(names & table.keys.keys() - declared):
        return f"key {name!r} is used but not declared with @key"
    return None


def _check_used(definition: Definition, used: set[str]) -> None:
    implied = {key.argument for key in definition.keys}
    columns = {column.name for column in definition.items}
    for name, line in definition.header_lines.items():
        if name not in used | implied | columns:
            raise ScriptDefinitionError(f"{definition.path}:{line}: {name} is not used")
    if columns and "item" not in used:
        line = definition.header_lines[definition.items[0].name]
        raise ScriptDefinitionError(f"{definition.path}:{line}: no use of item(i) for the @items")
    if definition.gated and "start_writing" not in used:
        raise ScriptDefinitionError(
            f"{definition.path}:{definition.body_line}: a script that writes calls start_writing()"
            " after its last check and before its first write"
        )
