"""What is typed at the terminal of an interactive command."""

from __future__ import annotations

import os
import select

from .descriptors import Channel


class Keys:
    """What is typed at the real terminal, on its way to the command's."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._pending = b""
        self._ended = False

    def interest(self) -> list[tuple[int, int]]:
        if self._ended or not self._channel.open:
            return []
        return [(self._channel.source, select.POLLOUT)] if self._pending else [(0, select.POLLIN)]

    def turn(self, ready: dict[int, int]) -> None:
        if not self._channel.open:
            return
        try:
            if not self._pending and ready.get(0):
                self._pending = os.read(0, 1024)
                self._ended = not self._pending
            if self._pending and _writable(self._channel.source):
                self._pending = self._pending[os.write(self._channel.source, self._pending) :]
        except OSError:
            self._ended = True  # The terminal has hung up.


def _writable(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))
