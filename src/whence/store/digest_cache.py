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
from pathlib import Path

from ..digests import sha256
from ..system.files import make_folders, temporary_name, write_all

_MAGIC = b"whence-digests/1\n"
_ROW = struct.Struct("<QQQqq32s")
_HEAD = len(_MAGIC) + 32

RACY = 2 * 10**9
"""Nanoseconds."""

MOST_ROWS = 500_000
"""Rows of one folder; beyond, those of files that were not seen this time are dropped."""

_Key = tuple[int, int, int, int, int]


def _key(stat: os.stat_result) -> _Key:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


class DigestCache:
    """Digests by stat identity, below the store's `cache` folder.

    Not for several threads at once; several processes may share the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "digests"
        self._parts: dict[str, dict[_Key, bytes]] = {}
        self._fresh: dict[str, dict[_Key, tuple[bytes, int]]] = {}

    def find(self, part: str, stat: os.stat_result) -> str | None:
        """The digest of the file with that stat identity; `part` is the path of the folder that it is kept under."""
        rows = self._parts.get(part)
        if rows is None:
            rows = self._parts[part] = self._load(part)
        key = _key(stat)
        raw = rows.get(key)
        if raw is None and (added := self._fresh.get(part, {}).get(key)) is not None:
            raw = None if _racy(key, added[1], {}) else added[0]
        return None if raw is None else "sha256:" + raw.hex()

    def add(self, part: str, stat: os.stat_result, digest: str, began: int) -> None:
        """Remember a digest; `began` is when its reading began, in Unix nanoseconds. `save` writes it."""
        self._fresh.setdefault(part, {})[_key(stat)] = (bytes.fromhex(digest[7:]), began)

    def save(self) -> None:
        """Write what was added. A cache that cannot be written is no fault: the files are read again next time."""
        fresh, self._fresh = self._fresh, {}
        for part, added in fresh.items():
            try:
                self._save(part, added)
            except OSError:
                return

    def _save(self, part: str, added: dict[_Key, tuple[bytes, int]]) -> None:
        make_folders(self._folder, within=self._folder.parent.parent)
        temporary = temporary_name(self._folder)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            ahead = _clock_ahead(fd)
            settled = {key: raw for key, (raw, began) in added.items() if not _racy(key, began, ahead)}
            # Read again: another process may have saved meanwhile.
            rows = _bounded(self._load(part) | settled, settled)
            write_all(fd, _pack(rows))
            os.rename(temporary, self._path(part))
        except OSError:
            os.unlink(temporary)
            raise
        finally:
            os.close(fd)
        self._parts[part] = rows

    def _path(self, part: str) -> str:
        name = sha256(os.fsencode(part)).hexdigest()[:40]
        return os.path.join(self._folder, name)

    def _load(self, part: str) -> dict[_Key, bytes]:
        try:
            with os.fdopen(os.open(self._path(part), os.O_RDONLY | os.O_CLOEXEC), "rb") as stream:
                packed = stream.read()
        except OSError:
            return {}
        return _unpack(packed)


def _clock_ahead(fd: int) -> dict[int, int]:
    """By how many nanoseconds the clock of a file system is ahead of ours, by device: here that of the cache itself.

    Another device is taken to go by our clock, as every local file system does.
    """
    now = time.time_ns()
    stat = os.fstat(fd)
    return {stat.st_dev: stat.st_mtime_ns - now}


def _racy(key: _Key, began: int, ahead: dict[int, int]) -> bool:
    device, _, _, mtime, ctime = key
    return began + ahead.get(device, 0) - max(mtime, ctime) < RACY


def _bounded(rows: dict[_Key, bytes], seen: dict[_Key, bytes]) -> dict[_Key, bytes]:
    """One row an inode, the newest; a folder of very many keeps only what was seen now."""
    if len(rows) > MOST_ROWS:
        rows = seen
    newest: dict[tuple[int, int], _Key] = {}
    for key in rows:
        before = newest.get(key[:2])
        if before is None or before[4] <= key[4]:
            newest[key[:2]] = key
    return {key: rows[key] for key in newest.values()}


def _pack(rows: dict[_Key, bytes]) -> bytes:
    body = b"".join([_ROW.pack(*key, raw) for key, raw in rows.items()])
    return _MAGIC + sha256(body).digest() + body


def _unpack(packed: bytes) -> dict[_Key, bytes]:
    """The rows, or none of a file that is damaged or of another form."""
    body = memoryview(packed)[_HEAD:]
    sound = packed.startswith(_MAGIC) and len(body) % _ROW.size == 0
    if not sound or sha256(body).digest() != packed[len(_MAGIC) : _HEAD]:
        return {}
    return {row[:5]: row[5] for row in _ROW.iter_unpack(body)}
