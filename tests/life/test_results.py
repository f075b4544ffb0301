"""Results that come along with a status, for the `get_result` that follows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from pynenc.invocation.status import InvocationStatus

from life import life_tasks
from life.tools import Sent, build_app, load_scripts, remove, runner, started
from pynenc_redis_lua import state_backend

if TYPE_CHECKING:
    from pynenc import Pynenc

    from servers import Server

ONE = runner("one")
RESULT = "state/get_result"


def finished(app: Pynenc, result: Any) -> str:
    invocation = started(app, ONE, life_tasks.noop)
    app.orchestrator.set_invocation_result(invocation, result, ONE)
    return invocation.invocation_id


def asked(app: Pynenc, result: Any) -> str:
    """Finish an invocation and ask for its status."""
    id_ = finished(app, result)
    assert app.orchestrator.get_invocation_status(id_) == InvocationStatus.SUCCESS
    return id_


@pytest.fixture
def sent(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> Sent:
    load_scripts(app)
    return Sent(monkeypatch)


def test_is_taken_once(app: Pynenc, sent: Sent) -> None:
    id_ = asked(app, "small")
    sent.take()
    assert app.state_backend.get_result(id_) == "small"
    assert sent.take() == []
    assert app.state_backend.get_result(id_) == "small"
    assert sent.take() == [RESULT]


@pytest.mark.parametrize("over", [0, 1])
def test_is_left_where_it_is_large(
    server: Server, app_id: str, monkeypatch: pytest.MonkeyPatch, over: int
) -> None:
    app = build_app(server, app_id, min_size_to_cache=2 * state_backend.RESULT_BYTES)
    sent = Sent(monkeypatch)
    # The quotes of JSON are two of its bytes.
    text = "x" * (state_backend.RESULT_BYTES - 2 + over)
    id_ = asked(app, text)
    sent.take()
    assert app.state_backend.get_result(id_) == text
    assert sent.take()[-1:] == [RESULT] * over
    remove(app)


def test_is_of_the_invocation_that_was_asked_for_last(app: Pynenc, sent: Sent) -> None:
    first, second = asked(app, 1), asked(app, 2)
    sent.take()
    assert app.state_backend.get_result(first) == 1
    assert app.state_backend.get_result(second) == 2
    assert sent.take() == [RESULT, RESULT]


def test_is_of_the_thread_that_asked(app: Pynenc, sent: Sent) -> None:
    id_ = asked(app, 1)
    sent.take()
    with ThreadPoolExecutor(1) as other:
        assert other.submit(app.state_backend.get_result, id_).result() == 1
    assert sent.take() == [RESULT]


def test_is_not_kept_for_long(app: Pynenc, sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = asked(app, 1)
    later = state_backend.time.monotonic() + 1.0
    monkeypatch.setattr(state_backend.time, "monotonic", lambda: later)
    sent.take()
    assert app.state_backend.get_result(id_) == 1
    assert sent.take() == [RESULT]


def test_is_gone_with_a_purge(app: Pynenc) -> None:
    id_ = asked(app, 1)
    app.state_backend.purge()
    with pytest.raises(KeyError):
        app.state_backend.get_result(id_)


def test_is_gone_with_a_purge_of_another_thread(app: Pynenc) -> None:
    id_ = asked(app, 1)
    with ThreadPoolExecutor(1) as other:
        other.submit(app.state_backend.purge).result()
    with pytest.raises(KeyError):
        app.state_backend.get_result(id_)


def test_is_not_what_was_stored_since(app: Pynenc) -> None:
    id_ = asked(app, 1)
    app.state_backend.set_result(id_, 2)
    assert app.state_backend.get_result(id_) == 2
