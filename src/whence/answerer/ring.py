"""Records on their way from the answerer to the recorder, in memory that both share.

One writes, one reads, nobody waits: where the reader is too slow, records are lost and counted. Positions only grow;
a place in the ring is a position modulo its size. A record is its length, a check, and the fields as `marshal` puts
them. It is there once `HEAD` has passed it; who takes over from a writer that died can tell whether that happened.
"""

from __future__ import annotations

import contextlib
import fcntl
import marshal
import mmap
import os
import struct
import zlib
from typing import Any

HEAD, TAIL, SEQ, LOST, SLEEPING, PENDING_ID, PENDING_HEAD, PENDING_SEQ, TESTED, DEATHS, KIN, INTERRUPTED = range(12)
"""Words of the control page. `TESTED`: the process whose known call was seen. `DEATHS`: answerers that died. `KIN`: not
zero while it is to be told who comes of whom; another number asks for all of it anew.
`INTERRUPTED`: calls that went away before they were received."""

PAGE = 4096
SIZE = 16 << 20

_ORDERED = os.uname().machine == "x86_64"
"""Stores are seen in their order. Elsewhere the check tells a record whose bytes are not all there yet."""

PLAIN = 2
"""The version of `marshal` that looks for no repetitions: faster, and nothing repeats here."""

_PREFIX = struct.Struct("II")

Fields = tuple[Any, ...]


class Ring:
    """Made before the processes part; each then uses its own side."""

    def __init__(
        self, size: int = SIZE, *, checked: bool = not _ORDERED, memory: int = -1, wake: int | None = None
    ) -> None:
        """`memory` and `wake` are descriptors of a ring that another process has made (`shareable_memory`)."""
        self._memory = mmap.mmap(memory, PAGE + size)
        self._size = size
        self._checked = checked
        self.words = memoryview(self._memory)[:PAGE].cast("Q")
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK) if wake is None else wake

    @property
    def wake(self) -> int:
        """Readable when the writer has something for a reader that sleeps."""
        return self._wake

    # The writer.

    def put(self, fields: Fields, id: int = 0) -> bool:
        """Add one record; its number is put before the fields. `id` tells a successor which call it was for. False when
        there is no room, so that it is lost."""
        words, size = self.words, self._size
        head, seq = words[HEAD], words[SEQ]
        data = marshal.dumps((seq, *fields), PLAIN)
        length = len(data)
        need = (length + 15) & ~7
        place = head % size
        if place + need > size:
            if head + size - place + need - words[TAIL] > size:
                self.lose()
                return False
            _PREFIX.pack_into(self._memory, PAGE + place, 0, _mark(head))
            head += size - place
            place = 0
        elif head + need - words[TAIL] > size:
            self.lose()
            return False
        start = PAGE + place
        check = _check(data, head) if self._checked else 0
        self._memory[start : start + 8 + length] = _PREFIX.pack(length, check) + data
        words[PENDING_HEAD] = head + need  # First: until HEAD says the same, nothing is held.
        words[PENDING_SEQ] = seq
        words[PENDING_ID] = id
        words[HEAD] = head + need
        words[SEQ] = seq + 1
        return True

    def lose(self, count: int = 1) -> None:
        """Count records that cannot be put."""
        self.words[LOST] += count
        self.words[SEQ] += count

    def wake_reader(self) -> None:
        """Wake a reader that sleeps. Called after a system call, which orders it after what was put."""
        if self.words[SLEEPING]:
            self.words[SLEEPING] = 0
            try:
                os.eventfd_write(self._wake, 1)
            except OSError:
                return  # It is full, so the reader has enough reason to look.

    def wake_whoever_reads(self) -> None:
        """Wake the reader, also one that is about to sleep: for a writer that makes no system call after it has put."""
        self.words[SLEEPING] = 1
        self.wake_reader()

    def holds(self, id: int) -> bool:
        """For a successor: whether the record of this call was put before the writer died. Mends the counter."""
        words = self.words
        if words[PENDING_ID] != id or words[HEAD] != words[PENDING_HEAD]:
            return False
        words[SEQ] = words[PENDING_SEQ] + 1
        return True

    # The reader.

    def take(self, limit: int = 4096) -> list[Fields]:
        """The next records, at most so many; none when there is nothing yet."""
        words = self.words
        taken: list[Fields] = []
        tail, head = words[TAIL], words[HEAD]
        while tail < head and len(taken) < limit:
            start = PAGE + tail % self._size
            length, check = _PREFIX.unpack_from(self._memory, start)
            if length == 0 and check == _mark(tail):
                tail += self._size - tail % self._size
                continue
            data = self._memory[start + 8 : start + 8 + length]
            if self._checked and (not length or _check(data, tail) != check):
                break  # Not all of its bytes are to be seen yet.
            taken.append(marshal.loads(data))
            tail += (length + 15) & ~7
        words[TAIL] = tail
        return taken

    def sleep(self) -> bool:
        """Ask to be woken; false when there is something to take already."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        self.words[SLEEPING] = 1
        return self.words[HEAD] == self.words[TAIL]

    @property
    def lost(self) -> int:
        return self.words[LOST]

    @property
    def interrupted(self) -> int:
        return self.words[INTERRUPTED]

    @property
    def seen(self) -> int:
        """Records that were put, lost ones included."""
        return self.words[SEQ]


def shareable_memory(size: int = SIZE) -> int:
    """A descriptor of memory for a ring that unrelated processes share; nobody can take it from under the other."""
    memory = os.memfd_create("whence-ring", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(memory, PAGE + size)
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return memory


def is_whole(memory: int, size: int = SIZE) -> bool:
    """Whether a descriptor that somebody sent is memory that stays: who has it mapped is killed where it is cut off."""
    try:
        seals = fcntl.fcntl(memory, fcntl.F_GET_SEALS)
    except OSError:
        return False  # It is no such memory.
    return bool(seals & fcntl.F_SEAL_SHRINK) and os.fstat(memory).st_size == PAGE + size


def _check(data: bytes, position: int) -> int:
    """Of these bytes at this position: what lay at the place one round ago does not have it."""
    return zlib.crc32(data, position & 0xFFFFFFFF)


def _mark(position: int) -> int:
    """What stands where the writer went back to the start."""
    return ~position & 0xFFFFFFFF
