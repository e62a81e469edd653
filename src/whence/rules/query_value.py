"""The values of a query: what a word may be read as, apart from its text: a number, a flag, a stretch of time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import msgspec


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time, in Unix seconds: a day, a minute, or an instant; the end is not part of it."""

    start: float
    end: float


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """What a field is held against: the text as written, and what else it can be read as."""

    text: str
    number: float | None = None
    flag: bool | None = None
    span: Span | None = None
    begins: bool = False
    """Whether what begins so is meant, too: of a commit, tree or digest 7 digits or more are enough."""


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_MEASURE = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))\s?([A-Za-z]+)")
_UNITS: dict[str, float] = {
    "ms": 0.001, "s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400, "w": 604800,
    "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
    "kB": 1000, "KB": 1000, "MB": 10**6, "GB": 10**9, "TB": 10**12,
}  # fmt: skip
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(\.\d+)?)?(Z|[+-]\d\d:\d\d)?")


def read_value(text: str, *, quoted: bool = False) -> Value:
    """The value that a word or quoted text is; only bare words are flags."""
    flag = {"true": True, "false": False}.get(text) if not quoted else None
    return Value(text=text, number=number_of(text), flag=flag, span=span_of(text))


_DIGITS = re.compile(r"(?:[a-z0-9-]+:)?[0-9a-f]{7,63}|[0-9a-f]{64}")


def is_digits(text: str) -> bool:
    """Whether a text may be how a commit, tree or digest begins: 7 of its digits or more."""
    return _DIGITS.fullmatch(text) is not None


def number_of(text: str) -> float | None:
    """The number that a text is, a measure in its base unit: seconds, bytes."""
    if _NUMBER.fullmatch(text):
        return float(text)
    measure = _MEASURE.fullmatch(text)
    if measure and measure[2] in _UNITS:
        return float(measure[1]) * _UNITS[measure[2]]
    return None


def span_of(text: str) -> Span | None:
    """The day, minute or instant that a text names, in UTC where it names no zone."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        return None
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    length = (
        timedelta(days=1)
        if match[2] is None
        else timedelta(minutes=1)
        if match[3] is None
        else timedelta(seconds=1)
        if match[4] is None
        else timedelta(microseconds=1)
    )
    return Span(start=start.timestamp(), end=(start + length).timestamp())
