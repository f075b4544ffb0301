"""Fixtures: a busy app of each server, as it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consistency.busy import BusyApp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consistency.busy import Busy
    from servers import Server

_apps: dict[Server, BusyApp] = {}


@pytest.fixture
def busy(server: Server) -> Iterator[Busy]:
    if server not in _apps:
        _apps[server] = BusyApp(server)
    with _apps[server].restored() as busy:
        yield busy
