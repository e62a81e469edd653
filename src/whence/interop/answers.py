"""What every database gives: the columns of an answer, and its rows in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import UsageError
from ..records.source import Connection
from ..rules.addresses import Address, Scalar
from ..store.adding import SourceError

ROWS = 1 << 16
"""Rows that are read at once."""


class Answer(NamedTuple):
    """An answer that is being read, once."""

    connection: Connection
    schema: Any
    """A `pyarrow.Schema`."""
    batches: Iterator[Any]
    """`pyarrow.RecordBatch` of this schema. Reading them raises SourceError."""


class Question(NamedTuple):
    """A query with the values of its parameters, which the database writes in its own way."""

    query: str
    parameters: Mapping[str, Scalar]


Ask = Callable[[Address, Path, Question], AbstractContextManager[Answer]]
"""Asks a database, which is not written to; paths are relative to the folder. Raises SourceError, UsageError,
LibraryError."""


def no_columns(address: Address) -> SourceError:
    """What is said of a statement that is no query."""
    return SourceError(f"{address}: the query gives no columns", hint="expected a query that gives rows: SELECT …")


def file_of(address: Address, cwd: Path) -> Path:
    """The file of a database that is one. Raises UsageError, SourceError."""
    if not address.path:
        raise UsageError(f"{address}: found no file", hint=f"for instance {address.scheme}:///file.db")
    path = cwd / address.path
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "there is no such file"
        raise SourceError(f"{path}: {what}, expected a database")
    return path.resolve()
