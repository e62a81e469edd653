"""The tables in a version, described when it is made: schema, number of rows and the canonical digest of the rows.

Which files are tables is said by their names. Reading a table costs many times what keeping its bytes costs, so only so
much is read without being asked for, and less where a run waits for it; the rest says that it was not.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from ..errors import WhenceError
from ..interop.tables import ARROW, FORMATS, TableError, is_table, shapes
from ..records.data import ManifestEntry
from ..records.tables import TableShape
from ..rules.contents import Manifest
from ..store.dataset_tables import Describe
from ..store.layout import Store
from ..store.manifests import Stored
from ..store.objects import has, open_verified

MOST_TABLES = 64
"""Tables that a step reads without being asked to; a version of more is a folder of files."""

_CHUNK = 1 << 18
_OVERLAP = 64
"""Bytes: more than a suffix and the kind after it."""

MOST_BYTES = 4 << 20
"""Bytes of tables that a step reads without being asked to."""

MOST_IN_RUN = 1 << 20
"""Bytes of tables that are read where a run makes a version: half a second."""

LEFT_BY_RUN = "more than is read in a run; the next `whence data release` reads it, of large ones with --tables"

NOT_LOADED = "the program has not loaded pyarrow, and nothing loads it there; the next `whence data release` reads it"

BY_REFERENCE = "its bytes are not in the store, as it was added by reference"

_TABLE = re.compile(rb'(?:%s)","file"' % b"|".join(re.escape(suffix.encode()) for suffix in FORMATS), re.I)
"""A table in the lines of a manifest: most have none, and are not taken apart for that."""


def describer_in_run(store: Store, *, inside: bool) -> Describe:
    """The same where a run makes a version; with `inside` in the process of the program itself, into which no library
    is loaded for it."""
    without = NOT_LOADED if inside and "pyarrow" not in sys.modules else None
    return _describer(store, most=MOST_IN_RUN, left=LEFT_BY_RUN, without_arrow=without)


def describer(store: Store, *, everything: bool = False) -> Describe:
    """Describes the tables of a manifest that are new, up to the limits unless `everything` is asked for."""
    return _describer(store, most=MOST_BYTES, left="more than is read without --tables", everything=everything)


def _describer(
    store: Store, *, most: int, left: str, everything: bool = False, without_arrow: str | None = None
) -> Describe:

    def describe(manifest: Manifest, before: Sequence[TableShape]) -> list[TableShape]:
        if isinstance(manifest, Stored) and not _names_table(store, manifest.digest):
            return []
        files = [entry for entry in manifest if entry.kind == "file" and is_table(entry.path)]
        known = _known(before, retry=everything)
        new = [entry for entry in files if _key(entry) not in known]
        read = {entry.path for entry in new} if everything else set(_within_limits(new, most))
        found: list[TableShape] = []
        for entry in files:
            if _key(entry) in known:
                found += (replace(shape, path=entry.path) for shape in known[_key(entry)])
            elif without_arrow is not None and entry.path.lower().endswith(ARROW):
                found.append(_unread(entry, without_arrow))
            elif not has(store, str(entry.digest)):
                found.append(_unread(entry, BY_REFERENCE))
            elif entry.path in read:
                found += _shapes(store, entry)
            else:
                found.append(_unread(entry, left))
        return found

    return describe


def _names_table(store: Store, manifest: str) -> bool:
    with open_verified(store, manifest) as stream:
        before = b""
        while chunk := stream.read(_CHUNK):
            if _TABLE.search(before + chunk) is not None:
                return True
            before = chunk[-_OVERLAP:]
    return False


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
    return {key: found for key, found in known.items() if not any(_again(one, retry=retry) for one in found)}


def _again(shape: TableShape, *, retry: bool) -> bool:
    return shape.digest is None and (retry or shape.because in (LEFT_BY_RUN, NOT_LOADED, BY_REFERENCE))


def _within_limits(entries: Sequence[ManifestEntry], most: int) -> Iterator[str]:
    """The tables that are read: in their order, as long as there is room; none of too many."""
    room = most if len(entries) <= MOST_TABLES else 0
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
