"""What lies at a path, looked at without ever waiting for anybody.

A caller is held meanwhile, so a look must not depend on it: a file system that is served by a process (FUSE), by
another machine, or mounted on demand is not touched at all. Where there is one, each look starts at a mount that is
known to be local and is told not to leave it (openat2(2), RESOLVE_NO_XDEV); a link that leads to another mount is
followed step by step. Where every mount is local, which the kernel is asked twenty times a second, a plain stat does.
"""

from __future__ import annotations

import errno
import os
import re
import select
import stat
from collections.abc import Iterator

from .native import IN_ROOT, NO_LINKS, NO_OTHER_MOUNT, Native

LOCAL = frozenset(
    (
        b"ext2", b"ext3", b"ext4", b"xfs", b"btrfs", b"bcachefs", b"zfs", b"f2fs", b"jfs", b"reiserfs", b"tmpfs",
        b"ramfs", b"rootfs", b"overlay", b"devtmpfs", b"squashfs", b"erofs", b"iso9660", b"udf", b"vfat", b"msdos",
        b"exfat", b"ntfs3", b"hugetlbfs", b"proc", b"sysfs", b"devpts", b"cgroup", b"cgroup2", b"mqueue",
        b"securityfs", b"debugfs", b"tracefs", b"configfs", b"pstore", b"bpf", b"efivarfs", b"fusectl", b"nsfs",
        b"binfmt_misc", b"selinuxfs", b"rpc_pipefs", b"nfsd",
    )
)  # fmt: skip
"""Kinds that this kernel answers for by itself."""

LOCAL_MAGIC = frozenset(
    (
        0xEF53, 0x58465342, 0x9123683E, 0xCA451A4E, 0x2FC12FC1, 0xF2F52010, 0x3153464A, 0x52654973, 0x01021994,
        0x858458F6, 0x794C7630, 0x73717368, 0xE0F5E1E2, 0x4D44, 0x2011BAB0, 0x7366746E,
    )
)  # fmt: skip
"""ext, xfs, btrfs, bcachefs, zfs, f2fs, jfs, reiserfs, tmpfs, ramfs, overlay, squashfs, erofs, vfat, exfat, ntfs3
(statfs(2)), all of which hold files at rest: for a root that is no mount, which the table leaves out, and for files
that are to be read."""

Identity = tuple[int, int, int, int, int, int]
"""Device, inode, mode, size, modification and status change in nanoseconds."""

Look = tuple[Identity | None, bool, str]
"""The identity, whether it must be taken later (by somebody who may wait), and why there is none."""

NOTHING: Look = (None, False, "")

ASK_EVERY = 0.05
"""Seconds for which no mount is taken to be made outside of what we watch."""

MOST_FOLDERS = 4096
MOST_LINKS = 40
"""As the kernel's own limit."""

MOST_WORLDS = 16

PATH_MAX = 4096
"""Bytes of a path that the kernel takes, its end included. The name of a file may be longer: who stands in its folder
opens it by a short one."""

_OCTAL = re.compile(rb"\\([0-7]{3})")


class Elsewhere(Exception):
    """On the way lies a file system that may make a look wait; the message is its kind."""


class Mount:
    """Where a file system is mounted."""

    __slots__ = ("fd", "holds_root", "kind", "point", "safe")

    def __init__(self, point: bytes, kind: bytes) -> None:
        self.point = point
        self.kind = kind
        self.fd = -1
        self.safe = False
        """It, and all that lie on the way to it, are local."""
        self.holds_root = False
        """The root of the world lies on it, so it is reached from there."""


_UNKNOWN = Mount(b"/", b"unknown")


class World:
    """A root and the mounts around it, as the processes see them that have this root in this namespace.

    Paths are those of the namespace; a root other than `/` stands before what its processes name.
    """

    def __init__(self, native: Native, thread: int, root: bytes, *, ours: bool) -> None:
        self.thread = thread
        """One that lives in it; the last one met."""
        self.root = b"" if root == b"/" else root
        self._native = native
        self._ours = ours
        self.mounts: dict[bytes, Mount] = {}
        self._by_folder: dict[bytes, Mount] = {}
        self._table = -1
        self._all_local_until = 0.0
        self._root = os.open(b"/proc/%d/root" % thread, os.O_PATH | os.O_CLOEXEC | os.O_DIRECTORY)
        try:
            self.load()
        except OSError:
            self.close()
            raise

    def load(self) -> None:
        """Read the table of mounts. Raises OSError."""
        self._close_mounts()
        self._table = os.open(
            b"/proc/self/mountinfo" if self._ours else b"/proc/%d/mountinfo" % self.thread, os.O_RDONLY | os.O_CLOEXEC
        )
        self.know(b"".join(iter(lambda: os.read(self._table, 1 << 16), b"")))

    def know(self, table: bytes) -> None:
        """Take these mounts for those that are there."""
        before = b"" if self._ours else self.root  # The table of a process leaves its own root out.
        self.mounts = {mount.point: mount for mount in mounts(table, before)}
        if not any(_lies_in(self.root, point) for point in self.mounts):
            local = self._native.kind_of(self._root) in LOCAL_MAGIC
            self.mounts[self.root or b"/"] = Mount(self.root or b"/", b"rootfs" if local else b"unknown")
        for mount in self.mounts.values():
            mount.safe = all(one.kind in LOCAL for one in self._way(mount.point))
            mount.holds_root = _lies_in(self.root, mount.point)

    def _close_mounts(self) -> None:
        """Give up also what would keep a file system from being unmounted."""
        if self._table >= 0:
            os.close(self._table)
            self._table = -1
        for mount in self.mounts.values():
            if mount.fd >= 0:
                os.close(mount.fd)
                mount.fd = -1
        self._by_folder.clear()

    def close(self) -> None:
        self._close_mounts()
        os.close(self._root)

    def look(self, path: bytes, now: float, *, follow: bool = True) -> Look:
        """What lies at an absolute path. Links on the way are followed, one at its end when `follow` says so."""
        try:
            if now < self._all_local_until or self._all_local(now):
                return identity(os.stat(path) if follow else os.lstat(path)), False, ""
            return self._at(path, 0, follow)
        except OSError as error:
            if error.errno != errno.EXDEV:
                return _missing(error, path)
        except Elsewhere as elsewhere:
            return None, True, str(elsewhere)
        return self._by_steps(path, follow) or self._anew(path, follow)

    def _all_local(self, now: float) -> bool:
        """Whether no path of this world can make a look wait; good until `ASK_EVERY` from now."""
        if not self._ours or self.root:
            return False
        if _has_changed(self._table):
            self.load()
        if not all(_is_harmless(mount) for mount in self.mounts.values()):
            return False
        self._all_local_until = now + ASK_EVERY
        return True

    def place(self, path: bytes, now: float) -> int:
        """A descriptor that only names what lies there (O_PATH), links followed. Raises OSError, Elsewhere."""
        if now < self._all_local_until or self._all_local(now):
            return os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            return self._open(path, 0, True)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
        return self._open(self._follow(path), NO_LINKS, False)

    def plain(self, path: bytes) -> bytes:
        """The same place, its folder by a path without links and `..`. Raises OSError, Elsewhere."""
        folder, _, name = path.rpartition(b"/")
        if name == b"..":
            return self._follow(path)
        return self._follow(folder).rstrip(b"/") + b"/" + name

    def real(self, path: bytes) -> bytes:
        """The same place by a path without links; empty where that cannot be told."""
        try:
            return self._follow(path)
        except (OSError, Elsewhere):
            return b""

    def _by_steps(self, path: bytes, follow: bool) -> Look | None:
        """A link leads to another mount."""
        try:
            return self._at(self._follow(path) if follow else self.plain(path), NO_LINKS, False)
        except OSError as error:
            return None if error.errno == errno.EXDEV else _missing(error, path)
        except Elsewhere as elsewhere:
            return None, True, str(elsewhere)

    def _anew(self, path: bytes, follow: bool) -> Look:
        """Somebody has mounted something since the table was read."""
        try:
            self.load()
        except OSError as error:
            return None, True, f"mounts are not known: {error.strerror}"
        return self._by_steps(path, follow) or (None, True, "on a mount that is not known")

    def _at(self, path: bytes, links: int, follow: bool) -> Look:
        fd = self._open(path, links, follow)
        try:
            return identity(os.fstat(fd)), False, ""
        finally:
            os.close(fd)

    def _open(self, path: bytes, links: int, follow: bool) -> int:
        mount = self._mount_of(path)
        if not mount.safe:
            kind = next((one.kind for one in self._way(mount.point) if one.kind not in LOCAL), mount.kind)
            raise Elsewhere(f"on {kind.decode('ascii', 'replace')}")
        if mount.holds_root:
            below = path[len(self.root) :] or b"/"
            return self._native.open_place(self._root, below, NO_OTHER_MOUNT | IN_ROOT | links, follow)
        if mount.fd < 0:
            mount.fd = self._native.open_place(self._root, mount.point[len(self.root) :], IN_ROOT, True)
        if path == mount.point:
            return os.dup(mount.fd)
        return self._native.open_place(mount.fd, path[len(mount.point) + 1 :], NO_OTHER_MOUNT | links, follow)

    def _mount_of(self, path: bytes) -> Mount:
        if path in self.mounts:
            return self.mounts[path]
        folder = path[: path.rfind(b"/")]
        known = self._by_folder.get(folder)
        if known is None:
            known = next(self._way(folder), _UNKNOWN)
            if len(self._by_folder) >= MOST_FOLDERS:
                self._by_folder.clear()
            self._by_folder[folder] = known
        return known

    def _way(self, path: bytes) -> Iterator[Mount]:
        """The mounts that lie on the way to a path, the nearest first."""
        while path:
            if path in self.mounts:
                yield self.mounts[path]
            path = path[: path.rfind(b"/")]
        if b"/" in self.mounts:
            yield self.mounts[b"/"]

    def _follow(self, path: bytes) -> bytes:
        """The same place by a path without links. Raises OSError, Elsewhere."""
        done = self.root
        todo = path[len(self.root) :].split(b"/")[::-1]
        links = 0
        while todo:
            name = todo.pop()
            if name == b"..":
                done = max(done[: done.rfind(b"/")], self.root, key=len)
            elif name not in (b"", b"."):
                target = self._link(done + b"/" + name)
                if target is None:
                    done += b"/" + name
                    continue
                links += 1
                if links > MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                done = self.root if target.startswith(b"/") else done
                todo += target.split(b"/")[::-1]
        return done or b"/"

    def _link(self, path: bytes) -> bytes | None:
        """Where a link leads; nothing when it is none."""
        fd = self._open(path, NO_LINKS, False)
        try:
            return os.readlink(b"", dir_fd=fd) if stat.S_ISLNK(os.fstat(fd).st_mode) else None
        finally:
            os.close(fd)


class Worlds:
    """The worlds in which callers were met."""

    def __init__(self, native: Native) -> None:
        self._native = native
        self._ours = os.readlink(b"/proc/self/ns/mnt")
        self._known: dict[tuple[bytes, bytes], World] = {}

    def get(self, thread: int, root: bytes, namespace: bytes) -> World:
        """Raises OSError when the thread is gone, or may not be looked at."""
        world = self._known.get((root, namespace))
        if world is None:
            world = World(self._native, thread, root, ours=namespace == self._ours)
            self._known[root, namespace] = world
        world.thread = thread
        return world

    @property
    def full(self) -> bool:
        """Whether one must `forget` before the next is met."""
        return len(self._known) >= MOST_WORLDS

    def forget(self) -> None:
        """Mounts are about to change."""
        for world in self._known.values():
            world.close()
        self._known.clear()


def mounts(table: bytes, before: bytes = b"") -> list[Mount]:
    """The mounts of a `mountinfo` (proc(5)); `before` is put in front of their places."""
    found: list[Mount] = []
    for line in table.splitlines():
        left, _, right = line.partition(b" - ")
        point = _OCTAL.sub(lambda match: bytes([int(match[1], 8)]), left.split(b" ")[4])
        found.append(Mount((before + point.rstrip(b"/")) or b"/", right.split(b" ", 1)[0]))
    return found


def _lies_in(path: bytes, point: bytes) -> bool:
    return point == b"/" or path == point or path.startswith(point + b"/")


def _missing(error: OSError, path: bytes) -> Look:
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
        return NOTHING
    if error.errno == errno.ENAMETOOLONG and len(path) < PATH_MAX:
        return NOTHING  # No file has such a name.
    if error.errno == errno.EACCES and os.geteuid() != 0:
        return NOTHING  # What keeps us out keeps out a caller of our account, who cannot have gained privileges.
    return None, False, os.strerror(error.errno or errno.EIO)


def identity(found: os.stat_result) -> Identity:
    return (found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _has_changed(table: int) -> bool:
    """Whether anything was mounted or unmounted since this `mountinfo` was read (proc(5))."""
    poll = select.poll()
    poll.register(table, select.POLLPRI)
    return bool(poll.poll(0))


def _is_harmless(mount: Mount) -> bool:
    # What systemd mounts there on demand is the kernel's own.
    return mount.kind in LOCAL or (mount.kind == b"autofs" and mount.point.startswith(b"/proc/"))
