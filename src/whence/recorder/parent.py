"""The command's parent: a tiny process that starts it, waits for it, and reports to front and keeper alike.

It does nothing else, so that neither the death of the front nor that of the keeper loses how the command ended. It
lives outside the command's process group. For an interactive command it also leads the session of the
pseudo-terminal, so that Ctrl-Z stops the command, and what the command leaves behind keeps its terminal.

A report is a line: `started PID START TIME`, `failed ERRNO`, `stopped SIGNAL`, `continued`, or `ended …` (see `Ended`).
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

import msgspec

from ..system.descriptors import keep_only
from ..system.processes import PEAK_UNIT, start_time
from ..system.tree import resident, transferred
from .descriptors import Descriptors
from .observing import Watched
from .starting import Begun

SHELL = "/bin/sh"

LOOK = 0.05
"""Seconds between two looks whether a command that is being started has been stopped."""

ANEW = b"anew"
"""From a process that is under a filter that nobody answers: another one must become the command."""

UNWANTED = frozenset({signal.SIGPIPE, signal.SIGXFSZ})
"""Python ignores these two from its start; the command must not inherit that."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be started, and how."""

    argv: list[str]
    shown: str
    """The first word as it may be said and recorded: a secret in it is masked."""
    environ: Mapping[str, str]
    descriptors: Descriptors
    group: int
    """The process group of the front."""
    mask: set[int]
    """The signals that were blocked when we were started."""
    begun: Begun


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How the command ended, by the kernel's word; no more than the status where the parent was killed."""

    status: int
    """As `wait` gives it."""
    at: float
    """By the monotonic clock."""
    cpu_user: float | None = None
    cpu_system: float | None = None
    peak: int = 0
    """Bytes; includes what this parent itself had when it forked (`floor`)."""
    floor: int = 0
    read: int | None = None
    written: int | None = None

    @property
    def exit_code(self) -> int | None:
        return os.WEXITSTATUS(self.status) if os.WIFEXITED(self.status) else None

    @property
    def signal(self) -> int | None:
        return os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else None

    @property
    def shell_code(self) -> int:
        """The exit code that a shell shows for it."""
        code = self.exit_code
        return 128 + (self.signal or 0) if code is None else code

    def line(self) -> str:
        count = [-1 if number is None else number for number in (self.read, self.written)]
        return (
            f"ended {self.status} {self.at!r} {self.cpu_user!r} {self.cpu_system!r} {self.peak} {self.floor}"
            f" {count[0]} {count[1]}"
        )

    @classmethod
    def parse(cls, words: Sequence[str]) -> Ended:
        read, written = (None if word == "-1" else int(word) for word in words[7:9])
        return cls(
            status=int(words[1]),
            at=float(words[2]),
            cpu_user=float(words[3]),
            cpu_system=float(words[4]),
            peak=int(words[5]),
            floor=int(words[6]),
            read=read,
            written=written,
        )


def parent(job: Job, reports: Sequence[int], life: int, watched: Watched | None = None) -> NoReturn:
    """Below the keeper, with every signal blocked: start the command and see it to its end.

    `life` ends when keeper and front are gone; until then the session of an interactive command must have a leader.
    """
    ignored = await_children()
    if job.descriptors.interactive:
        os.setsid()
        fcntl.ioctl(job.descriptors.channels[0].inner, termios.TIOCSCTTY, 0)
    began = time.monotonic()
    pid, refusal = _start(job, reports, ignored, watched)
    if refusal == ANEW:
        os.waitpid(pid, 0)
        pid, refusal = _start(job, reports, ignored, None)
    _leave_the_session(job)
    start = start_time(pid)
    floor = resident(os.getpid())
    keep_only([life, *reports, *(watched.keeps if watched else ())])
    if refusal:
        os.waitpid(pid, 0)
        _report(reports, f"failed {refusal.decode()}")
    else:
        _report(reports, f"started {pid} {start or 0} {began!r}")
        _see_to_its_end(pid, reports, floor, adopts=watched is not None and watched.adopts)
    for fd in reports:
        os.close(fd)
    if watched:
        watched.ended()
    if job.descriptors.interactive:
        os.read(life, 1)
    os._exit(0)


def _leave_the_session(job: Job) -> None:
    """The command's group is not to be one that somebody of its session watches, unless it would be without us: else
    its stops were no longer ignored where no shell would ever end them."""
    if not job.descriptors.interactive:
        with suppress(PermissionError):  # Who was started anew leads a group.
            os.setsid()


def _start(job: Job, reports: Sequence[int], ignored: set[int], watched: Watched | None) -> tuple[int, bytes]:
    """A process that becomes the command, and what kept it from that: an error's number, `ANEW`, or nothing."""
    gate, theirs = os.pipe()
    pid = fork_or_report(reports)
    if pid < 0:
        os._exit(0)
    if pid == 0:
        os.close(gate)
        _become(job, theirs, ignored, watched)
    os.close(theirs)
    refusal = b"" if _is_stopped_first(pid, gate) else os.read(gate, 64)
    os.close(gate)
    return pid, refusal


def _is_stopped_first(pid: int, gate: int) -> bool:
    """Wait for the gate. Whom job control stops before it tells has started: nobody would hear of the stop."""
    poll = select.poll()
    poll.register(gate, select.POLLIN)
    while hasattr(os, "waitid") and not poll.poll(LOOK * 1000):
        if os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT | os.WNOHANG):
            return True
    return False


def fork_or_report(reports: Sequence[int]) -> int:
    """Fork; where the machine has no room for a process, that is the command's failure to start."""
    try:
        return os.fork()
    except OSError as error:
        _report(reports, f"failed {error.errno}")
        return -1


def _report(reports: Sequence[int], line: str) -> None:
    for fd in reports:
        try:
            os.write(fd, f"{line}\n".encode())
        except OSError:
            continue  # That one is gone; the other one is not.


def _see_to_its_end(pid: int, reports: Sequence[int], floor: int, *, adopts: bool) -> None:
    while True:
        moved = _wait_without_reaping(pid, adopts=adopts)
        _, status, usage = os.wait4(pid, os.WUNTRACED | os.WCONTINUED)
        if os.WIFSTOPPED(status):
            _report(reports, f"stopped {os.WSTOPSIG(status)}")
        elif os.WIFCONTINUED(status):
            _report(reports, "continued")
        else:
            break
    read, written = moved or (None, None)
    ended = Ended(
        status=status,
        at=time.monotonic(),
        cpu_user=usage.ru_utime,
        cpu_system=usage.ru_stime,
        peak=usage.ru_maxrss * PEAK_UNIT,
        floor=floor,
        read=read,
        written=written,
    )
    _report(reports, ended.line())


def _wait_without_reaping(pid: int, *, adopts: bool) -> tuple[int, int] | None:
    """Wait for a change; while an ended process is not reaped, /proc still has its counters."""
    if not hasattr(os, "waitid"):
        return None
    changes = os.WEXITED | os.WSTOPPED | os.WCONTINUED | os.WNOWAIT
    while adopts and (other := os.waitid(os.P_ALL, 0, changes)) and other.si_pid != pid:
        os.waitpid(other.si_pid, os.WUNTRACED | os.WCONTINUED)  # An orphan, of which nobody else would hear.
    os.waitid(os.P_PID, pid, changes)
    return transferred(pid)


def _become(job: Job, gate: int, ignored: set[int], watched: Watched | None) -> NoReturn:
    """Become the command; if it cannot be executed, say why through the gate (which closes at exec)."""
    try:
        _join_group(job)
        job.descriptors.wire()
        if watched and not watched.go_under():
            os.write(gate, ANEW)
            os._exit(127)
        restore_signals()
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, job.mask)
        job.begun.pid = os.getpid()
        _execute(job.argv, job.environ)
    except OSError as error:
        job.begun.pid = 0
        os.write(gate, str(error.errno).encode())
    finally:
        os._exit(127)


def restore_signals() -> None:
    """Undo, right before an exec, what Python and we did to the signals: one that comes before it is the command's."""
    for number in signal.valid_signals():
        if number in UNWANTED or callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)


def await_children() -> set[int]:
    """Learn how children end, also where SIGCHLD was ignored when we were started; what the command is to ignore."""
    if signal.getsignal(signal.SIGCHLD) != signal.SIG_IGN:
        return set()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return {int(signal.SIGCHLD)}


def _join_group(job: Job) -> None:
    if job.descriptors.interactive:
        os.setpgid(0, 0)
        os.tcsetpgrp(job.descriptors.channels[0].inner, os.getpid())
        return
    try:
        os.setpgid(0, job.group)
    except OSError:
        return  # The front has been killed meanwhile; the command still runs.


def _execute(argv: list[str], environ: Mapping[str, str]) -> NoReturn:
    """As `execvp` does: the first match in PATH, and a script without `#!` by the shell. Raises OSError."""
    refused = OSError(errno.ENOENT, "not found")
    for path in _candidates(argv[0], environ):
        try:
            os.execve(path, argv, environ)
        except OSError as error:
            if error.errno == errno.ENOEXEC:
                os.execve(SHELL, [SHELL, path, *argv[1:]], environ)
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                refused = error
    raise refused


def _candidates(name: str, environ: Mapping[str, str]) -> list[str]:
    if "/" in name:
        return [name]
    folders = environ.get("PATH", os.defpath).split(os.pathsep)
    return [f"{folder or '.'}/{name}" for folder in folders] if name else []
