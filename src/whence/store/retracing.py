"""A walk that is held against the last one through the same folder: nothing is written until they differ."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..errors import WhenceError
from ..rules.manifests import BETWEEN
from ..system.files import hash_descriptor, open_regular
from .bulk import LargeCopy
from .layout import Store
from .manifest_writer import ManifestWriter
from .objects import object_path
from .walks import BETWEEN_LINES, DIGEST, ROW, Block, End, Listed, Seen, WalkWriter, open_walk

_CHUNK = 1 << 18


class LostError(WhenceError):
    """The last walk, or its manifest, is damaged: the walk has to begin again, without it."""


class Known(NamedTuple):
    """What is known of a block since the last walk."""

    block: Block
    lines: bytes
    """Of the manifest."""

    def entries(self) -> dict[tuple[bytes, bytes], Listed]:
        """What is known of each entry, by name and row."""
        _, names, rows = self.block.seen
        all_rows = (rows[at : at + ROW] for at in range(0, len(rows), ROW))
        digests = self.block.digests
        all_digests = (digests[at : at + DIGEST] for at in range(0, len(digests), DIGEST))
        parts = zip(names.split(b"\0"), all_rows, all_digests, self.lines.split(BETWEEN), strict=False)
        return {(name, row): Listed(row, digest, line) for name, row, digest, line in parts}


class Retrace:
    """One walk. `held` says whether what the last one found to be kept still is. Call `close` at the end."""

    def __init__(self, store: Store, part: str, held: Callable[[End], bool]) -> None:
        self._store = store
        self._part = part
        self._manifest: ManifestWriter | None = None
        self._walk: WalkWriter | None = None
        self._before = open_walk(store.cache, part)
        self._lines = -1 if self._before is None else _opened(store, self._before.end.manifest)
        if self._lines < 0:
            self._forget()
        self.held = self._before is not None and held(self._before.end)
        self.files = 0
        self.size = 0
        """Bytes of all files."""
        if not self.held:
            self.differ()

    @property
    def end(self) -> End | None:
        """What was said of the last walk."""
        return None if self._before is None else self._before.end

    def same(self, seen: Seen) -> bool:
        """Whether this block is the next of the last walk, and all before were: then nothing is left to be done."""
        if self._manifest is not None or self._before is None:
            return False
        block = self._before.next()
        if block is None or block.seen != seen:
            self.differ()
            return False
        self._before.accept(block)
        return True

    def known(self, key: bytes) -> Known | None:
        """What is known of a block that is not the same."""
        found = None if self._before is None else self._before.find(key)
        if found is None:
            return None
        block, at = found
        return Known(block, os.pread(self._lines, block.lines, at))

    def add(self, block: Block, lines: bytes) -> None:
        """The block as it is now."""
        assert self._manifest is not None and self._walk is not None
        self._manifest.add(lines)
        self._walk.add(block)
        self.files += block.files
        self.size += block.size

    @property
    def descriptor(self) -> int:
        """Of the file that the walk is written to; negative where there is none."""
        return -1 if self._walk is None else self._walk.descriptor

    def differ(self) -> None:
        """From now on the walk is written. Raises LostError, StoreError."""
        before = self._before
        if before is not None and hash_descriptor(self._lines)[0] != before.end.manifest:
            self._forget()
            raise LostError(f"{before.end.manifest}: is damaged")
        self._manifest = ManifestWriter(self._store)
        self._walk = WalkWriter(self._store.cache, self._part)
        if before is None or not before.lines:
            return
        self._manifest.begin(_read(self._lines, before.lines))
        lines = 0
        for block in before.accepted():
            self._walk.add(block)
            self.files += block.files
            self.size += block.size
            lines += block.lines + BETWEEN_LINES
        if lines != before.lines:
            raise LostError(f"{self._part}: the last walk is damaged")

    def finish_manifest(self) -> LargeCopy | None:
        """The manifest, to be placed; nothing where it is that of the last walk."""
        if self._manifest is None and self._before is not None and not self._before.ended:
            self.differ()
        return None if self._manifest is None else self._manifest.finish()

    def finish(self, end: End) -> None:
        """Remember the walk; after its manifest was placed."""
        if self._walk is not None:
            self._walk.finish(end)

    def close(self) -> None:
        """Leave nothing half-written."""
        if self._manifest is not None:
            self._manifest.close()
        if self._walk is not None:
            self._walk.close()
        self._forget()

    def _forget(self) -> None:
        if self._before is not None:
            self._before.close()
            self._before = None
        if self._lines >= 0:
            os.close(self._lines)
            self._lines = -1


def _opened(store: Store, digest: str) -> int:
    """A manifest, which is always a file of its own where it was made; negative where it is not there."""
    try:
        return open_regular(object_path(store, digest))
    except OSError:
        return -1


def _read(fd: int, size: int) -> Iterator[bytes]:
    """The first bytes."""
    at = 0
    while at < size and (data := os.pread(fd, min(_CHUNK, size - at), at)):
        at += len(data)
        yield data
