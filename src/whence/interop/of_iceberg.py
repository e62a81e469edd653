"""Iceberg: a snapshot of a table by its identifier, by a branch or tag, or the newest one at a moment.

The table is one of a catalog that the library's own settings know (`~/.pyiceberg.yaml`, PYICEBERG_CATALOG__…), or what
a metadata file says. A table has no order of its own: its files are read in the order in which they were committed,
those of one commit by their paths. One file of it is in memory at a time.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from ..errors import UsageError
from ..records.encoding import timestamp
from ..records.source import TableSnapshot
from ..rules.addresses import without_password
from ..rules.table_addresses import TableAddress
from ..store.adding import SourceError
from ..system.libraries import library
from .answers import ROWS
from .snapshots import Reading, gone

METADATA = ".metadata.json"


def read_iceberg(address: TableAddress, cwd: Path) -> Reading:
    """A snapshot of a table."""
    library("pyarrow", extra="iceberg", what=address.table)
    iceberg = library("pyiceberg.table", extra="iceberg", what=address.table)
    with _reading(address):
        table = _in_catalog(address) if address.catalog is not None else _from_metadata(iceberg, address, cwd)
        snapshot = _snapshot(address, table)
        scan = table.scan(snapshot_id=snapshot.snapshot_id)
        pyarrow_io = library("pyiceberg.io.pyarrow", extra="iceberg", what=address.table)
        schema = pyarrow_io.schema_to_pyarrow(scan.projection(), include_field_ids=False)
        told = TableSnapshot(
            format="iceberg",
            location=without_password(_place(table.location())),
            catalog=address.catalog,
            name=address.location if address.catalog is not None else None,
            table=str(table.metadata.table_uuid),
            id=str(snapshot.snapshot_id),
            committed=timestamp(snapshot.timestamp_ms * 1_000_000),
            floating=address.option is None and not address.location.endswith(METADATA),
            software=f"pyiceberg {library('pyiceberg', extra='iceberg', what=address.table).__version__}",
        )
        return Reading(told, schema, _batches(pyarrow_io, address, table, snapshot, scan))


@contextmanager
def _reading(address: TableAddress) -> Generator[None]:
    arrow = library("pyarrow", extra="iceberg", what=address.table)
    try:
        yield
    except (OSError, ValueError, NotImplementedError, arrow.ArrowException, *_faults()) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise SourceError(f"{address.table}: cannot be read: {said}") from error


def _faults() -> list[type[Exception]]:
    """What else the library raises, which has no common kind."""
    exceptions = cast("ModuleType", library("pyiceberg.exceptions", extra="iceberg", what="a table"))
    database = sys.modules.get("sqlalchemy.exc")
    faults = [one for one in vars(exceptions).values() if isinstance(one, type) and issubclass(one, Exception)]
    return [*faults, *([] if database is None else [database.SQLAlchemyError])]


def _in_catalog(address: TableAddress) -> Any:
    catalogs = library("pyiceberg.catalog", extra="iceberg", what=address.table)
    exceptions = library("pyiceberg.exceptions", extra="iceberg", what=address.table)
    try:
        catalog = catalogs.load_catalog(address.catalog)
    except ValueError as error:
        raise SourceError(
            f"{address.table}: the catalog {address.catalog!r} cannot be opened: {error}",
            hint="pyiceberg finds catalogs in ~/.pyiceberg.yaml and in PYICEBERG_CATALOG__NAME__URI",
        ) from error
    try:
        return catalog.load_table(address.location)
    except (exceptions.NoSuchTableError, exceptions.NoSuchNamespaceError) as error:
        raise SourceError(f"{address.table}: the catalog has no such table") from error


def _from_metadata(iceberg: Any, address: TableAddress, cwd: Path) -> Any:
    local = "://" not in address.location
    location = os.path.realpath(cwd / address.location) if local else address.location
    if local and not os.path.exists(location):
        raise SourceError(f"{location}: found nothing, expected a metadata file, or the folder of a table")
    try:
        return iceberg.StaticTable.from_metadata(location)
    except FileNotFoundError as error:
        if location.endswith(METADATA):
            raise SourceError(f"{address.table}: found no metadata file") from error
        raise SourceError(
            f"{address.table}: found no version-hint.text in its metadata, which says what is current",
            hint=f"name the metadata file, {_newest(location)}, or the table in its catalog: iceberg://CATALOG/NAME",
        ) from error


def _newest(folder: str) -> str:
    """An example."""
    found = sorted(Path(folder, "metadata").glob(f"*{METADATA}"))
    return str(found[-1]) if found else f"…{METADATA}"


def _snapshot(address: TableAddress, table: Any) -> Any:
    """Raises SourceError, UsageError."""
    if address.option == "timestamp":
        found = table.snapshot_as_of_timestamp(int(address.moment.timestamp() * 1000))
        what = f"has no snapshot as old as {address.value}"
    elif address.option == "ref":
        found = table.snapshot_by_name(address.value)
        names = sorted(table.metadata.refs)
        if found is None:
            raise UsageError(f"{address}: found no such branch or tag", hint=f"it has {', '.join(names) or 'none'}")
        return found
    elif address.option == "snapshot":
        found = table.snapshot_by_id(address.number)
        what = f"has no snapshot {address.number}: it never had, or it has expired"
    else:
        found = table.current_snapshot()
        what = "has no current snapshot"
        if found is None and not table.snapshots():
            raise SourceError(f"{address.table}: has no snapshot, nothing was written to it yet")
    if found is None:
        raise gone(address, what, _named(table), "snapshot")
    return found


def _named(table: Any) -> list[str]:
    """The snapshots, the newest first."""
    found = sorted(table.snapshots(), key=lambda one: -one.timestamp_ms)
    return [f"{one.snapshot_id} ({timestamp(one.timestamp_ms * 1_000_000)[:19]}Z)" for one in found]


def _place(location: str) -> str:
    """A path where it is one on this machine."""
    return location.removeprefix("file://") if location.startswith("file:///") else location


def _batches(pyarrow_io: Any, address: TableAddress, table: Any, snapshot: Any, scan: Any) -> Iterator[Any]:
    with _reading(address):
        files = pyarrow_io.ArrowScan(table.metadata, table.io, scan.projection(), scan.row_filter)
        committed = _committed(table, snapshot)
        try:
            planned = scan.plan_files()
            for file in sorted(planned, key=lambda one: (committed.get(one.file.file_path, 0), one.file.file_path)):
                for batch in files.to_record_batches([file]):
                    yield from (batch.slice(start, ROWS) for start in range(0, batch.num_rows, ROWS))
        except FileNotFoundError as error:
            what = f"snapshot {snapshot.snapshot_id} has lost files: {error.strerror or error}"
            there = [one for one in _named(table) if not one.startswith(f"{snapshot.snapshot_id} ")]
            raise gone(address, what, there, "snapshot") from error


def _committed(table: Any, snapshot: Any) -> dict[str, int]:
    """In which commit, counted from 1, each data file came."""
    entries = (entry for one in snapshot.manifests(table.io) for entry in one.fetch_manifest_entry(table.io))
    return {entry.data_file.file_path: entry.sequence_number or 0 for entry in entries}
