"""The relay of what the command prints: from the channels' sources to their targets, with a copy for the record.

Nothing is buffered without bound: a channel is read again when what it gave has been written. The inherited
descriptions stay blocking (they are shared with others), so a write follows a poll and is at most PIPE_BUF long.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import termios
from collections.abc import Callable, Iterable

from .descriptors import Channel

CHUNK = 64 << 10
PIPE_BUF = 4096
GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL


class Relay:
    """Moves bytes from the channels' sources to their targets, one turn after each poll."""

    def __init__(
        self,
        channels: list[Channel],
        *,
        take: Callable[[Channel, bytes], None] = lambda channel, data: None,
        closed: Callable[[Channel], None] = lambda channel: None,
    ) -> None:
        self.channels = channels
        self._take = take
        self._closed = closed

    @property
    def idle(self) -> bool:
        """Every channel is closed."""
        return not any(channel.open for channel in self.channels)

    @property
    def settled(self) -> bool:
        """What lay in the pipes at the command's end has been delivered, or discarded by the command's terminal."""
        return not any(channel.open and (channel.pending or _owes(channel)) for channel in self.channels)

    def interest(self) -> Iterable[tuple[int, int]]:
        """Descriptors and the events to poll them for. Errors of a target are of interest always."""
        for channel in self.channels:
            if not channel.open:
                continue
            if channel.pending:
                yield channel.target, select.POLLOUT
            else:
                yield channel.source, select.POLLIN
                yield channel.target, 0

    def turn(self, ready: dict[int, int]) -> None:
        for channel in self.channels:
            if not channel.open:
                continue
            if ready.get(channel.target, 0) & GONE:
                self.close(channel)
            elif channel.pending:
                self._write(channel)
            elif ready.get(channel.source):
                self._read(channel)

    def count_owed(self) -> None:
        """The command has ended: what is in the pipes now is still to be delivered."""
        for channel in self.channels:
            if channel.open:
                channel.owed = _readable(channel.source)

    def close(self, channel: Channel) -> None:
        """No more of this channel: who writes to it is told as by the pipe that it stood for. The target stays ours."""
        if not channel.open:
            return
        os.close(channel.source)
        channel.source = -1
        channel.pending = memoryview(b"")
        self._closed(channel)

    def _read(self, channel: Channel) -> None:
        try:
            data = os.read(channel.source, CHUNK)
        except OSError as error:
            if error.errno != errno.EIO:  # A pseudo-terminal's end of file.
                raise
            data = b""
        if not data:
            self.close(channel)
            return
        channel.owed -= len(data)
        channel.pending = memoryview(data)
        self._take(channel, data)
        self._write(channel)

    def _write(self, channel: Channel) -> None:
        """Write while the target takes it without waiting."""
        poll = select.poll()
        poll.register(channel.target, select.POLLOUT)
        while channel.pending:
            events = poll.poll(0)
            if not events:
                return
            try:
                done = os.write(channel.target, channel.pending[:PIPE_BUF])
            except BlockingIOError:
                return
            except OSError:
                self.close(channel)
                return
            channel.pending = channel.pending[done:]


def _owes(channel: Channel) -> bool:
    return channel.owed > 0 and _readable(channel.source) > 0


def _readable(fd: int) -> int:
    try:
        return int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4), "little")
    except OSError:
        return 0
