"""Run another program with a time limit, and tell processes apart.

`run` never waits longer than it was told, whatever the program does: its whole process group is killed, and one that
does not even die (a hung mount) is left behind and said so. It is built on `posix_spawn` rather than `subprocess`,
which costs the launch of every run 8 ms of import.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from ..records.run import Process
from .apart import IN_PROGRAM
from .held_signals import held

PEAK_UNIT = 1 if os.uname().sysname == "Darwin" else 1024
"""Bytes that `ru_maxrss` counts in (getrusage(2))."""

OUTPUT_LIMIT = 64 << 20
"""Bytes of one stream that `run` keeps; a program that prints more is stopped."""

LOOK = 0.1
"""Seconds between two looks whether a signal came that is held."""

_PIDFD_INFO = struct.Struct("Q52xi")
"""`struct pidfd_info`: what is asked and told, and the exit status at its end."""
_GET_INFO = 0xC040FF0B  # PIDFD_GET_INFO
_EXIT = 1 << 3  # PIDFD_INFO_EXIT

HELD = 0.05
"""Seconds after which a traced process that has not moved is stopped for good."""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A program that ended by itself."""

    code: int
    """Exit code, or minus the signal's number."""
    out: bytes
    err: bytes

    @property
    def ok(self) -> bool:
        return self.code == 0


class ProgramError(Exception):
    """A program could not be run to its end; the message says why, for a person."""


class ProgramMissing(ProgramError):
    """There is no such program, or it may not be executed."""


class ProgramTimedOut(ProgramError):
    """It was stopped at its time limit, or at the limit of its output."""


def run(
    argv: Sequence[str | bytes],
    *,
    seconds: float,
    environ: Mapping[str, str],
    stdin: bytes | None = None,
    output_limit: int = OUTPUT_LIMIT,
) -> Done:
    """Run a program to its end. There is no `cwd`: pass the program's own option (`git -C`)."""
    program = find_program(os.fsdecode(argv[0]), environ)
    if program is None:
        raise ProgramMissing(f"{os.fsdecode(argv[0])}: no such program")
    # `with` cannot hold these: each end is closed at its own moment.
    in_read, in_write = os.pipe() if stdin else (os.open(os.devnull, os.O_RDONLY), -1)
    out_read, out_write = os.pipe()
    err_read, err_write = os.pipe()
    try:
        pid = os.posix_spawn(
            program,
            [os.fsencode(a) for a in argv],
            dict(environ),
            file_actions=[
                *([IN_PROGRAM] if in_read else []),
                (os.POSIX_SPAWN_DUP2, in_read, 0),
                (os.POSIX_SPAWN_DUP2, out_write, 1),
                (os.POSIX_SPAWN_DUP2, err_write, 2),
            ],
            setpgroup=0,
            setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT],
            setsigmask=[],
        )
    except OSError as error:
        for fd in (in_write, out_read, err_read):
            if fd >= 0:
                os.close(fd)
        raise ProgramMissing(f"{program}: {error.strerror}") from error
    finally:
        os.close(in_read)
        os.close(out_write)
        os.close(err_write)
    out, err = bytearray(), bytearray()
    try:
        complete = _converse(
            in_write, stdin or b"", {out_read: out, err_read: err}, time.monotonic() + seconds, output_limit
        )
    except BaseException:
        _reap(pid, 0.0)
        raise
    if not complete:
        kill_group(pid)
    code = _reap(pid, seconds)
    if code is None or not complete:
        raise ProgramTimedOut(f"{os.fsdecode(argv[0])} did not end within {seconds:g} s")
    return Done(code=code, out=bytes(out), err=bytes(err))


def _converse(in_write: int, stdin: bytes, outputs: dict[int, bytearray], deadline: float, limit: int) -> bool:
    """Write the input and collect the outputs until both are closed; false when time or room ran out."""
    poll = select.poll()
    left = memoryview(stdin)
    for fd in outputs:
        poll.register(fd, select.POLLIN)
    if in_write >= 0:
        os.set_blocking(in_write, False)
        poll.register(in_write, select.POLLOUT)
    open_fds = set(outputs) | ({in_write} if in_write >= 0 else set[int]())
    try:
        while open_fds - {in_write}:
            wait = max(0.0, deadline - time.monotonic())
            ready = poll.poll(min(wait, LOOK) * 1000)
            held.check()
            if not ready and wait <= LOOK:
                return False
            for fd, _ in ready:
                if fd == in_write:
                    try:
                        left = left[os.write(fd, left[:65536]) :]
                    except BrokenPipeError:
                        left = left[:0]
                    if left:
                        continue
                else:
                    chunk = os.read(fd, 1 << 20)
                    outputs[fd] += chunk
                    if len(outputs[fd]) > limit:
                        return False
                    if chunk:
                        continue
                poll.unregister(fd)
                os.close(fd)
                open_fds.discard(fd)
        return True
    finally:
        for fd in open_fds:
            os.close(fd)


def _reap(pid: int, seconds: float) -> int | None:
    """Wait for a child; past the time kill its group. Nothing if even that did not end it."""
    deadline = time.monotonic() + seconds
    pause = 0.0005
    killed = 0.0
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        now = time.monotonic()
        if killed and now > killed + 1:
            return None
        if not killed and now >= deadline:
            kill_group(pid)
            killed = now
        time.sleep(pause)
        pause = min(pause * 2, 0.02)


def kill_group(pid: int) -> None:
    """Kill the process group that this process leads, if it is still there."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def find_program(name: str, environ: Mapping[str, str]) -> str | None:
    """The file that a shell would execute for this name, or nothing."""
    if "/" in name:
        return name if _executable(name) else None
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        candidate = f"{folder or '.'}/{name}"
        if _executable(candidate):
            return candidate
    return None


def _executable(path: str) -> bool:
    return os.access(path, os.X_OK) and not Path(path).is_dir()


def boot_id() -> str | None:
    """The kernel's identity of this boot; nothing where /proc does not say."""
    return _first_line("/proc/sys/kernel/random/boot_id")


def identity(pid: int | None = None, *, host: str | None = None) -> Process:
    """What tells this process from any later one with the same number."""
    number = os.getpid() if pid is None else pid
    return Process(
        pid=number,
        start=start_time(number),
        boot_id=boot_id(),
        pid_namespace=_link(f"/proc/{number}/ns/pid"),
        host=host,
    )


def start_time(pid: int) -> int | None:
    """Clock ticks after boot at which the process started; nothing when it is gone or /proc does not say."""
    fields = _stat(pid)
    return None if fields is None or fields[0] in b"ZX" else int(fields[19])


def ended_status(pid: int, pidfd: int) -> int | None:
    """How a process ended that is not our child, as `wait` gives it; nothing where the machine does not tell.

    Of one that nobody has collected /proc knows, of one that was collected its descriptor (Linux 6.15).
    """
    fields = _stat(pid)
    if fields is not None and fields[0] == b"Z":
        return int(fields[49]) if _is_of_our_user(pid) else None
    info = bytearray(_PIDFD_INFO.size)
    _PIDFD_INFO.pack_into(info, 0, _EXIT, 0)
    try:
        fcntl.ioctl(pidfd, _GET_INFO, info)
    except OSError:
        return None
    told, status = _PIDFD_INFO.unpack(info)
    return status if told & _EXIT else None


def _is_of_our_user(pid: int) -> bool:
    """Whether /proc says the truth of it to us: of others it gives zeros."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return False
    us = os.geteuid()
    return us == 0 or f"\nUid:\t{us}\t{us}\t{us}\t" in status


def is_stopped(pid: int) -> bool | None:
    """Whether job control holds the process; nothing when /proc does not say."""
    fields = _stat(pid)
    return None if fields is None else fields[0] == b"T" or (fields[0] == b"t" and _is_held(pid))


def _is_held(pid: int) -> bool:
    """Whether a traced process stays where it stands: its stop for a call is over at once, one by job control not."""
    before = _switches(pid)
    time.sleep(HELD)
    fields = _stat(pid)
    return fields is not None and fields[0] == b"t" and before == _switches(pid)


def _switches(pid: int) -> bytes:
    """How often it has given up its processor, as /proc says it."""
    try:
        status = Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return b""
    return status[status.find(b"voluntary_ctxt_switches") :]


def is_orphaned() -> bool:
    """Whether nobody would continue our process group if it was stopped: no shell of our session stands above it
    (POSIX, 3.264 "orphaned process group"; of its members those that we come of are looked at)."""
    group, session, pid = os.getpgrp(), os.getsid(0), os.getpid()
    while pid > 1:
        try:
            if os.getpgid(pid) != group:
                return os.getsid(pid) != session
        except (ProcessLookupError, PermissionError):
            return True
        pid = parent_of(pid) or 0
    return True


def parent_of(pid: int) -> int | None:
    """The parent's number; nothing when the process is gone or /proc does not say."""
    fields = _stat(pid)
    return None if fields is None else int(fields[1])


def _stat(pid: int) -> list[bytes] | None:
    """The fields of `/proc/PID/stat` from the state on (proc(5)); the name before it may hold anything."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    return stat[stat.rindex(b")") + 2 :].split()


def command_line(pid: int) -> bytes | None:
    """The arguments of a process, each ended by a zero byte; nothing when it is gone or /proc does not say."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None


def _first_line(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="ascii").split("\n", 1)[0]
    except OSError:
        return None


def _link(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None
