"""DuckDB: a database file, or one in memory whose query reads files. It gives Arrow itself."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..records.source import Connection
from ..rules.addresses import Address
from ..store.adding import SourceError
from ..system.libraries import library
from .answers import ROWS, Answer, Question, file_of, no_columns

_NO_EXTENSIONS = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
"""A query fetches no code."""


@contextmanager
def ask_duckdb(address: Address, cwd: Path, question: Question) -> Generator[Answer]:
    """What a database file answers, or DuckDB alone."""
    library("pyarrow", extra="tables", what="a query is frozen to Parquet")
    duckdb = library("duckdb", extra="duckdb", what=str(address))
    path = file_of(address, cwd) if address.path else None
    shown = path or address
    try:
        with duckdb.connect(str(path or ":memory:"), read_only=path is not None, config=_NO_EXTENSIONS) as database:
            _refuse_others(duckdb, database, shown, question.query)
            database.execute("SET TimeZone = 'UTC'")
            database.execute("SET enable_progress_bar = false")  # it is printed on stdout
            relation = database.sql(question.query, params=dict(question.parameters) or None)
            if relation is None:
                raise no_columns(address)
            reader = relation.to_arrow_reader(ROWS)
            software = f"DuckDB {duckdb.__version__}"
            connection = Connection(scheme="duckdb", path=None if path is None else str(path), software=software)
            yield Answer(connection, reader.schema, _batches(reader, shown))
    except duckdb.Error as error:
        raise SourceError(f"{shown}: the query fails: {error}") from error


def _refuse_others(duckdb: Any, database: Any, shown: object, query: str) -> None:
    """One in memory cannot be opened to be read only, and any query may write files."""
    kinds = [statement.type for statement in database.extract_statements(query)]
    if kinds != [duckdb.StatementType.SELECT]:
        found = ", ".join(kind.name for kind in kinds) or "nothing"
        raise SourceError(f"{shown}: found {found}, expected one SELECT", hint="nothing was executed")


def _batches(reader: Any, shown: object) -> Iterator[Any]:
    try:
        yield from reader
    except OSError as error:  # so Arrow passes on what DuckDB raises meanwhile
        raise SourceError(f"{shown}: the query fails: {error}") from error
