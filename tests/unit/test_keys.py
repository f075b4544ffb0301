"""Where the data of an app is: encoded app ids, one slot an app, the table of keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from redis.crc import key_slot

from pynenc_redis_lua.errors import ConfigurationError, ScriptDefinitionError
from pynenc_redis_lua.keys import KeyTable, app_tag, key_table

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = ("{é}*[?\\ ]:\u4e2d\U0001f600%" * 20)[:200]
app_ids = st.text(st.characters(), min_size=1, max_size=200) | st.text(
    "a{}*?[]%2:/ ", min_size=1, max_size=6
)

ENTRY = {"pattern": "pynenc:{app}:results", "owner": "state", "type": "hash", "meaning": "Results."}


class TestAppTag:
    @given(app_ids)
    @example(LONGEST)
    @example("\ud800")
    @example("..")
    def test_has_no_character_with_a_meaning_of_its_own(self, app_id: str) -> None:
        assert re.fullmatch(r"[A-Za-z0-9_.~%-]+", app_tag(app_id))

    @given(app_ids, app_ids)
    @example("a%7B", "a{")
    @example("a", "A")
    @example("é", "e\u0301")
    def test_differs_for_different_apps(self, one: str, other: str) -> None:
        assert (app_tag(one) == app_tag(other)) == (one == other)

    @pytest.mark.parametrize("app_id", ["", None, b"app", 7])
    def test_refuses_what_is_no_app_id(self, app_id: Any) -> None:
        with pytest.raises(ConfigurationError, match=re.escape(repr(app_id))):
            app_tag(app_id)


class TestSlot:
    @given(app_ids)
    @example(LONGEST)
    @example("}")
    @example("{}")
    def test_is_one_for_all_keys_of_an_app(self, app_id: str) -> None:
        tag = app_tag(app_id)
        keys = [key for key in key_table().keys.values() if key.in_slot]
        assert len({key_slot(key.on_server(tag, "{other}")) for key in keys}) == 1

    def test_is_the_apps_own_and_not_the_prefix(self) -> None:
        results = key_table().keys["results"]
        slots = {key_slot(results.on_server(app_tag(f"app {number}"))) for number in range(50)}
        assert len(slots) > 1

    def test_only_the_list_of_apps_is_outside(self) -> None:
        outside = {name for name, key in key_table().keys.items() if not key.in_slot}
        assert outside == {"apps"}


class TestKeyTable:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "keys.toml"

    @staticmethod
    def write(path: Path, **entries: dict[str, str]) -> None:
        lines = ["schema_version = 7"]
        for name, entry in entries.items():
            lines += [
                f"[{name}]",
                *(f"{attribute} = {text!r}" for attribute, text in entry.items()),
            ]
        path.write_text("\n".join(lines))

    def test_is_read(self, path: Path) -> None:
        self.write(path, results={**ENTRY, "field": "invocation id", "value": "result"})
        table = KeyTable.load(path)
        assert table.schema_version == 7
        assert list(table.keys) == ["results"]
        key = table.keys["results"]
        assert (key.type, key.owner, key.field, key.value) == (
            "hash",
            "state",
            "invocation id",
            "result",
        )
        assert key.on_server("app") == b"pynenc:{app}:results"

    def test_puts_the_name_into_the_key(self, path: Path) -> None:
        self.write(path, queue={**ENTRY, "pattern": "pynenc:{app}:queue:<name>", "type": "list"})
        key = KeyTable.load(path).keys["queue"]
        assert key.named_by == "name"
        assert key.on_server("shop", "hígh {1}") == "pynenc:{shop}:queue:hígh {1}".encode()

    def test_leaves_a_name_alone_that_looks_like_a_pattern(self, path: Path) -> None:
        self.write(path, queue={**ENTRY, "pattern": "pynenc:{app}:queue:<name>"})
        key = KeyTable.load(path).keys["queue"]
        assert key.on_server("shop", "{app}<name>") == b"pynenc:{shop}:queue:{app}<name>"

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            ({**ENTRY, "type": "tree"}, "unknown type 'tree'"),
            ({**ENTRY, "patern": "x"}, "patern"),
            ({**ENTRY, "name": "x"}, "name"),
            ({"pattern": "p", "owner": "state", "type": "hash"}, "meaning"),
        ],
        ids=["type", "unknown attribute", "second name", "missing attribute"],
    )
    def test_refuses_a_wrong_entry(self, path: Path, entry: dict[str, str], message: str) -> None:
        self.write(path, results=entry)
        where = re.escape(f"{path}: [results]: ")
        with pytest.raises(ScriptDefinitionError, match=f"{where}.*{message}"):
            KeyTable.load(path)

    def test_refuses_two_keys_of_one_pattern(self, path: Path) -> None:
        self.write(path, results=ENTRY, outcomes=ENTRY)
        where = re.escape(f"{path}: [results]: ")
        with pytest.raises(ScriptDefinitionError, match=f"{where}.*two keys .*pynenc:{{app}}"):
            KeyTable.load(path)
