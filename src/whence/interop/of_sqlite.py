"""SQLite: rows of the standard library, whose values have types and whose columns have none.

So the query is asked twice in one transaction: first for the types, then for the rows. A column is of the type that all
its values have; integers among doubles are doubles, where these hold them exactly.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..records.source import Connection
from ..rules.addresses import Address
from ..store.adding import SourceError
from ..system.libraries import library
from .answers import ROWS, Answer, Question, file_of, no_columns

_NAMES = {int: "integer", float: "real", str: "text", bytes: "blob"}


@contextmanager
def ask_sqlite(address: Address, cwd: Path, question: Question) -> Generator[Answer]:
    """What a database file answers."""
    arrow = library("pyarrow", extra="tables", what="a query is frozen to Parquet")
    path = file_of(address, cwd)
    try:
        uri = f"file:{quote(str(path))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as database:
            database.execute("PRAGMA query_only = ON")
            database.set_authorizer(_allow)
            database.execute("BEGIN")
            names, kinds = _columns(database, address, question)
            types = [_type(arrow, name, kind) for name, kind in zip(names, kinds, strict=True)]
            schema = arrow.schema(list(zip(names, types, strict=True)))
            connection = Connection(scheme="sqlite", path=str(path), software=f"SQLite {sqlite3.sqlite_version}")
            yield Answer(connection, schema, _batches(arrow, schema, _rows(database, question)))
    except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
        raise SourceError(f"{path}: the query fails: {error}") from error


def _allow(action: int, *_: str | None) -> int:
    """To attach a file makes it where there is none, whatever may be written; VACUUM INTO attaches what it writes."""
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK


def _columns(database: sqlite3.Connection, address: Address, question: Question) -> tuple[list[str], list[set[type]]]:
    cursor = database.execute(question.query, dict(question.parameters))
    if not cursor.description:
        raise no_columns(address)
    kinds: list[set[type]] = [set() for _ in cursor.description]
    while rows := cursor.fetchmany(ROWS):
        for found, values in zip(kinds, zip(*rows, strict=True), strict=True):
            found.update(map(type, values))
    return [column[0] for column in cursor.description], [found - {type(None)} for found in kinds]


def _type(arrow: Any, name: str, kinds: set[type]) -> Any:
    if not kinds:
        return arrow.null()
    if kinds == {int, float}:
        return arrow.float64()
    if len(kinds) > 1:
        found = " and ".join(sorted(_NAMES[kind] for kind in kinds))
        raise SourceError(
            f"column {name!r}: found {found}, expected values of one type", hint=f"CAST({name} AS TEXT) in the query"
        )
    return {int: arrow.int64(), float: arrow.float64(), str: arrow.string(), bytes: arrow.binary()}[kinds.pop()]


def _rows(database: sqlite3.Connection, question: Question) -> Iterator[Sequence[Sequence[Any]]]:
    cursor = database.execute(question.query, dict(question.parameters))
    while rows := cursor.fetchmany(ROWS):
        yield rows


def _batches(arrow: Any, schema: Any, batches: Iterator[Sequence[Sequence[Any]]]) -> Iterator[Any]:
    for rows in batches:
        yield batch_of(arrow, schema, zip(*rows, strict=True))


def batch_of(arrow: Any, schema: Any, columns: Iterator[Sequence[Any]]) -> Any:
    """A batch of columns of Python values. Raises SourceError for a value that is not of its column's type."""
    arrays: list[Any] = []
    for field, values in zip(schema, columns, strict=True):
        try:
            arrays.append(arrow.array(values, field.type))
        except (arrow.ArrowException, OverflowError) as error:
            what = f"column {field.name!r}: found a value that is no {field.type}: {error}"
            raise SourceError(what, hint="a CAST in the query says which type is meant") from error
    return arrow.RecordBatch.from_arrays(arrays, schema=schema)
