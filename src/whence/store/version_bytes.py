"""Which bytes of a version the store does not hold. Asks where objects lie and reads none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import UnresolvedError
from ..records.data import ManifestEntry
from .bulk import Bulk
from .dataset_references import Found
from .layout import Store

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


def named(entries: Sequence[ManifestEntry]) -> str:
    """The first paths, and how many more."""
    more = f" and {len(entries) - NAMED} more" if len(entries) > NAMED else ""
    return ", ".join(repr(entry.path) for entry in entries[:NAMED]) + more
