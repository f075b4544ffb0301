"""Makes an app large: copies of finished invocations, as they are on the server.

Doing a million invocations takes an hour, most of it Python's. What is on the server of one that is
finished is known: whatever names it, in whatever key. So a few are really done, and copied: other
ids, earlier times, the same in all else. What is copied is not listed here, so a change of the
data's layout needs no change here; `tests/benchmarks/` holds copies against what the scripts write.
"""

from __future__ import annotations

import random
import re
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from redis import Redis

# Of a UUID that is not kept as text.
_SHORT_LENGTH = 16
_ID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class _Template(NamedTuple):
    """Bytes with holes for the id and the times of an invocation.

    Attributes:
        text: As for `%`.
        holes: For each hole the id, as text or as 16 bytes, or the time that was there.
    """

    text: bytes
    holes: tuple[int | bytes, ...]

    def fill(self, id_: bytes, back: int) -> bytes:
        """Return the bytes for another id, at times that are earlier by `back` µs."""
        return self.text % tuple(_filled(hole, id_, back) for hole in self.holes)


def _filled(hole: int | bytes, id_: bytes, back: int) -> bytes:
    if isinstance(hole, int):
        return b"%d" % (hole - back)
    return _short(id_) if len(hole) == _SHORT_LENGTH else id_


def _short(id_: bytes) -> bytes:
    return uuid.UUID(id_.decode()).bytes


class _Entry(NamedTuple):
    """A field of a hash and its value, or a member of a sorted set and its score."""

    key: bytes
    original: bytes
    name: _Template
    value: _Template | int


def copy(client: Redis, app_id: str, wanted: int, seed: int = 1) -> list[str]:
    """Add copies of an app's invocations, all of which are final, until there are so many.

    Args:
        client: A client of the server.
        app_id: An id that needs no encoding.
        wanted: How many invocations there are to be, those that were done included.
        seed: Of the new ids.

    Returns:
        The ids of all invocations.
    """
    prefix = b"pynenc:{%s}:" % app_id.encode()
    originals = _originals(client, prefix)
    entries = list(_entries(client, prefix, originals))
    times = [time for id_times in originals.values() for time in id_times]
    span = max(times) - min(times) + 1
    ids, generator = [*originals], random.Random(seed)  # noqa: S311 - not for secrets
    for number in range(1, -(-wanted // len(originals))):
        chosen = list(originals)[: wanted - len(ids)]
        copies = {id_: str(uuid.UUID(int=generator.getrandbits(128))).encode() for id_ in chosen}
        _write(client, entries, copies, number * span)
        ids += copies.values()
    return [id_.decode() for id_ in ids]


def _originals(client: Redis, prefix: bytes) -> dict[bytes, frozenset[int]]:
    """Return the times of each invocation that is there."""
    histories: dict[bytes, bytes] = client.hgetall(prefix + b"history")
    times: dict[bytes, set[int]] = {id_: set() for id_ in histories}
    for member, score in client.zrange(prefix + b"history_times", 0, -1, withscores=True):
        times[str(uuid.UUID(bytes=member[-_SHORT_LENGTH:])).encode()].add(int(score))
    return {id_: frozenset(found) for id_, found in times.items()}


def _entries(
    client: Redis, prefix: bytes, originals: dict[bytes, frozenset[int]]
) -> Iterator[_Entry]:
    for key in client.scan_iter(prefix.replace(b"[", b"\\[") + b"*"):
        kind = client.type(key)
        pairs: Iterable[tuple[bytes, Any]] = ()
        if kind == b"hash":
            pairs = client.hgetall(key).items()
        elif kind == b"zset":
            pairs = client.zrange(key, 0, -1, withscores=True)
        for name, value in pairs:
            id_ = _named_in(name, originals)
            if id_ is not None:
                yield _Entry(
                    key,
                    id_,
                    _template(name, id_, originals[id_]),
                    _value(value, id_, originals[id_]),
                )


def _named_in(name: bytes, originals: Container[bytes]) -> bytes | None:
    """Return which of the invocations a field or a member names."""
    ids = _ID.findall(name)
    if len(name) >= _SHORT_LENGTH:
        ids.append(str(uuid.UUID(bytes=name[-_SHORT_LENGTH:])).encode())
    return next((id_ for id_ in ids if id_ in originals), None)


def _value(value: bytes | float, id_: bytes, times: frozenset[int]) -> _Template | int:
    return _template(value, id_, times) if isinstance(value, bytes) else int(value)


def _template(data: bytes, id_: bytes, times: frozenset[int]) -> _Template:
    known = [id_, _short(id_)]
    sought = b"|".join(map(re.escape, [*known, *(b"%d" % time for time in times)]))
    parts = re.split(b"(%s)" % sought, data)
    holes = tuple(part if part in known else int(part) for part in parts[1::2])
    return _Template(b"%b".join(part.replace(b"%", b"%%") for part in parts[::2]), holes)


def _write(client: Redis, entries: list[_Entry], copies: dict[bytes, bytes], back: int) -> None:
    hashes: dict[bytes, list[bytes]] = {}
    zsets: dict[bytes, list[bytes | int]] = {}
    for key, original, name, value in entries:
        id_ = copies.get(original)
        if id_ is None:
            continue
        if isinstance(value, int):
            zsets.setdefault(key, []).extend((value and value - back, name.fill(id_, back)))
        else:
            hashes.setdefault(key, []).extend((name.fill(id_, back), value.fill(id_, back)))
    with client.pipeline(transaction=False) as pipeline:
        for key, fields in hashes.items():
            pipeline.execute_command("HSET", key, *fields)
        for key, members in zsets.items():
            pipeline.execute_command("ZADD", key, *members)
        pipeline.execute()
