"""The witness: a tiny process in the command's process group that tells which signals went to the whole group.

A signal that reaches the front may have been sent to it alone (`kill PID`: the command has not seen it) or to its
whole group (`timeout`, a batch system: the command has it already). From the signal alone that cannot be told; a
member of the group that has no other business can tell.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
from typing import NoReturn

from ..system.descriptors import keep_only

LOOK_AGAIN = 5
"""Seconds between two looks whether the front is still there, where the kernel does not tell."""


def next_signal(signals: set[int]) -> tuple[int, bool]:
    """Wait for one of these blocked signals: its number, and whether the kernel itself sent it (`si_code` above 0)."""
    if hasattr(signal, "sigwaitinfo"):
        info = signal.sigwaitinfo(signals)
        return info.si_signo, info.si_code > 0
    number = signal.sigwait(signals)
    return number, number == signal.SIGALRM


def witness(report: int, signals: set[int]) -> NoReturn:
    """In a child of the front, with every signal blocked: report each by one byte until the front is gone."""
    keep_only([report])
    _be_told(report)
    while _is_read(report):
        signal.alarm(LOOK_AGAIN)
        number, by_kernel = next_signal(signals | {int(signal.SIGALRM)})
        if not by_kernel:
            try:
                os.write(report, bytes([number]))
            except OSError:
                break
    os._exit(0)


def _be_told(report: int) -> None:
    """Have the kernel send SIGALRM when the last reader of the pipe goes: the front alone reads it."""
    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(report, fcntl.F_SETSIG, signal.SIGALRM)
        fcntl.fcntl(report, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(report, fcntl.F_SETFL, os.O_WRONLY | os.O_ASYNC)


def _is_read(report: int) -> bool:
    poll = select.poll()
    poll.register(report, 0)
    return not poll.poll(0)
