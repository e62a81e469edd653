"""What every format of tables gives: the names of the columns, and rows, as they stand there and with their types."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

from ..errors import WhenceError


class TableError(WhenceError):
    """A file is not the table that its name says."""


class Row(NamedTuple):
    """A row. What has no value is nothing, or not there."""

    values: Mapping[str, Any]
    raw: bytes
    """As it stands in the file, with its line end; empty where rows are not lines."""


class Table(NamedTuple):
    """A table that is being read, once."""

    columns: Sequence[str] | None
    """In their order; nothing where only all rows together say it."""
    head: bytes | None
    """What stands before the first row; nothing where rows are not lines, and cannot be taken out one by one."""
    rows: Iterator[Row]


class TypedTable(NamedTuple):
    """A table whose values have their types. A file may hold several."""

    name: str | None
    """Which it is, where a file may hold several."""
    columns: Sequence[str]
    """Those that are known before the rows are read, in their order."""
    types: Mapping[str, str] | None
    """By column; nothing where only the values say it."""
    rows: Iterator[Mapping[str, Any]]


Opener = Callable[[], BinaryIO]
"""Opens the file, each time at its beginning; the caller closes it."""


class Format(NamedTuple):
    """How a format is read."""

    open: Callable[[BinaryIO], Table]
    """A table as it stands there; the stream is the caller's to close."""
    typed: Callable[[Opener], Iterator[TypedTable]]
    """Every table with types, each to be read before the next."""
