"""strace beside a command: the process that becomes it, and the one that keeps it.

strace attaches to the process that is about to become the command, so that nothing of the command is strace's: neither
its descriptors, nor its signals, nor how it is executed. That process then sets a filter of ours that stops it at the
calls that count and at no others, which strace knows how to use (`--seccomp-bpf`) once it is asked to; it only asks
where it starts a program as well, so it starts itself, for a version number that nobody reads.

The trace goes into memory that has no name, so that nothing waits for a reader and nothing is left behind. Who starts
strace stays until it has ended, tells how, and empties the memory when there is no reader any more.
"""

from __future__ import annotations

import errno
import os
import resource
import select
import signal
import socket
import struct
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import NoReturn

from .filter import Unwatched
from .native import SET_NO_NEW_PRIVILEGES, SET_TRACER, Native
from .post import KNOWN
from .program import FOLDER, TRACE, program
from .syscalls import MACHINES, MOVES

ATTACHED = 10.0
"""Seconds in which strace must have attached."""

BEGIN = b"/whence-begins-here"
"""What the process opens right before it becomes the command: what stands before it in a trace was done by us."""

SWEEP = 1000
"""Milliseconds between two looks whether anybody reads."""

GONE = "the tracer ended by"
ENDED = "the tracer ended"
UNSEEN = "a known call was not seen by strace"

_NUMBER = struct.Struct("i")


class Tracer:
    """Made before the processes part. `news` is a pipe for the recorder, `log` the memory that takes the trace."""

    def __init__(self, strace: str, names: Iterable[str], machine: str, *, log: int, news: int, every: bool) -> None:
        self.log = log
        self._strace = strace
        self._names = ",".join("?" + name for name in names)
        self._machine = machine
        self._news = news
        self._every = every
        """Every call is stopped, for want of a filter."""
        self._ours, self._theirs = socket.socketpair()

    def say(self, line: str) -> None:
        """Tell the recorder, if it is still there."""
        with suppress(OSError):
            os.write(self._news, f"{line[:500]}\n".encode(errors="replace"))

    def close(self) -> None:
        """In a process that has no part in it."""
        os.close(self._news)
        self._ours.close()
        self._theirs.close()

    # The process that keeps strace.

    def part(self) -> None:
        """Start it; returns in the process that was there. Raises OSError."""
        if os.fork() == 0:
            try:
                self._keep()
            finally:
                os._exit(1)
        self._ours.close()

    def _keep(self) -> NoReturn:
        os.setsid()
        os.chdir("/")
        ours = self._ours.fileno()
        _hold_only((ours, self._news, self.log))
        strace = os.fork()
        if strace == 0:
            try:
                self._become_strace(ours)
            finally:
                os._exit(127)
        os.close(ours)
        self._see_to_its_end(strace)
        os._exit(0)

    def _become_strace(self, ours: int) -> None:
        """Wait for the number of the process, and trace it."""
        os.write(ours, _NUMBER.pack(os.getpid()))
        words = os.read(ours, _NUMBER.size)
        if not words:
            return
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        _allow_long_files()
        os.set_inheritable(ours, True)  # Whoever waits for us learns by its closing that we have ended.
        os.set_inheritable(self.log, True)
        argv = [
            self._strace, "-f", "-ttt", "-y", "-xx", "-q", "-e", "signal=none", "-e", f"trace={self._names}",
            "-o", f"/proc/self/fd/{self.log}", "-p", str(_NUMBER.unpack(words)[0]),
        ]  # fmt: skip
        beside = [] if self._every else ["--", self._strace, "-V"]
        os.execve(self._strace, [argv[0], *([] if self._every else ["--seccomp-bpf"]), *argv[1:], *beside], os.environ)

    def _see_to_its_end(self, strace: int) -> None:
        """Empty what nobody reads: a program that outlives the run may go on for weeks."""
        there = os.pidfd_open(strace)
        poll = select.poll()
        poll.register(there, select.POLLIN)
        poll.register(self._news, 0)
        read = True
        while not any(fd == there for fd, _ in poll.poll(None if read else SWEEP)):
            if read:
                poll.unregister(self._news)
                read = False
            os.ftruncate(self.log, 0)
        _, status = os.waitpid(strace, 0)
        code = os.waitstatus_to_exitcode(status)
        self.say(f"{GONE} {signal.Signals(-code).name}" if code < 0 else ENDED)

    # The process that becomes the command.

    def go_under(self, native: Native) -> None:
        """Right before it does: be traced, and prove it. Raises Unwatched."""
        self._call_strace(native)
        self._wait_for_strace()
        if not self._every:
            self._set_filter(native)
        if _open(BEGIN) == errno.ENOSYS or not self._stands_in_trace(BEGIN):
            raise Unwatched(UNSEEN, spoiled=True)

    def _call_strace(self, native: Native) -> None:
        with suppress(OSError):
            words = self._theirs.recv(_NUMBER.size)
            if words:
                with suppress(OSError):  # There is no Yama here, which wants to know.
                    native.prctl(SET_TRACER, _NUMBER.unpack(words)[0])
                self._theirs.send(_NUMBER.pack(os.getpid()))
                return
        raise Unwatched("the process that was to trace was killed")

    def _wait_for_strace(self) -> None:
        """Make a known call until it stands in the trace: at first strace is not there yet."""
        until = time.monotonic() + ATTACHED
        poll = select.poll()
        poll.register(self._theirs, select.POLLIN)
        while not poll.poll(2) and time.monotonic() < until:
            _open(KNOWN)
            if self._stands_in_trace(KNOWN):
                return
        raise Unwatched(UNSEEN, spoiled=True)

    def _stands_in_trace(self, path: bytes) -> bool:
        return b"".join(b"\\x%02x" % byte for byte in path) in os.pread(self.log, 1 << 20, 0)

    def _set_filter(self, native: Native) -> None:
        machine = MACHINES[self._machine]
        code = program(machine.watching(MOVES[self._machine]), FOLDER[self._machine], TRACE)
        try:
            try:
                native.set_plain_filter(code)
            except PermissionError:
                native.prctl(SET_NO_NEW_PRIVILEGES, 1)
                native.set_plain_filter(code)
        except OSError as error:
            raise Unwatched(f"no filter can be set here: {os.strerror(error.errno or 0)}", spoiled=True) from error


def _open(path: bytes) -> int:
    """The number of the error that opening it gives."""
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError as error:
        return error.errno or 0
    return 0


def _allow_long_files() -> None:
    """A limit that is meant for the command must not end the trace."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def _hold_only(fds: Iterable[int]) -> None:
    """Give up every descriptor but these; 0 to 2 lead nowhere."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in range(3):
        os.dup2(null, fd, inheritable=True)
    low = 3
    for fd in sorted(fds):
        os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))
