"""What a trace of `strace -f -ttt -y -xx` says: which calls were made, by which process, on which paths.

A line is a call with its result, or the first or second half of one that others came between. Every string is in hex.
Only calls that were done count, but for connections, of which an attempt counts. Paths are made absolute by the folder
that the line itself names, or by what is known of the process: where it began, and every change of folder since.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from . import seen as calls

Op = Literal["read", "write", "update", "create", "truncate", "rename", "link", "unlink", "execute", "connect",
             "io_uring", "handle", "mount", "unmount"]  # fmt: skip

NAMES = (
    "open", "openat", "openat2", "creat", "execve", "execveat", "rename", "renameat", "renameat2", "link", "linkat",
    "unlink", "unlinkat", "truncate", "connect", "io_uring_setup", "chroot", "pivot_root", "chdir", "fchdir", "clone",
    "clone3", "fork", "vfork", "seccomp", "open_by_handle_at", "unshare", "setns", "symlink", "symlinkat", "mount",
    "umount2", "move_mount",
)  # fmt: skip
"""The calls that a trace must have; those that a machine lacks need not be there."""


MOST_LINKS = 100_000
"""Links that are remembered."""


class Did(msgspec.Struct, frozen=True, kw_only=True):
    """One call that a process made."""

    at: float
    """Seconds of the clock of the day, when it began."""
    pid: int
    """The process, not the thread."""
    op: Op
    path: bytes
    other: bytes = b""
    flags: int = 0
    real: bytes = b""
    """Of an open where it led, by a path without links, as the kernel named it right after."""
    is_link: bool = False
    """What is renamed or removed is a link that the command made."""


class _Process:
    """What the threads that share it have in common."""

    __slots__ = ("folder", "is_ours", "pid")

    def __init__(self, pid: int, folder: bytes, *, is_ours: bool = False) -> None:
        self.pid = pid
        self.folder = folder
        self.is_ours = is_ours


class _Call(msgspec.Struct):
    thread: int
    at: float
    name: str
    words: str
    result: str

    @property
    def number(self) -> int | None:
        found = _NUMBER.match(self.result)
        return int(found[1], 0) if found else None

    @property
    def done(self) -> bool:
        return (self.number or 0) >= 0 and self.number is not None


_LINE = re.compile(r" *(\d+) +(\d+\.\d+) (.*)")
_WHOLE = re.compile(r"(\w+)\((.*)\) += (.*)")
_UNFINISHED = re.compile(r"(\w+)\((.*?) *<(?:unfinished|pid changed to \d+) \.\.\.>")
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)")
_SUPERSEDED = re.compile(r"\+\+\+ superseded by execve in pid (\d+) \+\+\+")
_NUMBER = re.compile(r"(-?(?:0x[0-9a-f]+|\d+))")
_HEX = r"((?:\\x[0-9a-f]{2})*)"
_PATH = re.compile(rf'(?:(AT_FDCWD|-?\d+)(?:<([^>"]*)>)?(?:\(deleted\))?, )?"{_HEX}"(\.\.\.)?')
_PLACE = re.compile(r"(?:AT_FDCWD|\d+)<([^>]*)>")
_FLAG = re.compile(r"\b(?:O|AT|RENAME|CLONE)_\w+\b")
_PORT = re.compile(r"sin6?_port=htons\((\d+)\)")
_ADDRESS = re.compile(rf'sin6?_addr[^"]*"{_HEX}"|inet_pton\(AF_INET6, "{_HEX}"')
_SOCKET = re.compile(rf'sun_path=(@?)"{_HEX}"')

_FLAGS = {
    "O_WRONLY": calls.WRITE_ONLY, "O_RDWR": calls.READ_WRITE, "O_CREAT": calls.CREATE, "O_EXCL": calls.EXCLUSIVE,
    "O_TRUNC": calls.TRUNCATE, "O_PATH": calls.PATH_ONLY, "O_NOCTTY": 0o400, "O_SYNC": 0o4010000,
    "RENAME_EXCHANGE": calls.EXCHANGE,
}  # fmt: skip


class Trace:
    """One trace, line by line. The command is what becomes of the process that opens `marker`, in `folder`; what comes
    before is not counted. `folder_of` asks where a process is of which nothing is known, and may not know either."""

    def __init__(
        self, folder: bytes, marker: bytes, folder_of: Callable[[int], bytes | None] = lambda thread: None
    ) -> None:
        self.gaps: dict[str, None] = {}
        self.begun = False
        self._folder = folder
        self._marker = "".join(f"\\x{byte:02x}" for byte in marker)
        self._folder_of = folder_of
        self._processes: dict[int, _Process] = {}
        self._company = 0
        self._ours: set[int] = set()
        """Threads whose calls are ours at present."""
        self._halves: dict[int, _Call] = {}
        self._links: dict[bytes, None] = {}
        """Names of links that the command made: whoever looks at one later finds the next, or none."""

    def take(self, line: str) -> Did | None:
        """What a line says; nothing where that is nothing."""
        found = _LINE.fullmatch(line)
        if found is None:
            return None
        call = self._whole(int(found[1]), float(found[2]), found[3])
        if call is None or not self._counts(call):
            return None
        did = _READERS[call.name](self, call) if call.name in _READERS else None
        return None if self._is_ours(call) else did

    def _is_ours(self, call: _Call) -> bool:
        """Whether it is of the recorder inside a program, or of a program that this one asks; they say so themselves,
        by an open that need not have been done."""
        if call.name in _OPENS and _NOTHING in call.words and _flags(call)[1] & calls.OURS == calls.OURS:
            self._said(call, _flags(call)[1] & calls.ACCESS)
            return True
        if call.name in _EXECUTING and call.done:
            self._ours.discard(call.thread)
        return call.thread in self._ours or self.process(call.thread).is_ours

    def _said(self, call: _Call, access: int) -> None:
        if access == calls.READ_WRITE:
            self.process(call.thread).is_ours = True
        elif access == calls.WRITE_ONLY:
            self._ours.discard(call.thread)
        else:
            self._ours.add(call.thread)

    def _counts(self, call: _Call) -> bool:
        """Whether it is of the command: not before it began, and not of the program that only keeps strace company."""
        if not self.begun and self._marker in call.words:
            self.begun = True
            return False
        if not self._company and call.name == "execve" and _COMPANY in call.words:
            self._company = call.thread
        return self.begun and call.thread != self._company

    def _whole(self, thread: int, at: float, text: str) -> _Call | None:
        if found := _UNFINISHED.fullmatch(text):
            self._halves[thread] = _Call(thread, at, found[1], found[2], "?")
        elif found := _RESUMED.fullmatch(text):
            half = self._halves.pop(thread, None)
            rest = _WHOLE.fullmatch(f"{found[1]}({half.words if half else ''}{found[2]}")
            return _Call(thread, half.at if half else at, rest[1], rest[2], rest[3]) if rest else None
        elif found := _WHOLE.fullmatch(text):
            return _Call(thread, at, found[1], found[2], found[3])
        elif found := _SUPERSEDED.fullmatch(text):
            # It was done, whatever its second half says: under a filter of ours strace finds no result there.
            self._ours.discard(thread)
            if half := self._halves.pop(int(found[1]), None):
                return _Call(thread, half.at, half.name, half.words, "0")
        elif text.startswith("+++"):
            self._processes.pop(thread, None)
            self._ours.discard(thread)
            self._halves.pop(thread, None)
        return None

    @property
    def threads(self) -> Sequence[int]:
        """Those whose end it has not told."""
        return [thread for thread in self._processes if thread != self._company]

    # Where a process is.

    def process(self, thread: int) -> _Process:
        """What is known of a thread; of a new one, what whoever is just making one has."""
        known = self._processes.get(thread)
        if known is None:
            known = self._processes[thread] = self._new_process(thread)
        return known

    def _new_process(self, thread: int) -> _Process:
        """It may be heard of before the call that made it ends: then it has what all have that are making one."""
        halves = [half.thread for half in self._halves.values() if half.name in _MAKERS]
        makers = [self._processes[maker] for maker in halves if maker in self._processes]
        folders = {maker.folder for maker in makers}
        folder = folders.pop() if len(folders) == 1 else (self._folder_of(thread) or self._folder)
        return _Process(thread, folder, is_ours=bool(makers) and all(maker.is_ours for maker in makers))

    def made(self, call: _Call) -> None:
        """A process or thread was made."""
        maker, new = self.process(call.thread), call.number
        if new is None or new <= 0:
            return
        self.parted(call)
        if "CLONE_THREAD" in call.words:
            self._processes[new] = maker
        elif new not in self._processes:
            self._processes[new] = _Process(new, maker.folder, is_ours=maker.is_ours)
        elif maker.is_ours:
            self._processes[new].is_ours = True

    def moved(self, call: _Call) -> None:
        """A process changed its folder."""
        place = _PLACE.match(call.words) if call.name == "fchdir" else None
        if not call.done:
            return
        if place:
            self.process(call.thread).folder = _bytes(place[1])
        elif paths := self.paths(call):
            self.process(call.thread).folder = paths[0]

    def rooted(self, call: _Call) -> None:
        if call.done:
            self.gaps["a program changed its root: paths after that may be those of other files"] = None

    def filtered(self, call: _Call) -> None:
        """A filter that notifies goes before one that traces."""
        if call.done and "NEW_LISTENER" in call.words:
            self.gaps["a program had its calls answered by another one: what it opened then was not seen"] = None

    def parted(self, call: _Call) -> None:
        """A program may have taken mounts of its own, or those of another one."""
        if call.done and ("CLONE_NEWNS" in call.words or (call.name == "setns" and call.words.endswith(", 0"))):
            self.gaps["a program took mounts of its own: paths after that may be those of other files"] = None

    def make_link(self, path: bytes) -> None:
        if len(self._links) >= MOST_LINKS:
            del self._links[next(iter(self._links))]
        self._links[path] = None

    def take_link(self, path: bytes) -> bool:
        """Whether the command made a link there, which is moved or removed now."""
        there = path in self._links
        self._links.pop(path, None)
        return there

    def paths(self, call: _Call) -> list[bytes]:
        """The paths that it names, absolute."""
        return list(self._paths(call))

    def _paths(self, call: _Call) -> Iterator[bytes]:
        process = self.process(call.thread)
        # Arguments and environment of a program are no paths.
        for found in _PATH.finditer(call.words.partition(", [")[0]):
            if found[1] == "AT_FDCWD" and found[2]:
                process.folder = _bytes(found[2])
            folder = _bytes(found[2]) if found[2] else process.folder
            path = _bytes(found[3])
            if not found[4] and (path or "AT_EMPTY_PATH" in call.words):
                yield plain(path if path.startswith(b"/") else folder + (b"/" + path if path else b""))


_COMPANY = '"\\x2d\\x56"'
"""The argument of the program that strace is given to start, `-V`: without one it sets no filter."""

_OF_PROCESS = (b"/proc/self/", b"/proc/thread-self/", b"/dev/fd/", b"/dev/std")
_UP = "\\x2e\\x2e"

_MAKERS = ("clone", "clone3", "fork", "vfork")

_EXECUTING = ("execve", "execveat")

_OPENS = ("open", "openat", "openat2", "creat")

_NOTHING = '"' + "".join(f"\\x{byte:02x}" for byte in b"/dev/null") + '"'


def plain(path: bytes) -> bytes:
    """Without `//` and `.`; with `..` taken away by its name, as if no link were before it."""
    words: list[bytes] = []
    for word in path.split(b"/"):
        if word == b"..":
            words[-1:] = []
        elif word not in (b"", b"."):
            words.append(word)
    return b"/" + b"/".join(words)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _did(trace: Trace, call: _Call, op: Op, path: bytes, other: bytes = b"", flags: int = 0) -> Did:
    return Did(at=call.at, pid=trace.process(call.thread).pid, op=op, path=path, other=other, flags=flags)


def _flags(call: _Call) -> tuple[set[str], int]:
    """The names of the flags, and those that decide something as a number."""
    names = set(_FLAG.findall(_PATH.sub("", call.words)))
    return names, sum(_FLAGS.get(name, 0) for name in names)


def _open(trace: Trace, call: _Call) -> Did | None:
    paths = trace.paths(call)
    names, flags = _flags(call)
    if not paths or not call.done or names & {"O_PATH", "O_DIRECTORY"}:
        return None
    if call.name == "creat":
        flags |= calls.WRITE_ONLY | calls.CREATE | calls.TRUNCATE
    access = flags & calls.ACCESS
    anew = flags & calls.TRUNCATE or flags & (calls.CREATE | calls.EXCLUSIVE) == calls.CREATE | calls.EXCLUSIVE
    op: Op = "create" if anew else "read" if access == 0 else "update" if access == calls.READ_WRITE else "write"
    led = _PLACE.match(call.result)
    real = _bytes(led[1]) if led else b""
    if not real.startswith(b"/") or real.endswith(b" (deleted)"):
        real = b""
    # The name may depend on who asks, or on links before `..`.
    named = real if real and (paths[0].startswith(_OF_PROCESS) or _UP in call.words) else paths[0]
    return replace(_did(trace, call, op, named, flags=flags), real=real)


def _pair(op: Op) -> Callable[[Trace, _Call], Did | None]:
    def read(trace: Trace, call: _Call) -> Did | None:
        paths = trace.paths(call)
        if len(paths) < 2 or not call.done:
            return None
        is_link = op == "rename" and trace.take_link(paths[0])
        if is_link:
            trace.make_link(paths[1])
        return replace(_did(trace, call, op, paths[0], paths[1], flags=_flags(call)[1]), is_link=is_link)

    return read


def _one(op: Op) -> Callable[[Trace, _Call], Did | None]:
    def read(trace: Trace, call: _Call) -> Did | None:
        paths = trace.paths(call)
        if not paths or not call.done or "AT_REMOVEDIR" in call.words:
            return None
        is_link = op == "unlink" and trace.take_link(paths[0])
        return replace(_did(trace, call, op, paths[0]), is_link=is_link)

    return read


def _symlink(trace: Trace, call: _Call) -> None:
    """It changes no way that was there."""
    paths = trace.paths(call)
    if len(paths) > 1 and call.done:
        trace.make_link(paths[1])


def _mounting(op: Op, at: int) -> Callable[[Trace, _Call], Did | None]:
    def read(trace: Trace, call: _Call) -> Did | None:
        paths = trace.paths(call)
        return _did(trace, call, op, paths[at]) if call.done and len(paths) > at else None

    return read


def _execute(trace: Trace, call: _Call) -> Did | None:
    """Whoever executes is the process from then on, whichever of its threads asked."""
    paths = trace.paths(call)
    return _did(trace, call, "execute", paths[0]) if paths and call.done else None


def _connect(trace: Trace, call: _Call) -> Did | None:
    address = _address(call.words)
    return None if address is None else _did(trace, call, "connect", address)


def _address(words: str) -> bytes | None:
    if found := _SOCKET.search(words):
        return b"unix:" + (b"@" if found[1] else b"") + _bytes(found[2])
    port, host = _PORT.search(words), _ADDRESS.search(words)
    if port is None or host is None:
        return None
    if "AF_INET6" in words:
        return b"inet6:[%s]:%d" % (_bytes(host[1] or host[2]), int(port[1]))
    return b"inet:%s:%d" % (_bytes(host[1]), int(port[1]))


def _io_uring(trace: Trace, call: _Call) -> Did | None:
    return _did(trace, call, "io_uring", b"") if call.done else None


def _by_handle(trace: Trace, call: _Call) -> Did | None:
    return _did(trace, call, "handle", b"") if call.done else None


_READERS: dict[str, Callable[[Trace, _Call], Did | None]] = {
    **dict.fromkeys(_OPENS, _open),
    **dict.fromkeys(_EXECUTING, _execute),
    **dict.fromkeys(("rename", "renameat", "renameat2"), _pair("rename")),
    **dict.fromkeys(("link", "linkat"), _pair("link")),
    **dict.fromkeys(("unlink", "unlinkat"), _one("unlink")),
    "truncate": _one("truncate"),
    **dict.fromkeys(("symlink", "symlinkat"), _symlink),
    **dict.fromkeys(("mount", "move_mount"), _mounting("mount", 1)),
    "umount2": _mounting("unmount", 0),
    "connect": _connect,
    "io_uring_setup": _io_uring,
    "open_by_handle_at": _by_handle,
    **dict.fromkeys(_MAKERS, Trace.made),
    **dict.fromkeys(("chdir", "fchdir"), Trace.moved),
    "seccomp": Trace.filtered,
    **dict.fromkeys(("chroot", "pivot_root"), Trace.rooted),
    **dict.fromkeys(("unshare", "setns"), Trace.parted),
}
"""What is made of each call."""
