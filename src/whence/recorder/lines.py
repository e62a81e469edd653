"""The lines that the processes around a command tell each other."""

from __future__ import annotations

import os


class Lines:
    """The lines that arrive through a pipe or socket."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._rest = b""
        self._ended = False

    def ready(self, ready: dict[int, int]) -> list[str]:
        """The lines that are complete now, if the last poll said that there is something."""
        if self.fd < 0 or not ready.get(self.fd):
            return []
        try:
            data = os.read(self.fd, 4096)
        except OSError:
            data = b""
        if not data:
            self.close()
            self._ended = True
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [line.decode() for line in lines]

    def ended_now(self) -> bool:
        """Whether the other side has just gone; true once."""
        ended, self._ended = self._ended, False
        return ended

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
