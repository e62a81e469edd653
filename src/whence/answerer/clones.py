"""Large pre-images: files without a name that share the blocks of those that are about to be written over (reflinks).

The recorder gets each by its descriptor, through a socket; with the last descriptor the file is gone, whoever is
killed. While one is there, what is written over takes room on the disk a second time, so there are few at a time.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import time
from _socket import MSG_DONTWAIT, MSG_NOSIGNAL, SCM_RIGHTS, SOL_SOCKET, socket

from .places import Identity, World, identity
from .pool import Pool

FICLONE = 0x40049409
"""ioctl_ficlone(2)."""

MOST = 4
"""Clones that may wait to be digested."""

ROOM = 8
"""So many times a file's size must be free on its file system."""

LARGEST = 4 << 30
"""Bytes of a file that is cloned: what is cloned takes longer the more pieces it has."""

RESTS = 60 * 10**9
"""Nanoseconds since a file was changed, after which the kernel has written it out: before, it would do so first, while
the caller is held."""

CANNOT = "its file system cannot share blocks between files"

NUMBER = struct.Struct("Q")
RIGHT = struct.Struct("i")
"""What is sent of a clone: its number, and beside it a descriptor."""

_CANNOT = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EISDIR, errno.ETXTBSY)


class Unclonable(Exception):
    """The message says why."""


class Clones:
    """The answerer's side: `theirs` leads to the recorder."""

    def __init__(self, pool: Pool, theirs: socket) -> None:
        self._pool = pool
        self._theirs = theirs
        self._cannot: set[int] = set()
        """Devices whose file system has no such thing."""

    def send(self, world: World, path: bytes, file: int, there: Identity, now: float) -> int:
        """Clone what is open, and send it; its number. Raises Unclonable, OSError, Elsewhere."""
        size = there[3]
        if there[0] in self._cannot:
            raise Unclonable(CANNOT)
        if size > LARGEST:
            raise Unclonable(f"it has {size} bytes, more than are cloned ({LARGEST})")
        if time.time_ns() - max(there[4], there[5]) < RESTS:
            raise Unclonable("it had been changed within the last minute, and may not be on the disk yet")
        clone = self._clone(world, path, file, size, now)
        try:
            if identity(os.fstat(file)) != there:
                raise Unclonable("it was changed by somebody else while it was cloned")
            return self._send(clone)
        finally:
            os.close(clone)

    def _send(self, clone: int) -> int:
        """The number is taken before anything is sent under it: a successor takes the next one."""
        number = self._pool.next_clone(MOST)
        if not number:
            raise Unclonable("too many others waited to be digested")
        try:
            rights = [(SOL_SOCKET, SCM_RIGHTS, RIGHT.pack(clone))]
            self._theirs.sendmsg([NUMBER.pack(number)], rights, MSG_DONTWAIT | MSG_NOSIGNAL)
        except OSError:
            self._pool.take_back_clone(number)
            raise
        return number

    def _clone(self, world: World, path: bytes, file: int, size: int, now: float) -> int:
        clone = -1
        try:
            clone = _nameless(world, path, now)
            room = os.fstatvfs(clone)
            if room.f_bavail * room.f_frsize < ROOM * size:
                raise Unclonable("its file system has not the room to keep what was there as well")
            fcntl.ioctl(clone, FICLONE, file)
            clone, done = -1, clone
            return done
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
            self._cannot.add(os.fstat(file).st_dev)
            raise Unclonable(CANNOT) from error
        finally:
            if clone >= 0:
                os.close(clone)


def _nameless(world: World, path: bytes, now: float) -> int:
    """A new file in the folder of another one, so on the same file system."""
    folder = world.place(world.real(path).rpartition(b"/")[0] or b"/", now)
    try:
        return os.open(b"/proc/self/fd/%d" % folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    finally:
        os.close(folder)
