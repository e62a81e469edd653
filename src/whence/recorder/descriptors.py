"""The command's descriptors 0 to 2, each by what it is.

A regular file is passed through untouched. A terminal becomes a pseudo-terminal, anything else that flows a pipe, and
descriptors that are one open file share one of them, so that the order of what is printed is kept. Standard input is
passed through, but for a command that has the whole terminal (`Descriptors.interactive`).
"""

from __future__ import annotations

import fcntl
import os
import stat
from typing import Literal

import msgspec

from ..records.result import PrintedTo, Stream
from .terminal import copy_size, in_foreground, open_pty

Kind = Literal["closed", "file", "terminal", "stream", "device"]

NAMES: dict[int, Stream] = {1: "stdout", 2: "stderr"}


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

    def printed_to(self) -> list[PrintedTo]:
        """The regular files that have a name, for whoever follows what is printed."""
        return [
            PrintedTo(stream=file.stream, path=path, inode=os.fstat(file.fds[0]).st_ino, start=file.start)
            for file in self.files
            if (path := file.path) is not None
        ]

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
