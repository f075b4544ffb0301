"""Packed lists are the same bytes whether Python writes them or a server's Lua."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lua.samples import HOSTILE, MIB
from pynenc_redis_lua.codec import pack, to_bytes

if TYPE_CHECKING:
    from redis import Redis


LENGTHS = [0, 1, 31, 32, 255, 256, 65_535, 65_536]


@pytest.mark.parametrize(
    "fields",
    [
        *([b"x" * length] for length in LENGTHS),
        [to_bytes(text) for text in HOSTILE],
        [to_bytes(MIB)],
    ],
    ids=[*map(str, LENGTHS), "hostile", "a MiB"],
)
def test_lua_and_python_write_the_same(raw: Redis, fields: list[bytes]) -> None:
    script = "return cmsgpack.pack(false, unpack(ARGV))"
    assert raw.eval(script, 0, *fields) == pack(None, *fields)
