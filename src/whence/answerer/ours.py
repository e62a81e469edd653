"""Who below the filter is ours: the recorder inside a program that the command runs, and the programs that it asks.

They say it themselves, by opens of `/dev/null` with O_SYNC and O_NOCTTY, which say nothing of it: to read, that the
thread is ours from now on; to write, that it is the program's again; for both, that the whole process is, and what
comes of it. Nothing is told of what they do. It is forgotten when an answerer is killed: then more is told.
"""

from __future__ import annotations

import os

from .kin import line_above

MARK = 0o4010400
"""O_SYNC and O_NOCTTY (asm-generic/fcntl.h)."""

PLACE = b"/dev/null"

BEGIN, END, PROCESS = 0, 1, 2
"""The access mode of such an open."""

MOST = 10_000
"""Threads, and processes, that are remembered."""


class Ours:
    """By number, with the time at which each began: the number may be given to another one."""

    def __init__(self) -> None:
        self._threads: dict[int, int] = {}
        self._processes: dict[int, int] = {}

    def said(self, access: int, thread: int, process: int) -> bool:
        """A thread has said it; whether what it does from now on is ours."""
        if access == BEGIN:
            _remember(self._threads, thread)
        elif access == END:
            self._threads.pop(thread, None)
        else:
            _remember(self._processes, process)
        return self.has(thread, process, 0)

    def executes(self, process: int) -> None:
        """A program takes the place of another one, and its first thread has the number of the process."""
        self._threads.pop(process, None)

    def has(self, thread: int, process: int, parent: int) -> bool:
        """Whether a thread is ours: by its own word, or as one of those above it is. Raises OSError when it is gone."""
        if _is_known(self._threads, thread) or _is_known(self._processes, process):
            return True
        self._processes = {known: began for known, began in self._processes.items() if began == _began(known)}
        if not self._processes or self._processes.keys().isdisjoint(line_above(process, parent)):
            return False
        _remember(self._processes, process)
        return True


def _remember(known: dict[int, int], number: int) -> None:
    began = _began(number)
    if began:
        if len(known) >= MOST:
            known.clear()
        known[number] = began


def _is_known(known: dict[int, int], number: int) -> bool:
    began = known.get(number)
    if began is None:
        return False
    if began == _began(number):
        return True
    del known[number]
    return False


def _began(thread: int) -> int:
    """Clock ticks after boot (proc(5)); 0 when it is gone."""
    try:
        fd = os.open(b"/proc/%d/stat" % thread, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        text = os.read(fd, 1024)
    except OSError:
        return 0
    finally:
        os.close(fd)
    return int(text[text.rindex(b")") + 2 :].split()[19])
