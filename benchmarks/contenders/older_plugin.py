"""pynenc 0.3 with the older plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pynenc_app import PynencContender

if TYPE_CHECKING:
    from pynenc import PynencBuilder


class Older(PynencContender):
    """All five components on the server."""

    packages = ("pynenc-redis", *PynencContender.packages)

    def keep(self, builder: PynencBuilder) -> PynencBuilder:
        """See `PynencContender`."""
        return builder.redis(url=self.url)
