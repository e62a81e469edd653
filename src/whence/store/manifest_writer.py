"""A manifest on its way to the disk: its lines are written as they come, however many they are."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ..digests import sha256
from ..rules.manifests import BEGIN, BETWEEN, EMPTY, END
from ..system.files import temporary_name, write_all
from .bulk import Bulk, LargeCopy, unwritable
from .layout import Store

_BUFFER = 1 << 18


class ManifestWriter:
    """Lines in their order. Call `finish`, or `close`. Raises StoreError."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._temporary = temporary_name(store.objects)
        self._running = sha256(more=1 << 20)
        self._lines: list[bytes] = []
        self._waiting = 0
        self._begun = False
        try:
            self._fd = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        except OSError as error:
            raise unwritable(store, error) from error

    def begin(self, parts: Iterable[bytes]) -> None:
        """The beginning of another manifest, up to the end of a line."""
        for part in parts:
            self._begun = True
            self._write(part)

    def add(self, lines: bytes) -> None:
        """A line, or some with `BETWEEN` between them."""
        self._lines.append(lines)
        self._waiting += len(lines)
        if self._waiting >= _BUFFER:
            self._write(self._taken())

    def finish(self) -> LargeCopy:
        """The whole of it, on the disk; it is the caller's to place."""
        rest = self._taken()
        self._write(rest + END if rest or self._begun else EMPTY)
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise unwritable(self._store, error) from error
        size = os.fstat(self._fd).st_size
        os.close(self._fd)
        self._fd = -1
        return LargeCopy(self._temporary, "sha256:" + self._running.hexdigest(), size)

    def close(self) -> None:
        """Leave nothing half-written. Does nothing after `finish`."""
        if self._fd >= 0:
            os.close(self._fd)
            os.unlink(self._temporary)
            self._fd = -1

    def _taken(self) -> bytes:
        lines, self._lines, self._waiting = self._lines, [], 0
        if not lines:
            return b""
        first = BETWEEN if self._begun else BEGIN
        self._begun = True
        return first + BETWEEN.join(lines)

    def _write(self, data: bytes) -> None:
        self._running.update(data)
        try:
            write_all(self._fd, data)
        except OSError as error:
            raise unwritable(self._store, error) from error


def place_manifest(store: Store, manifest: LargeCopy) -> None:
    """Make it an object, also in the place of a damaged one, when all that it names is on the disk. Raises
    StoreError."""
    bulk = Bulk(store)
    if bulk.is_damaged(manifest.digest):
        bulk.mend_large(manifest)
    else:
        bulk.place(manifest)
    bulk.finish()
