"""Keeping very many objects at once: small ones in packs, large ones as files of their own, each only once.

Nothing of it is needed before `finish` has returned: until then what was kept is neither all on the disk nor all to be
found. What the store refuses is a StoreError, so that it is not taken for a fault of the source.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from ..digests import sha256
from ..errors import StoreError
from ..ids import new_id
from ..system.files import copy_new, sync_folder, temporary_name, write_all
from .layout import Store
from .objects import has, is_sound, object_path, place, put_bytes, seems_sound, sync_objects
from .pack_writer import PackWriter
from .packed_digests import PackedDigests
from .packs import packs_of

SMALL = 256 << 10
"""Bytes: objects up to this size are packed."""

LARGEST_PACK = 256 << 20
"""Bytes: a pack that is larger is followed by another."""

MOST_MEMBERS = 32_768
"""So many objects make a pack full, too: its writer remembers where each lies."""

FEWEST = 8
"""Fewer objects than this are no pack: each pack is one more place to look for every object."""


_CHUNK = 1 << 20

MOST_KNOWN = 2_000_000
"""Packed objects: where there are no more, all are known by heart, which makes looking for one twenty times faster."""

_ASKED_AT_LEAST = 8
_ASKED_PART = 512
"""To know them all is worth it when so many were asked for, and one of so many."""


class Bulk:
    """Objects that are being kept. Call `finish` at the end, or `discard`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._packs = packs_of(store)
        self._packs.look()
        self._packed: PackedDigests | None = None
        self._asked = 0
        self._loose: dict[bytes, int] = {}
        """What was found or kept as a file of its own, with its size."""
        self._objects = os.fspath(store.objects)
        self._pack: PackWriter | None = None
        self._shards: set[str] = set()
        """Folders of large objects that are not flushed yet."""
        self.objects = 0
        """How many the store did not hold before."""
        self.size = 0
        """Bytes of these."""

    def holds(self, digest: str, size: int) -> bool:
        """Whether the store has the object already, or will have it. What others packed meanwhile is not seen."""
        if size > SMALL:
            return has(self._store, digest)
        return self._packs_hold(digest) or os.path.isfile(f"{self._objects}/{digest[7:9]}/{digest[9:]}")

    def needs(self, digest: str, size: int) -> bool:
        """Whether the bytes are wanted: the store does not hold them, or what lies there has another length."""
        if size <= SMALL and self._packs_hold(digest) and (self._is_coming(digest) or self._packs.names(_key(digest))):
            return False
        if self._is_file(digest, size):
            self._note(digest, size)
            return False
        return size <= SMALL or not seems_sound(self._store, digest, size)

    def _is_file(self, digest: str, size: int) -> bool:
        try:
            return os.stat(f"{self._objects}/{digest[7:9]}/{digest[9:]}").st_size == size
        except FileNotFoundError:
            return False

    def _note(self, digest: str, size: int) -> None:
        self._loose[_key(digest)] = size

    def is_damaged(self, digest: str) -> bool:
        """Whether the store has other bytes in their place; costs a read of them."""
        return not self._is_coming(digest) and not is_sound(self._store, digest)

    def _packs_hold(self, digest: str) -> bool:
        return self._is_packed(_key(digest)) or self._is_coming(digest)

    def _is_packed(self, key: bytes) -> bool:
        if self._packed is None:
            self._asked += 1
            if self._asked > _ASKED_AT_LEAST:
                self._know_all()
        return self._packs.holds(key) if self._packed is None else key in self._packed

    def _know_all(self) -> None:
        """If it is worth it."""
        packs = self._packs.seen()
        count = sum(pack.count for pack in packs)
        if packs and count <= MOST_KNOWN and self._asked > count // _ASKED_PART:
            self._packed = PackedDigests()
            self._packed.add(packs)

    def has_all(self, packs: Sequence[bytes], loose: Sequence[tuple[bytes, int]]) -> bool:
        """Whether everything is still there that `places` gave."""
        there = {pack.identity for pack in self._packs.seen()}
        return there.issuperset(packs) and all(self._is_file(f"sha256:{key.hex()}", size) for key, size in loose)

    def places(self) -> tuple[list[bytes], list[tuple[bytes, int]]]:
        """Where the objects are that were kept or found: the packs by their identities, and those in files of their
        own by digest, 32 bytes each, with their sizes. After `finish`."""
        packs = (pack.identity for pack in self._packs.seen())
        return [identity for identity in packs if identity is not None], list(self._loose.items())

    def _is_coming(self, digest: str) -> bool:
        return self._pack is not None and digest in self._pack

    def put(self, digest: str, data: bytes) -> None:
        """Keep a small object, whose digest was just taken of these bytes. Raises StoreError."""
        if not self.needs(digest, len(data)):
            return
        if os.path.lexists(object_path(self._store, digest)):
            self.mend(digest, data)
            return
        pack = self._pack
        with self._storing():
            if pack is None:
                pack = self._pack = PackWriter(self._store, new_id(time.time_ns() // 1_000_000, os.urandom(10)))
            pack.add(digest, data)
            self._count(len(data))
            if pack.size > LARGEST_PACK or len(pack) >= MOST_MEMBERS:
                self._close_pack()

    def copy(self, source: int) -> LargeCopy:
        """Copy a large file that is open, and digest it while it is copied. Raises OSError."""
        temporary = temporary_name(self._store.objects)
        digest, size = copy_new(source, temporary, read_back=False, sync=True)
        return LargeCopy(temporary, digest, size)

    def receive(self, stream: BinaryIO) -> LargeCopy:
        """Copy what a stream gives, and digest it. Raises StoreError, and what the stream raises."""
        temporary = temporary_name(self._store.objects)
        with self._storing():
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        copied = False
        try:
            running, size = sha256(more=SMALL), 0
            while data := stream.read(_CHUNK):
                running.update(data)
                with self._storing():
                    write_all(fd, data)
                size += len(data)
            with self._storing():
                os.fsync(fd)
            copied = True
            return LargeCopy(temporary, "sha256:" + running.hexdigest(), size)
        finally:
            os.close(fd)
            if not copied:
                os.unlink(temporary)

    def place(self, copied: LargeCopy) -> None:
        """Keep what was copied. Raises StoreError."""
        with self._storing():
            if seems_sound(self._store, copied.digest, copied.size):
                if self._is_file(copied.digest, copied.size):
                    self._note(copied.digest, copied.size)
                copied.discard()
                return
            self._place(copied)

    def mend(self, digest: str, data: bytes) -> None:
        """Put the sound bytes of a small object in the place of damaged ones. Raises StoreError."""
        with self._storing():
            put_bytes(self._store, data, verified=True)
            sync_objects(self._store, [digest])
        self._note(digest, len(data))
        self._count(len(data))

    def mend_large(self, copied: LargeCopy) -> None:
        """The same of what was copied. Raises StoreError."""
        with self._storing():
            self._place(copied)

    def _place(self, copied: LargeCopy) -> None:
        place(self._store, copied.temporary, copied.digest)
        self._shards.add(os.fspath(object_path(self._store, copied.digest).parent))
        self._note(copied.digest, copied.size)
        self._count(copied.size)

    def finish(self) -> None:
        """Flush everything to the disk. Raises StoreError."""
        with self._storing():
            self._close_pack()
            for folder in self._shards:
                sync_folder(folder)
            if self._shards:
                sync_folder(self._store.objects)
            self._shards.clear()

    def discard(self) -> None:
        """Leave nothing half-written. Objects that are whole stay: they are what their names say."""
        if self._pack is not None:
            self._pack.discard()
            self._pack = None

    def _count(self, size: int) -> None:
        self.objects += 1
        self.size += size

    def _close_pack(self) -> None:
        pack = self._pack
        if pack is None:
            return
        if len(pack) >= FEWEST:
            pack.finish()
            self._packs.look()
            if self._packed is not None:
                self._packed.add(self._packs.seen())
        else:
            digests: list[str] = []
            for data in pack.contents():
                digests.append(put_bytes(self._store, data, verified=True))
                self._note(digests[-1], len(data))
            pack.discard()
            sync_objects(self._store, digests)
        self._pack = None

    @contextmanager
    def _storing(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            self.discard()
            raise unwritable(self._store, error) from error


def _key(digest: str) -> bytes:
    return bytes.fromhex(digest.removeprefix("sha256:"))


class LargeCopy:
    """A copy under a temporary name."""

    def __init__(self, temporary: str, digest: str, size: int) -> None:
        self.temporary = temporary
        self.digest = digest
        self.size = size

    def discard(self) -> None:
        os.unlink(self.temporary)


def unwritable(store: Store, error: OSError) -> StoreError:
    """The error for a store that takes no more."""
    return StoreError(
        f"{store.path}: cannot be written: {error.strerror or error}", hint="see that there is room, and permission"
    )
