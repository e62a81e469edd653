"""Manifests as objects of the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from ..errors import FormatError, UsageError
from ..records.data import ManifestEntry
from ..records.encoding import decode
from ..rules.contents import Counts, Manifest, counts
from ..rules.manifests import encode_manifest, manifest_faults
from .layout import Store
from .objects import put_bytes, read_object


class Stored(Sequence[ManifestEntry]):
    """A manifest that is an object of the store, read when an entry is asked for, whether it may be followed or not."""

    def __init__(self, store: Store, digest: str, *, files: int, size: int) -> None:
        self.digest = digest
        self.files = files
        self.size = size
        """Bytes of all files."""
        self.store = store
        self._entries: list[ManifestEntry] | None = None

    def _read(self) -> list[ManifestEntry]:
        if self._entries is None:
            self._entries = read_entries(self.store, self.digest)
        return self._entries

    def __len__(self) -> int:
        return len(self._read())

    @overload
    def __getitem__(self, at: int) -> ManifestEntry: ...
    @overload
    def __getitem__(self, at: slice) -> list[ManifestEntry]: ...
    def __getitem__(self, at: int | slice) -> ManifestEntry | list[ManifestEntry]:
        return self._read()[at]

    def __iter__(self) -> Iterator[ManifestEntry]:
        return iter(self._read())


MOST_SHOWN = 5
"""Faults that an error names."""


def put_manifest(store: Store, manifest: Manifest) -> str:
    """Keep the manifest; its digest. Raises OSError."""
    return manifest.digest if isinstance(manifest, Stored) else put_bytes(store, encode_manifest(manifest))


def counts_of(manifest: Manifest) -> Counts:
    """How much it names."""
    if isinstance(manifest, Stored):
        return Counts(files=manifest.files, size=manifest.size)
    return counts(manifest)


def read_manifest(store: Store, digest: str) -> list[ManifestEntry]:
    """The entries of a manifest that may be followed. Raises UnresolvedError where the store does not hold it, and
    FormatError for what is no manifest, or names what must not be made."""
    entries = read_entries(store, digest)
    shown = _faults(entries)
    if shown:
        raise FormatError(f"{digest}: {shown}", hint="it was made by hand, or by another program")
    return entries


def read_entries(store: Store, digest: str) -> list[ManifestEntry]:
    """The entries of a manifest, whether it may be followed or not. Raises UnresolvedError, FormatError."""
    return decode(read_object(store, digest), list[ManifestEntry], where=digest)


def refuse_entries(name: str, entries: Manifest) -> None:
    """Before a version of a dataset is made of them: raises UsageError for what must not be made on a disk."""
    shown = _faults(entries)
    if shown:
        raise UsageError(
            f"{name}: {shown}: no version can have that",
            hint="name it otherwise; what a version has so already is taken out with `whence data remove`",
        )


def _faults(entries: Manifest) -> str:
    faults = list(manifest_faults(entries))
    more = f" and {len(faults) - MOST_SHOWN} more" if len(faults) > MOST_SHOWN else ""
    return "; ".join(faults[:MOST_SHOWN]) + more
