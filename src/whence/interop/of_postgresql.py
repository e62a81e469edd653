"""PostgreSQL: rows through a cursor on the server, in a transaction that may not write and sees one moment."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..records.source import Connection
from ..rules.addresses import Address
from ..store.adding import SourceError
from ..system.libraries import library
from .answers import ROWS, Answer, Question, no_columns
from .of_sqlite import batch_of

SECONDS = 30
"""How long a server is waited for that does not answer, unless the address says otherwise (`connect_timeout`)."""

_SETTINGS = (
    "SET TIME ZONE 'UTC'", "SET datestyle = 'ISO'", "SET intervalstyle = 'iso_8601'", "SET client_encoding = 'UTF8'",
    "SET default_transaction_read_only = on",
)  # fmt: skip
"""So that values are written alike whatever the server and the account prefer."""

_TYPES = {
    "bool": "bool_", "int2": "int16", "int4": "int32", "int8": "int64", "oid": "uint32", "float4": "float32",
    "float8": "float64", "date": "date32", "bytea": "binary",
}  # fmt: skip
"""Arrow's, by name; what is neither here nor a time or number is the text that the server writes."""

_TIMES = {"time": ("time64", "us"), "timestamp": ("timestamp", "us"), "timestamptz": ("timestamp", "us", "UTC")}

_LARGEST = 38
"""Digits of Arrow's decimal128."""


@contextmanager
def ask_postgresql(address: Address, cwd: Path, question: Question) -> Generator[Answer]:
    """What a server answers."""
    arrow = library("pyarrow", extra="tables", what="a query is frozen to Parquet")
    psycopg = library("psycopg", extra="postgresql", what=f"{address.scheme}://")
    try:
        known = _read(psycopg, address)
        waits = {} if "connect_timeout" in known else {"connect_timeout": SECONDS}
        with psycopg.connect(address.url, **waits) as database:
            try:
                _prepare(psycopg, database)
                with database.cursor(name="whence") as cursor:
                    yield _answer(psycopg, arrow, database, cursor, address, question)
            finally:
                database.rollback()
    except psycopg.Error as error:
        raise SourceError(f"{address}: {_said(psycopg, error)}") from error


def _read(psycopg: Any, address: Address) -> dict[str, Any]:
    """What the address says. The library's own words are not repeated: they may hold a part of the password."""
    try:
        return psycopg.conninfo.conninfo_to_dict(address.url)
    except psycopg.Error:
        raise UsageError(
            f"--from {address.scheme}://: cannot be read, expected {address.scheme}://HOST:PORT/DATABASE",
            hint="in a password `@`, `/`, `:` and `%` are written %40, %2F, %3A and %25; better, have it in ~/.pgpass",
        ) from None


def _said(psycopg: Any, error: Any) -> str:
    """What the server says of the query, or the library of the server or of a value."""
    text = error.diag.message_primary or "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
    return f"the query fails: {text}" if error.sqlstate or isinstance(error, psycopg.DataError) else text


def _prepare(psycopg: Any, database: Any) -> None:
    _write_as_text(psycopg, database)
    for setting in _SETTINGS:
        database.execute(setting)
    database.commit()
    database.read_only = True
    database.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ


def _answer(psycopg: Any, arrow: Any, database: Any, cursor: Any, address: Address, question: Question) -> Answer:
    cursor.execute(question.query, dict(question.parameters) or None)
    if not cursor.description:
        raise no_columns(address)
    schema = arrow.schema([(column.name, _type(psycopg, arrow, column)) for column in cursor.description])
    info = database.info
    connection = Connection(
        scheme="postgresql",
        host=info.host or None,
        port=info.port,
        database=info.dbname,
        software=f"PostgreSQL {info.parameter_status('server_version')}",
    )
    return Answer(connection, schema, _batches(arrow, schema, cursor))


def _write_as_text(psycopg: Any, database: Any) -> None:
    """Types without one of Arrow's stay the text that the server writes, and numbers until their scale is known."""
    known = {"text", "varchar", "bpchar", "name", *_TYPES, *_TIMES}
    for kind in psycopg.adapters.types:
        if kind.name not in known:
            database.adapters.register_loader(kind.oid, psycopg.types.string.TextLoader)


def _type(psycopg: Any, arrow: Any, column: Any) -> Any:
    kind = psycopg.adapters.types.get(column.type_code)
    if kind is None:
        return arrow.string()
    item = _item_type(arrow, kind.name, column)
    return arrow.list_(item) if column.type_code == kind.array_oid else item


def _item_type(arrow: Any, name: str, column: Any) -> Any:
    if name in _TIMES:
        constructor, *words = _TIMES[name]
        return getattr(arrow, constructor)(*words)
    if name == "numeric" and column.precision and 0 <= (column.scale or 0) <= column.precision <= _LARGEST:
        return arrow.decimal128(column.precision, column.scale or 0)
    return getattr(arrow, _TYPES.get(name, "string"))()


def _batches(arrow: Any, schema: Any, cursor: Any) -> Iterator[Any]:
    numbers = [arrow.types.is_decimal(field.type) for field in schema]
    while rows := cursor.fetchmany(ROWS):
        columns = zip(*rows, strict=True)
        yield batch_of(arrow, schema, map(_numbers, columns, numbers))


def _numbers(values: Sequence[Any], numbers: bool) -> Sequence[Any]:
    return [None if value is None else Decimal(value) for value in values] if numbers else values
