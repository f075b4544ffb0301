"""pynenc 0.4 with the backend of this project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pynenc_app import PynencContender

if TYPE_CHECKING:
    from pynenc import PynencBuilder


class Us(PynencContender):
    """All five components on the server."""

    packages = ("pynenc-redis-lua", *PynencContender.packages)

    def keep(self, builder: PynencBuilder) -> PynencBuilder:
        """See `PynencContender`."""
        return builder.redis(url=self.url)
