"""Notes the files that this program opens, by an audit hook: where nothing beneath the program can watch it.

Only what Python itself asks for is seen, right before it is asked for: not what compiled libraries and other programs
do. A line a call goes into a file of this process: time, process, op, path, other path, flags, identity, because, and
both paths without links; bytes in hex, `-` for nothing. Loaded only where it is asked for, which the file `WANTED` in
the folder says.

It costs the call of a function for each audited event; for a file a stat, and 20 us to note it while it is new.
"""

from __future__ import annotations

import _thread
import os
import sys
import time

from .guard import Guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WANTED = "opens"
SUFFIX = ".opens"

MOST = 100_000
"""Files that are remembered, not to be noted again."""

# As Linux has them, whatever this machine does.
READ_WRITE, CREATE, EXCLUSIVE, TRUNCATE = 0o2, 0o100, 0o200, 0o1000

OURS = os.O_SYNC | os.O_NOCTTY
"""Where `/dev/null` is opened so, the recorder inside this program says that what this thread does is ours from now on,
or, to write, the program's again."""

NAMING = frozenset(("rename", "link", "unlink"))
"""What does not follow a link at the end of a path."""

_SKIPPED = getattr(os, "O_PATH", 0) | getattr(os, "O_DIRECTORY", 0)
_NOWHERE = (FileNotFoundError, NotADirectoryError)


def watch(folder: str) -> None:
    """Note what this program opens from now on."""
    watch = Watch(folder)
    sys.addaudithook(watch.hear)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=watch.forked)


class Watch:
    """This process's notes, and those of what is forked from it."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._pid = 0
        self._file = ""
        self._busy: set[int] = set()
        """Threads whose calls are our own."""
        self._ours: set[int] = set()
        """Threads in which the recorder is at work."""
        self._known: dict[bytes, str] = {}

    def hear(self, event: str, given: tuple[Any, ...]) -> None:
        """The hook. A fault of ours ends here: what it raises would end the user's call."""
        reader = READERS.get(event)
        thread = _thread.get_ident()
        if reader is None or thread in self._busy:
            return
        if (event == "open" and self._is_said(thread, *given)) or thread in self._ours:
            return
        self._busy.add(thread)
        try:
            with Guard("what it opens"):
                reader(self, *given)
        finally:
            self._busy.discard(thread)

    def forked(self) -> None:
        """In the child of a fork: of all threads only the one that forked is here."""
        self._ours.clear()

    def _is_said(self, thread: int, path: Any, _: Any, flags: int) -> bool:
        """Whether this is the word on whose a thread is."""
        if flags & OURS != OURS or path != os.devnull:
            return False
        (self._ours.discard if flags & os.O_WRONLY else self._ours.add)(thread)
        return True

    # What was asked for.

    def open(self, path: Any, _: Any, flags: int) -> None:
        if not isinstance(path, int) and not flags & _SKIPPED:
            self._open(_absolute(path), _plain(flags))

    def _open(self, path: bytes, flags: int) -> None:
        there, because = _identity(path)
        if flags & TRUNCATE or (flags & CREATE and there == "-" and not because):
            op = "create"
        else:
            op = ("read", "write", "update", "update")[flags & 3]
        if op == "read":
            if self._known.get(path) == there:
                return
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[path] = there
        self._note(op, path, b"", flags, there, because)

    def read(self, path: Any, *_: Any) -> None:
        """A file that is named and read."""
        if path and not isinstance(path, int) and b"/" in _named(path):
            self._open(_absolute(path), 0)

    def run_file(self, path: Any) -> None:
        self._open(_absolute(path), 0)

    def imported(self, _: str, path: Any, *rest: Any) -> None:
        """A module that is compiled; the source of others is opened."""
        self.read(path)

    def database(self, path: Any) -> None:
        if path and _named(path)[:5] not in (b":memo", b"file:"):
            self._open(_absolute(path), READ_WRITE | CREATE)

    def rename(self, old: Any, new: Any, old_folder: int, new_folder: int) -> None:
        self._pair("rename", _absolute(old, old_folder), _absolute(new, new_folder))

    def link(self, old: Any, new: Any, old_folder: int, new_folder: int) -> None:
        self._pair("link", _absolute(old, old_folder), _absolute(new, new_folder))

    def _pair(self, op: str, old: bytes, new: bytes) -> None:
        self._note(op, old, new, 0, *_identity(old, follow=False))

    def remove(self, path: Any, folder: int) -> None:
        found = _absolute(path, folder)
        self._note("unlink", found, b"", 0, *_identity(found, follow=False))

    def truncate(self, path: Any, _: int) -> None:
        if not isinstance(path, int):
            found = _absolute(path)
            self._note("truncate", found, b"", 0, *_identity(found))

    def execute(self, path: Any, *_: Any) -> None:
        found = _absolute(path)
        self._note("execute", found, b"", 0, *_identity(found))

    def spawn(self, path: Any, *rest: Any) -> None:
        """What `subprocess` starts in this way is told by itself."""
        of_sys: Any = sys
        if of_sys._getframe(2).f_globals.get("__name__") != "subprocess":
            self.execute(path)

    def popen(self, program: Any, _: Any, cwd: Any, env: Any) -> None:
        name = _named(program)
        if b"/" in name:
            self.execute(os.path.join(_named(cwd), name) if cwd else name)
            return
        for folder in os.get_exec_path(env):
            found = os.path.join(os.fsencode(folder), name)
            if os.access(found, os.X_OK):
                self.execute(found)
                return

    def system(self, _: Any) -> None:
        self.execute(b"/bin/sh")

    def connect(self, _: Any, address: Any) -> None:
        if not isinstance(address, (str, bytes)):
            kind = b"inet6:[%s]:%d" if len(address) > 2 else b"inet:%s:%d"
            said = kind % (os.fsencode(address[0]), address[1])
        else:
            said = b"unix:" + os.fsencode(address).replace(b"\0", b"@", 1)
        self._note("connect", said, b"", 0, "-", b"")

    # The file.

    def _note(self, op: str, path: bytes, other: bytes, flags: int, there: str, because: bytes) -> None:
        """Append a line, by one write. Raises OSError."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._file = os.path.join(self._folder, f"{self._pid}.{time.monotonic_ns()}{SUFFIX}")
        named = op in NAMING
        words = (repr(time.monotonic()), str(self._pid), op, _hex(path), _hex(other), str(flags), there, _hex(because),
                 _hex(_real(path, named)), _hex(_real(other, named)))  # fmt: skip
        fd = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, " ".join(words).encode("ascii") + b"\n")
        finally:
            os.close(fd)


def _absolute(path: Any, folder: Any = None) -> bytes:
    """Without `//`, `.` and `..`; what stands before `..` may be a link. Raises OSError."""
    name = _named(path)
    if not name.startswith(b"/"):
        inside = isinstance(folder, int) and folder >= 0
        name = (os.readlink(b"/proc/self/fd/%d" % folder) if inside else os.getcwdb()) + b"/" + name
    if b"/../" in name:
        above, _, last = name.rpartition(b"/")
        name = os.path.realpath(above) + b"/" + last
    return os.path.normpath(name)


def _real(path: bytes, named: bool) -> bytes:
    """The path without links; nothing where that is not known."""
    if not path.startswith(b"/"):
        return b""
    folder, name = os.path.split(path)
    try:
        return os.path.join(os.path.realpath(folder), name) if named else os.path.realpath(path)
    except OSError:
        return b""


def _named(path: Any) -> bytes:
    """The bytes of a path. Raises TypeError for an object of the user's: asking it twice may do something twice."""
    if isinstance(path, (str, bytes)) or type(path).__module__.startswith("pathlib"):
        return os.fsencode(path)
    raise TypeError(type(path).__name__)


def _identity(path: bytes, follow: bool = True) -> tuple[str, bytes]:
    """What lies there, as a word, and why that is not known where something may lie there."""
    try:
        found = os.stat(path, follow_symlinks=follow)
    except _NOWHERE:
        return "-", b""
    except OSError as error:
        return "-", os.fsencode(error.strerror or "unknown")
    numbers = found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns
    return ",".join(str(number) for number in numbers), b""


def _hex(value: bytes) -> str:
    return value.hex() or "-"


def _plain(flags: int) -> int:
    """Those that decide something."""
    named = (os.O_CREAT, CREATE), (os.O_EXCL, EXCLUSIVE), (os.O_TRUNC, TRUNCATE)
    return flags & 3 | sum(ours for theirs, ours in named if flags & theirs)


READERS: dict[str, Any] = {
    "open": Watch.open, "cpython.run_file": Watch.run_file, "import": Watch.imported, "ctypes.dlopen": Watch.read,
    "sqlite3.connect": Watch.database, "os.rename": Watch.rename, "os.link": Watch.link, "os.remove": Watch.remove,
    "os.truncate": Watch.truncate, "os.exec": Watch.execute, "os.posix_spawn": Watch.spawn,
    "subprocess.Popen": Watch.popen, "os.system": Watch.system, "socket.connect": Watch.connect,
}  # fmt: skip
"""What is made of each event, by its name (docs.python.org, "Audit events table")."""
