"""pynenc 0.4 with its own memory backend: what pynenc itself costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pynenc_app import PynencContender

if TYPE_CHECKING:
    from pynenc import PynencBuilder


class Memory(PynencContender):
    """All five components in the memory of the process."""

    packages = ("pynenc",)

    def keep(self, builder: PynencBuilder) -> PynencBuilder:
        """See `PynencContender`."""
        return builder.memory()
