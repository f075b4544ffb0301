"""The keys of an app: `lua/keys.toml`, and how an app id becomes a hash tag."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from pynenc_redis_lua.errors import ConfigurationError, ScriptDefinitionError

_TYPES = frozenset({"string", "hash", "list", "set", "zset", "stream"})
_NAME_SLOT = re.compile(r"<(\w+)>")


@dataclass(frozen=True)
class Key:
    """One key of `lua/keys.toml`.

    Attributes:
        name: What scripts call it.
        pattern: Its name on the server; ``{app}`` is the encoded app id.
        owner: The component whose purge removes it.
        type: Its Redis type, as TYPE reports it.
        meaning: What it holds.
        field: What a field or member is, if it has any.
        value: What a value or score is, if it has any.
    """

    name: str
    pattern: str
    owner: str
    type: str
    meaning: str
    field: str = ""
    value: str = ""

    @property
    def in_slot(self) -> bool:
        """Whether the key lives in the app's hash slot."""
        return "{app}" in self.pattern

    @property
    def named_by(self) -> str | None:
        """What ``<name>`` in the pattern stands for, if it has one."""
        found = _NAME_SLOT.search(self.pattern)
        return found.group(1) if found else None

    def on_server(self, app_tag: str, name: str | None = None) -> bytes:
        """Return the key's name on the server."""
        key = self.pattern.replace("{app}", f"{{{app_tag}}}")
        if self.named_by is not None:
            key = key.replace(f"<{self.named_by}>", name or "")
        return key.encode("utf-8", "surrogatepass")


@dataclass(frozen=True)
class KeyTable:
    """All of `lua/keys.toml`."""

    schema_version: int
    keys: dict[str, Key]

    @classmethod
    def load(cls, path: Path) -> KeyTable:
        """Read a `keys.toml`.

        Raises:
            ScriptDefinitionError: If an entry is not what the file's own head describes.
        """
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        schema_version = data.pop("schema_version")
        keys: dict[str, Key] = {}
        for name, entry in data.items():
            try:
                key = Key(name=name, **entry)
            except TypeError as error:
                raise ScriptDefinitionError(f"{path}: [{name}]: {error}") from error
            if key.type not in _TYPES:
                raise ScriptDefinitionError(f"{path}: [{name}]: unknown type {key.type!r}")
            keys[name] = key
        patterns = [key.pattern for key in keys.values()]
        for key in keys.values():
            if patterns.count(key.pattern) > 1:
                raise ScriptDefinitionError(
                    f"{path}: [{key.name}]: two keys have the pattern {key.pattern!r}"
                )
        return cls(schema_version, keys)

    def markdown(self) -> str:
        """Return the table as `docs/data-model.md` shows it."""
        lines = [f"Schema version: {self.schema_version}.", ""]
        for key in self.keys.values():
            lines += [f"### `{key.pattern}`", "", f"{key.meaning} Type: {key.type}.", ""]
            cells = {"Field or member": key.field, "Value or score": key.value}
            lines += [f"- {name}: {text}" for name, text in cells.items() if text]
            lines += [f"- Removed by the purge of: {key.owner}", ""]
        return "\n".join(lines)


def lua_folder() -> Path:
    """Return the folder of the Lua sources: inside the wheel, or at the top of a checkout."""
    package = Path(__file__).parent
    installed = package / "lua"
    return installed if installed.is_dir() else package.parents[1] / "lua"


@cache
def key_table() -> KeyTable:
    """Return the table of this release."""
    return KeyTable.load(lua_folder() / "keys.toml")


def app_tag(app_id: str) -> str:
    """Encode an app id for use inside a hash tag.

    Percent-encoding leaves letters, digits and ``_.-~``: no brace can end the tag early, no
    character is a glob in an ACL rule, and different ids stay different.

    Raises:
        ConfigurationError: If `app_id` is not a non-empty text.
    """
    if not isinstance(app_id, str) or not app_id:
        raise ConfigurationError(f"app_id must be a non-empty text, not {app_id!r}")
    return quote(app_id, safe="", errors="surrogatepass")
