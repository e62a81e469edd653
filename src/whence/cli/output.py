"""Printing: JSON, aligned columns, colour, escapes. stdout carries the answer, stderr everything else.

A value from a record is never printed as it is: a newline or an escape code in a file name would forge a line.
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34"}

STATUS_STYLES = {
    "succeeded": "green",
    "failed": "red",
    "killed": "red",
    "lost": "red",
    "interrupted": "yellow",
    "running": "blue",
    "created": "dim",
}


MOST_SAID = 4000
"""Characters of one complaint: what was given to us may be of any length."""


def complain(message: str, hint: str | None = None, candidates: Sequence[str] = ()) -> None:
    """`whence: message` and what to do, on stderr."""
    lines = [f"whence: {_bounded(printable(message))}", *(f"  {printable(candidate)}" for candidate in candidates)]
    if hint:
        lines.append(f"hint: {printable(hint)}")
    _write(sys.stderr, "\n".join(lines) + "\n")


def _bounded(text: str) -> str:
    """The text, or its beginning and its end."""
    half = MOST_SAID // 2
    return text if len(text) <= MOST_SAID else f"{text[:half]}… {len(text) - 2 * half} characters …{text[-half:]}"


def say(message: str) -> None:
    """A remark on stderr: what was done, where it went."""
    _write(sys.stderr, printable(message) + "\n")


def line(text: str = "") -> None:
    """One line of the answer. The text is printed as it is: what comes from a record has gone through `printable`."""
    _write(sys.stdout, text + "\n")


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:
        # A terminal whose encoding lacks a character gets its escape, never a traceback.
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def json_line(value: Any) -> None:
    """One JSON document on a line of its own."""
    from ..records.encoding import encode

    _write_bytes(encode(value) + b"\n")


def json_document(value: Any) -> None:
    """One JSON document, indented for people on a terminal and compact for programs."""
    from msgspec import json

    from ..records.encoding import encode

    document = encode(value)
    _write_bytes((json.format(document, indent=2) if sys.stdout.isatty() else document) + b"\n")


def raw(content: bytes) -> None:
    """Bytes to stdout as they are."""
    _write_bytes(content)


def _write_bytes(content: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(content)


def printable(text: str) -> str:
    """The text on one line: control characters, undecodable bytes and direction marks as escapes."""
    if text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def coloured() -> bool:
    """Whether stdout is a terminal that wants colour (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, style: str | None) -> str:
    """The text in a style of `_STYLES`, where colour is wanted."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if style and coloured() else text


def width() -> int | None:
    """Columns of the terminal; nothing when stdout is none, and lines are then never cut."""
    if not sys.stdout.isatty():
        return None
    # One of no columns has not said how wide it is, as those that `script` and `expect` make.
    return columns_asked() or os.get_terminal_size(sys.stdout.fileno()).columns or UNSAID


UNSAID = 80
"""Columns of a terminal that does not say how many it has."""


def columns_asked() -> int | None:
    """What `COLUMNS` says, where it says a width."""
    columns = os.environ.get("COLUMNS", "")
    return int(columns) or None if columns.isascii() and columns.isdigit() and len(columns) < 5 else None


def cells(text: str) -> int:
    """Columns that the text takes on a terminal: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def padded(text: str, size: int) -> str:
    return text + " " * (size - cells(text))


def cut(text: str, size: int | None) -> str:
    """The text in at most so many columns, an ellipsis where it was cut."""
    if size is None or cells(text) <= size:
        return text
    while text and cells(text) > size - 1:
        text = text[:-1]
    return text + "…"


def wrapped(start: str, text: str, size: int) -> list[str]:
    """The text behind its start, in lines of at most so many columns, indented like the first.

    It is broken between its items, which stand two blanks apart, and an item at a blank only where it needs a line
    and more. A word is never broken, so that a digest can be copied; one that is too long for its column draws the
    indented lines to the left.
    """
    longest = max((cells(word) for word in text.split(" ")), default=0)
    indent = cells(start) if cells(start) + longest <= size else min(cells(start), NARROW_INDENT)
    lines = [start]
    for piece in _pieces(text, size - indent):
        if cells(lines[-1] + piece) <= size:
            lines[-1] += piece
        else:
            lines = [*(lines if lines[-1].strip() else lines[:-1]), " " * indent + piece.lstrip(" ")]
    return [line.rstrip(" ") for line in lines]


NARROW_INDENT = 6
"""Columns before the lines of a text with a word that is too long for its column; a digest has 71."""


def _pieces(text: str, room: int) -> Iterator[str]:
    """The items of a text with the blanks before them; of one that is longer than a line, the words."""
    for item in re.findall(r" *[^ ]+(?: [^ ]+)*", text):
        yield from [item] if cells(item.lstrip(" ")) <= room else re.findall(r" *[^ ]+", item)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Aligned columns, the last one as long as it is."""
    lines = [list(headings), *(list(row) for row in rows)]
    sizes = [max(cells(row[column]) for row in lines) for column in range(len(headings))]
    return [
        cut("  ".join(padded(cell, size) for cell, size in zip(row, sizes, strict=True)).rstrip(), width())
        for row in lines
    ]


def counted(count: int, one: str, many: str) -> str:
    """`1 point`, `2 points`."""
    return f"{count} {one if count == 1 else many}"


def size_text(count: int | None) -> str:
    """Bytes for a person: `12 B`, `1.5 KiB`."""
    if count is None:
        return "?"
    value, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def seconds_text(seconds: float | None) -> str:
    """A duration for a person: `40 ms`, `0.4s`, `12s`, `3m20s`, `2h05m`, `3d04h`."""
    if seconds is None:
        return ""
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def time_text(timestamp: str | None) -> str:
    """A time of the format to the second, as UTC says it: `2026-11-21 06:40:29`."""
    return timestamp[:19].replace("T", " ") if timestamp else ""


def command_text(words: Sequence[str]) -> str:
    """A command as one would type it, on one line."""
    from shlex import quote

    return " ".join(printable(quote(word)) for word in words)


def flush() -> None:
    """Hand what was printed to whoever reads it."""
    sys.stdout.flush()
