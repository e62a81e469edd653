"""Tables in files: which format a file has, by the end of its name, and how its rows are read.

A format is a function that opens a stream of bytes. Rows come one by one, so that memory does not grow with the table.
Whatever keeps a table from being read is a TableError, which says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import BinaryIO, NamedTuple

from ..records.tables import Column
from ..rules.canonical_rows import RowsDigest, type_name
from .table_rows import Format, Opener, Row, Table, TableError, TypedTable

FORMATS: dict[str, str] = {
    ".csv": "csv_tables.CSV",
    ".tsv": "csv_tables.TSV",
    ".jsonl": "json_lines.JSON_LINES",
    ".ndjson": "json_lines.JSON_LINES",
    ".parquet": "arrow_tables.PARQUET",
    ".feather": "arrow_tables.FEATHER",
    ".arrow": "arrow_tables.FEATHER",
    ".sqlite": "sqlite_tables.SQLITE",
    ".sqlite3": "sqlite_tables.SQLITE",
    ".db": "sqlite_tables.SQLITE",
}
"""By the end of the name, in lower case: the module and its `Format`, loaded when a table of it is read."""

ARROW = (".parquet", ".feather", ".arrow")
"""Those that need pyarrow."""

__all__ = ["ARROW", "FORMATS", "Row", "Shape", "Table", "TableError", "is_table", "open_table", "shapes"]


class Shape(NamedTuple):
    """What a table is."""

    name: str | None
    columns: list[Column]
    rows: int
    digest: str


def is_table(path: str) -> bool:
    return _suffix(path) in FORMATS


def open_table(path: str, stream: BinaryIO) -> Table:
    """The table that the stream holds. Raises TableError, also while its rows are read."""
    return _format(path).open(stream)


def shapes(path: str, opener: Opener) -> Iterator[Shape]:
    """What each table in a file is. Reads all of it, once or twice. Raises TableError."""
    for table in _format(path).typed(opener):
        yield _shape(table)


def _shape(table: TypedTable) -> Shape:
    digest = RowsDigest()
    seen: dict[str, set[str]] = {name: set() for name in table.columns}
    for row in table.rows:
        digest.add(row)
        if table.types is None:
            for name, value in row.items():
                seen.setdefault(name, set()).add(type_name(value))
    types = table.types or {name: _joined(kinds) for name, kinds in seen.items()}
    columns = [Column(name=name, type=types[name]) for name in seen]
    return Shape(table.name, columns, digest.rows, digest.finish(seen))


def _joined(kinds: set[str]) -> str:
    """The types of a column's values; nothing is one only where there is no other."""
    return " | ".join(sorted(kinds - {"null"})) or "null"


def _format(path: str) -> Format:
    where = FORMATS.get(_suffix(path))
    if where is None:
        known = ", ".join(FORMATS)
        raise TableError(f"{path}: found no table, expected a file that ends in {known}")
    module, _, name = where.partition(".")
    try:
        return getattr(import_module(f".{module}", __package__), name)
    except ImportError as error:
        # Some builds of Python have no SQLite.
        raise TableError(f"{path}: cannot be read with this Python: {error}") from error


def _suffix(path: str) -> str:
    name = path.rpartition("/")[2]
    return f".{name.rpartition('.')[2].lower()}" if "." in name else ""
