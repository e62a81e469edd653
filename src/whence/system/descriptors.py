"""Descriptors of this process: those that it was started with, and those that must not get in anybody's way."""

from __future__ import annotations

import fcntl
import os
import resource
import sys

from ..handlers import let_pass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

HIGHEST = 4096
"""Descriptors that outlive a call in somebody else's process lie below this one, or below what the process may have."""

ROOM = 100
"""So many of them have room."""


def left() -> int | None:
    """How many more this process may open; nothing where there is no limit, or the machine does not tell."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        return None if soft == resource.RLIM_INFINITY else soft - len(os.listdir("/dev/fd")) + 1  # Its own is closed.
    except FileNotFoundError:
        return None  # A root without /dev/fd.
    except OSError:
        return 0


def hold_standard_descriptors() -> None:
    """Occupy those of 0 to 2 that are closed (`command >&-`), so that no file of ours takes their number. Call it
    first.

    The placeholder is closed at exec: a command that we run finds the descriptor closed, as the shell left it.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), "w"))


def release(fds: Iterable[int]) -> None:
    """Give descriptors up and leave /dev/null in their place, so that their numbers stay taken."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in fds:
        os.dup2(null, fd, inheritable=False)
    os.close(null)


def drop_inherited() -> None:
    """Close what the shell handed down beyond 2: it is the command's, and nobody must wait for us to close it."""
    try:
        names = os.listdir("/dev/fd")
    except OSError:
        return  # A root without /dev/fd.
    for name in names:
        fd = int(name)
        try:
            if fd > 2 and os.get_inheritable(fd):
                os.close(fd)
        except OSError:
            continue  # The descriptor of the listing itself.


def keep_only(fds: Iterable[int]) -> None:
    """Give up everything but these, for a process that lives beside the command and only watches."""
    release(range(3))
    low = 3
    for fd in sorted(fds):
        os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))


_CLOSE_RANGE = 436
_UNSHARE = 2
"""`close_range` and its flag, `linux/close_range.h`; the number is the same on all machines."""


def table_leaver() -> Callable[[], None]:
    """What gives the thread that calls it a table of descriptors of its own, in which 0 to 2 are open; the other
    threads keep theirs. Where the system cannot (before Linux 5.9) it does nothing.

    This one call and not `unshare`, which the usual profile of containers forbids; and nothing of the program's is
    held open, so that who waits for the end of its pipes does not wait for us. To be made before others run: it opens
    files itself.
    """
    import ctypes  # only where there is work beside a program

    if sys.platform != "linux":
        return lambda: None
    call = ctypes.CDLL(None).syscall
    call.argtypes = [ctypes.c_long, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint]
    return lambda: call(_CLOSE_RANGE, 3, 0xFFFFFFFF, _UNSHARE)


def high(fd: int) -> int:
    """The descriptor under a number that no program reuses by accident: code that closes a range and opens its own
    files must not find them under ours. The same one where the process may not have so many."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = HIGHEST if soft == resource.RLIM_INFINITY else min(soft, HIGHEST)
    try:
        moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, max(most - ROOM, 3))
    except OSError:
        return fd
    os.close(fd)
    return moved


class Owned:
    """A descriptor in somebody else's process, with what it was opened on.

    Code that makes itself a daemon closes every descriptor and may open its own under this number: nothing is written
    to it then, and it is not ours to close.
    """

    __slots__ = ("_file", "_path", "fd")

    def __init__(self, fd: int, path: Path | None = None) -> None:
        """`path` is where the file lies, if it has a name."""
        self.fd = fd
        self._path = path
        self._file = _identity(os.fstat(fd))

    @property
    def is_ours(self) -> bool:
        """Whether it is still open on the same file. Costs one system call."""
        try:
            found = _identity(os.fstat(self.fd))
            # Some file systems in user space change the number of an inode: then the path has the new one too.
            return found == self._file or (self._path is not None and found == _identity(os.stat(self._path)))
        except OSError as error:
            let_pass(error)
            return False

    def close(self) -> None:
        """Close it if it is ours."""
        if self.is_ours:
            os.close(self.fd)


def _identity(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_dev, stat.st_ino
