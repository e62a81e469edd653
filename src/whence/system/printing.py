"""The files that this process prints to, where whoever started it gave it some: `program > file`."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple


class Printed(NamedTuple):
    """A file that is standard output or standard error."""

    path: str
    """Absolute, links followed."""
    size: int
    """Bytes that were in it already."""


def printed_to() -> tuple[Printed, ...]:
    """Each of them once; none on a system that does not name them, and of those that have no name any more."""
    return tuple(dict.fromkeys(found for fd in (1, 2) if (found := _file(fd)) is not None))


def _file(fd: int) -> Printed | None:
    try:
        path, found = os.readlink(f"/proc/self/fd/{fd}"), os.fstat(fd)
        named = stat.S_ISREG(found.st_mode) and os.path.samestat(os.stat(path), found)
    except OSError:
        return None
    return Printed(path, found.st_size) if named else None
