"""JSON of the format: what comes back is what went in, also for what JSON or UTF-8 cannot carry."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from whence.errors import FormatError
from whence.records.data import Artifact
from whence.records.encoding import decode, encode, number_text, parse_timestamp, timestamp
from whence.records.events import NoteAdded

TEXT = st.text(st.characters(exclude_categories=[]))


@given(TEXT)
def test_any_text_comes_back_with_undecodable_bytes_too(text: str) -> None:
    line = encode(NoteAdded(text=text))
    assert b"\n" not in line
    assert decode(line, NoteAdded).text == text


def test_values_that_are_not_finite_become_strings() -> None:
    assert encode({"a": [math.nan, math.inf, -math.inf, None]}) == b'{"a":["NaN","Infinity","-Infinity",null]}'


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
@example(math.inf)
@example(-math.inf)
@example(math.nan)
@example([2**70, math.nan])
def test_no_float_becomes_null(value: object) -> None:
    def expected(item: object) -> object:
        match item:
            case float() if not math.isfinite(item):
                return number_text(item)
            case list():
                return [expected(inner) for inner in item]
            case dict():
                return {name: expected(inner) for name, inner in item.items()}
            case _:
                return item

    assert json.loads(encode([None, value])) == [None, expected(value)]


def test_not_finite_values_and_odd_names_together() -> None:
    assert json.loads(encode({"a\udcff": math.nan})) == {"a\udcff": "NaN"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"kind":"note.added"}', "here: Object missing required field `text`"),
        (b'{"kind":"note.added","text":3}', "here: Expected `str`, got `int` - at `$.text`"),
        (b'{"kind":"note.added"', "here: Input data was truncated"),
        (b'{"kind":"note.added","text":3,"by":"\\udcff"}', "here: Expected `str`, got `int` - at `$.text`"),
    ],
)
def test_wrong_bytes_are_refused_with_their_place(line: bytes, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        decode(line, NoteAdded, where="here")
    assert caught.value.message == message


def test_unknown_fields_are_ignored() -> None:
    assert decode(b'{"name":"a","path":"b","later":1}', Artifact) == Artifact(name="a", path="b")


@given(st.integers(0, 4102444800 * 10**9))
def test_times_are_utc_with_microseconds(nanoseconds: int) -> None:
    text = timestamp(nanoseconds)
    assert text.endswith("Z")
    assert len(text) == 27
    assert abs(parse_timestamp(text) - nanoseconds / 1e9) < 2e-6
