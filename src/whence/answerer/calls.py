"""What a held call asks for: one record, or none where the kernel will refuse it or nothing worth telling happens."""

from __future__ import annotations

import os
import stat
import struct
from _socket import AF_INET, AF_INET6, AF_UNIX, inet_ntop
from collections.abc import Callable
from typing import Any

from .callers import LASTS, Caller, Callers
from .kin import Kin
from .native import IN_ROOT, Native
from .ours import MARK, PLACE
from .places import NOTHING, Elsewhere, Identity, Look, World, Worlds
from .preimages import PreImages
from .privileged import ADMIN
from .ring import Ring
from .strangers import Strangers, name_of
from .syscalls import X32_BIT, Machine

HERE = -100
"""AT_FDCWD."""

ACCESS = 0o3
WRITE_ONLY = 0o1
READ_WRITE = 0o2
CREATE = 0o100
EXCLUSIVE = 0o200
TRUNCATE = 0o1000
NO_FOLLOW = os.O_NOFOLLOW
ANEW = CREATE | EXCLUSIVE
PATH_ONLY = 0o10000000
REMOVE_FOLDER = 0x200
"""AT_REMOVEDIR."""

FOLLOW = 0x400
"""AT_SYMLINK_FOLLOW, of linkat."""
EXCHANGE = 2
"""RENAME_EXCHANGE."""
CLONE_TREE = 1
"""OPEN_TREE_CLONE."""

Record = tuple[Any, ...]
"""All of a record but its number: time, process, op, path, other path, flags, identity, late, because; then the
identity of what lies at the other path, and both places by paths without links: empty where that is not known, `SAME`
where it is the path itself."""

SAME = b"="

Arguments = tuple[int, int, int, int, int, int]

_OF_PROCESS = (b"/proc/", b"/dev/")
_DOTS = (b"/.", b"/..")
DELETED = b" (deleted)"
"""What the kernel puts behind the path of a file that has no name any more."""
_STANDARD = {b"/dev/stdin": b"0", b"/dev/stdout": b"1", b"/dev/stderr": b"2"}


Asked = (
    tuple[str, bytes, bytes, int, Look]
    | tuple[str, bytes, bytes, int, Look, None, bytes]
    | tuple[str, bytes, bytes, int, Look, Identity | None, bytes, bytes]
)
"""What one call asks for: op, path, other path, flags, what lies at the path, and at the other one, and where both
truly are."""


class Calls:
    """Reads held calls, one after the other."""

    def __init__(
        self, native: Native, machine: Machine, clock: Callable[[], float], ring: Ring, preimages: PreImages
    ) -> None:
        """`ring` takes what is to be said of callers, before the first call of each."""
        self._callers = Callers(clock, Kin(ring), Strangers(ring))
        self._worlds = Worlds(native)
        self._preimages = preimages
        self._clock = clock
        self._now = 0.0
        self._audit = machine.audit
        self._readers = {number: _READERS[name] for name, number in machine.calls.items()}
        self._ops = {number: _OPS[name] for name, number in machine.calls.items() if name in _OPS}
        self._readers[machine.seccomp] = Calls.seccomp
        self._ops[machine.seccomp] = "listener"

    def record(self, thread: int, number: int, architecture: int, arguments: Arguments) -> Record | None:
        """What this call asks for. Of a caller that may not be looked at the path is empty, and `because` has its name:
        that is nothing to tell where it has been killed meanwhile, which the listener knows."""
        now = self._now = self._clock()
        process = thread
        foreign = architecture != self._audit or number & X32_BIT
        try:
            caller = self._callers.get(thread, now)
            process = caller.process
            if foreign:
                return now, process, "foreign", b"", b"", number & ~X32_BIT, None, False, "a 32-bit program"
            asked = self._readers[number](self, caller, arguments)
        except OSError as error:
            op = "foreign" if foreign else self._ops.get(number)
            because = f"{name_of(thread)}: {error.strerror}"
            return (now, process, op, b"", b"", 0, None, False, because) if op else None
        if asked is None or caller.ours:
            return None
        op, path, other, flags, (identity, late, because), *more = asked
        return now, process, op, path, other, flags, identity, late, because, *more

    # Opens.

    def open(self, caller: Caller, a: Arguments) -> Asked | None:
        return self._open(caller, HERE, a[0], a[1])

    def openat(self, caller: Caller, a: Arguments) -> Asked | None:
        return self._open(caller, a[0], a[1], a[2])

    def creat(self, caller: Caller, a: Arguments) -> Asked | None:
        return self._open(caller, HERE, a[0], WRITE_ONLY | CREATE | TRUNCATE)

    def openat2(self, caller: Caller, a: Arguments) -> Asked | None:
        how = caller.read(a[2], 24)
        if len(how) != 24:
            return None
        flags, _, resolve = struct.unpack("3Q", how)
        return self._open(caller, a[0], a[1], flags, in_root=resolve & IN_ROOT != 0)

    def _open(self, caller: Caller, folder: int, address: int, flags: int, *, in_root: bool = False) -> Asked | None:
        flags &= 0xFFFFFFFF
        path = self._path_in_root(caller, folder, address) if in_root else self._path(caller, folder, address)
        if not path or flags & PATH_ONLY:
            return None
        if flags & MARK == MARK and path.endswith(PLACE):
            self._callers.said(caller, flags & ACCESS)
            return None
        follow = not flags & NO_FOLLOW and flags & ANEW != ANEW
        look, real = (caller.world or self._meet(caller)).look(path, self._now, follow=follow)
        if not follow and _is_link(look):
            return None  # ELOOP, EEXIST.
        if path.startswith(b"/proc/") and not real.startswith(b"/proc/"):
            path = real or path
        op = _op(flags, look)
        if op != "read":
            self._before_write(caller, real or path, flags, look)
        return op, path, b"", flags, look, None, SAME if real == path else real

    def _before_write(self, caller: Caller, path: bytes, flags: int, look: Look) -> None:
        if look == NOTHING and flags & CREATE:
            self._preimages.made(path)
        elif not flags & EXCLUSIVE:
            world = caller.world or self._meet(caller)
            self._preimages.before_write(caller.process, world, path, look[0], self._now)

    # Names.

    def rename(self, caller: Caller, a: Arguments) -> Asked | None:
        return self._pair("rename", caller, (HERE, a[0]), (HERE, a[1]), 0)

    def renameat(self, caller: Caller, a: Arguments) -> Asked | None:
        return self._pair("rename", caller, (a[0], a[1]), (a[2], a[3]), 0)

    def renameat2(self, caller: Caller, a: Arguments) -> Asked | None:
        return self._pair("rename", caller, (a[0], a[1]), (a[2], a[3]), a[4] & 0xFFFFFFFF)

    def link(self, caller: Caller, a: Arguments) -> Asked | None:
        return self._pair("link", caller, (HERE, a[0]), (HERE, a[1]), 0)

    def linkat(self, caller: Caller, a: Arguments) -> Asked | None:
        return self._pair("link", caller, (a[0], a[1]), (a[2], a[3]), a[4] & 0xFFFFFFFF)

    def _pair(self, op: str, caller: Caller, old: tuple[int, int], new: tuple[int, int], flags: int) -> Asked | None:
        before = self._path(caller, *old, empty=op == "link")
        after = self._path(caller, *new)
        if not before or not after:
            return None
        replaced, there = self._look(caller, after, follow=False)
        look, real = self._look(caller, before, follow=op == "link" and flags & FOLLOW != 0)
        if op == "rename" and (_is_no_file(look) or _is_no_file(replaced)):
            self._ways_change()
        return op, before, after, flags, look, replaced[0], _said(before, real), _said(after, there)

    def unlink(self, caller: Caller, a: Arguments) -> Asked | None:
        return self._removal(caller, HERE, a[0])

    def unlinkat(self, caller: Caller, a: Arguments) -> Asked | None:
        return self.rmdir(caller, a) if a[2] & REMOVE_FOLDER else self._removal(caller, a[0], a[1])

    def rmdir(self, caller: Caller, a: Arguments) -> Asked | None:
        """A link may take its place."""
        self._ways_change()
        return None

    def _removal(self, caller: Caller, folder: int, address: int) -> Asked | None:
        path = self._path(caller, folder, address)
        if not path:
            return None
        look, real = self._look(caller, path, follow=False)
        if _is_link(look):
            self._ways_change()
        return "unlink", path, b"", 0, look, None, _said(path, real)

    def truncate(self, caller: Caller, a: Arguments) -> Asked | None:
        path = self._path(caller, HERE, a[0])
        if not path:
            return None
        look, real = self._look(caller, path)
        self._before_write(caller, real or path, 0, look)
        return "truncate", path, b"", 0, look, None, _said(path, real)

    def _ways_change(self) -> None:
        """A link or a folder is about to be moved or removed, so that a path may lead elsewhere. Another link cannot be
        made where something is."""
        self._worlds.forget_ways(self._clock() + LASTS)

    # Programs.

    def execve(self, caller: Caller, a: Arguments) -> Asked | None:
        return self._execute(caller, HERE, a[0])

    def execveat(self, caller: Caller, a: Arguments) -> Asked | None:
        return self._execute(caller, a[0], a[1])

    def _execute(self, caller: Caller, folder: int, address: int) -> Asked | None:
        path = self._path(caller, folder, address, empty=True)
        found = self._look(caller, path) if path else None
        self._callers.forget_process(caller)
        if not path or not found:
            return None
        look, real = found
        if path.startswith(b"/proc/"):
            path = _nameless(path) or path
        return "execute", path, b"" if caller.root == b"/" else caller.root, 0, look, None, _said(path, real)

    # The rest.

    def connect(self, caller: Caller, a: Arguments) -> Asked | None:
        address = address_of(caller.read(a[1], min(a[2] & 0xFFFFFFFF, 128)))
        return ("connect", address, b"", 0, NOTHING) if address else None

    def io_uring_setup(self, caller: Caller, a: Arguments) -> Asked | None:
        return "io_uring", b"", b"", 0, NOTHING

    def open_by_handle_at(self, caller: Caller, a: Arguments) -> Asked | None:
        """By what the kernel once gave out for a file, which says nothing of where it lies."""
        return "handle", b"", b"", 0, (None, False, name_of(caller.thread))

    def seccomp(self, caller: Caller, a: Arguments) -> Asked | None:
        """A filter that notifies, which the kernel refuses below ours."""
        return "listener", b"", b"", 0, (None, False, name_of(caller.thread))

    def change_of_world(self, caller: Caller, a: Arguments) -> Asked | None:
        """Roots or mounts are about to change: nothing that is remembered holds, and nothing may be held open."""
        self._callers.forget_all()
        self._worlds.forget()
        return None

    def mount(self, caller: Caller, a: Arguments) -> Asked | None:
        return self._mounting("mount", caller, HERE, a[1])

    def move_mount(self, caller: Caller, a: Arguments) -> Asked | None:
        return self._mounting("mount", caller, a[2], a[3])

    def umount2(self, caller: Caller, a: Arguments) -> Asked | None:
        return self._mounting("unmount", caller, HERE, a[0])

    def open_tree(self, caller: Caller, a: Arguments) -> Asked | None:
        """A mount that lies nowhere, and paths below it."""
        told = a[2] & CLONE_TREE and self._may_mount(caller)
        return ("mount", b"", b"", 0, (None, False, name_of(caller.thread))) if told else None

    def _mounting(self, op: str, caller: Caller, folder: int, address: int) -> Asked | None:
        """What lies below a place is about to be another one. In mounts of its own, the process itself is told."""
        path = self._path(caller, folder, address, empty=True) if self._may_mount(caller) else None
        real = self._look(caller, path)[1] if path else b""
        told = path and (op, path, b"", 0, (None, False, name_of(caller.thread)), None, _said(path, real))
        self.change_of_world(caller, (0, 0, 0, 0, 0, 0))
        return told or None

    def _may_mount(self, caller: Caller) -> bool:
        return self._worlds.are_ours(caller.namespace) and caller.is_capable(ADMIN)

    # Paths.

    def _path(self, caller: Caller, folder: int, address: int, *, empty: bool = False) -> bytes | None:
        """The absolute path that the caller names; nothing where the kernel will not find one."""
        named = caller.path(address)
        if named is None:
            return None
        if named[:1] == b"/":
            path = named if caller.root == b"/" else caller.root + named
        elif named or empty:
            folder = _signed(folder)
            try:
                start = caller.folder(folder)
                if not named and start.endswith(DELETED):
                    return b"/proc/%d/fd/%d" % (caller.process, folder)  # It has no name.
            except FileNotFoundError:
                return None  # It has no such descriptor.
            if not start.startswith(b"/"):
                return None  # A pipe or a socket is no folder.
            path = start + b"/" + named if named else start
        else:
            return None
        if path.startswith(_OF_PROCESS):
            path = _of_process(path, caller)
        return self._plain(path, caller) if _is_crooked(path) else path

    def _path_in_root(self, caller: Caller, folder: int, address: int) -> bytes | None:
        """The same where a folder stands for the root (RESOLVE_IN_ROOT)."""
        named = caller.path(address)
        if not named:
            return None
        try:
            start = caller.folder(_signed(folder))
        except FileNotFoundError:
            return None
        return (caller.world or self._meet(caller)).below(start, named, self._now)

    def _plain(self, path: bytes, caller: Caller) -> bytes:
        """Without `//`, `.` and `..`; what stands before `..` may be a link, so that is looked up."""
        words = [word for word in path.split(b"/") if word not in (b"", b".")]
        plain = b"/" + b"/".join(words)
        if b".." not in words:
            return plain
        try:
            return (caller.world or self._meet(caller)).plain(plain)
        except (OSError, Elsewhere):
            return os.path.normpath(plain)

    def _look(self, caller: Caller, path: bytes, *, follow: bool = True) -> tuple[Look, bytes]:
        return (caller.world or self._meet(caller)).look(path, self._now, follow=follow)

    def _meet(self, caller: Caller) -> World:
        if self._worlds.full:
            self._callers.forget_all()
            self._worlds.forget()
        caller.world = self._worlds.get(caller.thread, caller.root, caller.namespace)
        return caller.world


_READERS: dict[str, Callable[[Calls, Caller, Arguments], Asked | None]] = {
    "open": Calls.open,
    "openat": Calls.openat,
    "openat2": Calls.openat2,
    "creat": Calls.creat,
    "rename": Calls.rename,
    "renameat": Calls.renameat,
    "renameat2": Calls.renameat2,
    "link": Calls.link,
    "linkat": Calls.linkat,
    "unlink": Calls.unlink,
    "unlinkat": Calls.unlinkat,
    "rmdir": Calls.rmdir,
    "truncate": Calls.truncate,
    "execve": Calls.execve,
    "execveat": Calls.execveat,
    "connect": Calls.connect,
    "io_uring_setup": Calls.io_uring_setup,
    "open_by_handle_at": Calls.open_by_handle_at,
    "chroot": Calls.change_of_world,
    "pivot_root": Calls.change_of_world,
    "unshare": Calls.change_of_world,
    "setns": Calls.change_of_world,
    "mount": Calls.mount,
    "umount2": Calls.umount2,
    "move_mount": Calls.move_mount,
    "open_tree": Calls.open_tree,
}

_OPS = {
    "open": "read", "openat": "read", "openat2": "read", "creat": "create", "rename": "rename", "renameat": "rename",
    "renameat2": "rename", "link": "link", "linkat": "link", "unlink": "unlink", "unlinkat": "unlink",
    "truncate": "truncate", "execve": "execute", "execveat": "execute", "connect": "connect",
    "io_uring_setup": "io_uring", "open_by_handle_at": "handle",
}  # fmt: skip
"""What stands in the record of a call whose caller may not be looked at."""


def _op(flags: int, look: Look) -> str:
    """What an open does to the file that is there: one that makes or empties it begins with nothing."""
    if flags & TRUNCATE:
        return "create"
    mode = flags & ACCESS
    if flags & CREATE and look == NOTHING:
        return "create"
    return "read" if mode == 0 else ("update" if mode == READ_WRITE else "write")


def _is_crooked(path: bytes) -> bool:
    """Asked by `find`: `in` first takes the words for a number, and makes an error of that, at a microsecond each."""
    return path.find(b"//") >= 0 or path[-1:] == b"/" or (path.find(b"/.") >= 0 and _has_dots(path))


def _has_dots(path: bytes) -> bool:
    """Whether `.` or `..` is a part of it, and not only the beginning of one."""
    return path.endswith(_DOTS) or path.find(b"/./") >= 0 or path.find(b"/../") >= 0


def _of_process(path: bytes, caller: Caller) -> bytes:
    """What a path means that depends on who asks: `/proc/self`, `/dev/stdin`."""
    number = _STANDARD.get(path)
    if number is not None:
        path = b"/proc/self/fd/" + number
    elif path.startswith(b"/dev/fd/"):
        path = b"/proc/self/fd/" + path[8:]
    if path.startswith(b"/proc/self/"):
        path = b"/proc/%d/%s" % (caller.process, path[11:])
    elif path.startswith(b"/proc/thread-self/"):
        path = b"/proc/%d/task/%d/%s" % (caller.process, caller.thread, path[18:])
    words = path.split(b"/")
    if len(words) >= 5 and words[-2] == b"fd" and words[-1].isdigit():
        try:
            target = os.readlink(path)
        except OSError:
            return path
        return target if target.startswith(b"/") and not target.endswith(DELETED) else path
    return path


def _signed(number: int) -> int:
    """An argument as the `int` that it is."""
    return ((number & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000


def _nameless(path: bytes) -> bytes:
    """What the kernel calls a file that has no name: `/memfd:NAME (deleted)`; empty for what has one."""
    try:
        target = os.readlink(path)
    except OSError:
        return b""
    return target if target.endswith(DELETED) else b""


def _said(path: bytes, real: bytes) -> bytes:
    return SAME if real == path else real


def _is_link(look: Look) -> bool:
    return look[0] is not None and stat.S_ISLNK(look[0][2])


def _is_no_file(look: Look) -> bool:
    """A link, or a folder."""
    return look[0] is not None and (stat.S_ISLNK(look[0][2]) or stat.S_ISDIR(look[0][2]))


def address_of(found: bytes) -> bytes | None:
    """A `struct sockaddr` in words: `inet:192.0.2.1:443`, `inet6:[::1]:80`, `unix:/run/x`; nothing for other kinds."""
    family = int.from_bytes(found[:2], "little")
    if family == AF_INET and len(found) >= 8:
        return b"inet:%s:%d" % (inet_ntop(AF_INET, found[4:8]).encode(), _port(found))
    if family == AF_INET6 and len(found) >= 24:
        return b"inet6:[%s]:%d" % (inet_ntop(AF_INET6, found[8:24]).encode(), _port(found))
    if family == AF_UNIX and len(found) > 2:
        name = found[2:]
        return b"unix:@" + name[1:].rstrip(b"\0") if name[0] == 0 else b"unix:" + name.split(b"\0", 1)[0]
    return None


def _port(found: bytes) -> int:
    return struct.unpack_from(">H", found, 2)[0]
