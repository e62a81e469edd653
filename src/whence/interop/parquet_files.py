"""Rows written to a Parquet file, in groups of one size: the same rows are the same bytes, however they came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from ..store.adding import SourceError
from ..system.libraries import library

GROUP = 1 << 16
"""Rows of a row group: so many are in memory, twice."""


def arrow_version() -> str:
    """What writes the files."""
    return f"pyarrow {library('pyarrow', extra='tables', what='Parquet').__version__}"


def stored_schema(schema: Any) -> Any:
    """As it is written: without remarks of whoever gave the rows, and moments in UTC, whichever zone shows them.

    Raises SourceError for what has no name of its own, or no type that Parquet has.
    """
    arrow = library("pyarrow", extra="tables", what="Parquet")
    names = list(schema.names)
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise SourceError(f"found two columns {double!r}", hint="name one of them otherwise in the query: … AS …")
    stored = arrow.schema([(field.name, _stored_type(arrow, field.type)) for field in schema])
    for field in stored:
        _refuse_unwritable(arrow, field)
    return stored


def _stored_type(arrow: Any, kind: Any) -> Any:
    return arrow.timestamp(kind.unit, "UTC") if arrow.types.is_timestamp(kind) and kind.tz is not None else kind


def _refuse_unwritable(arrow: Any, field: Any) -> None:
    parquet = library("pyarrow.parquet", extra="tables", what="Parquet")
    try:
        parquet.ParquetWriter(arrow.BufferOutputStream(), arrow.schema([field])).close()
    except arrow.ArrowException as error:
        raise SourceError(
            f"column {field.name!r}: found {field.type}, which Parquet does not have",
            hint="a CAST in the query makes it a text, or a number",
        ) from error


def write_parquet(out: BinaryIO, batches: Iterable[Any], schema: Any) -> int:
    """Write all rows, in row groups of `GROUP`; how many. Raises SourceError."""
    parquet = library("pyarrow.parquet", extra="tables", what="Parquet")
    rows = 0
    with parquet.ParquetWriter(out, schema, compression="zstd", version="2.6") as writer:
        for group in _groups(batches, schema):
            writer.write_table(group, row_group_size=GROUP)
            rows += group.num_rows
    return rows


def _groups(batches: Iterable[Any], schema: Any) -> Iterator[Any]:
    arrow = library("pyarrow", extra="tables", what="Parquet")
    waiting: list[Any] = []
    count = 0
    for batch in batches:
        waiting.append(arrow.Table.from_batches([batch]).replace_schema_metadata(None).cast(schema))
        count += batch.num_rows
        while count >= GROUP:
            table = arrow.concat_tables(waiting)
            yield table.slice(0, GROUP).combine_chunks()
            waiting, count = [table.slice(GROUP)], count - GROUP
    if count:
        yield arrow.concat_tables(waiting).combine_chunks()
