"""Which objects some packs hold, kept in little memory: a table of where each stands in the indexes.

A set of digests takes 100 bytes an object. Here it is 16 to 32: a slot has the number of a row and 32 bits of its
digest, and where those agree the row itself is read.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterable

from ..system.files import NotRegularError
from .pack_format import ROW
from .packs import Pack

_KEYS = struct.Struct("<QI20x")
"""What of a digest says where to look, and what is compared there; as many bytes are left of it."""

_ROW_KEYS = struct.Struct(f"<QI{ROW - 12}x")


class PackedDigests:
    """What the packs hold that were added. A pack that is removed meanwhile holds nothing."""

    def __init__(self) -> None:
        self._packs: list[Pack] = []
        self._ends: list[int] = []
        """After each pack, how many rows there are."""
        self._slots = _empty(1 << 10)

    def __contains__(self, digest: bytes) -> bool:
        head, check = _KEYS.unpack(digest)
        mask = len(self._slots) - 1
        at: int = head & mask
        while slot := self._slots[at]:
            if slot >> 32 == check and self._digest(slot & 0xFFFFFFFF) == digest:
                return True
            at = (at + 1) & mask
        return False

    def add(self, packs: Iterable[Pack]) -> None:
        """Those that are new."""
        for pack in packs:
            if pack not in self._packs:
                rows = pack.rows()
                self._packs.append(pack)
                self._ends.append(self._count + len(rows) // ROW)
                if self._count * 2 > len(self._slots):
                    self._grow()
                else:
                    self._enter(rows, self._ends[-1])

    @property
    def _count(self) -> int:
        return self._ends[-1] if self._ends else 0

    def _grow(self) -> None:
        self._slots = _empty(1 << (self._count * 4).bit_length())
        for pack, end in zip(self._packs, self._ends, strict=True):
            self._enter(pack.rows(), end)

    def _enter(self, rows: bytes, end: int) -> None:
        """The rows of a pack, of which the last one is number `end`: from 1, as an empty slot is 0."""
        slots, mask = self._slots, len(self._slots) - 1
        for number, (head, check) in enumerate(_ROW_KEYS.iter_unpack(rows), end - len(rows) // ROW + 1):
            at = head & mask
            while slots[at]:
                at = (at + 1) & mask
            slots[at] = check << 32 | number

    def _digest(self, number: int) -> bytes:
        """The digest in a row."""
        which = bisect_right(self._ends, number - 1)
        first = self._ends[which - 1] if which else 0
        try:
            return self._packs[which].digest_at(number - 1 - first)
        except (FileNotFoundError, NotRegularError):
            return b""


def _empty(slots: int) -> array[int]:
    return array("Q", bytes(8 * slots))
