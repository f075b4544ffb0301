"""Write what is derived from the scripts: ``make scripts``, ``make lint``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from pynenc_redis_lua.scripts.library import Library, dump_manifest, library

KEYS_BEGIN, KEYS_END = "<!-- keys.toml begins -->\n", "<!-- keys.toml ends -->"


def main() -> None:
    """Write the generated files of this checkout, or the scripts as the server gets them."""
    parser = argparse.ArgumentParser(prog="python -m pynenc_redis_lua.scripts", description=__doc__)
    parser.add_argument("--render", metavar="FOLDER", type=Path, help="write rendered scripts")
    folder = parser.parse_args().render
    if folder is None:
        generate(library())
    else:
        render(library(), folder)


def generate(scripts: Library) -> None:
    """Write `lua/manifest.json`, `scripts/api.py` and the tables of `docs/data-model.md`."""
    manifest = scripts.folder / "manifest.json"
    committed = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else {}
    manifest.write_text(dump_manifest(scripts.updated_manifest(committed)), encoding="utf-8")
    Path(__file__).with_name("api.py").write_text(scripts.api(), encoding="utf-8")
    document = scripts.folder.parent / "docs" / "data-model.md"
    document.write_text(with_keys(document.read_text(encoding="utf-8"), scripts), encoding="utf-8")


def with_keys(document: str, scripts: Library) -> str:
    """Return a document with the tables of `keys.toml` between its two marks."""
    before, _, rest = document.partition(KEYS_BEGIN)
    _, _, after = rest.partition(KEYS_END)
    return f"{before}{KEYS_BEGIN}{scripts.table.markdown()}{KEYS_END}{after}"


def render(scripts: Library, folder: Path) -> None:
    """Write each script as the server gets it, for luacheck."""
    for name in scripts.names:
        path = folder / f"{name}.lua"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(scripts.script(name).rendered.text, encoding="utf-8")


if __name__ == "__main__":
    main()
