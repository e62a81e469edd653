"""The tables in a version, described when it is made: schema, number of rows and the canonical digest of the rows.

Which files are tables is said by their names. Reading a table costs many times what keeping its bytes costs, so only so
much is read without being asked for; the rest says that it was not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from ..errors import WhenceError
from ..interop.tables import FORMATS, TableError, is_table, shapes
from ..records.data import ManifestEntry
from ..records.tables import TableShape
from ..rules.contents import Manifest
from ..store.dataset_tables import Describe
from ..store.layout import Store
from ..store.manifests import Stored
from ..store.objects import open_verified, read_object

MOST_TABLES = 64
"""Tables that a step reads without being asked to; a version of more is a folder of files."""

MOST_BYTES = 4 << 20
"""Bytes of tables that a step reads without being asked to."""


_TABLE = re.compile(rb'(?:%s)","file"' % b"|".join(re.escape(suffix.encode()) for suffix in FORMATS), re.I)
"""A table in the lines of a manifest: most have none, and are not taken apart for that."""


def describer(store: Store, *, everything: bool = False) -> Describe:
    """Describes the tables of a manifest that are new, up to the limits unless `everything` is asked for."""

    def describe(manifest: Manifest, before: Sequence[TableShape]) -> list[TableShape]:
        if isinstance(manifest, Stored) and _TABLE.search(read_object(store, manifest.digest)) is None:
            return []
        files = [entry for entry in manifest if entry.kind == "file" and is_table(entry.path)]
        known = _known(before, retry=everything)
        new = [entry for entry in files if _key(entry) not in known]
        read = {entry.path for entry in new} if everything else set(_within_limits(new))
        found: list[TableShape] = []
        for entry in files:
            if _key(entry) in known:
                found += (replace(shape, path=entry.path) for shape in known[_key(entry)])
            elif entry.path in read:
                found += _shapes(store, entry)
            else:
                found.append(_unread(entry, "more than is read without --tables"))
        return found

    return describe


def _key(entry: ManifestEntry) -> tuple[str | None, str]:
    """What decides what a table is: the bytes, and the end of the name."""
    return entry.digest, entry.path.rpartition(".")[2].lower()


def _known(before: Iterable[TableShape], *, retry: bool) -> dict[tuple[str | None, str], list[TableShape]]:
    known: dict[tuple[str | None, str], list[TableShape]] = {}
    for shape in before:
        key = (shape.file, shape.path.rpartition(".")[2].lower())
        same_file = known.setdefault(key, [])
        if not same_file or same_file[0].path == shape.path:
            same_file.append(shape)
    return {key: found for key, found in known.items() if not (retry and any(one.digest is None for one in found))}


def _within_limits(entries: Sequence[ManifestEntry]) -> Iterator[str]:
    """The tables that are read: in their order, as long as there is room; none of too many."""
    room = MOST_BYTES if len(entries) <= MOST_TABLES else 0
    for entry in entries:
        if entry.size <= room:
            room -= entry.size
            yield entry.path


def _shapes(store: Store, entry: ManifestEntry) -> list[TableShape]:
    try:
        return [
            TableShape(
                path=entry.path,
                file=str(entry.digest),
                name=shape.name,
                columns=shape.columns,
                rows=shape.rows,
                digest=shape.digest,
            )
            for shape in shapes(entry.path, lambda: open_verified(store, str(entry.digest)))
        ]
    except TableError as error:
        return [_unread(entry, ": ".join(filter(None, (error.message, error.hint))))]
    except WhenceError as error:
        return [_unread(entry, error.message)]


def _unread(entry: ManifestEntry, because: str) -> TableShape:
    return TableShape(path=entry.path, file=str(entry.digest), because=because)
