"""Rows of a page: a label, what is to be said, and how they are laid out on a terminal or in a pipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from .output import cells, padded, printable, width, wrapped

LINES = 6
"""Lines that one row takes on a terminal; `--all` prints the rest of it."""


class Row(msgspec.Struct, frozen=True):
    """A line of the page: what it is, what it says, and when that was captured, if that needs saying."""

    label: str
    text: str
    when: str = ""


Rows = Iterator[Row]


def aligned(rows: Sequence[Row], limit: int | None) -> Iterator[str]:
    size = min(28, max(cells(row.label) for row in rows))
    shown = rows if limit is None else rows[:limit]
    previous = None
    for row in shown:
        label = "" if row.label == previous else row.label
        previous = row.label
        yield from _fitted(row, f"  {padded(label, size)}  " if size else "  ", whole=limit is None)
    if len(shown) < len(rows):
        yield f"  … {len(rows) - len(shown)} more rows (--all)"


def _fitted(row: Row, start: str, *, whole: bool) -> Iterator[str]:
    """The row in the lines that a terminal needs for it; elsewhere it is one."""
    text = row.text + (f"  [{row.when}]" if row.when else "")
    room = width()
    lines = [start + text] if room is None else wrapped(start, text, room)
    yield from lines if whole else lines[:LINES]
    if len(lines) > LINES and not whole:
        yield f"{' ' * cells(start)}… {len(lines) - LINES} more lines (--all)"


def some(label: str, value: str | None, when: str = "") -> Rows:
    """The row, if there is something to say."""
    if value:
        yield Row(label, printable(value), when)
