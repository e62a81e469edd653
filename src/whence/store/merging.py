"""Adding a manifest that is in the store to another one: memory does not grow with their number of entries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from ..errors import FormatError
from ..rules.merging import Arriving, Changes, Merged, arriving, manifest_lines
from .layout import Store
from .manifest_writer import ManifestWriter, place_manifest
from .manifests import Stored
from .objects import open_verified

_CHUNK = 1 << 18


class Grown(Stored):
    """A manifest to which another was added."""

    def __init__(self, store: Store, digest: str, *, files: int, size: int, changes: Changes) -> None:
        super().__init__(store, digest, files=files, size=size)
        self.changes = changes


def grown(before: Stored, added: Stored) -> Grown | None:
    """The manifest with what is added; nothing where one of them is not in its canonical form, and has to be read as
    JSON. Raises UnresolvedError, and FormatError for damage; StoreError."""
    store = before.store
    with open_verified(store, before.digest) as first, open_verified(store, added.digest) as second:
        try:
            found = arriving(_lines(first), _lines(second))
        except FormatError:
            return None
        if not found.left:
            changes = Changes(found.added, found.changed, 0)
            return Grown(store, added.digest, files=added.files, size=added.size, changes=changes)
        return _written(store, before, first, second, found)


def _written(store: Store, before: Stored, first: BinaryIO, second: BinaryIO, found: Arriving) -> Grown:
    merged = Merged(_lines(first), _lines(second), found)
    writer = ManifestWriter(store)
    try:
        for line in merged:
            writer.add(line)
        copy = writer.finish()
    finally:
        writer.close()
    place_manifest(store, copy)
    files, size = before.files + merged.files, before.size + merged.size
    return Grown(store, copy.digest, files=files, size=size, changes=merged.changes)


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    stream.seek(0)
    return manifest_lines(iter(lambda: stream.read(_CHUNK), b""))
