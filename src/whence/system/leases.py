"""Whether any process still has a file open, or mapped, for writing: the kernel grants a lease only where none has.

A read lease (fcntl(2), F_SETLEASE) is asked for and given back at once. Who opens the file in that instant waits for
it, and we would be sent SIGIO: call this only where that signal is blocked in every thread.
"""

from __future__ import annotations

import errno
import fcntl
import os


def is_written_to(path: str) -> bool | None:
    """Nothing where the kernel does not say: another's file without privileges, some file systems, not Linux."""
    if not hasattr(fcntl, "F_SETLEASE"):
        return None
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    finally:
        os.close(fd)
    return False
