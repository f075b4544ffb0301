"""The packed encoding takes any fields, and no list can be taken for another."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pynenc_redis_lua.codec import pack, to_bytes, to_text, unpack, unpack_text

# `characters()` includes lone surrogates; the short alphabet looks like the encoding itself.
texts = st.text(st.characters()) | st.text(":0129-", max_size=6)
binaries = st.binary() | st.text(":0129-", max_size=6).map(str.encode)
lists = st.lists(st.none() | binaries)
confusable = st.lists(st.none() | st.text(":012", max_size=3).map(str.encode), max_size=4)


@given(lists)
@example([None, b"", b"1:a", b":", b"0:"])
def test_unpack_gives_back_what_was_packed(fields: list[bytes | None]) -> None:
    assert list(unpack(pack(*fields))) == fields


@given(st.lists(st.none() | texts))
@example([None, "", "1:a", "\ud800", "\U0001f600"])
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
@example([b"1"], [b"1:"])
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
        b"2:a",
        b"1:ab",
        b"x:a",
        b"\xff:a",
        b"-3:",
        b"-1:a",
        b"+1:a",
        b" 1:a",
        b"1_0:0123456789",
    ],
)
def test_what_is_no_packed_list_is_refused(malformed: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        # A list has no more fields than bytes; a reader that goes round in circles ends here.
        list(islice(unpack(malformed), len(malformed) + 1))


@given(st.binary(max_size=8) | st.text(":0123-+_ a", max_size=8).map(str.encode))
@example(b"-3:")
def test_reading_any_bytes_ends(data: bytes) -> None:
    try:
        fields = list(islice(unpack(data), len(data) + 1))
    except ValueError:
        return
    assert len(fields) <= len(data)
