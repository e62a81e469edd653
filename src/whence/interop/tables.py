"""Tables in files: which format a file has, by the end of its name, and how its rows are read.

A format is a function that opens a stream of bytes. Rows come one by one, so that memory does not grow with the table.
Whatever keeps a table from being read is a TableError, which says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, BinaryIO, NamedTuple

from ..records.tables import Column
from ..rules.canonical_rows import RowsDigest, type_name
from .arrow_tables import open_feather, open_parquet, typed_feather, typed_parquet
from .csv_tables import open_csv, open_tsv, typed_csv, typed_tsv
from .json_lines import open_json_lines, typed_json_lines
from .table_rows import Format, Opener, Row, Table, TableError, TypedTable


def open_sqlite(stream: BinaryIO) -> Table:
    return _sqlite().open_sqlite(stream)


def typed_sqlite(opener: Opener) -> Iterator[TypedTable]:
    return _sqlite().typed_sqlite(opener)


def _sqlite() -> Any:
    """Loaded when it is needed: some builds of Python have no SQLite."""
    try:
        return import_module(".sqlite_tables", __package__)
    except ImportError as error:
        raise TableError(f"this Python has no SQLite ({error})") from error


FORMATS: dict[str, Format] = {
    ".csv": Format(open_csv, typed_csv),
    ".tsv": Format(open_tsv, typed_tsv),
    ".jsonl": Format(open_json_lines, typed_json_lines),
    ".ndjson": Format(open_json_lines, typed_json_lines),
    ".parquet": Format(open_parquet, typed_parquet),
    ".feather": Format(open_feather, typed_feather),
    ".arrow": Format(open_feather, typed_feather),
    ".sqlite": Format(open_sqlite, typed_sqlite),
    ".sqlite3": Format(open_sqlite, typed_sqlite),
    ".db": Format(open_sqlite, typed_sqlite),
}
"""By the end of the name, in lower case."""

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
    try:
        return FORMATS[_suffix(path)]
    except KeyError:
        known = ", ".join(FORMATS)
        raise TableError(f"{path}: found no table, expected a file that ends in {known}") from None


def _suffix(path: str) -> str:
    name = path.rpartition("/")[2]
    return f".{name.rpartition('.')[2].lower()}" if "." in name else ""
