"""Large arguments and results: stored once, kept while anything refers to them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from pynenc.client_data_store.base_client_data_store import _generate_key

import servers
from life import life_tasks
from life.tools import (
    Sent,
    bind,
    claim,
    client_of,
    key_of,
    load_scripts,
    orchestrator,
    runner,
    snapshot,
    started,
)
from pynenc_redis_lua.client_data_store import RedisClientDataStore
from pynenc_redis_lua.codec import pack

if TYPE_CHECKING:
    from collections.abc import Callable

    from pynenc import Pynenc

ONE = runner("one")
MIB = 2**20


def text(seed: str, size: int) -> str:
    """Text that zlib makes smaller and that differs from seed to seed."""
    source = random.Random(seed)
    return source.randbytes(size // 2).hex()


def store_of(app: Pynenc) -> RedisClientDataStore:
    assert isinstance(app.client_data_store, RedisClientDataStore)
    return app.client_data_store


def stored(app: Pynenc) -> int:
    """How many values and chunks are stored."""
    return client_of(app).hlen(key_of(app, "client_data"))


class TestValue:
    @pytest.mark.parametrize("size", [2_000, 3 * MIB])
    def test_is_stored_once(self, app: Pynenc, size: int) -> None:
        value = text("a", size)
        first = app.client_data_store.serialize(value)
        kept = stored(app)
        assert kept == size // MIB + 1
        assert app.client_data_store.serialize(value) == first
        assert stored(app) == kept
        assert app.client_data_store.serialize(text("b", size)) != first
        assert stored(app) == 2 * kept

    @pytest.mark.parametrize("value", ["é" * 2_000, "\ud800" * 2_000, "\0" * 2_000, "x" * 3 * MIB])
    def test_comes_back_as_it_was(self, make_app: Callable[..., Pynenc], value: str) -> None:
        store_of(make_app())._store("__pynenc__client_data__:0", value)
        assert store_of(make_app())._retrieve("__pynenc__client_data__:0") == value

    def test_that_is_missing_is_named(self, app: Pynenc) -> None:
        with pytest.raises(KeyError, match="__pynenc__client_data__:0f"):
            app.client_data_store.resolve("__pynenc__client_data__:0f")

    def test_of_which_a_chunk_is_missing_is_named(self, app: Pynenc) -> None:
        key = "__pynenc__client_data__:0f"
        store_of(app)._store(key, text("a", 3 * MIB))
        client_of(app).hdel(key_of(app, "client_data"), pack(key, "p2"))
        with pytest.raises(KeyError, match=key):
            store_of(app)._retrieve(key)

    @pytest.mark.parametrize("size", [2_000, 3 * MIB])
    @pytest.mark.parametrize("compressed", [False, True])
    def test_is_readable_whether_or_not_the_reader_compresses(
        self, make_app: Callable[..., Pynenc], size: int, compressed: bool
    ) -> None:
        writer = make_app(compression_enabled=compressed)
        reader = make_app(compression_enabled=not compressed)
        value = text("a", size)
        reference = writer.client_data_store.serialize(value)
        assert reader.client_data_store.resolve(reference) == value
        assert reader.client_data_store.serialize(value) == reference
        assert reader.client_data_store.resolve(reference) == value

    def test_takes_less_memory_compressed(self, make_app: Callable[..., Pynenc]) -> None:
        value, sizes = text("a", MIB), []
        for compressed in (False, True):
            app = make_app(compression_enabled=compressed)
            app.client_data_store.serialize(value)
            sizes.append(client_of(app).memory_usage(key_of(app, "client_data"), samples=0))
            app.client_data_store.purge()
        assert sizes[1] < 0.7 * sizes[0]

    @pytest.mark.parametrize("compressed", [False, True])
    def test_is_whole_though_an_upload_of_another_encoding_broke_off(
        self, make_app: Callable[..., Pynenc], compressed: bool
    ) -> None:
        # An upload that dies before its first chunk, the last to be sent, leaves the others.
        value, key = text("a", 4 * MIB), "__pynenc__client_data__:0f"
        dead, alive = (make_app(compression_enabled=each) for each in (compressed, not compressed))
        store_of(dead)._store(key, value)
        client_of(dead).hdel(key_of(dead, "client_data"), key)
        store_of(alive)._store(key, value)
        assert store_of(alive)._retrieve(key) == value


@pytest.mark.parametrize("server", servers.names()[:1], indirect=True)
class TestLargeValue:
    def test_does_not_hold_up_others(self, app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
        """The server serves one call at a time: none may carry much more than a MiB, either way."""
        load_scripts(app)
        sent, replied = Sent(monkeypatch), []
        field = RedisClientDataStore._field

        def counted(store: RedisClientDataStore, key: str, name: bytes) -> bytes:
            replied.append(field(store, key, name))
            return replied[-1]

        monkeypatch.setattr(RedisClientDataStore, "_field", counted)
        value = text("a", 40 * MIB)
        store_of(app)._store("__pynenc__client_data__:0f", value)
        assert store_of(app)._retrieve("__pynenc__client_data__:0f") == value
        assert sent.round_trips >= 80
        assert sent.largest < 1.01 * MIB
        assert max(map(len, replied)) < 1.01 * MIB


class TestRetention:
    """Of values that nothing refers to; here it comes at once."""

    @pytest.fixture
    def app(self, make_app: Callable[..., Pynenc]) -> Pynenc:
        return make_app(auto_final_invocation_purge_hours=0.0, local_cache_size=0)

    @pytest.fixture(autouse=True)
    def no_local_cache(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have every value read from the server."""
        monkeypatch.setattr(RedisClientDataStore, "_cache_deserialized", lambda *_: None)

    @pytest.mark.parametrize("size", [2_000, 3 * MIB])
    def test_spares_an_argument_until_its_invocation_goes(self, app: Pynenc, size: int) -> None:
        value = text("a", size)
        invocation = bind(app, life_tasks.echo)(value)
        orchestrator(app).auto_purge()
        [claimed] = claim(app, ONE)
        assert claimed.arguments.kwargs == {"value": value}
        claimed.run(ONE)
        assert invocation.result == value
        orchestrator(app).auto_purge()
        assert_forgotten(app)

    def test_spares_all_of_several_arguments(self, app: Pynenc) -> None:
        first, second = text("a", 2_000), text("b", 2_000)
        bind(app, life_tasks.join_texts)(first, second)
        orchestrator(app).auto_purge()
        [claimed] = claim(app, ONE)
        assert claimed.arguments.kwargs == {"first": first, "second": second}

    def test_spares_a_result_until_its_invocation_goes(
        self, app: Pynenc, make_app: Callable[..., Pynenc]
    ) -> None:
        keeping = make_app(auto_final_invocation_purge_hours=24.0)
        invocation = started(app, ONE, life_tasks.noop)
        value = text("a", 2_000)
        app.orchestrator.set_invocation_result(invocation, value, ONE)
        expire_data(app)
        assert keeping.state_backend.get_result(invocation.invocation_id) == value
        orchestrator(app).auto_purge()
        assert_forgotten(app)

    def test_spares_what_another_invocation_shares(self, app: Pynenc) -> None:
        value = text("a", 2_000)
        done = started(app, ONE, life_tasks.echo, value)
        bind(app, life_tasks.echo)(value)
        done.run(ONE)
        app.orchestrator.set_invocation_result(done, None, ONE)
        orchestrator(app).auto_purge()
        [claimed] = claim(app, ONE)
        assert claimed.arguments.kwargs == {"value": value}

    def test_spares_the_data_of_a_workflow_that_runs(self, app: Pynenc) -> None:
        root = started(app, ONE, life_tasks.workflow)
        assert root.workflow is not None
        value, other = text("a", 2_000), text("b", 2_000)
        app.state_backend.set_workflow_data(root.workflow, "key", value)
        app.state_backend.set_workflow_deterministic_value(root.workflow, "key", other)
        orchestrator(app).auto_purge()
        backend = app.state_backend
        assert backend.get_workflow_data(root.workflow, "key") == value
        assert backend.get_workflow_deterministic_value(root.workflow, "key") == other

    def test_keeps_what_was_never_used(self, app: Pynenc) -> None:
        # It may be an argument of a trigger, or on its way into an invocation.
        reference = app.client_data_store.serialize(text("a", 2_000))
        orchestrator(app).auto_purge()
        assert app.client_data_store.resolve(reference) == text("a", 2_000)

    def test_removes_what_an_upload_that_broke_off_left(self, app: Pynenc) -> None:
        key = _generate_key("a")
        orchestrator(app).scripts.data_store_chunk(reference=key, part="p1", data=b"x")
        orchestrator(app).auto_purge()
        assert_forgotten(app)

    def test_keeps_what_is_young(self, make_app: Callable[..., Pynenc]) -> None:
        app = make_app(auto_final_invocation_purge_hours=1.0)
        reference = app.client_data_store.serialize(text("a", 2_000))
        orchestrator(app).auto_purge()
        assert app.client_data_store.resolve(reference) == text("a", 2_000)


def expire_data(app: Pynenc) -> None:
    """Remove the values that nothing refers to, and no invocation."""
    while orchestrator(app).scripts.data_expire(age_us=0, count=100).values[0]:
        pass


def assert_forgotten(app: Pynenc) -> None:
    kept = {name for name in snapshot(app) if name.startswith("client_data")}
    assert kept == set()
