"""The packed encoding that Python and the Lua scripts share.

A packed list is the concatenation of its fields, each written ``<length>:<bytes>``; a missing
field (``None``) is written ``:``. Fields may hold any bytes, so ids and names need no escaping, and
the start of a list is a prefix that no list with other first fields shares. `lua/lib/pack.lua` and
`lua/lib/unpack.lua` are the same in Lua.
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
            parts.append(b":")
            continue
        data = field if isinstance(field, bytes) else to_bytes(str(field))
        parts.append(b"%d:%b" % (len(data), data))
    return b"".join(parts)


def unpack(packed: bytes) -> Iterator[bytes | None]:
    """Yield the fields of a packed list.

    Raises:
        ValueError: If `packed` is not a packed list.
    """
    at = 0
    while at < len(packed):
        colon = packed.index(b":", at)
        start = colon + 1
        if colon == at:
            yield None
            at = start
            continue
        length = packed[at:colon]
        # isdigit: int() would take signs and blanks.
        if not length.isdigit() or start + int(length) > len(packed):
            raise ValueError(f"not a packed list: {packed[:80]!r}")
        at = start + int(length)
        yield packed[start:at]


def unpack_text(packed: bytes) -> list[str | None]:
    """Return the fields of a packed list of texts."""
    return [None if field is None else to_text(field) for field in unpack(packed)]
