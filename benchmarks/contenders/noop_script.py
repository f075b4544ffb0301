"""A script that does nothing, called by the same client: the limit of what one call can cost."""

from __future__ import annotations

from jobs import Contender
from redis import Redis


class NoopScript(Contender):
    """Submits by calling a script that does nothing and is given nothing."""

    packages = ("redis", "hiredis")

    def __init__(self) -> None:
        super().__init__()
        self.client = Redis.from_url(self.url)
        self.sha = self.client.script_load("#!lua\nreturn 1")

    def submit(self, count: int) -> None:
        """See `Contender`."""
        for _ in range(count):
            self.client.evalsha(self.sha, 0)

    def life(self, count: int) -> None:
        """There is no life of nothing."""
        raise NotImplementedError
