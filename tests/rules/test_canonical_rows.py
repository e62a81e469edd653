"""The canonical form of rows: injective, the same in every format, and stable for ever."""

from __future__ import annotations

import math
import struct
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.rules.canonical_rows import Nanoseconds, RowsDigest, canonical
from whence.rules.column_types import READERS, Narrowing

FORMS: dict[str, tuple[Any, bytes]] = {
    "nothing": (None, b"n0:"),
    "true": (True, b"t0:"),
    "false": (False, b"f0:"),
    "an integer": (-12, b"i3:-12"),
    "an integer of any size": (10**20, b"i21:100000000000000000000"),
    "a float": (1.0, b"d8:" + struct.pack(">d", 1.0)),
    "a negative zero": (-0.0, b"d8:" + struct.pack(">d", -0.0)),
    "not-a-number": (math.nan, b"d8:\x7f\xf8\0\0\0\0\0\0"),
    "another not-a-number": (struct.unpack(">d", b"\xff\xf8\0\0\0\0\0\x01")[0], b"d8:\x7f\xf8\0\0\0\0\0\0"),
    "an infinity": (-math.inf, b"d8:\xff\xf0\0\0\0\0\0\0"),
    "a decimal": (Decimal("-1.50"), b"m6:-15e-1"),
    "a large decimal": (Decimal("1" + "0" * 40), b"m4:1e40"),
    "a decimal zero": (Decimal("-0.00"), b"m3:0e0"),
    "text": ("é", "s2:é".encode()),
    "text that is decomposed": ("e\u0301", "s3:e\u0301".encode()),
    "bytes": (b"\0:", b"b2:\0:"),
    "a date": (date(2026, 11, 30), b"D10:2026-11-30"),
    "an instant": (datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC), b"T10:1000005000"),
    "an instant in another zone": (datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), b"T1:0"),
    "a time of no zone": (datetime(1969, 12, 31, 23, 59, 59), b"L11:-1000000000"),
    "an instant to the nanosecond": (Nanoseconds("timestamp", 1), b"T1:1"),
    "a time of day": (time(0, 0, 1), b"O10:1000000000"),
    "a duration": (timedelta(microseconds=-1), b"U5:-1000"),
    "a list": ([1, None], b"l7:i1:1n0:"),
    "an empty list": ([], b"l0:"),
    "a structure": ({"b": 1, "aa": "x", "c": None}, b"r17:s2:aas1:xs1:bi1:1"),
}


@pytest.mark.parametrize("case", FORMS)
def test_a_value_has_the_form_that_the_format_says(case: str) -> None:
    value, form = FORMS[case]
    assert canonical(value) == form


def test_what_has_no_form_is_refused() -> None:
    with pytest.raises(TypeError, match="a value of type object has no canonical form"):
        canonical([object()])


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary() | st.decimals(allow_nan=False, allow_infinity=False) | st.dates() | st.timedeltas()
    | st.datetimes(timezones=st.none() | st.just(UTC))
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
)


def read(form: bytes) -> tuple[Any, bytes]:
    """The value of a form, as a pair of tag and content, and what follows: the form can be read back."""
    tag, rest = form[:1], form[1:]
    length, _, rest = rest.partition(b":")
    content, after = rest[: int(length)], rest[int(length) :]
    if tag in b"lr":
        items: list[Any] = []
        while content:
            item, content = read(content)
            items.append(item)
        return (tag, items), after
    return (tag, content), after


def shape(value: Any) -> Any:
    """What `read` should give."""
    if isinstance(value, list):
        return (b"l", [shape(item) for item in value])
    if isinstance(value, dict):
        given = sorted((name.encode(), item) for name, item in value.items() if item is not None)
        return (b"r", [one for name, item in given for one in ((b"s", name), shape(item))])
    return read(canonical(value))[0]


@given(VALUES)
def test_no_two_values_have_one_form(value: Any) -> None:
    assert read(canonical(value)) == (shape(value), b"")


@given(st.floats())
def test_a_float_keeps_its_bits_but_for_those_of_not_a_number(value: float) -> None:
    (found,) = struct.unpack(">d", canonical(value)[3:])
    assert math.isnan(found) if math.isnan(value) else struct.pack(">d", found) == struct.pack(">d", value)


@given(st.decimals(allow_nan=False, allow_infinity=False), st.integers(0, 30))
def test_a_decimal_is_its_number_whatever_its_scale(value: Decimal, zeros: int) -> None:
    sign, digits, exponent = value.as_tuple()
    assert canonical(Decimal((sign, (*digits, *[0] * zeros), int(exponent) - zeros))) == canonical(value)


def digest(rows: list[dict[str, Any]], columns: list[str]) -> str:
    running = RowsDigest()
    for row in rows:
        running.add(row)
    return running.finish(columns)


ROWS: list[dict[str, Any]] = [{"a": 1, "b": "x"}, {"a": None, "b": "y"}]


def test_the_digest_is_the_one_that_the_format_says() -> None:
    """The vector stands in docs/format.md."""
    assert digest(ROWS, ["a", "b"]) == VECTOR


VECTOR = "sha256:8f37f43cca30df79a980c18133f05c990c54564ae371fd2f37b3cc3245393913"

OTHERS: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "another order of rows": (ROWS[::-1], ["a", "b"]),
    "a row less": (ROWS[:1], ["a", "b"]),
    "a row twice": ([*ROWS, ROWS[1]], ["a", "b"]),
    "a column more": (ROWS, ["a", "b", "c"]),
    "another type": ([{"a": 1.0, "b": "x"}, ROWS[1]], ["a", "b"]),
    "another name": ([{"a": 1, "c": "x"}, ROWS[1]], ["a", "c"]),
}


@pytest.mark.parametrize("case", OTHERS)
def test_tables_that_differ_have_different_digests(case: str) -> None:
    assert digest(*OTHERS[case]) != digest(ROWS, ["a", "b"])


def test_the_order_of_columns_and_whether_nothing_is_written_out_decide_nothing() -> None:
    rows: list[dict[str, Any]] = [{"b": "x", "a": 1}, {"b": "y"}]
    assert digest(rows, ["b", "a"]) == digest(ROWS, ["a", "b"])


TYPES = {
    "integers": (["1", "-20", "0"], "integer"),
    "floats": (["1.5", "-2e3", "NaN", "-inf", "-0"], "float"),
    "both": (["1", "2.5", "3"], "float"),
    "both the other way round": (["2.5", "3", "1e5", "7"], "float"),
    "flags": (["true", "False"], "boolean"),
    "days": (["2026-11-30", "1970-01-01"], "date"),
    "instants": (["2026-11-30T10:00:00Z", "2026-11-30 10:00+01:00"], "timestamp"),
    "times without a zone": (["2026-11-30T10:00:00.123456789"], "local timestamp"),
    "names with zeros in front": (["007", "1"], "text"),
    "numbers that are too long": (["1234567890123456789"], "text"),
    "signs in front": (["+1"], "text"),
    "no day of any month": (["2026-02-28", "2026-02-30"], "text"),
    "no such hour": (["2026-02-28T25:00:00Z"], "text"),
    "numbers and flags": (["1", "true"], "text"),
    "days and instants": (["2026-11-30", "2026-11-30T10:00:00Z"], "text"),
    "other digits": (["٣"], "text"),
    "a blank": ([" 1"], "text"),
    "words after numbers": (["1", "2", "x", "3"], "text"),
    "nothing": ([], "null"),
}


@pytest.mark.parametrize("case", TYPES)
def test_a_column_of_text_is_of_the_type_that_all_its_fields_have(case: str) -> None:
    fields, expected = TYPES[case]
    narrowing = Narrowing()
    for field in fields:
        narrowing.see(field)
    assert narrowing.type == expected
    for field in fields:
        READERS[narrowing.type](field)


@given(st.lists(st.integers(-(10**17), 10**17) | st.floats(), min_size=1))
def test_numbers_that_were_written_come_back(numbers: list[float]) -> None:
    narrowing = Narrowing()
    for number in numbers:
        narrowing.see(repr(number))
    read_back = [READERS[narrowing.type](repr(number)) for number in numbers]
    assert narrowing.type in ("integer", "float")
    for number, found in zip(numbers, read_back, strict=True):
        same_type = found if narrowing.type == "integer" else float(found)
        expected = number if narrowing.type == "integer" else float(number)
        assert canonical(same_type) == canonical(expected)


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5))])))
def test_an_instant_is_the_same_as_text_and_as_a_value(moment: datetime) -> None:
    narrowing = Narrowing()
    narrowing.see(moment.isoformat())
    assert canonical(READERS[narrowing.type](moment.isoformat())) == canonical(moment)
