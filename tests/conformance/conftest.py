"""pynenc's own suite on our components, on every server of the matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

# The fixtures that the suite takes from its own conftest.
from pynenc_tests.conftest import (  # noqa: F401
    call_id,
    inv_id,
    other_call_id,
    other_inv_id,
    other_task_id,
    reset_mock_classes,
    task_id,
    temp_sqlite_db_path,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pynenc import Pynenc


@pytest.fixture
def app_instance(make_app: Callable[..., Pynenc]) -> Pynenc:
    return make_app()
