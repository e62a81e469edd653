"""The command's descriptors 0 to 2, each by what it is, and the relay of what goes through ours.

A regular file is passed through untouched. A terminal becomes a pseudo-terminal, anything else that flows a pipe, and
descriptors that are one open file share one of them, so that the order of what is printed is kept. Standard input is
passed through, but for a command that has the whole terminal (`Descriptors.interactive`).

Nothing is buffered without bound: a channel is read again when what it gave has been written. The inherited
descriptions stay blocking (they are shared with others), so a write follows a poll and is at most PIPE_BUF long.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
import termios
from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from .terminal import copy_size, in_foreground, open_pty

Stream = Literal["stdout", "stderr", "both", "terminal"]
Kind = Literal["closed", "file", "terminal", "stream", "device"]

NAMES: dict[int, Stream] = {1: "stdout", 2: "stderr"}
CHUNK = 64 << 10
PIPE_BUF = 4096
GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL


class Channel(msgspec.Struct, kw_only=True):
    """One way out: what the command writes to `inner` is read from `source` and written to `target`."""

    index: int
    stream: Stream
    fds: tuple[int, ...]
    """The command's descriptors that it stands for; the first one is the target."""
    terminal: bool
    source: int
    inner: int
    pending: memoryview = msgspec.field(default_factory=lambda: memoryview(b""))
    owed: int = 0
    """Bytes that lay in the pipe when the command ended: they are its own, whatever comes after."""

    @property
    def target(self) -> int:
        return self.fds[0]

    @property
    def open(self) -> bool:
        return self.source >= 0


class PassedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A regular file that the command writes itself; its range is read at the end."""

    stream: Stream
    fds: tuple[int, ...]
    start: int
    size: int

    def end(self) -> int:
        """Where the command's bytes end: where its descriptors stand, or the file's end if it opened it anew."""
        place = max(os.lseek(fd, 0, os.SEEK_CUR) for fd in self.fds)
        size = os.fstat(self.fds[0]).st_size
        return min(place, size) if place > self.start else (size if size > self.size else self.start)

    @property
    def path(self) -> str | None:
        """Its name, where the machine tells; a deleted file has none."""
        try:
            name = os.readlink(f"/proc/self/fd/{self.fds[0]}")
        except OSError:
            return None
        return None if name.endswith(" (deleted)") else name

    def open(self) -> int:
        """A descriptor of our own for reading. Raises OSError."""
        return os.open(f"/dev/fd/{self.fds[0]}", os.O_RDONLY | os.O_CLOEXEC)


class Descriptors(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of the command's descriptors 0 to 2."""

    channels: list[Channel]
    files: list[PassedFile]
    unrecorded: list[str]
    """Why something printed is not in the log, for a person."""
    interactive: bool
    """The command has the terminal to itself: in and out, in the foreground."""

    @property
    def terminal(self) -> bool:
        return any(channel.terminal for channel in self.channels)

    def wire(self) -> None:
        """In the process that becomes the command: put the ends in place."""
        for channel in self.channels:
            for fd in channel.fds:
                os.dup2(channel.inner, fd, inheritable=True)
        if self.interactive:
            os.dup2(self.channels[0].inner, 0, inheritable=True)

    def close_inner(self) -> None:
        """In every other process: only the command may hold its ends."""
        for channel in self.channels:
            os.close(channel.inner)

    def copy_size(self) -> None:
        for channel in self.channels:
            if channel.terminal and channel.open:
                copy_size(channel.target, channel.source)


def look_at(fd: int) -> Kind:
    """What the descriptor is. One that closes at exec was closed when we were started: nothing inherited does."""
    try:
        if fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC:
            return "closed"
        found = os.fstat(fd)
    except OSError:
        return "closed"
    if stat.S_ISREG(found.st_mode):
        return "file"
    if os.isatty(fd):
        return "terminal"
    if stat.S_ISFIFO(found.st_mode) or stat.S_ISSOCK(found.st_mode) or _is_null(found):
        return "stream"
    return "device"


def _is_null(found: os.stat_result) -> bool:
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == os.stat(os.devnull).st_rdev


def prepare() -> Descriptors:
    """Look at our descriptors 0 to 2 and make the channels. Raises OSError when pipes or terminals run out."""
    channels: list[Channel] = []
    files: list[PassedFile] = []
    unrecorded: list[str] = []
    interactive = _is_interactive()
    for fds, kind in _groups():
        stream: Stream = "both" if fds == (1, 2) else NAMES[fds[-1]]
        if kind == "file":
            files.append(_passed(stream, fds))
        elif kind == "device":
            unrecorded.append(f"{stream} is a device, which is passed through")
        else:
            channels.append(_channel(len(channels), stream, fds, kind, interactive))
    return Descriptors(channels=channels, files=files, unrecorded=unrecorded, interactive=interactive)


def _is_interactive() -> bool:
    return look_at(0) == look_at(1) == "terminal" and _same(0, 1) and in_foreground(0)


def _groups() -> list[tuple[tuple[int, ...], Kind]]:
    """Descriptors 1 and 2 with their kind, together if they are one file; closed ones left out."""
    one, two = look_at(1), look_at(2)
    groups: list[tuple[tuple[int, ...], Kind]] = [((1,), one), ((2,), two)]
    if one == two != "closed" and _same(1, 2):
        groups = [((1, 2), one)]
    return [(fds, kind) for fds, kind in groups if kind != "closed"]


def _same(a: int, b: int) -> bool:
    return os.path.sameopenfile(a, b)


def _passed(stream: Stream, fds: tuple[int, ...]) -> PassedFile:
    size = os.fstat(fds[0]).st_size
    starts = [size if _appends(fd) else os.lseek(fd, 0, os.SEEK_CUR) for fd in fds]
    return PassedFile(stream=stream, fds=fds, start=min(starts), size=size)


def _appends(fd: int) -> bool:
    return bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND)


def _channel(index: int, stream: Stream, fds: tuple[int, ...], kind: Kind, interactive: bool) -> Channel:
    if kind == "terminal":
        ours, theirs = open_pty(fds[0], output_only=not (interactive and fds[0] == 1))
        return Channel(index=index, stream="terminal", fds=fds, terminal=True, source=ours, inner=theirs)
    ours, theirs = os.pipe()
    return Channel(index=index, stream=stream, fds=fds, terminal=False, source=ours, inner=theirs)


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
        self._buffer = bytearray(CHUNK)

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


def release(fds: Iterable[int]) -> None:
    """Give descriptors up and leave /dev/null in their place, so that their numbers stay taken."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in fds:
        os.dup2(null, fd, inheritable=False)
    os.close(null)


def drop_inherited() -> None:
    """Close what the shell handed down beyond 2: it is the command's, and nobody must wait for us to close it."""
    try:
        names = os.listdir("/dev/fd")
    except OSError:
        return  # A root without /dev/fd.
    for name in names:
        fd = int(name)
        try:
            if fd > 2 and os.get_inheritable(fd):
                os.close(fd)
        except OSError:
            continue  # The descriptor of the listing itself.


def keep_only(fds: Iterable[int]) -> None:
    """Give up everything but these, for a process that lives beside the command and only watches."""
    release(range(3))
    low = 3
    for fd in sorted(fds):
        os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))
