"""The types of columns that are only text: what all fields of a column can be read as (docs/format.md, section 10).

A column is of a type when every field with a value has its form; integers and floats together are floats. Anything else
is text, as are numbers with a zero in front or of more than 18 digits: these are names, and would not come back.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from .canonical_rows import Nanoseconds

_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("integer", re.compile(r"0|-?[1-9]\d{0,17}", re.ASCII)),
    (
        "float",
        re.compile(
            r"-?(?:0|[1-9]\d*)(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+)|-0|[Nn]a[Nn]|[+-]?(?:inf|Infinity)", re.ASCII
        ),
    ),
    ("boolean", re.compile(r"true|false|True|False|TRUE|FALSE")),
    ("date", re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)),
    (
        "timestamp",
        re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)", re.ASCII),
    ),
    ("local timestamp", re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?", re.ASCII)),
)

_FRACTION = re.compile(r"\.(\d+)")


class Narrowing:
    """The type of a column, while its fields come one by one."""

    def __init__(self) -> None:
        self.type = "null"
        self._form: re.Pattern[str] | None = None

    def see(self, field: str) -> None:
        """The next field with a value."""
        if self.type == "text" or (self._form is not None and self._form.fullmatch(field) and self._readable(field)):
            return
        found, form = _form_of(field)
        if self.type in ("null", found):
            self.type, self._form = found, form
        elif {self.type, found} == {"integer", "float"}:
            self.type, self._form = "float", _NUMBER
        else:
            self.type, self._form = "text", None

    def _readable(self, field: str) -> bool:
        return self.type not in _CALENDAR or _is_readable(self.type, field)


_NUMBER = re.compile(f"{_FORMS[0][1].pattern}|{_FORMS[1][1].pattern}", re.ASCII)

_CALENDAR = ("date", "timestamp", "local timestamp")


def _form_of(field: str) -> tuple[str, re.Pattern[str] | None]:
    for name, form in _FORMS:
        if form.fullmatch(field) and (name not in _CALENDAR or _is_readable(name, field)):
            return name, form
    return "text", None


def _is_readable(name: str, field: str) -> bool:
    """Whether what looks like a day is one: the 30th of February is text."""
    try:
        READERS[name](field)
    except ValueError:
        return False
    return True


def _nanoseconds(field: str) -> Nanoseconds:
    fraction = _FRACTION.search(field)
    moment = datetime.fromisoformat(_FRACTION.sub("", field))
    aware = moment.tzinfo is not None
    seconds = (moment - (_EPOCH if aware else _EPOCH.replace(tzinfo=None))) // _SECOND
    below = int(fraction[1].ljust(9, "0")) if fraction else 0
    return Nanoseconds("timestamp" if aware else "local timestamp", seconds * 10**9 + below)


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_SECOND = datetime.fromisoformat("1970-01-01T00:00:01+00:00") - _EPOCH

READERS: dict[str, Callable[[str], Any]] = {
    "null": str,
    "text": str,
    "integer": int,
    "float": float,
    "boolean": lambda field: field in ("true", "True", "TRUE"),
    "date": date.fromisoformat,
    "timestamp": _nanoseconds,
    "local timestamp": _nanoseconds,
}
"""How a field of a column of this type is read."""
