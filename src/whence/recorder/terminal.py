"""The terminal that the command believes it has: a pseudo-terminal that looks like the real one."""

from __future__ import annotations

import fcntl
import os
import termios

Attributes = list[int | list[bytes | int]]
"""What `termios.tcgetattr` gives."""

IFLAG, OFLAG, CFLAG, LFLAG, CC = 0, 1, 2, 3, 6


def open_pty(real: int, *, output_only: bool) -> tuple[int, int]:
    """Our end and the command's, with the modes and the window size of the real terminal.

    With `output_only` the real terminal stays in its own modes and turns `\\n` into `\\r\\n` itself.
    """
    ours, theirs = os.openpty()
    attributes: Attributes = termios.tcgetattr(real)
    if output_only:
        attributes[OFLAG] = _flags(attributes, OFLAG) & ~termios.OPOST
        attributes[LFLAG] = _flags(attributes, LFLAG) & ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    copy_size(real, ours)
    return ours, theirs


def copy_size(real: int, ours: int) -> None:
    """Give the pseudo-terminal the window size of the real one; the kernel tells the programs that listen."""
    try:
        fcntl.ioctl(ours, termios.TIOCSWINSZ, fcntl.ioctl(real, termios.TIOCGWINSZ, b"\0" * 8))
    except OSError:
        return  # One of the two is gone; its hang-up is answered where it is read.


def pass_plainly(ours: int) -> None:
    """Leave the line ends to the real terminal, which is in its own modes again."""
    try:
        attributes: Attributes = termios.tcgetattr(ours)
        attributes[OFLAG] = _flags(attributes, OFLAG) & ~termios.OPOST
        termios.tcsetattr(ours, termios.TCSANOW, attributes)
    except (OSError, termios.error):
        return  # Nobody has the other end any more.


def in_foreground(fd: int) -> bool:
    """Whether this process may use the terminal: a background job must neither read it nor change its modes."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False


class RawMode:
    """The real terminal, passing every key through while the command has the pseudo-terminal."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.saved: Attributes = termios.tcgetattr(fd)
        self.on = False

    def enter(self) -> None:
        if not in_foreground(self.fd):
            return
        raw = [*self.saved]
        raw[IFLAG] = _flags(raw, IFLAG) & ~(
            termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP
            | termios.INLCR | termios.IGNCR | termios.ICRNL | termios.IXON
        )  # fmt: skip
        raw[OFLAG] = _flags(raw, OFLAG) & ~termios.OPOST
        raw[LFLAG] = _flags(raw, LFLAG) & ~(
            termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN
        )
        raw[CC] = _with_minimum(_characters(self.saved))
        self._set(raw)
        self.on = True

    def leave(self) -> None:
        if self.on:
            self.restore()

    def restore(self) -> None:
        """Give the modes back whoever changed them; what was typed ahead stays for the next reader."""
        self._set(self.saved)
        self.on = False

    def _set(self, attributes: Attributes) -> None:
        try:
            termios.tcsetattr(self.fd, termios.TCSADRAIN, attributes)
        except (OSError, termios.error):
            return  # The terminal has gone away.


def _flags(attributes: Attributes, index: int) -> int:
    value = attributes[index]
    assert isinstance(value, int)
    return value


def _characters(attributes: Attributes) -> list[bytes | int]:
    value = attributes[CC]
    assert isinstance(value, list)
    return value


def _with_minimum(characters: list[bytes | int]) -> list[bytes | int]:
    """A read returns as soon as one key is there."""
    copy = [*characters]
    copy[termios.VMIN], copy[termios.VTIME] = 1, 0
    return copy
