"""What every table that keeps its snapshots gives: which snapshot it is, its columns, and its rows in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..records.source import TableSnapshot
from ..rules.table_addresses import TableAddress
from ..store.adding import SourceError


class Reading(NamedTuple):
    """A snapshot that is being read, once."""

    snapshot: TableSnapshot
    schema: Any
    """A `pyarrow.Schema`."""
    batches: Iterator[Any]
    """`pyarrow.RecordBatch` that can be cast to this schema; nothing is read before they are asked for. Reading them
    raises SourceError."""


Read = Callable[[TableAddress, Path], Reading]
"""Reads a table, which is not written to; paths are relative to the folder. Raises SourceError, UsageError,
LibraryError."""

MOST_NAMED = 10
"""Snapshots that an error names."""


def gone(address: TableAddress, what: str, there: Sequence[str], word: str) -> SourceError:
    """The error for a snapshot that cannot be read, with those that can, the newest first; `word` is how one of them is
    asked for."""
    more = f" and {len(there) - MOST_NAMED} more" if len(there) > MOST_NAMED else ""
    said = f"; still there are {', '.join(there[:MOST_NAMED])}{more}" if there else "; none is there any more"
    other = f"name one that is there ({word}={there[0].partition(' ')[0]}), or " if there else ""
    hint = f"{other}have it restored where the table lies; what was frozen of it before keeps its rows"
    return SourceError(f"{address.table}: {what}{said}", hint=hint)
