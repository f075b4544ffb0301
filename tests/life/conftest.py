"""Fixtures: apps of which all is ours but the trigger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from life.tools import build_app, remove

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pynenc import Pynenc

    from servers import Server


@pytest.fixture
def make_app(server: Server, app_id: str) -> Iterator[Callable[..., Pynenc]]:
    """Make apps with these settings; they are removed afterwards."""
    apps: list[Pynenc] = []

    def make(name: str = app_id, **values: object) -> Pynenc:
        apps.append(build_app(server, name, **values))
        return apps[-1]

    yield make
    for app in apps:
        remove(app)


@pytest.fixture
def app(make_app: Callable[..., Pynenc]) -> Pynenc:
    return make_app()
