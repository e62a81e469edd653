"""Descriptors 0 to 2 of this process, which may have been closed when it was started (`command >&-`)."""

from __future__ import annotations

import os
import sys


def hold_standard_descriptors() -> None:
    """Occupy those of 0 to 2 that are closed, so that no file of ours takes their number. Call it first of all.

    The placeholder is closed at exec: a command that we run finds the descriptor closed, as the shell left it.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115 -- for the life of the process
