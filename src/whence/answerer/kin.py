"""Who comes of whom: of each process that calls, the processes above it, while somebody wants to know.

A run inside a run is told what comes of its own command. The caller is held, so its line cannot be cut between it and
its parent; higher up a process may end meanwhile, and then the line is read anew.
"""

from __future__ import annotations

import os

from .ring import KIN, Ring

OP = "kin"

MOST = 10_000
"""Processes of which it is remembered that they were told."""

HIGHEST = 256
"""Processes in a line."""

TRIES = 8


class Kin:
    """Puts one record `kin` before the first record of a process: its path has the numbers of those above it, the
    nearest first. A process that was given to another parent is told again."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._asked = 0
        self._told: dict[int, int] = {}

    def meet(self, process: int, parent: int, now: float) -> None:
        """Raises OSError when the process is gone."""
        asked = self._ring.words[KIN]
        if not asked:
            return
        if asked != self._asked or len(self._told) >= MOST:
            self._told.clear()
            self._asked = asked
        if self._told.get(process) != parent:
            self._told[process] = parent
            line = b" ".join(b"%d" % above for above in line_above(process, parent))
            self._ring.put((now, process, OP, line, b"", 0, None, False, ""))


def line_above(process: int, parent: int) -> list[int]:
    """The processes above one, up to the first of all or to ourselves. Raises OSError when the process is gone."""
    line = [parent]
    for _ in range(TRIES):
        line = [parent]
        try:
            while line[-1] not in (0, os.getpid()) and len(line) < HIGHEST:
                line.append(family_of(line[-1])[1])
        except OSError:
            parent = family_of(process)[1]
        else:
            return line
    return line


def family_of(thread: int) -> tuple[int, int]:
    """The process of a thread, and its parent (proc(5)). Raises OSError."""
    fd = os.open(b"/proc/%d/status" % thread, os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = os.read(fd, 1024)
    finally:
        os.close(fd)
    return _number(text, b"\nTgid:"), _number(text, b"\nPPid:")


def _number(text: bytes, name: bytes) -> int:
    at = text.index(name) + len(name)
    return int(text[at : text.index(b"\n", at)])
