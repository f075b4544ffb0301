"""Index the standard library with pynenc, and report what its state backend holds afterwards."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from stdlib_index import FOLDER_VARIABLE


def main() -> int:
    """Run the demo and return its exit code: 0 if every invocation ended as it should."""
    parser = argparse.ArgumentParser(prog="stdlib_index", description=__doc__)
    parser.add_argument("--workers", type=int, default=2, help="worker processes (default: 2)")
    parser.add_argument("--folder", type=Path, help="keep data and logs in this new folder")
    options = parser.parse_args()
    if options.workers < 1:
        parser.error("without workers nothing gets done")
    if options.folder and options.folder.exists():
        parser.error(f"{options.folder} exists already")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # clean up as well
    with ExitStack() as stack:
        if options.folder:
            options.folder.mkdir(mode=0o700, parents=True)
        else:
            # Removed while the embedded server still runs: it stops when this process has ended.
            temporary = tempfile.TemporaryDirectory(prefix="index-", ignore_cleanup_errors=True)
            options.folder = Path(stack.enter_context(temporary))
        os.environ[FOLDER_VARIABLE] = str(options.folder.resolve())
        from stdlib_index.demo import run  # noqa: PLC0415 - to import the app is to build it

        return 0 if run(options.folder, options.workers) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
