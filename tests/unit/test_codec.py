"""The packed encoding takes any fields, and no list can be taken for another."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pynenc_redis_lua.codec import pack, to_bytes, to_text, unpack, unpack_text

# What looks like the encoding itself: headers of strings of each kind, short lengths, false.
LIKE_HEADERS = b"\xa0\xa1\xa2\xbf\xc2\xd9\xda\xdb\x00\x01"
# `characters()` includes lone surrogates.
texts = st.text(st.characters()) | st.text("\xa0\xa1\xc2\xd9\0\1", max_size=6)
headers = st.lists(st.sampled_from(LIKE_HEADERS), max_size=6).map(bytes)
binaries = st.binary() | headers
lists = st.lists(st.none() | binaries)
confusable = st.lists(st.none() | headers, max_size=4)


@given(lists)
@example([None, b"", b"\xa1a", b"\xc2", b"\xa0"])
@example([b"x" * length for length in (31, 32, 255, 256, 65_535, 65_536)])
def test_unpack_gives_back_what_was_packed(fields: list[bytes | None]) -> None:
    assert list(unpack(pack(*fields))) == fields


@given(st.lists(st.none() | texts))
@example([None, "", "\xa1a", "\ud800", "\U0001f600"])
def test_unpack_text_gives_back_what_was_packed(fields: list[str | None]) -> None:
    assert unpack_text(pack(*fields)) == fields


@given(texts)
def test_any_text_survives_as_bytes(text: str) -> None:
    assert to_text(to_bytes(text)) == text


@given(st.integers())
def test_an_integer_is_packed_as_decimal_text(number: int) -> None:
    assert list(unpack(pack(number))) == [str(number).encode()]


@given(lists, lists)
def test_packed_lists_join_to_the_packed_joint_list(
    some: list[bytes | None], more: list[bytes | None]
) -> None:
    assert pack(*some) + pack(*more) == pack(*some, *more)


@given(confusable, confusable)
@example([b""], [None])
@example([b"x" * 31], [b"x" * 32])
@example([b"a"], [b"a", b"b"])
def test_a_packed_list_begins_only_lists_with_the_same_first_fields(
    start: list[bytes | None], fields: list[bytes | None]
) -> None:
    assert pack(*fields).startswith(pack(*start)) == (fields[: len(start)] == start)


@given(lists.filter(bool), st.data())
def test_a_list_cut_within_a_field_is_refused(
    fields: list[bytes | None], data: st.DataObject
) -> None:
    packed = pack(*fields)
    ends = {len(pack(*fields[:count])) for count in range(len(fields) + 1)}
    within = [place for place in range(len(packed)) if place not in ends]
    if within:
        with pytest.raises(ValueError, match=r"."):
            list(unpack(packed[: data.draw(st.sampled_from(within))]))


@pytest.mark.parametrize(
    "malformed",
    [
        b"1",
        b"a",
        b"\xa2a",
        b"\xa1ab",
        b"\xc0",
        b"\xc3",
        b"\x91\xa1a",
        b"\x81\xa1a\xa1b",
        b"\xc4\x01a",
        b"\xd9",
        b"\xd9\x02a",
        b"\xda\x00",
        b"\xda\x00\x02a",
        b"\xdb\xff\xff\xff\xffa",
    ],
)
def test_what_is_no_packed_list_is_refused(malformed: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        # A list has no more fields than bytes; a reader that goes round in circles ends here.
        list(islice(unpack(malformed), len(malformed) + 1))


@given(binaries)
@example(b"\xdb\xff\xff\xff\xff")
def test_reading_any_bytes_ends(data: bytes) -> None:
    try:
        fields = list(islice(unpack(data), len(data) + 1))
    except ValueError:
        return
    assert len(fields) <= len(data)
