"""Which bytes of a version the store does not hold. Asks where objects lie and reads none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import UnresolvedError
from ..records.data import ManifestEntry
from .bulk import Bulk
from .dataset_references import Found
from .layout import Store
from .manifests import read_manifest
from .origins import origins_of
from .tombstones import expired_objects

NAMED = 5
"""Paths that an error names."""


def missing_entries(store: Store, entries: Iterable[ManifestEntry], known: Bulk | None = None) -> list[ManifestEntry]:
    """Files and links whose bytes are not here; who asks for many versions has one that knows what is packed."""
    bulk = known or Bulk(store)
    return [entry for entry in entries if entry.digest is not None and not bulk.holds(entry.digest, entry.size)]


def refuse_missing(store: Store, found: Found, entries: Sequence[ManifestEntry]) -> None:
    """Raises UnresolvedError that names the first ones."""
    absent = missing_entries(store, entries)
    if absent:
        raise UnresolvedError(
            f"{found}: the store holds no bytes of {named(absent)}",
            hint="they were added by reference only, removed since, or are in another store",
        )


def expired_entries(store: Store, found: Found) -> list[ManifestEntry]:
    """Files and links of a version whose bytes expired, and are nowhere. Raises UnresolvedError, FormatError for its
    manifest."""
    expired = expired_objects(store)
    if not expired:
        return []
    gone = missing_entries(
        store, [entry for entry in read_manifest(store, found.made.manifest) if entry.digest in expired]
    )
    origins = origins_of(store, found)
    return [entry for entry in gone if not origins.know(entry)]


def refuse_expired(store: Store, found: Found) -> None:
    """Before a release is made of it, which would have no bytes. Raises UnresolvedError that names the first files."""
    gone = expired_entries(store, found)
    if gone:
        raise UnresolvedError(
            f"{found}: the bytes of {named(gone)} expired, expected them here to make a release of it",
            hint="`whence data import FILE` of an archive brings them back; `whence data remove` goes on without them",
        )


def named(entries: Sequence[ManifestEntry]) -> str:
    """The first paths, and how many more."""
    more = f" and {len(entries) - NAMED} more" if len(entries) > NAMED else ""
    return ", ".join(repr(entry.path) for entry in entries[:NAMED]) + more
