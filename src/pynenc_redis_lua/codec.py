"""The packed encoding that Python and the Lua scripts share.

A packed list is the concatenation of its fields in MessagePack: each a string in the shortest form
that holds its length, a missing field (``None``) is ``false``. Fields may hold any bytes, so ids
and names need no escaping, and the start of a list is a prefix that no list with other first fields
shares. The servers' Lua has it built in (`lua/lib/pack.lua`); of the format, published at
https://github.com/msgpack/msgpack/blob/master/spec.md, these two kinds are all that is used here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

type Field = str | bytes | int | None


def to_bytes(text: str) -> bytes:
    """Encode any Python text, lone surrogates included."""
    return text.encode("utf-8", "surrogatepass")


def to_text(data: bytes) -> str:
    """Decode what :func:`to_bytes` encoded."""
    return data.decode("utf-8", "surrogatepass")


def pack(*fields: Field) -> bytes:
    """Write fields as one packed list; integers as decimal text."""
    parts: list[bytes] = []
    for field in fields:
        if field is None:
            parts.append(_MISSING)
            continue
        if isinstance(field, str):
            data = to_bytes(field)
        else:
            data = field if isinstance(field, bytes) else str(field).encode()
        length = len(data)
        parts.append(_SHORT[length] if length < len(_SHORT) else _header(length))
        parts.append(data)
    return b"".join(parts)


def _header(length: int) -> bytes:
    """Return what stands before a string of so many bytes."""
    for kind, size in _SIZES.items():
        if length < 1 << 8 * size:
            return bytes([kind]) + length.to_bytes(size)
    raise ValueError(f"a packed field has less than 4 GiB, not {length:,} bytes")


_MISSING = b"\xc2"
_FIXED, _LONGEST_FIXED = 0xA0, 31
# First byte of a longer string -> bytes of its length.
_SIZES = {0xD9: 1, 0xDA: 2, 0xDB: 4}
_SHORT = [bytes([_FIXED + length]) for length in range(_LONGEST_FIXED + 1)] + [
    _header(length) for length in range(_LONGEST_FIXED + 1, 256)
]


def unpack(packed: bytes) -> Iterator[bytes | None]:
    """Yield the fields of a packed list.

    Raises:
        ValueError: If `packed` is not a packed list.
    """
    at, end = 0, len(packed)
    while at < end:
        first = packed[at]
        start = at + 1
        if first == _MISSING[0]:
            yield None
            at = start
            continue
        if _FIXED <= first <= _FIXED + _LONGEST_FIXED:
            length = first - _FIXED
        elif first in _SIZES:
            at, start = start, start + _SIZES[first]
            length = int.from_bytes(packed[at:start])
        else:
            raise ValueError(f"not a packed list: {packed[:80]!r}")
        at = start + length
        if at > end:
            raise ValueError(f"not a packed list: {packed[:80]!r}")
        yield packed[start:at]


def unpack_text(packed: bytes) -> list[str | None]:
    """Return the fields of a packed list of texts."""
    return [None if field is None else to_text(field) for field in unpack(packed)]
