"""What every format of tables gives: the names of the columns, and rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

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
