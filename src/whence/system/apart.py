"""What we do inside the code that we record is no part of what it did.

Whoever watches this process from beside it is told by opens of `/dev/null` with two flags that say nothing of it: to
read, that what this thread does from now on is ours; to write, that it is the program's again; for both, by a program
that we start, that all of its process is ours, and what comes of it. They are noticed whether they succeed or not, and
nobody need be there to notice them.
"""

from __future__ import annotations

import os
import threading

from ..handlers import let_pass

MARK = os.O_SYNC | os.O_NOCTTY


class _Depth(threading.local):
    value = 0


_depth = _Depth()


class Apart:
    """`with apart: …`: what this thread does meanwhile is ours. May be entered again inside."""

    def __enter__(self) -> None:
        # In this order, and the other way at the end: who is interrupted in between leaves the thread the program's.
        _depth.value += 1
        if _depth.value == 1:
            _say(os.O_RDONLY)

    def __exit__(self, *error: object) -> None:
        try:
            if _depth.value == 1:
                _say(os.O_WRONLY)
        finally:
            _depth.value -= 1


apart = Apart()

IN_PROGRAM = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR | MARK, 0)
"""The first action of a program that we start: its standard input is nothing, and it is ours."""


_IN_VAIN = getattr(os, "O_TMPFILE", 0)
"""An open that Linux refuses: a number that a thread of ours had for a moment may be that of a file of the program's
when it is closed. O_DIRECTORY alone would be refused unseen."""


def _say(access: int) -> None:
    try:
        os.close(os.open(os.devnull, access | MARK | _IN_VAIN))
    except OSError as error:
        let_pass(error)
