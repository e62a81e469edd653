"""Digests of files that were read before: `cache/digests/`, one packed file a folder.

An entry is keyed by device, inode, size, mtime and ctime in nanoseconds: an edit that restores the mtime moves the
ctime. A file that was changed less than two seconds before its reading began is not entered, because a second change
within one tick of the file system's clock would leave its stat as it was.

Everything here may be deleted, damaged or lost to another process that saves at the same time: that costs a read of
the files, never a wrong digest. A packed file is a line that names its form, the SHA-256 of the rest, and 72 bytes a
row: device, inode, size, mtime, ctime (little-endian, 64 bits each) and the 32 bytes of the digest.
"""

from __future__ import annotations

import os
import struct
import time
from contextlib import suppress
from pathlib import Path

from ..digests import sha256
from ..records.data import Stat
from ..system.files import make_folders, open_regular, temporary_name, write_all
from .walks import open_walk

_MAGIC = b"whence-digests/1\n"
_KEY = struct.Struct("<QQQqq")
_BEGAN = struct.Struct("<q")
_DIGEST = 32
_ROW = _KEY.size + _DIGEST
_HEAD = len(_MAGIC) + 32

RACY = 2 * 10**9
"""Nanoseconds."""

MOST_ROWS = 500_000
"""Rows of one folder; beyond, those of files that were not seen this time are dropped."""


def _key(stat: os.stat_result) -> bytes:
    return _KEY.pack(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


class DigestCache:
    """Digests by stat identity, below the store's `cache` folder. About 250 bytes of memory a file.

    What was found under one folder is known under each: the identity names the file. Not for several threads at once;
    several processes may share the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "digests"
        self._digests: dict[bytes, bytes] = {}
        """By key, of all parts: 32 bytes, and where it was added here, when its reading began."""
        self._saved: dict[str, set[bytes]] = {}
        """The keys in each part's packed file, once it was read."""
        self._added: dict[str, set[bytes]] = {}

    def find(self, part: str, stat: os.stat_result) -> str | None:
        """The digest of the file with that stat identity; `part` is the path of the folder that it is kept under."""
        saved = self._saved.get(part)
        if saved is None:
            saved = self._read(part)
        key = _key(stat)
        found = self._digests.get(key)
        if found is None or (len(found) > _DIGEST and _is_racy(key, found, {})):
            return None
        if key not in saved:
            self._added.setdefault(part, set()).add(key)
        return "sha256:" + found[:_DIGEST].hex()

    def taken(self, stat: Stat, part: str | None = None) -> str | None:
        """The digest of a file that had that identity, if one is at hand, also of one that had just been written;
        `part` has what earlier runs kept for that folder looked at as well."""
        if part is not None and part not in self._saved:
            self._read(part)
        found = self._digests.get(_KEY.pack(stat.device, stat.inode, stat.size, stat.mtime, stat.ctime))
        return None if found is None else "sha256:" + found[:_DIGEST].hex()

    def add(self, part: str, stat: os.stat_result, digest: str, began: int) -> None:
        """Remember a digest; `began` is when its reading began, in Unix nanoseconds. `save` writes it."""
        key = _key(stat)
        self._digests[key] = bytes.fromhex(digest[7:]) + _BEGAN.pack(began)
        self._added.setdefault(part, set()).add(key)

    def forget(self, part: str) -> None:
        """Drop what was kept for a folder: a walk through all of it knows more (`walks`)."""
        with suppress(OSError):
            os.unlink(self._path(part))

    def save(self) -> None:
        """Write what was added. A cache that cannot be written is no fault: the files are read again next time."""
        added, self._added = self._added, {}
        for part, keys in added.items():
            try:
                self._save(part, keys)
            except OSError:
                return

    def _save(self, part: str, keys: set[bytes]) -> None:
        make_folders(self._folder, within=self._folder.parent.parent)
        temporary = temporary_name(self._folder)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            ahead = clock_ahead(fd)
            settled = {key: found for key in keys if not _is_racy(key, found := self._digests[key], ahead)}
            # Read again: another process may have saved meanwhile.
            before = self._load(part)
            rows = _bounded(before | settled, settled) if before else settled
            write_all(fd, _pack(rows))
            os.rename(temporary, self._path(part))
        except OSError:
            os.unlink(temporary)
            raise
        finally:
            os.close(fd)
        self._saved.pop(part, None)

    def _read(self, part: str) -> set[bytes]:
        """What the packed file of a folder has, from now on."""
        rows = self._load(part)
        walk = open_walk(self._folder.parent, part)
        if walk is not None:
            rows.update(walk.rows())
            walk.close()
        self._digests.update(rows)
        saved = self._saved[part] = set(rows)
        return saved

    def _path(self, part: str) -> str:
        name = sha256(os.fsencode(part)).hexdigest()[:40]
        return os.path.join(self._folder, name)

    def _load(self, part: str) -> dict[bytes, bytes]:
        try:
            with os.fdopen(open_regular(self._path(part)), "rb") as stream:
                packed = stream.read()
        except OSError:
            return {}
        return _unpack(packed)


def clock_ahead(fd: int) -> dict[int, int]:
    """By how many nanoseconds the clock of a file system is ahead of ours, by device: here that of the cache itself.

    Another device is taken to go by our clock, as every local file system does.
    """
    now = time.time_ns()
    stat = os.fstat(fd)
    return {stat.st_dev: stat.st_mtime_ns - now}


def _is_racy(key: bytes, found: bytes, ahead: dict[int, int]) -> bool:
    """Whether the file had just changed when it was read; what comes from a packed file had not."""
    if len(found) == _DIGEST:
        return False
    device, _, _, mtime, ctime = _KEY.unpack(key)
    (began,) = _BEGAN.unpack_from(found, _DIGEST)
    return _just_changed(began + ahead.get(device, 0), mtime, ctime)


def is_settled(stat: os.stat_result, began: int, ahead: dict[int, int]) -> bool:
    """Whether a file had not just changed when its reading began, so that its stat identity stands for its bytes."""
    return not _just_changed(began + ahead.get(stat.st_dev, 0), stat.st_mtime_ns, stat.st_ctime_ns)


def _just_changed(began: int, mtime: int, ctime: int) -> bool:
    return began - max(mtime, ctime) < RACY


def _bounded(rows: dict[bytes, bytes], seen: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """One row an inode, the newest; a folder of very many keeps only what was seen now."""
    if len(rows) > MOST_ROWS:
        rows = seen
    newest: dict[bytes, bytes] = {}
    for key in rows:
        before = newest.get(key[:16])
        if before is None or _ctime(before) <= _ctime(key):
            newest[key[:16]] = key
    return {key: rows[key] for key in newest.values()}


def _ctime(key: bytes) -> int:
    return _BEGAN.unpack_from(key, _KEY.size - 8)[0]


def _pack(rows: dict[bytes, bytes]) -> bytearray:
    """Grown in place: as a list of rows it would take three times the memory, and there may be very many."""
    packed = bytearray(_HEAD)
    for key, found in rows.items():
        packed += key
        packed += found[:_DIGEST]
    packed[:_HEAD] = _MAGIC + sha256(memoryview(packed)[_HEAD:]).digest()
    return packed


def _unpack(packed: bytes) -> dict[bytes, bytes]:
    """The rows, or none of a file that is damaged or of another form."""
    sound = packed.startswith(_MAGIC) and (len(packed) - _HEAD) % _ROW == 0
    if not sound or sha256(memoryview(packed)[_HEAD:]).digest() != packed[len(_MAGIC) : _HEAD]:
        return {}
    rows = range(_HEAD, len(packed), _ROW)
    return {packed[at : at + _KEY.size]: packed[at + _KEY.size : at + _ROW] for at in rows}
