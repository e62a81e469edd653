"""Git's index as it lies on disk (gitformat-index(5)), read without a process of git's, which costs a launch 2 ms.

Only what is certain is read here: versions 2 and 3 with SHA-1, sound, and no path that a sparse checkout leaves out.
Of everything else nothing is given, and git is to be asked (`git_listings.parse_index`).
"""

from __future__ import annotations

import os
import struct

from ..digests import sha1
from .git_listings import Tracked

_HEADER = struct.Struct(">4sII")
"""Signature, version, number of entries."""

_ENTRY = struct.Struct(">24xI12x20sH")
"""Between the fields of stat(2): the mode, the object, the flags."""

_MODES = frozenset((0o100644, 0o100755, 0o120000, 0o160000))
_GITLINK = 0o160000
_ASSUME_VALID, _EXTENDED, _LENGTH = 0x8000, 0x4000, 0x0FFF
_SKIP_WORKTREE = 0x4000
"""In the extended flags."""

_CHECKSUM = 20

Entries = tuple[tuple[Tracked, ...], dict[str, str]]


def read_index(data: bytes) -> Entries | None:
    """The files once each (a path in conflict too), and the commits of nested repositories; nothing if git must say."""
    try:
        signature, version, count = _HEADER.unpack_from(data)
        known = signature == b"DIRC" and version in (2, 3)
        if not known or sha1(data[:-_CHECKSUM]).digest() != data[-_CHECKSUM:]:
            return None
        return _entries(data, count)
    except (struct.error, ValueError):
        return None


def _entries(data: bytes, count: int) -> Entries | None:
    tracked: dict[str, Tracked] = {}
    gitlinks: dict[str, str] = {}
    at = _HEADER.size
    for _ in range(count):
        mode, blob, flags = _ENTRY.unpack_from(data, at)
        start = at + _ENTRY.size
        if flags & _EXTENDED:
            if int.from_bytes(data[start : start + 2], "big") & _SKIP_WORKTREE:
                return None  # git looks whether the file is there after all.
            start += 2
        # A longer path has its length nowhere.
        length = flags & _LENGTH
        end = data.index(b"\0", start) if length == _LENGTH else start + length
        if mode not in _MODES:
            return None
        path = os.fsdecode(data[start:end])
        if mode == _GITLINK:
            gitlinks[path] = blob.hex()
        else:
            tracked[path] = Tracked(path, mode, blob.hex(), bool(flags & _ASSUME_VALID), False)
        at += (end - at + 8) & ~7  # One to eight zero bytes follow.
    return (tuple(tracked.values()), gitlinks) if _ends_well(data, at) else None


def _ends_well(data: bytes, at: int) -> bool:
    """Whether only extensions follow that one may ignore, and the checksum: their names begin with a capital."""
    while at < len(data) - _CHECKSUM:
        if not b"A" <= data[at : at + 1] <= b"Z":
            return False
        at += 8 + int.from_bytes(data[at + 4 : at + 8], "big")
    return at == len(data) - _CHECKSUM
