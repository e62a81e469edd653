"""Which objects a record says are in the store."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import FormatError, UnresolvedError
from ..records.data import ManifestEntry
from ..records.encoding import decode
from ..records.record import Record
from .layout import Store
from .objects import read_object


def kept_objects(store: Store, record: Record) -> set[str]:
    """The digests; of a kept folder its manifest and the files that it lists."""
    return {digest for digest in _named(store, record) if digest}


def _named(store: Store, record: Record) -> Iterator[str | None]:
    for item in (*record.artifacts, *record.inputs):
        if item.kept:
            yield item.digest
    for folder in _folders(record):
        yield from _members(store, folder)
    if record.code is not None:
        yield from (source.digest for source in record.code.outside_snapshot if source.kept)
    if record.config is not None:
        yield from (file.digest for file in record.config.files if file.kept)
    if record.environment is not None:
        yield record.environment.fingerprint
        yield from (lock.kept for lock in (record.environment.lock, *record.environment.locks) if lock)


def _folders(record: Record) -> list[str]:
    digests = [item.digest for item in record.artifacts if item.kept and item.form == "folder"]
    digests += [item.digest for item in record.inputs if item.kept and item.kind == "folder"]
    return [digest for digest in digests if digest]


def _members(store: Store, manifest: str) -> Iterator[str | None]:
    """What a kept folder's manifest lists; nothing when it is damaged itself, which is found by itself."""
    try:
        entries = decode(read_object(store, manifest), list[ManifestEntry], where=manifest)
    except (FormatError, UnresolvedError):
        return
    yield from (entry.digest for entry in entries if entry.kind == "file")
