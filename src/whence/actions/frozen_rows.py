"""Rows that come from elsewhere, frozen to a Parquet file: what a query gives, or a snapshot of a table holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ..errors import FormatError, UnresolvedError, UsageError
from ..interop.answers import Question
from ..interop.databases import DATABASES, asker
from ..interop.lakes import LAKES
from ..interop.parquet_files import arrow_version, stored_schema, write_parquet
from ..records.data import ManifestEntry
from ..records.encoding import convert, timestamp
from ..records.source import Column, FrozenTable, Query, TableSnapshot
from ..rules.addresses import read_address
from ..rules.history import History
from ..rules.secrets import Secrets
from ..rules.table_addresses import read_table_address
from ..store.bulk import Bulk
from ..store.dataset_changes import folder_of
from ..store.incoming import Incoming
from ..store.layout import Store
from ..store.manifests import read_manifest
from .source import Gathered, Source, knowing

SUFFIX = ".parquet"


class _Rows(NamedTuple):
    """What was written."""

    entry: ManifestEntry
    rows: int
    columns: list[Column]


def gather_query(store: Store, cwd: Path, name: str, source: Source, secrets: Secrets, now_ns: int) -> Gathered:
    """The rows of a query. Raises SourceError, UsageError, StoreError, LibraryError."""
    address = read_address(source.url or "", list(DATABASES))
    path = _file_of(source.below, name)
    question = Question(source.sql or "", source.parameters)
    with asker(address.scheme)(address, cwd, question) as answer:
        written = _written(store, path, answer.schema, answer.batches)
    query = Query(
        query=question.query,
        parameters=dict(question.parameters),
        connection=answer.connection,
        path=path,
        rows=written.rows,
        columns=written.columns,
        at=timestamp(now_ns),
        writer=arrow_version(),
    )
    return Gathered(entries=[written.entry], parameters=_said(query, secrets, source))


def gather_table(
    store: Store, cwd: Path, source: Source, secrets: Secrets, now_ns: int, history: History | None
) -> Gathered:
    """The rows of a snapshot of a table; a snapshot that the dataset has already is not read again. Raises SourceError,
    UsageError, StoreError, LibraryError."""
    if source.reference:
        raise UsageError(
            "found --reference and a table that keeps its snapshots, expected one of them",
            hint="a snapshot is always frozen: it may be vacuumed or expire where the table lies",
        )
    if len(source.paths) > 1:
        raise UsageError(f"found {len(source.paths)} words, one of them a table", hint="add them apart")
    address = read_table_address(source.paths[0])
    path = _file_of(source.below, address.name)
    reading = LAKES[address.format](address, cwd)
    known = _known(store, history, reading.snapshot, path, secrets, source)
    if known is not None:
        return known
    written = _written(store, path, reading.schema, reading.batches)
    table = FrozenTable(
        snapshot=reading.snapshot,
        path=path,
        rows=written.rows,
        columns=written.columns,
        at=timestamp(now_ns),
        writer=arrow_version(),
    )
    return Gathered(entries=[written.entry], parameters=_said(table, secrets, source))


def _written(store: Store, path: str, schema: Any, batches: Iterable[Any]) -> _Rows:
    stored = stored_schema(schema)
    rows = 0

    def fill(out: Any) -> None:
        nonlocal rows
        rows = write_parquet(out, batches, stored)

    with Incoming(store) as incoming:
        entry = incoming.take(path, fill)
    return _Rows(entry, rows, [Column(name=field.name, type=str(field.type)) for field in stored])


def _said(parameters: msgspec.Struct, secrets: Secrets, source: Source) -> dict[str, Any]:
    return knowing(secrets, source).mask_values(msgspec.to_builtins(parameters))


def _file_of(below: str | None, name: str) -> str:
    """The path in the dataset. Raises UsageError."""
    path = folder_of(below) if below is not None else f"{name}{SUFFIX}"
    if not path.endswith(SUFFIX) or path.endswith(f"/{SUFFIX}") or path == SUFFIX:
        found = f"--as {below}" if below is not None else f"no name in the address, {name!r}"
        raise UsageError(f"{found}: expected a file that ends in {SUFFIX}", hint="for instance --as rows.parquet")
    return path


def _known(
    store: Store, history: History | None, snapshot: TableSnapshot, path: str, secrets: Secrets, source: Source
) -> Gathered | None:
    """What a step froze of the same snapshot, the newest first: a snapshot never changes."""
    for made in reversed(history.versions) if history is not None else ():
        table = _table_of(made.stated.step.parameters)
        if table is None or table.path != path or not _is_same(table.snapshot, snapshot):
            continue
        entry = next((one for one in _entries(store, made.manifest) if one.path == path), None)
        if entry is not None and entry.digest is not None and not Bulk(store).needs(entry.digest, entry.size):
            told = msgspec.structs.replace(table, snapshot=snapshot)
            return Gathered(entries=[entry], parameters=_said(told, secrets, source))
    return None


def _is_same(one: TableSnapshot, other: TableSnapshot) -> bool:
    return (one.format, one.table, one.id) == (other.format, other.table, other.id)


def _table_of(parameters: dict[str, Any]) -> FrozenTable | None:
    try:
        return convert(parameters, FrozenTable) if parameters.get("source") == "table" else None
    except FormatError:
        return None


def _entries(store: Store, manifest: str) -> Iterator[ManifestEntry]:
    try:
        yield from read_manifest(store, manifest)
    except (UnresolvedError, FormatError):
        return
