"""Tables in files: which format a file has, by the end of its name, and how its rows are read.

A format is a function that opens a stream of bytes. Rows come one by one, so that memory does not grow with the table.
Whatever keeps a table from being read is a TableError, which says why.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from .csv_tables import open_csv, open_tsv
from .json_lines import open_json_lines
from .table_rows import Row, Table, TableError

FORMATS: dict[str, Callable[[BinaryIO], Table]] = {
    ".csv": open_csv,
    ".tsv": open_tsv,
    ".jsonl": open_json_lines,
    ".ndjson": open_json_lines,
}
"""By the end of the name, in lower case."""

__all__ = ["FORMATS", "Row", "Table", "TableError", "is_table", "open_table"]


def is_table(path: str) -> bool:
    return _suffix(path) in FORMATS


def open_table(path: str, stream: BinaryIO) -> Table:
    """The table that the stream holds. Raises TableError, also while its rows are read."""
    try:
        return FORMATS[_suffix(path)](stream)
    except KeyError:
        known = ", ".join(FORMATS)
        raise TableError(f"{path}: found no table, expected a file that ends in {known}") from None


def _suffix(path: str) -> str:
    name = path.rpartition("/")[2]
    return f".{name.rpartition('.')[2].lower()}" if "." in name else ""
