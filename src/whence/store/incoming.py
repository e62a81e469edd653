"""Files that come from elsewhere as streams: each is digested while it is written, once, and then is an object."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from ..digests import sha256
from ..records.data import ManifestEntry
from ..system.files import temporary_name, write_all
from .bulk import SMALL, Bulk, LargeCopy, unwritable
from .layout import Store


class Incoming:
    """`with Incoming(store) as incoming: …`: what was taken is in the store at its end, and nothing of what failed.

    Without `keep` it is digested only.
    """

    def __init__(self, store: Store, *, keep: bool = True) -> None:
        self._store = store
        self._bulk = Bulk(store) if keep else None

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._bulk is None:
            return
        if kind is None:
            self._bulk.finish()
        else:
            self._bulk.discard()

    @property
    def objects(self) -> int:
        """How many the store did not hold."""
        return self._bulk.objects if self._bulk is not None else 0

    @property
    def size(self) -> int:
        """Bytes of these."""
        return self._bulk.size if self._bulk is not None else 0

    def take(self, path: str, fill: Callable[[BinaryIO], object]) -> ManifestEntry:
        """A file of the dataset, which `fill` writes. Raises StoreError, and what it raises."""
        temporary = Path(temporary_name(self._store.objects)) if self._bulk is not None else None
        try:
            with _Sink(self._store, temporary) as sink:
                fill(cast("BinaryIO", sink))
                sink.sync()
            if self._bulk is not None and temporary is not None:
                self._keep(self._bulk, temporary, sink)
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)
        return ManifestEntry(path=path, kind="file", mode=0o644, size=sink.size, digest=sink.digest)

    def _keep(self, bulk: Bulk, temporary: Path, sink: _Sink) -> None:
        if sink.size <= SMALL:
            bulk.put(sink.digest, temporary.read_bytes())
        elif bulk.needs(sink.digest, sink.size):
            bulk.place(LargeCopy(str(temporary), sink.digest, sink.size))


class _Sink(io.RawIOBase):
    """A file that is digested while it is written, from its beginning to its end."""

    def __init__(self, store: Store, path: Path | None) -> None:
        self._store = store
        self._fd = -1
        self._running = sha256(more=1 << 20)
        self.size = 0
        try:
            if path is not None:
                self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        except OSError as error:
            raise unwritable(store, error) from error

    @property
    def digest(self) -> str:
        return "sha256:" + self._running.hexdigest()

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size

    def write(self, data: object, /) -> int:
        view = memoryview(cast("bytes", data)).cast("B")
        self._running.update(view)
        if self._fd >= 0:
            try:
                write_all(self._fd, view)
            except OSError as error:
                raise unwritable(self._store, error) from error
        self.size += len(view)
        return len(view)

    def sync(self) -> None:
        """Have it on the disk. Raises StoreError."""
        if self._fd >= 0 and self.size > SMALL:
            try:
                os.fsync(self._fd)
            except OSError as error:
                raise unwritable(self._store, error) from error

    def close(self) -> None:
        super().close()
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
