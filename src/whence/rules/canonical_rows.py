"""The canonical form of rows, and the digest of a table (docs/format.md, section 10, `whence-rows/1`).

Two tables have one digest when they have the same rows in the same order, whichever format they are in. A value is a
tag, the length of what follows in decimal, a colon, and that. It never changes: another form is another name.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from ..digests import sha256

FORM = b"whence-rows/1\n"

_NAN = bytes.fromhex("7ff8000000000000")
_EPOCH, _LOCAL_EPOCH = datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)


class Nanoseconds(NamedTuple):
    """A time to the nanosecond, which Python's own types do not hold."""

    kind: Literal["timestamp", "local timestamp", "time", "duration"]
    ns: int
    """Since 1970 in UTC, since 1970 on a clock of no known zone, since midnight, or long."""


_TAGS = {"timestamp": b"T", "local timestamp": b"L", "time": b"O", "duration": b"U"}


def canonical(value: object) -> bytes:
    """The canonical bytes of a value. Raises TypeError for one that has no form."""
    kind = type(value)
    form = _FORMS.get(kind)
    if form is None:
        form = next((form for base, form in _FORMS.items() if issubclass(kind, base)), None)
    if form is None:
        raise TypeError(f"a value of type {type(value).__name__} has no canonical form")
    return form(value)


def _text(value: str) -> bytes:
    return _tagged(b"s", value.encode("utf-8", "surrogatepass"))


def _number(value: float) -> bytes:
    return b"d8:" + (struct.pack(">d", value) if value == value else _NAN)


def _list(value: list[Any]) -> bytes:
    return _tagged(b"l", b"".join(map(canonical, value)))


def _tagged(tag: bytes, content: bytes) -> bytes:
    return b"%s%d:%s" % (tag, len(content), content)


def _digits(number: int) -> bytes:
    return b"%d" % number if abs(number) < 10**18 else format(Decimal(number), "f").encode()


def _structure(value: Mapping[str, Any]) -> bytes:
    """Names with values, by the bytes of the names. What has no value is not there."""
    names = _ordered(tuple(value))
    parts = [part for name, form in names if (item := value[name]) is not None for part in (form, canonical(item))]
    return _tagged(b"r", b"".join(parts))


@lru_cache(1024)
def _ordered(names: tuple[str, ...]) -> list[tuple[str, bytes]]:
    """Names in the order of their bytes, with their forms."""
    return [(name, canonical(name)) for name in sorted(names, key=_bytes)]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decimal(value: Decimal) -> bytes:
    """Digits without zeros at either end, `e`, and the power of ten: 1.50 is 15e-1."""
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return str(value).encode()
    text = "".join(map(str, digits)).lstrip("0")
    short = text.rstrip("0")
    return f"{'-' if sign else ''}{short}e{exponent + len(text) - len(short)}".encode() if short else b"0e0"


def _date(value: date) -> bytes:
    return _tagged(b"D", value.isoformat().encode())


def _timestamp(value: datetime) -> bytes:
    kind, epoch = ("local timestamp", _LOCAL_EPOCH) if value.tzinfo is None else ("timestamp", _EPOCH)
    return _nanoseconds(Nanoseconds(kind, (value - epoch) // _MICROSECOND * 1000))


def _time(value: time) -> bytes:
    whole = timedelta(hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond)
    return _nanoseconds(Nanoseconds("time", whole // _MICROSECOND * 1000))


def _duration(value: timedelta) -> bytes:
    return _nanoseconds(Nanoseconds("duration", value // _MICROSECOND * 1000))


def _nanoseconds(value: Nanoseconds) -> bytes:
    return _tagged(_TAGS[value.kind], _digits(value.ns))


_FORMS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"n0:",
    bool: lambda value: b"t0:" if value else b"f0:",
    str: _text,
    int: lambda value: _tagged(b"i", _digits(value)),
    float: _number,
    Nanoseconds: _nanoseconds,
    list: _list,
    dict: _structure,
    bytes: lambda value: _tagged(b"b", value),
    Decimal: lambda value: _tagged(b"m", _decimal(value)),
    datetime: _timestamp,
    date: _date,
    time: _time,
    timedelta: _duration,
}
"""By type; the first that a value is an instance of, where it has a type of its own."""


class RowsDigest:
    """The digest of a table whose rows come one by one."""

    def __init__(self) -> None:
        self._running = sha256(FORM, more=1 << 20)
        self.rows = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """The next row. Raises TypeError for a value that has no form."""
        self._running.update(sha256(canonical(dict(row))).digest())
        self.rows += 1

    def finish(self, columns: Iterable[str]) -> str:
        """The digest, when the names of all columns are known."""
        names = sorted(columns, key=_bytes)
        self._running.update(canonical(self.rows) + canonical(names))
        return f"sha256:{self._running.hexdigest()}"


def type_name(value: Any) -> str:
    """What the type of a value is called."""
    if isinstance(value, Nanoseconds):
        return value.kind
    if isinstance(value, datetime):
        return "timestamp" if value.tzinfo is not None else "local timestamp"
    return next(name for kind, name in _NAMES if isinstance(value, kind))


_NAMES: Sequence[tuple[type, str]] = (
    (type(None), "null"), (bool, "boolean"), (int, "integer"), (float, "float"), (str, "text"), (bytes, "bytes"),
    (Decimal, "decimal"), (date, "date"), (time, "time"), (timedelta, "duration"), (list, "list"), (dict, "structure"),
    (object, "unknown"),
)  # fmt: skip
