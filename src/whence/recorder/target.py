"""The command, as somebody to send signals to."""

from __future__ import annotations

import os
import select
import signal

from ..system.processes import ended_status, is_stopped
from .choosing import kernel

TELLS = (6, 15)
"""The first kernel that tells whoever has a descriptor of a process how it ended."""


def tells_of_others() -> bool:
    """Whether the end of a process that is not our child can be known."""
    return kernel(os.uname().release) >= TELLS


class Target:
    """The command, as somebody to send signals to; never a later process with its number."""

    def __init__(self, own_group: bool) -> None:
        self.pid = 0
        self._own_group = own_group
        self._fd = -1
        self._gone = False

    def found(self, pid: int) -> None:
        """It has been started with that number, and may have ended before we heard of it."""
        self.pid = pid
        try:
            if hasattr(os, "pidfd_open"):
                self._fd = os.pidfd_open(pid)
            else:
                os.kill(pid, 0)
        except ProcessLookupError:
            self._gone = True
        except OSError:
            self._fd = -1

    def alive(self) -> bool:
        """Whether it is still running; unknown counts as running."""
        if self._fd < 0:
            return not self._gone
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return not poll.poll(0)

    def status(self) -> int | None:
        """How it ended, where nobody waits for it; nothing as long as it is not known."""
        return ended_status(self.pid, self._fd) if self._fd >= 0 and not self.alive() else None

    def stopped(self) -> bool:
        """Whether job control holds it now; unknown counts as held, and one that is gone is held by nobody."""
        return self.alive() and is_stopped(self.pid) is not False

    def send(self, number: int) -> None:
        try:
            if self._fd >= 0:
                signal.pidfd_send_signal(self._fd, number)
            elif self.pid and not hasattr(os, "pidfd_open"):
                os.kill(self.pid, number)
        except OSError:
            return  # It has ended.

    def send_to_group(self, number: int) -> None:
        try:
            if self.pid and self._own_group and self.alive():
                os.killpg(self.pid, number)
        except OSError:
            return
