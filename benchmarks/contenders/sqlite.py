"""pynenc 0.4 with its own SQLite backend, on a file of the temporary folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pynenc_app import PynencContender

if TYPE_CHECKING:
    from pynenc import PynencBuilder


class Sqlite(PynencContender):
    """All five components in one file."""

    packages = ("pynenc",)

    def keep(self, builder: PynencBuilder) -> PynencBuilder:
        """See `PynencContender`; the worker gets the file by the environment of its client."""
        return builder.sqlite(os.environ["BENCH_FOLDER"] + "/bench.sqlite")
