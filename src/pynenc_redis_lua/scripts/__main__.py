"""Write the files that are generated from the scripts: ``make scripts``."""

from __future__ import annotations

import json
from pathlib import Path

from pynenc_redis_lua.scripts.library import dump_manifest, library


def main() -> None:
    """Write `lua/manifest.json` and `scripts/api.py` of this checkout."""
    scripts = library()
    manifest = scripts.folder / "manifest.json"
    committed = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else {}
    manifest.write_text(dump_manifest(scripts.updated_manifest(committed)), encoding="utf-8")
    Path(__file__).with_name("api.py").write_text(scripts.api(), encoding="utf-8")


if __name__ == "__main__":
    main()
