"""Reading packs: which one holds an object, and its bytes.

A process opens each pack once. Few questions are answered by reads of some kilobytes each; after more the pack's
index is read whole, held against its SHA-256, and answers from memory. New packs are found by listing the folder.
A row of an index is believed only where the header before the bytes names the same digest; before an object is said
to be missing, every index is held against its SHA-256, and a damaged one is made anew from the headers.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ..ids import is_id
from ..system.files import NotRegularError, open_regular
from .layout import Store
from .pack_format import (
    BLOCK,
    DIGEST,
    ROW,
    TAIL,
    Member,
    all_members,
    are_rows,
    find_row,
    member_name,
    pack_rows,
    read_trailer,
    walk,
)

MOST_OPEN = 32
"""Descriptors."""

MOST_HELD = 64 << 20
"""Bytes of indexes in memory; those of other packs are read piece by piece."""

_FEW = 8
"""So many questions to a pack are answered before its index is read whole."""

_SETTLED = 2 * 10**9
"""Nanoseconds after which a change of a folder surely moves its time."""


class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """Where an object lies in a pack."""

    path: Path
    offset: int
    size: int


class Pack:
    """One pack. Raises FileNotFoundError when it was removed since, NotRegularError for what is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None
        self._asked = 0
        self._rows: bytes | None = None
        self.size = os.fstat(self.open()).st_size
        self._place = read_trailer(self.read(max(self.size - TAIL, 0), 64), self.size)

    @property
    def held(self) -> int:
        """Bytes in memory."""
        return len(self._rows or b"")

    @property
    def count(self) -> int:
        """Objects, as the end of the pack says."""
        return len(self.rows()) // ROW if self._place is None else self._place.rows

    @property
    def is_open(self) -> bool:
        return self._fd is not None

    def open(self) -> int:
        if self._fd is None:
            self._fd = open_regular(self.path)
        return self._fd

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def read(self, offset: int, size: int) -> bytes:
        return os.pread(self.open(), size, offset)

    def sound_rows(self) -> bytes | None:
        """The rows of the index, if they are what was written."""
        place = self._place
        if place is None:
            return None
        rows = self.read(place.start, place.rows * ROW)
        return rows if are_rows(rows, place) else None

    def rows(self) -> bytes:
        """The rows of the index; where that is damaged, made anew from the headers."""
        if self._rows is not None:
            return self._rows
        sound = self.sound_rows()
        return pack_rows(walk(self.read, self.size)) if sound is None else sound

    def find(self, digest: bytes, *, hold: bool) -> Member | None:
        """The object's place. A damaged index may hide one here, never from `find_surely`."""
        self._asked += 1
        if self._rows is None and hold and self._asked > _FEW:
            self._rows = self.rows()
        place = self._place
        if self._rows is not None or place is None:
            return self.find_surely(digest)
        at = place.start
        return find_row(lambda begin, end: self.read(at + begin * ROW, (end - begin) * ROW), place.rows, digest)

    def find_surely(self, digest: bytes) -> Member | None:
        rows = self.rows()
        return find_row(lambda begin, end: rows[begin * ROW : end * ROW], len(rows) // ROW, digest)

    def digest_at(self, number: int) -> bytes:
        """The digest in a row of the index. Costs a read, and where it is closed, no descriptor."""
        if self._rows is not None or self._place is None:
            return self.rows()[number * ROW : number * ROW + DIGEST]
        was_open = self.is_open
        digest = self.read(self._place.start + number * ROW, DIGEST)
        if not was_open:
            self.close()
        return digest

    @property
    def identity(self) -> bytes | None:
        """What the index hashes to, as the end of the pack says: packs of one identity hold the same objects."""
        return None if self._place is None else self._place.digest

    def names(self, member: Member) -> bool:
        """Whether the header before the bytes names that object."""
        name = member_name(member.digest) + b"\0"
        return member.offset >= BLOCK and self.read(member.offset - BLOCK, len(name)) == name

    def bytes_of(self, member: Member) -> bytes | None:
        """What lies there; nothing unless the header names that object."""
        data = self.read(member.offset - BLOCK, BLOCK + member.size) if member.offset >= BLOCK else b""
        return data[BLOCK:] if data.startswith(member_name(member.digest) + b"\0") else None


class Packs:
    """The packs of a store. Several threads may ask."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._packs: dict[str, Pack] = {}
        self._unread: dict[str, str] = {}
        self._listed = 0
        """The folder's time when it was listed; 0 when that may not tell of another change."""
        self._held = 0
        self._lock = threading.RLock()

    def find(self, digest: str) -> Packed | None:
        """Where an object lies; a pack with a damaged index may seem not to have it."""
        key = bytes.fromhex(digest[7:])
        with self._lock:
            found = next(self._having(key), None)
            if found is None and self._list():
                found = next(self._having(key), None)
        return None if found is None else Packed(path=found[0].path, offset=found[1].offset, size=found[1].size)

    def look(self) -> None:
        """See which packs there are now."""
        with self._lock:
            self._list()

    def holds(self, digest: bytes) -> bool:
        """Whether one of the packs that were seen so far has the object."""
        with self._lock:
            return next(self._having(digest), None) is not None

    def names(self, digest: bytes) -> bool:
        """Whether one of them has it by the header before its bytes, too: without that it is not found."""
        with self._lock:
            return any(pack.names(member) for pack, member in self._having(digest))

    def seen(self) -> list[Pack]:
        """The packs that were seen so far."""
        with self._lock:
            return list(self._packs.values())

    def read_seen(self, digest: str) -> bytes | None:
        """The bytes of an object from one of the packs that were seen so far, not verified; a damaged index may hide
        it."""
        with self._lock:
            return self._read(bytes.fromhex(digest[7:]))

    def read(self, digest: str) -> bytes | None:
        """The bytes of an object, not verified; nothing when no pack has it, whatever is damaged."""
        key = bytes.fromhex(digest[7:])
        with self._lock:
            data = self._read(key)
            if data is None and self._list():
                data = self._read(key)
            return self._read(key, surely=True) if data is None else data

    def all(self) -> list[Pack]:
        """For a check: by name."""
        with self._lock:
            self._list()
            return [self._packs[name] for name in sorted(self._packs)]

    def unread(self) -> dict[str, str]:
        """Name -> why, of each that cannot be opened or is no regular file: what it holds is not known."""
        with self._lock:
            self._list()
            return dict(sorted(self._unread.items()))

    def _read(self, key: bytes, *, surely: bool = False) -> bytes | None:
        found = (pack.bytes_of(member) for pack, member in self._having(key, surely=surely))
        return next((data for data in found if data is not None), None)

    def _having(self, key: bytes, *, surely: bool = False) -> Iterator[tuple[Pack, Member]]:
        """The packs that have the object, newest first."""
        for pack in reversed(self._packs.values()):
            held, was_open = pack.held, pack.is_open
            try:
                member = pack.find_surely(key) if surely else pack.find(key, hold=self._held < MOST_HELD)
            except (FileNotFoundError, NotRegularError):
                continue
            self._held += pack.held - held
            if not was_open:
                self._bound(pack)
            if member is not None:
                yield pack, member

    def _bound(self, last: Pack) -> None:
        """Close what was opened beyond the bound."""
        opened = [pack for pack in self._packs.values() if pack.is_open]
        if len(opened) >= MOST_OPEN:
            for pack in opened:
                if pack is not last:
                    pack.close()

    def _list(self) -> bool:
        """Look for packs that came or went; whether any came."""
        try:
            changed = os.stat(self._folder).st_mtime_ns
        except FileNotFoundError:
            return False
        if changed == self._listed:
            return False
        now = time.time_ns()
        names = sorted(name for name in os.listdir(self._folder) if is_pack(name))
        self._listed = changed if now - changed > _SETTLED else 0
        self._unread.clear()
        for name in self._packs.keys() - set(names):
            gone = self._packs.pop(name)
            self._held -= gone.held
            gone.close()
        came = [name for name in names if name not in self._packs]
        for name in came:
            self._add(name)
        return bool(came)

    def _add(self, name: str) -> None:
        try:
            pack = Pack(self._folder / name)
        except FileNotFoundError:
            return
        except (NotRegularError, PermissionError) as error:
            self._unread[name] = error.strerror or str(error)
            return
        self._packs[name] = pack
        self._bound(pack)


def is_pack(name: str) -> bool:
    """Whether a file in `packs/` is one, by its name."""
    return name.endswith(".tar") and is_id(name.removesuffix(".tar"))


_PACKS: dict[Path, Packs] = {}
"""By folder."""


def packs_of(store: Store) -> Packs:
    """The packs of a store, opened once a process."""
    packs = _PACKS.get(store.packs)
    if packs is None:
        packs = _PACKS[store.packs] = Packs(store.packs)
    return packs


def members_of(pack: Pack) -> Iterator[Member]:
    """The members as the index says, or the headers where it is damaged, in the order in which they lie there."""
    return iter(sorted(all_members(pack.rows()), key=lambda member: member.offset))
