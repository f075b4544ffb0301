"""What is generated from the scripts is up to date, and a changed script has a new version."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from pynenc_redis_lua.errors import ScriptDefinitionError
from pynenc_redis_lua.keys import KeyTable, key_table, lua_folder
from pynenc_redis_lua.scripts import api
from pynenc_redis_lua.scripts.__main__ import render, with_keys
from pynenc_redis_lua.scripts.library import Library, dump_manifest, library

GENERATE = "run `make scripts`"
SCRIPT = "state/set_result"


def committed() -> dict[str, dict[str, Any]]:
    manifest: dict[str, dict[str, Any]] = json.loads(
        (lua_folder() / "manifest.json").read_text(encoding="utf-8")
    )
    return manifest


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the Lua folder, to make changes in."""
    return shutil.copytree(lua_folder(), tmp_path / "lua")


def library_in(folder: Path) -> Library:
    return Library(folder, KeyTable.load(folder / "keys.toml"))


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_manifest_is_up_to_date() -> None:
    text = (lua_folder() / "manifest.json").read_text(encoding="utf-8")
    assert text == dump_manifest(library().updated_manifest(committed())), GENERATE


def test_the_api_is_up_to_date() -> None:
    assert Path(api.__file__).read_text(encoding="utf-8") == library().api(), GENERATE


def test_the_data_model_is_up_to_date() -> None:
    document = (lua_folder().parent / "docs" / "data-model.md").read_text(encoding="utf-8")
    assert document == with_keys(document, library()), GENERATE
    assert all(f"`{key.pattern}`" in document for key in key_table().keys.values())


def test_rendered_scripts_are_what_the_manifest_says(tmp_path: Path) -> None:
    render(library(), tmp_path)
    sums = {
        path.relative_to(tmp_path).with_suffix("").as_posix(): hashlib.sha1(path.read_bytes())
        for path in tmp_path.rglob("*.lua")
    }
    expected = {name: entry["sha1"] for name, entry in committed().items()}
    assert {name: digest.hexdigest() for name, digest in sums.items()} == expected


def test_the_manifest_lists_every_script() -> None:
    files = {
        path.relative_to(lua_folder()).with_suffix("").as_posix()
        for path in lua_folder().rglob("*.lua")
    }
    assert set(committed()) == {name for name in files if not name.startswith("lib/")}


def test_the_api_has_a_method_for_every_script() -> None:
    methods = {name for name in vars(api.Scripts) if not name.startswith("_")}
    assert methods == {name.replace("/", "_") for name in library().names}


def test_the_text_does_not_depend_on_where_the_files_are(copy: Path) -> None:
    assert library_in(copy).manifest() == library().manifest()


class TestChange:
    """A change of what the server runs needs a higher version."""

    def test_without_a_new_version_is_refused(self, copy: Path) -> None:
        change(copy / f"{SCRIPT}.lua", 'return { "OK" }', 'return { "OK", 1 }')
        version = committed()[SCRIPT]["version"]
        message = rf"{re.escape(str(copy / SCRIPT))}\.lua: .*raise @version to {version + 1}"
        with pytest.raises(ScriptDefinitionError, match=message):
            library_in(copy).updated_manifest(committed())

    def test_with_a_new_version_is_taken(self, copy: Path) -> None:
        path = copy / f"{SCRIPT}.lua"
        version = committed()[SCRIPT]["version"]
        change(path, 'return { "OK" }', 'return { "OK", 1 }')
        change(path, f"@version {version}", f"@version {version + 1}")
        new = library_in(copy).updated_manifest(committed())
        assert {name for name in new if new[name] != committed()[name]} == {SCRIPT}
        assert new[SCRIPT]["version"] == version + 1

    def test_to_a_lower_version_is_refused(self, copy: Path) -> None:
        old = committed()
        old[SCRIPT].update(version=old[SCRIPT]["version"] + 1, sha1="of the newer text")
        with pytest.raises(ScriptDefinitionError, match=re.escape(SCRIPT)):
            library_in(copy).updated_manifest(old)

    def test_of_a_snippet_counts_for_each_script_that_uses_it(self, copy: Path) -> None:
        with (copy / "lib/pack.lua").open("a", encoding="utf-8") as snippet:
            snippet.write("local another_line\n")
        new = library_in(copy).manifest()
        changed = {name for name in new if new[name]["sha1"] != committed()[name]["sha1"]}
        assert changed == {
            name
            for name in library().names
            if "local pack = " in library().script(name).rendered.text
        }
        assert changed
        with pytest.raises(ScriptDefinitionError, match=r"raise @version"):
            library_in(copy).updated_manifest(committed())

    def test_of_the_description_needs_no_new_version(self, copy: Path) -> None:
        change(copy / f"{SCRIPT}.lua", "--- Store the", "--- Keep the")
        assert library_in(copy).updated_manifest(committed()) == library().manifest()

    def test_a_new_script_needs_no_entry_of_before(self, copy: Path) -> None:
        old = committed()
        del old[SCRIPT]
        assert SCRIPT in library_in(copy).updated_manifest(old)
