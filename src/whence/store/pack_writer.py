"""Writing a pack: one file for many small objects, under a temporary name until it is whole and on the disk."""

from __future__ import annotations

import os
from pathlib import Path

from ..ids import created_at, is_id
from ..system.files import make_folders, sync_folder, temporary_name, write_all
from .layout import Store
from .pack_format import Member, header, index_member, member_name, padding

_BUFFER = 1 << 20


class PackWriter:
    """Adds objects to a pack that nobody sees before `finish`. Every method raises OSError; then `discard` it."""

    def __init__(self, store: Store, identifier: str) -> None:
        if not is_id(identifier):
            raise ValueError(f"{identifier!r} is no identifier")
        make_folders(store.packs, within=store.path)
        self._path = store.packs / f"{identifier}.tar"
        self._seconds = int(created_at(identifier).timestamp())
        self._members: dict[bytes, Member] = {}
        self._parts: list[bytes] = []
        self._waiting = 0
        self.size = 0
        """Bytes so far."""
        self._temporary = temporary_name(store.packs)
        self._fd = os.open(self._temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, digest: str) -> bool:
        return bytes.fromhex(digest[7:]) in self._members

    def add(self, digest: str, data: bytes) -> None:
        """One object, whose digest the caller has just taken of these bytes; a second time it is passed over."""
        key = bytes.fromhex(digest[7:])
        if key in self._members:
            return
        block = header(member_name(key), len(data), self._seconds)
        self._members[key] = Member(key, self.size + len(block), len(data))
        self._put(block, data, padding(len(data)))

    def finish(self) -> Path:
        """Give the pack its name, once it is on the disk; where it lies."""
        self._put(index_member(self._members.values(), self.size, self._seconds))
        self._flush()
        os.fsync(self._fd)
        os.rename(self._temporary, self._path)
        os.close(self._fd)
        self._fd = -1
        sync_folder(self._path.parent)
        return self._path

    def contents(self) -> list[bytes]:
        """The objects again, to be kept elsewhere."""
        self._flush()
        return [os.pread(self._fd, member.size, member.offset) for member in self._members.values()]

    def discard(self) -> None:
        """Leave nothing behind. Does nothing after `finish`."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            os.unlink(self._temporary)

    def _put(self, *parts: bytes) -> None:
        self._parts += parts
        size = sum(map(len, parts))
        self.size += size
        self._waiting += size
        if self._waiting >= _BUFFER:
            self._flush()

    def _flush(self) -> None:
        parts, self._parts, self._waiting = self._parts, [], 0
        if parts:
            write_all(self._fd, b"".join(parts))
