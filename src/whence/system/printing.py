"""The files that this process prints to, where whoever started it gave it some (`program > file`), and those that are
written by who reads what it prints (`program | tee file`)."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress

import msgspec

SECONDS = 0.05
"""How long is looked for readers: a machine may have very many processes."""


class Printed(msgspec.Struct, frozen=True):
    """A file that is standard output or standard error."""

    path: str
    """Absolute, links followed."""
    size: int
    """Bytes that were in it already."""


def printed_to() -> tuple[Printed, ...]:
    """Each of them once; none on a system that does not name them, and of those that have no name any more."""
    return tuple(dict.fromkeys(found for fd in (1, 2) if (found := _file(fd)) is not None))


def _file(fd: int) -> Printed | None:
    try:
        path, found = os.readlink(f"/proc/self/fd/{fd}"), os.fstat(fd)
        named = stat.S_ISREG(found.st_mode) and os.path.samestat(os.stat(path), found)
    except OSError:
        return None
    return Printed(path, found.st_size) if named else None


def passed_on_to() -> frozenset[str]:
    """The files, links followed, that are open to be written in processes of our session which read what we print, also
    through others (`| grep | tee`). None where we print to no pipe. Takes 10 us a process of the session."""
    pipes = {link for fd in (1, 2) if (link := _link("self", fd)).startswith("pipe:")}
    if not pipes:
        return frozenset()
    held = [_held(process) for process in _of_our_session(time.monotonic() + SECONDS)]
    files: set[str] = set()
    while readers := [one for one in held if not pipes.isdisjoint(one.read)]:
        held = [one for one in held if one not in readers]
        files.update(path for one in readers for path in one.written if path.startswith("/"))
        pipes = {link for one in readers for link in one.written if link.startswith("pipe:")}
    return frozenset(path for path in files if _is_regular(path))


class _Held(msgspec.Struct, frozen=True):
    """Where the descriptors of a process lead."""

    read: set[str]
    written: set[str]


def _of_our_session(until: float) -> Iterator[str]:
    ours = os.getsid(0)
    with suppress(OSError):
        for name in os.listdir("/proc"):
            if time.monotonic() >= until:
                return
            with suppress(OSError):  # It has ended.
                if name.isdigit() and int(name) != os.getpid() and os.getsid(int(name)) == ours:
                    yield name


def _held(process: str) -> _Held:
    """By the permissions of the links, which say how each was opened; none of another account's process."""
    held = _Held(set(), set())
    with suppress(OSError):
        for fd in os.listdir(f"/proc/{process}/fd"):
            mode, link = os.lstat(f"/proc/{process}/fd/{fd}").st_mode, _link(process, fd)
            if mode & stat.S_IRUSR:
                held.read.add(link)
            if mode & stat.S_IWUSR:
                held.written.add(link)
    return held


def _link(process: str, fd: int | str) -> str:
    try:
        return os.readlink(f"/proc/{process}/fd/{fd}")
    except OSError:
        return ""


def _is_regular(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False
