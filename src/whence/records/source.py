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
    version: str | None = None


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
