"""Structs to JSON and back: compact, in the order of the fields, strict on what is known.

Two things JSON or UTF-8 cannot carry are defined by docs/format.md: not-a-number and the infinities become strings,
and an undecodable byte of a file name travels as the escape of its surrogate.
"""

import json
import math
import re
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import msgspec

from ..errors import FormatError

T = TypeVar("T")

_encoder = msgspec.json.Encoder()
_packer = msgspec.msgpack.Encoder()

_NOT_FINITE = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")
"""In MessagePack, the mark of a double and an exponent of ones (IEEE 754). Finds other bytes too, but misses none."""


def encode(value: Any) -> bytes:
    """One line of JSON. Raises TypeError for a value that the format has no form for."""
    try:
        line = _encoder.encode(value)
    except UnicodeEncodeError:
        return _encode_surrogates(value)
    # msgspec writes a not-finite float as null, and lone surrogates as an error.
    # `find`, as `in` takes bytes for a number first, and makes an error of that.
    return _encoder.encode(_finite(value)) if line.find(b"null") >= 0 and _may_hold_not_finite(value) else line


def _may_hold_not_finite(value: Any) -> bool:
    """Whether a null may stand for a float. Nearly every line has nulls, and nearly none of these; looking at each
    value in Python costs a hundred times as much."""
    try:
        return _NOT_FINITE.search(_packer.encode(value)) is not None
    except OverflowError:
        return True  # An integer that MessagePack has no form for.


def _finite(value: Any) -> Any:
    """The value with every not-finite float as its string; structs that hold none stay as they are."""
    builtins = msgspec.to_builtins(value)
    return _replace(builtins)


def _replace(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else number_text(value)
        case dict():
            return {key: _replace(item) for key, item in cast("dict[str, Any]", value).items()}
        case list() | tuple():
            return [_replace(item) for item in cast("list[Any]", value)]
        case _:
            return value


def number_text(value: float) -> str:
    """The string that stands for a float that is not finite."""
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _encode_surrogates(value: Any) -> bytes:
    text = json.dumps(_finite(value), ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")


def decode(line: bytes, kind: type[T], *, where: str = "") -> T:
    """The struct that the JSON holds. Raises FormatError with the dotted path; `where` names the file and line."""
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.ValidationError as error:
        raise _fault(where, error) from error
    except msgspec.DecodeError as error:
        return _decode_surrogates(line, kind, where, error)


def convert(value: Any, kind: type[T], *, where: str = "") -> T:
    """The struct that plain values make. Raises FormatError with the dotted path."""
    try:
        return msgspec.convert(value, type=kind)
    except msgspec.ValidationError as error:
        raise _fault(where, error) from error


def _decode_surrogates(line: bytes, kind: type[T], where: str, first: msgspec.DecodeError) -> T:
    """What msgspec refuses and the format allows: lone surrogates. Anything else is a fault."""
    try:
        return msgspec.convert(json.loads(line), type=kind)
    except msgspec.ValidationError as error:
        raise _fault(where, error) from error
    except (ValueError, RecursionError):
        raise _fault(where, first) from first


def _fault(where: str, error: Exception) -> FormatError:
    return FormatError(f"{where}: {error}" if where else str(error))


def timestamp(nanoseconds: int) -> str:
    """Unix nanoseconds as the format writes a time: UTC, microseconds, `Z`."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


def parse_timestamp(text: str) -> float:
    """Unix seconds of a time that the format wrote. Raises ValueError for anything else."""
    return datetime.fromisoformat(text).timestamp()
