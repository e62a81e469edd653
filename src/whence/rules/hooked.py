"""The lines in which a Python program tells what it opened (`boot/opens.py`), as records of the stream."""

from __future__ import annotations

from typing import Any

from ..errors import FormatError
from .seen import OPS


def read_line(line: bytes) -> tuple[Any, ...]:
    """All of a record but its number. Raises FormatError."""
    try:
        at, pid, op, path, other, flags, identity, because, *real = line.decode("ascii").split(" ")
        numbers = None if identity == "-" else tuple(int(word) for word in identity.split(","))
        if op not in OPS or (numbers is not None and len(numbers) != 6) or len(real) != 2:
            raise ValueError(op)
        said = float(at), int(pid), op, _bytes(path), _bytes(other), int(flags), numbers, False, _text(because)
        return *said, None, *map(_bytes, real)
    except ValueError as error:
        raise FormatError(f"found a line that is none of ours: {error}") from error


def _bytes(word: str) -> bytes:
    return b"" if word == "-" else bytes.fromhex(word)


def _text(word: str) -> str:
    return _bytes(word).decode("utf-8", "replace")
