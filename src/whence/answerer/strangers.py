"""Processes whose mounts are not the recorder's: a path leads each of them elsewhere.

Who looks for a caller finds what lies there for the caller; whoever digests the file at the end does not.
"""

from __future__ import annotations

import os

from .ring import Ring

OP = "namespace"

MOST = 10_000
"""Processes of which it is remembered that they were told."""


class Strangers:
    """Puts one record `namespace` for each process that was met in another mount namespace, with its program's name."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._ours = os.readlink(b"/proc/self/ns/mnt")
        self._told: set[int] = set()

    def meet(self, process: int, namespace: bytes, now: float) -> None:
        if namespace == self._ours or process in self._told:
            return
        if len(self._told) >= MOST:
            self._told.clear()
        self._told.add(process)
        self._ring.put((now, process, OP, b"", b"", 0, None, False, name_of(process)))


def name_of(thread: int) -> str:
    """What the program calls itself, which anybody may read: `python3`; a word for it where it is gone."""
    try:
        fd = os.open(b"/proc/%d/comm" % thread, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return "a process"
    try:
        name = os.read(fd, 64).rstrip(b"\n").decode(errors="replace")
    except OSError:
        return "a process"
    finally:
        os.close(fd)
    return "".join(letter if letter.isprintable() else "?" for letter in name)
