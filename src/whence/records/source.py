"""Where the content of a version came from: the `parameters` of its step (docs/format.md, section 10)."""

from typing import Any

from .base import Struct


class Connection(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A database, without anything that opens it."""

    scheme: str
    """`sqlite`, `duckdb` or `postgresql`."""
    host: str | None = None
    port: int | None = None
    database: str | None = None
    path: str | None = None
    """Of a database that is a file; nothing for one in memory."""
    software: str
    """What answered, with its version."""


class Column(Struct, frozen=True, kw_only=True):
    """A column of a table."""

    name: str
    type: str
    """As Arrow writes it: `int64`, `timestamp[us, tz=UTC]`, `list<item: string>`."""


class Query(Struct, frozen=True, kw_only=True, tag_field="source", tag="query"):
    """Rows that a query gave, frozen to a Parquet file."""

    query: str
    parameters: dict[str, Any]
    connection: Connection
    path: str
    """The file, in the dataset."""
    rows: int
    columns: list[Column]
    at: str
    """When it was asked."""
    writer: str
    """What wrote the file: with the same version the same rows are the same bytes."""


class TableSnapshot(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A snapshot of a table that keeps its snapshots, as its library tells of it; nothing that opens it."""

    format: str
    """`delta` or `iceberg`."""
    location: str
    """Where the table lies: an absolute path, or an address."""
    catalog: str | None = None
    """The catalog that it was found in."""
    name: str | None = None
    """What it is called there, or calls itself."""
    table: str
    """The identifier that the table has given itself."""
    id: str
    """Of the snapshot, in digits: the version in Delta Lake, the snapshot's identifier in Iceberg."""
    committed: str | None = None
    """When it was made, where the table says it."""
    floating: bool = False
    """No snapshot was named: it is the one that was the current one."""
    software: str
    """What read it, with its version."""


class FrozenTable(Struct, frozen=True, kw_only=True, tag_field="source", tag="table"):
    """The rows of a snapshot of a table, frozen to a Parquet file."""

    snapshot: TableSnapshot
    path: str
    """The file, in the dataset."""
    rows: int
    columns: list[Column]
    at: str
    """When it was read."""
    writer: str
    """What wrote the file: with the same version the same rows are the same bytes."""


class Place(Struct, frozen=True, kw_only=True):
    """Where a file or folder lay that was added."""

    path: str
    """In the dataset; empty for its top."""
    location: str
    """An absolute path, without links; or an address, without what opens it."""


class RemoteFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file as its file system told of it."""

    path: str
    """In the dataset."""
    size: int
    etag: str | None = None
    """Without quotes; a weak one with `W/` and its quotes."""
    version: str | None = None
    unread: bool = False
    """Its bytes were not read at this step: its version or strong entity tag is that of an earlier one."""


class Files(Struct, frozen=True, kw_only=True, tag_field="source", tag="files", omit_defaults=True):
    """Files that were added, and where they lay."""

    reference: bool = False
    """Their bytes are there, and not in the store."""
    host: str | None = None
    """Whose paths they are."""
    places: list[Place]
    files: list[RemoteFile] = []
    """Of files by address, where there are few."""
    listing: str | None = None
    """Where there are many: the digest of an object with that list, as JSON."""
    at: str | None = None
    """When they were read, of files by address."""
