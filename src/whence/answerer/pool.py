"""Bytes on their way from the answerer to the recorder, in memory that both share: beside the ring, for what is large.

One writes, one reads, nobody waits: where there is no room, nothing is put. Positions only grow; a place in the memory
is a position modulo its size. What was put begins at a page, and its page goes back to the machine when it was read.
Nothing of it is on a disk, and it is gone with the last process that shares it.
"""

from __future__ import annotations

import mmap
import os
import zlib

HEAD, TAIL, CLOSED, CLONED, CLONES_READ = range(5)
"""Words of the control page. `HEAD`: where the next bytes go. `TAIL`: what lies before it was read. `CLONED`: the last
number of a clone (`clones`). `CLONES_READ`: those up to it were read."""

PAGE = mmap.PAGESIZE
SIZE = 64 << 20
"""Bytes that may wait to be read."""

_ORDERED = os.uname().machine == "x86_64"
"""Stores are seen in their order. Elsewhere a check tells bytes that are not all there yet."""

Place = tuple[int, int, int]
"""Where something was put: its position, its size, and a check of its bytes where stores are not ordered."""


class Pool:
    """Made before the processes part; each then uses its own side."""

    def __init__(self, size: int = SIZE, *, checked: bool = not _ORDERED) -> None:
        self._memory = mmap.mmap(-1, PAGE + size)
        self._size = size
        self._checked = checked
        self._words = memoryview(self._memory)[:PAGE].cast("Q")

    # The writer.

    @property
    def closed(self) -> bool:
        """Whether the reader has said that it reads no more."""
        return bool(self._words[CLOSED])

    def copy(self, fd: int, size: int) -> Place | None:
        """Copy the beginning of a file; nothing where there is no room. It is there for whoever is told the place, once
        it was `put`: until then the next copy takes its place. Raises OSError; EOFError when the file is shorter."""
        position = self._room(size)
        if position is None:
            return None
        view = self._view(position, size)
        done = 0
        while done < size:
            count = os.preadv(fd, [view[done:]], done)
            if not count:
                raise EOFError
            done += count
        return position, size, zlib.crc32(view) if self._checked else 0

    def put(self, place: Place) -> None:
        """Before anybody is told of it: who takes over from a writer that died must not write there."""
        self._words[HEAD] = self.end(place)

    def take_back(self, place: Place) -> None:
        """The last one that was put, of which nobody could be told."""
        self._words[HEAD] = place[0]

    def next_clone(self, most: int) -> int:
        """A number for one more; 0 where so many wait already."""
        words = self._words
        if words[CLONED] - words[CLONES_READ] >= most:
            return 0
        words[CLONED] += 1
        return words[CLONED]

    def take_back_clone(self, number: int) -> None:
        """The last one, which was not sent."""
        self._words[CLONED] = number - 1

    def _room(self, size: int) -> int | None:
        position, need = self._words[HEAD], _pages(size)
        at = position % self._size
        if at + need > self._size:
            position += self._size - at
        return position if position + need - self._words[TAIL] <= self._size else None

    # The reader.

    def read(self, place: Place) -> memoryview | None:
        """The bytes, until they are passed; nothing where they are not all there."""
        position, size, check = place
        view = self._view(position, size)
        return None if self._checked and zlib.crc32(view) != check else view

    def clear(self, place: Place) -> None:
        """Its memory goes back to the machine; it cannot be read again."""
        position, size, _ = place
        self._memory.madvise(mmap.MADV_REMOVE, PAGE + position % self._size, _pages(size))

    def pass_to(self, position: int) -> None:
        """What lies before it may be written over."""
        self._words[TAIL] = position

    def pass_clones(self, number: int) -> None:
        """Clones up to this one are gone."""
        self._words[CLONES_READ] = number

    def close(self) -> None:
        """Nothing more is read: what is put after that would stay."""
        self._words[CLOSED] = 1

    @staticmethod
    def end(place: Place) -> int:
        """The position behind it."""
        return place[0] + _pages(place[1])

    def _view(self, position: int, size: int) -> memoryview:
        start = PAGE + position % self._size
        return memoryview(self._memory)[start : start + size]


def _pages(size: int) -> int:
    return -(-size // PAGE) * PAGE
