"""What is known of the tables in a version: an object that its step names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import FormatError, UnresolvedError
from ..records.data import ManifestEntry
from ..records.encoding import decode, encode
from ..records.tables import Tables, TableShape
from ..rules.contents import Manifest
from .layout import Store
from .objects import put_bytes, read_object

Describe = Callable[[Sequence[ManifestEntry], Sequence[TableShape]], Sequence[TableShape]]
"""What the tables in a manifest are, when some are known from the version before."""


def read_tables(store: Store, digest: str | None) -> list[TableShape]:
    """What is known of the tables; nothing where nothing is. Raises UnresolvedError, FormatError."""
    return [] if digest is None else decode(read_object(store, digest), Tables, where=digest).tables


def tables_before(store: Store, digest: str | None) -> list[TableShape]:
    """The same for a step that comes after: what cannot be read is looked at anew."""
    try:
        return read_tables(store, digest)
    except (UnresolvedError, FormatError):
        return []


def put_tables(store: Store, manifest: Manifest, before: Sequence[TableShape], describe: Describe | None) -> str | None:
    """Keep what the tables of a manifest are; the digest, or nothing where there are none. Raises OSError."""
    tables = (describe or known_tables)(manifest, before)
    return put_bytes(store, encode(Tables(tables=list(tables)))) if tables else None


def known_tables(manifest: Manifest, before: Sequence[TableShape]) -> list[TableShape]:
    """What is known of the files that are as they were."""
    if not before:
        return []
    there = {(entry.path, entry.digest) for entry in manifest}
    return [table for table in before if (table.path, table.file) in there]
