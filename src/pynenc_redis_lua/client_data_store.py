"""Client data store: large arguments and results, shared by content."""

from __future__ import annotations

import zlib
from functools import cached_property
from typing import TYPE_CHECKING

from pynenc.client_data_store.base_client_data_store import BaseClientDataStore

from pynenc_redis_lua.codec import pack, to_bytes, to_text, unpack
from pynenc_redis_lua.component import RedisComponent
from pynenc_redis_lua.conf import ConfigClientDataStoreRedis

if TYPE_CHECKING:
    from pynenc.app import Pynenc

# A call that carries more holds up others for longer than a millisecond.
_CHUNK_BYTES = 2**20
_PLAIN, _ZLIB = b"p", b"z"


class RedisClientDataStore(RedisComponent, BaseClientDataStore):
    """Client data store on Redis or Valkey.

    A value is stored under the hash of its content, once however often it is used. One of more than
    1 MiB travels in chunks, the first one last: until that is there, the value is not. With
    `compression_enabled`, values are compressed with zlib where that makes them smaller.

    Args:
        app: The app whose data it keeps.

    Every method raises, besides what is said there, the errors of
    :meth:`~pynenc_redis_lua.scripts.runner.ScriptRunner.call`.
    """

    def __init__(self, app: Pynenc) -> None:
        super().__init__(app)
        self.connect(app, self.conf)

    @cached_property
    def conf(self) -> ConfigClientDataStoreRedis:
        """The settings."""
        return ConfigClientDataStoreRedis(
            config_values=self.app.config_values, config_filepath=self.app.config_filepath
        )

    def _store(self, key: str, value: str) -> None:
        """Store a value under its reference key; one call per MiB, one if it is there already."""
        data, encoding = to_bytes(value), _PLAIN
        if self.conf.compression_enabled:
            compressed = zlib.compress(data)
            if len(compressed) < len(data):
                data, encoding = compressed, _ZLIB
        chunks = [data[at : at + _CHUNK_BYTES] for at in range(0, len(data), _CHUNK_BYTES)] or [b""]
        if len(chunks) > 1 and self.scripts.data_renew(reference=key).tag == "STORED":
            return
        for number, chunk in enumerate(chunks[1:], start=1):
            self.scripts.data_store_chunk(reference=key, part=_part(encoding, number), data=chunk)
        self.scripts.data_store(reference=key, data=pack(encoding, len(chunks), chunks[0]))

    def _retrieve(self, key: str) -> str:
        """Return the value of a reference key; one call per MiB.

        Raises:
            KeyError: If it is not stored.
        """
        encoding, count, first = unpack(self._field(key, to_bytes(key)))
        chunks = [first or b""]
        parts = (_part(encoding or b"", number) for number in range(1, int(count or 0)))
        chunks += [self._field(key, pack(key, part)) for part in parts]
        data = b"".join(chunks)
        return to_text(zlib.decompress(data) if encoding == _ZLIB else data)

    def _field(self, key: str, field: bytes) -> bytes:
        reply = self.scripts.data_retrieve(field=field)
        if reply.tag == "NONE":
            raise KeyError(f"no client data is stored for {key}")
        data: bytes = reply.values[0]
        return data

    def _purge(self) -> None:
        self.scripts.data_purge()


def _part(encoding: bytes, number: int) -> str:
    return f"{encoding.decode()}{number}"
