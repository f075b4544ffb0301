"""From settings to a connection: each one has its effect, and none gives a password away."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from pynenc import PynencBuilder
from redis import Redis
from redis.connection import SSLConnection, UnixDomainSocketConnection

import pynenc_redis_lua
from pynenc_redis_lua import embedded
from pynenc_redis_lua.client import Connection, Settings, connection_to
from pynenc_redis_lua.client_data_store import RedisClientDataStore
from pynenc_redis_lua.conf import ConfigRedis, ConfigStateBackendRedis
from pynenc_redis_lua.errors import ConfigurationError
from pynenc_redis_lua.trigger import RedisTrigger

PASSWORD = "hunter2"

# Every field with a value that is not its default.
FIELDS: dict[str, Any] = {
    "redis_url": "redis://elsewhere:7000/5",
    "redis_host": "redis.example",
    "redis_port": 6380,
    "redis_db": 3,
    "redis_username": "worker",
    "redis_password": PASSWORD,
    "socket_timeout": 1.5,
    "socket_connect_timeout": 2.5,
    "redis_pool_max_connections": 7,
    "redis_pool_health_check_interval": 11.0,
    "redis_cluster": True,
    "redis_outage_budget": 0.5,
}
# The fields that redis-py's connection takes, by its own names.
OPTIONS = {
    "redis_host": "host",
    "redis_port": "port",
    "redis_db": "db",
    "redis_username": "username",
    "redis_password": "password",
    "socket_timeout": "socket_timeout",
    "socket_connect_timeout": "socket_connect_timeout",
    "redis_pool_health_check_interval": "health_check_interval",
}


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PYNENC__")]:
        monkeypatch.delenv(name)


def settings(**values: Any) -> Settings:
    return Settings.from_conf(ConfigRedis(values))


def options(**values: Any) -> dict[str, Any]:
    """What redis-py's connections are made with."""
    client = Connection(settings(**values)).client
    assert isinstance(client, Redis)
    return client.connection_pool.connection_kwargs


def connection_class(**values: Any) -> type:
    client = Connection(settings(**values)).client
    assert isinstance(client, Redis)
    made: type = client.connection_pool.connection_class
    return made


class TestDefaults:
    def test_lead_to_this_machine(self) -> None:
        made = options()
        assert (made["host"], made["port"], made["db"]) == ("localhost", 6379, 0)
        assert (made["username"], made["password"]) == (None, None)

    def test_wait_for_a_server_a_minute(self) -> None:
        assert Connection(settings()).outage_budget == 60

    def test_are_named_by_the_table_above(self) -> None:
        assert set(FIELDS) == set(ConfigRedis.config_fields())
        assert all(getattr(ConfigRedis(), name) != value for name, value in FIELDS.items())


class TestField:
    @pytest.mark.parametrize("field", OPTIONS)
    def test_reaches_the_connections(self, field: str) -> None:
        assert options(**{field: FIELDS[field]})[OPTIONS[field]] == FIELDS[field]

    def test_limits_the_pool(self) -> None:
        client = Connection(settings(redis_pool_max_connections=7)).client
        assert isinstance(client, Redis)
        assert client.connection_pool.max_connections == 7

    def test_sets_the_outage_budget(self) -> None:
        assert Connection(settings(redis_outage_budget=0)).outage_budget == 0

    def test_makes_it_a_cluster(self) -> None:
        assert settings(redis_cluster=True).cluster
        assert not settings().cluster

    @pytest.mark.parametrize("field", FIELDS)
    @pytest.mark.parametrize("prefix", ["PYNENC__", "PYNENC__CONFIGREDIS__"])
    def test_is_read_from_the_environment(
        self, field: str, prefix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(f"{prefix}{field.upper()}", str(FIELDS[field]))
        assert settings() == settings_with(field) != without_environment(monkeypatch)

    @pytest.mark.parametrize("field", FIELDS)
    @pytest.mark.parametrize("suffix", ["json", "yaml", "toml"])
    def test_is_read_from_a_file(self, field: str, suffix: str, tmp_path: Path) -> None:
        path = tmp_path / f"pynenc.{suffix}"
        value = json.dumps(FIELDS[field])
        path.write_text(
            {
                "json": f'{{"{field}": {value}}}',
                "yaml": f"{field}: {value}\n",
                "toml": f"{field} = {value}\n",
            }[suffix]
        )
        assert Settings.from_conf(ConfigRedis(config_filepath=str(path))) == settings_with(field)

    def test_may_be_given_to_the_state_backend_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYNENC__CONFIGSTATEBACKENDREDIS__REDIS_HOST", "state.example")
        assert Settings.from_conf(ConfigStateBackendRedis()).address == "state.example:6379/0"
        assert settings().address == "localhost:6379/0"

    @pytest.mark.parametrize(
        ("text", "cluster"), [("true", True), ("1", True), ("false", False), ("0", False)]
    )
    def test_that_is_yes_or_no_is_read_as_such(
        self, text: str, cluster: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PYNENC__REDIS_CLUSTER", text)
        assert settings().cluster is cluster


def settings_with(field: str) -> Settings:
    return settings(**{field: FIELDS[field]})


def without_environment(monkeypatch: pytest.MonkeyPatch) -> Settings:
    with monkeypatch.context() as context:
        for name in [name for name in os.environ if name.startswith("PYNENC__")]:
            context.delenv(name)
        return settings()


class TestUrl:
    def test_wins_over_the_fields(self) -> None:
        fields = {name: value for name, value in FIELDS.items() if name != "redis_cluster"}
        url = "redis://someone:secret@host.example:7001/9?socket_timeout=8&health_check_interval=4"
        made = options(**{**fields, "redis_url": url})
        assert {name: made[name] for name in ("host", "port", "db", "username", "password")} == {
            "host": "host.example",
            "port": 7001,
            "db": 9,
            "username": "someone",
            "password": "secret",
        }
        assert (made["socket_timeout"], made["health_check_interval"]) == (8, 4)

    @pytest.mark.parametrize("url", ["redis://", "rediss://"])
    def test_is_completed_by_the_fields(self, url: str) -> None:
        fields = {name: FIELDS[name] for name in OPTIONS}
        made = options(**fields, redis_url=url)
        assert {field: made[option] for field, option in OPTIONS.items()} == fields

    def test_takes_the_database_from_its_query(self) -> None:
        assert options(redis_url="redis://h?db=2", redis_db=3)["db"] == 2

    def test_may_have_escapes(self) -> None:
        made = options(redis_url="redis://us%40er:p%2F%3A%23w@h")
        assert (made["username"], made["password"]) == ("us@er", "p/:#w")

    def test_may_ask_for_tls(self) -> None:
        assert connection_class(redis_url="rediss://h:7000/1") is SSLConnection
        assert options(redis_url="rediss://h?ssl_cert_reqs=none")["ssl_cert_reqs"] == "none"

    def test_may_name_a_unix_socket(self) -> None:
        url = "unix:///run/my%20redis.sock"
        assert connection_class(redis_url=url) is UnixDomainSocketConnection
        made = options(redis_url=url, redis_db=3, redis_password=PASSWORD)
        assert (made["path"], made["db"], made["password"]) == ("/run/my redis.sock", 3, PASSWORD)
        assert options(redis_url=f"{url}?db=4", redis_db=3)["db"] == 4

    def test_cannot_make_the_replies_text(self) -> None:
        assert not options(redis_url="redis://h?decode_responses=true").get("decode_responses")

    def test_of_a_cluster_may_name_database_0(self) -> None:
        made = settings(redis_url="redis://h:7000/0", redis_cluster=True)
        assert made.cluster
        assert "db" not in dict(made.options)


class TestEmbeddedUrl:
    @pytest.mark.parametrize(
        ("url", "folder"),
        [
            ("embedded:///data/my%20app/50%25/é", "/data/my app/50%/é"),
            ("embedded:///data/my app/é", "/data/my app/é"),
        ],
    )
    def test_names_a_folder(self, url: str, folder: str) -> None:
        made = settings(redis_url=url)
        assert made.embedded_folder == folder
        assert folder in made.address

    def test_may_be_relative(self, tmp_path: Path) -> None:
        assert settings(redis_url="embedded://data").embedded_folder == str(tmp_path / "data")

    def test_without_a_folder_means_the_users(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
        assert settings(redis_url="embedded://").embedded_folder == str(embedded.default_folder())
        assert embedded.default_folder().is_relative_to(tmp_path / "share")

    def test_of_one_folder_by_two_names_is_one_server(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(tmp_path / "data")
        one, other = (
            settings(redis_url=f"embedded://{tmp_path}/{name}") for name in ("data", "link")
        )
        assert one == other


# What cannot work, and the setting that the error names.
BAD: list[tuple[dict[str, Any], str]] = [
    ({"redis_port": 0}, "redis_port"),
    ({"redis_port": 65536}, "redis_port"),
    ({"redis_db": -1}, "redis_db"),
    ({"socket_timeout": -1.0}, "socket_timeout"),
    ({"socket_timeout": 0.0}, "socket_timeout"),
    ({"socket_timeout": float("nan")}, "socket_timeout"),
    ({"socket_connect_timeout": -1.0}, "socket_connect_timeout"),
    ({"redis_pool_max_connections": 0}, "redis_pool_max_connections"),
    ({"redis_pool_health_check_interval": -1.0}, "redis_pool_health_check_interval"),
    ({"redis_outage_budget": -0.1}, "redis_outage_budget"),
    ({"redis_cluster": True, "redis_db": 1}, "redis_cluster"),
    ({"redis_cluster": True, "redis_url": "redis://h/1"}, "redis_cluster"),
    ({"redis_cluster": True, "redis_url": "redis://h?db=1"}, "redis_cluster"),
    ({"redis_cluster": True, "redis_url": "unix:///run/redis.sock"}, "redis_cluster"),
    ({"redis_cluster": True, "redis_url": "embedded://data"}, "redis_cluster"),
]
BAD_URLS = [
    "hunter2",
    "hunter2@host:6379/0",
    "http://user:hunter2@host",
    "redis:/user:hunter2@host",
    "redis://user:hunter2@host:port/0",
    "redis://user:hunter2@host:65536/0",
    "redis://user:hunter2@host:0/0",
    "redis://user:hunter2@host/zero",
    "redis://user:hunter2@host/-1",
    "redis://user:hunter2@host?db=zero",
    "redis://user:hunter2@host?db=-1",
    "redis://user:hunter2@host?socket_timeout=-1",
    "redis://user:hunter2@host?health_check_interval=-1",
    "redis://user:hunter2@host?no_such_option=1",
    "redis://user:hunter2@host?protocol=9",
    "rediss://user:hunter2@host?ssl_cert_reqs=perhaps",
    # Passwords that should have been escaped: what comes after is not what it looks like.
    "redis://user:12/hunter2@host:6379/0",
    "redis://user:12#hunter2@host:6379/0",
    "redis://user:12?hunter2@host:6379/0",
    "redis://user:hunter2/34@host:6379/0",
]


class TestBadValue:
    @pytest.mark.parametrize(("values", "name"), BAD, ids=str)
    def test_is_refused_by_its_name(self, values: dict[str, Any], name: str) -> None:
        with pytest.raises(ConfigurationError, match=rf"\b{name}\b") as caught:
            settings(redis_password=PASSWORD, **values)
        assert PASSWORD not in shown(caught.value)

    @pytest.mark.parametrize("url", BAD_URLS)
    def test_of_the_url_is_refused_without_its_password(self, url: str) -> None:
        with pytest.raises(ConfigurationError, match=r"\bredis_url\b") as caught:
            settings(redis_url=url)
        assert PASSWORD not in shown(caught.value)

    @pytest.mark.parametrize("name", ["redis_port", "redis_db", "socket_timeout", "redis_cluster"])
    def test_of_the_environment_is_refused_by_its_name(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(f"PYNENC__{name.upper()}", "many")
        with pytest.raises(ConfigurationError, match=name):
            settings()


def shown(error: BaseException) -> str:
    """All that a traceback shows of an error and its causes."""
    return "".join(traceback.format_exception(error))


class TestSecrets:
    @pytest.mark.parametrize(
        "values",
        [
            {"redis_password": PASSWORD},
            {"redis_url": f"redis://user:{PASSWORD}@host:7000/0"},
            {"redis_url": f"redis://host?password={PASSWORD}"},
            {"redis_url": f"unix:///run/redis.sock?password={PASSWORD}"},
            {"redis_url": "embedded://data", "redis_password": PASSWORD},
        ],
        ids=["field", "url", "query", "unix", "embedded"],
    )
    def test_are_not_shown(self, values: dict[str, str]) -> None:
        conf = ConfigRedis(values)
        made = Settings.from_conf(conf)
        connection = connection_to(made)
        error = connection.unavailable(OSError("refused"))
        for thing in (conf, made, connection, error):
            assert PASSWORD not in f"{thing!r} {thing!s}"
        assert dict(made.options)["password"] == PASSWORD

    def test_are_not_explained_by_the_configuration(self) -> None:
        conf = ConfigRedis({"redis_url": f"redis://:{PASSWORD}@h", "redis_password": PASSWORD})
        assert PASSWORD not in f"{conf.explain()} {conf.safe_dict()}"


class TestConnection:
    def test_is_shared_by_equal_settings(self) -> None:
        assert connection_to(settings(redis_db=3)) is connection_to(settings(redis_db=3))
        assert connection_to(settings(redis_url="redis://localhost:6379/3")) is connection_to(
            settings(redis_db=3)
        )

    @pytest.mark.parametrize("field", FIELDS)
    def test_differs_for_different_settings(self, field: str) -> None:
        assert connection_to(settings_with(field)) is not connection_to(settings())

    def test_is_the_processs_own_after_pickling(self) -> None:
        connection = connection_to(settings(redis_password=PASSWORD))
        assert pickle.loads(pickle.dumps(connection)) is connection

    def test_makes_one_client(self) -> None:
        connection = Connection(settings())
        assert connection.client is connection.client

    def test_is_shown_by_its_address(self) -> None:
        assert repr(Connection(settings(redis_host="h", redis_db=3))) == "Connection(h:6379/3)"

    def test_says_where_no_server_is(self) -> None:
        connection = Connection(settings(redis_host="redis.example", redis_outage_budget=1.5))
        assert str(connection.unavailable(OSError("refused"))) == (
            "no answer from redis.example:6379/0 within 1.5 s (redis_outage_budget): refused"
        )


class TestBuilder:
    @staticmethod
    def settings_of(builder: PynencBuilder) -> Settings:
        assert builder._config["state_backend_cls"] == "RedisStateBackend"
        return Settings.from_conf(ConfigStateBackendRedis(builder._config))

    def test_takes_a_url(self) -> None:
        made = self.settings_of(PynencBuilder().redis(url="redis://h:7000/4"))
        assert made.address == "h:7000/4"

    @pytest.mark.parametrize("db", [0, 4])
    def test_takes_a_database(self, db: int, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.settings_of(PynencBuilder().redis(db=db)).address == f"localhost:6379/{db}"
        monkeypatch.setenv("PYNENC__REDIS_HOST", "h")
        assert self.settings_of(PynencBuilder().redis(db=db)).address == f"h:6379/{db}"

    def test_refuses_both(self) -> None:
        with pytest.raises(ConfigurationError, match=r"redis://host:6379/0") as caught:
            PynencBuilder().redis(url=f"redis://:{PASSWORD}@h", db=0)
        assert PASSWORD not in shown(caught.value)

    def test_takes_nothing_and_leaves_it_to_the_settings(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert self.settings_of(PynencBuilder().redis()) == settings()
        monkeypatch.setenv("PYNENC__REDIS_URL", "redis://h:7000/4")
        assert self.settings_of(PynencBuilder().redis()).address == "h:7000/4"

    def test_sets_up_client_data_beside_others(self) -> None:
        app = PynencBuilder().memory().redis_client_data_store(7, 8).build()
        assert isinstance(app.client_data_store, RedisClientDataStore)
        assert app.client_data_store.conf.min_size_to_cache == 7
        assert app.client_data_store.conf.local_cache_size == 8
        assert type(app.broker).__name__ == "MemBroker"

    def test_sets_up_triggers_beside_others(self) -> None:
        app = PynencBuilder().memory().redis_trigger(7, enable_scheduler=False).build()
        assert isinstance(app.trigger, RedisTrigger)
        assert app.trigger.conf.scheduler_interval_seconds == 7
        assert app.trigger.conf.enable_scheduler is False
        assert type(app.broker).__name__ == "MemBroker"

    @pytest.mark.parametrize("name", ["my data", "données 中", "50%25 #1?", "a+b&c"])
    @pytest.mark.parametrize("kind", [str, Path])
    def test_takes_any_folder_for_an_embedded_server(
        self, tmp_path: Path, name: str, kind: type[str | Path]
    ) -> None:
        made = self.settings_of(PynencBuilder().redis_embedded(kind(tmp_path / name)))
        assert made.embedded_folder == str(tmp_path / name)

    def test_has_a_folder_for_an_embedded_server(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
        made = self.settings_of(PynencBuilder().redis_embedded())
        assert made.embedded_folder == str(embedded.default_folder())


class TestOlderPackage:
    @staticmethod
    def import_beside(folder: Path) -> subprocess.CompletedProcess[str]:
        package = Path(pynenc_redis_lua.__file__).parents[1]
        return subprocess.run(
            [sys.executable, "-c", "import pynenc_redis_lua; print('imported')"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(package)])},
            capture_output=True,
            text=True,
            check=False,
        )

    def test_is_refused_and_both_are_named(self, tmp_path: Path) -> None:
        folder = tmp_path / "pynenc_redis-0.3.0.dist-info"
        folder.mkdir()
        metadata = "Metadata-Version: 2.1\nName: pynenc-redis\nVersion: 0.3.0\n"
        (folder / "METADATA").write_text(metadata)
        process = self.import_beside(tmp_path)
        assert process.returncode == 1
        error = process.stderr.splitlines()[-1]
        assert "ConfigurationError: pynenc-redis 0.3.0 and pynenc-redis-lua are both" in error
        assert "pip uninstall pynenc-redis" in error

    def test_is_not_taken_for_another(self, tmp_path: Path) -> None:
        folder = tmp_path / "pynenc_redis_extras-0.3.0.dist-info"
        folder.mkdir()
        metadata = "Metadata-Version: 2.1\nName: pynenc-redis-extras\nVersion: 0.3.0\n"
        (folder / "METADATA").write_text(metadata)
        assert self.import_beside(tmp_path).stdout == "imported\n"
