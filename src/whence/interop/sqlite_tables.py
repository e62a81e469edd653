"""The tables of a SQLite database. Values have the types that they are stored with, whatever was declared.

The file is opened for reading only, and as one that nobody writes to: nothing is made beside it. What a database has
in a log that is not in the file (`-wal`) is not seen.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, BinaryIO

from .table_rows import Format, Opener, Row, Table, TableError, TypedTable


def open_sqlite(stream: BinaryIO) -> Table:
    """The only table of the database."""
    with closing(_connect(stream)) as connection:
        names = _names(connection)
        if len(names) != 1:
            raise TableError(f"found {len(names)} tables, expected one: {', '.join(names)}")
        columns = _columns(connection, names[0])
    return Table(columns, None, _opened_rows(stream, names[0], columns))


def _opened_rows(stream: BinaryIO, table: str, columns: Sequence[str]) -> Iterator[Row]:
    with closing(_connect(stream)) as connection:
        for values in _rows(connection, table, columns):
            yield Row(values, b"")


def typed_sqlite(opener: Opener) -> Iterator[TypedTable]:
    with opener() as stream, closing(_connect(stream)) as connection:
        for name in _names(connection):
            columns = _columns(connection, name)
            yield TypedTable(name, columns, None, _rows(connection, name, columns))


def _connect(stream: BinaryIO) -> sqlite3.Connection:
    """The database in a file, or in memory, where the stream is one."""
    name: object = getattr(stream, "name", None)
    if isinstance(name, str):
        return sqlite3.connect(f"file:{_quoted(os.path.abspath(name))}?mode=ro&immutable=1", uri=True)
    stream.seek(0)
    data = bytearray(stream.read())
    if bytes(data[18:20]) == b"\2\2":
        # The database was written with a log beside it, which there cannot be in memory (fileformat2, 1.3.4).
        data[18:20] = b"\1\1"
    connection = sqlite3.connect(":memory:")
    if data:
        connection.deserialize(bytes(data))
    return connection


def _quoted(path: str) -> str:
    """A path in a URI (https://www.sqlite.org/uri.html, 3.1)."""
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _names(connection: sqlite3.Connection) -> list[str]:
    """The tables, by name; those of SQLite itself are none."""
    try:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    except sqlite3.Error as error:
        raise TableError(f"is no SQLite database: {error}") from error
    return sorted(name for (name,) in found if not name.startswith("sqlite_"))


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    try:
        return [row[1] for row in connection.execute(f"PRAGMA table_info({_name(table)})")]
    except sqlite3.Error as error:
        raise TableError(f"table {table}: {error}") from error


def _rows(connection: sqlite3.Connection, table: str, columns: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """In the order of the row's numbers, or of the primary key where rows have none."""
    names = ", ".join(map(_name, columns))
    try:
        order = _order(connection, table, columns)
        for row in connection.execute(f"SELECT {names} FROM {_name(table)}{order}"):
            yield dict(zip(columns, row, strict=True))
    except sqlite3.Error as error:
        raise TableError(f"table {table}: {error}") from error


def _order(connection: sqlite3.Connection, table: str, columns: Sequence[str]) -> str:
    taken = {column.lower() for column in columns}
    number = next((name for name in ("rowid", "_rowid_", "oid") if name not in taken), None)
    keys = connection.execute("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", (table,)).fetchall()
    if number is not None and _has_numbers(connection, table, number):
        return f" ORDER BY {number}"
    return f" ORDER BY {', '.join(_name(key) for (key,) in keys)}" if keys else ""


def _has_numbers(connection: sqlite3.Connection, table: str, number: str) -> bool:
    try:
        connection.execute(f"SELECT {number} FROM {_name(table)} LIMIT 0")
    except sqlite3.OperationalError:
        return False
    return True


def _name(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


SQLITE = Format(open_sqlite, typed_sqlite)
