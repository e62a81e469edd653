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

_NO_NAME = (b"/", b"/.", b"/..")
"""How the path of a link may end that names no file, but a folder."""

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
        self._folders: dict[bytes, bytes] = {}
        """Folders by the paths that lead to them, and by such without links."""
        self._folders_from = 0.0
        self._folders_until = 0.0
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

    def look(self, path: bytes, now: float, *, follow: bool = True) -> tuple[Look, bytes]:
        """What lies at an absolute path, and the same place by a path without links, which is empty where that is not
        known. Links on the way are followed, one at its end when `follow` says so."""
        real = path
        try:
            local = now < self._all_local_until or self._all_local(now)
            if now < self._folders_until:
                cut = path.rfind(b"/")
                folder = self._folders.get(path[:cut])
                if folder is not None:
                    real = folder + path[cut:]
                    found = os.lstat(real) if local else self._stat(real, local)
                    if not follow or not stat.S_ISLNK(found.st_mode):
                        return (identity(found), False, ""), real
            return self._walk(path, now, follow)
        except OSError as error:
            if error.errno != errno.EXDEV:
                return _missing(error, path), real
        except Elsewhere as elsewhere:
            return (None, True, str(elsewhere)), b""
        return self._anew(path, now, follow)

    def forget_ways(self, until: float) -> None:
        """A link or a folder is about to be moved or removed: until that has happened, no way is remembered."""
        self._folders.clear()
        self._folders_from = until

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

    def below(self, start: bytes, path: bytes, now: float) -> bytes:
        """Where a path leads if this folder stands for the root, so that nothing leads out of it; with the links on
        the way where no mount can make a look wait, else as if there were none."""
        named = start.rstrip(b"/") + b"/" + path.lstrip(b"/")
        if now >= self._all_local_until and not self._all_local(now):
            return named
        above, _, name = path.rpartition(b"/")
        try:
            root = os.open(start, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return named
        try:
            return self._real_below(root, path) or self._real_below(root, above or b".") + b"/" + name
        finally:
            os.close(root)

    def _real_below(self, root: int, path: bytes) -> bytes:
        """Empty where nothing is."""
        try:
            fd = self._native.open_place(root, path, IN_ROOT, True)
        except OSError:
            return b""
        try:
            return os.readlink(b"/proc/self/fd/%d" % fd)
        finally:
            os.close(fd)

    def real(self, path: bytes) -> bytes:
        """The same place by a path without links; empty where that cannot be told."""
        try:
            return self._follow(path)
        except (OSError, Elsewhere):
            return b""

    def _walk(self, path: bytes, now: float, follow: bool) -> tuple[Look, bytes]:
        """Link by link, from one real folder to the next. Raises OSError, Elsewhere."""
        local = now < self._all_local_until
        for _ in range(MOST_LINKS):
            if path.endswith(_NO_NAME):
                path = self._folder(path, now, local) or b"/"
            folder, _, name = path.rpartition(b"/")
            folder = self._folder(folder, now, local)
            real = folder + b"/" + name
            try:
                found = self._stat(real, local)
            except FileNotFoundError:
                return NOTHING, real
            if not follow or not stat.S_ISLNK(found.st_mode):
                return (identity(found), False, ""), real
            if real.startswith(b"/proc/"):
                return self._of_process(real, local)
            target = self._link(real) or b""
            path = self.root + target if target.startswith(b"/") else folder + b"/" + target
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))

    def _of_process(self, path: bytes, local: bool) -> tuple[Look, bytes]:
        """A link of the kernel's own, which leads also to what has no name (any more). Raises OSError, Elsewhere."""
        target = self._link(path) or b""
        if not target.startswith(b"/"):
            return (identity(os.stat(path)), False, "") if local else NOTHING, path  # A pipe, a socket.
        if not local:
            return (identity(self._stat(target, local)), False, ""), target
        found = identity(os.stat(path))
        try:
            named = identity(os.lstat(target))
        except OSError:
            return (found, False, ""), path
        return (found, False, ""), target if named[:2] == found[:2] else path

    def _stat(self, real: bytes, local: bool) -> os.stat_result:
        """What lies at a path without links; one at its end is not followed. Raises OSError, Elsewhere."""
        if local:
            return os.lstat(real)
        fd = self._open(real, NO_LINKS, False)
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)

    def _folder(self, path: bytes, now: float, local: bool) -> bytes:
        """A folder by a path without links, its end without `/`. Remembered as long as nobody is seen to change a link
        or to move a folder, and not longer than mounts. Raises OSError, Elsewhere."""
        if now >= self._folders_until:
            self._folders.clear()
            self._folders_until = now + ASK_EVERY
        real = self._folders.get(path)
        if real is None:
            real = (_real_folder(path) if local else self._without_links(path)).rstrip(b"/")
            if now >= self._folders_from and not path.startswith(b"/proc/"):
                if len(self._folders) >= MOST_FOLDERS:
                    self._folders.clear()
                self._folders[path] = real
        return real

    def _without_links(self, path: bytes) -> bytes:
        """A folder, where some mount is not local: most have no link on the way. Raises OSError, Elsewhere."""
        if not path:
            return path
        try:
            os.close(self._open(path, NO_LINKS, True))
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            return self._follow(path)
        return path

    def _anew(self, path: bytes, now: float, follow: bool) -> tuple[Look, bytes]:
        """Somebody has mounted something since the table was read."""
        try:
            self.load()
        except OSError as error:
            return (None, True, f"mounts are not known: {error.strerror}"), b""
        try:
            return self._walk(path, now, follow)
        except OSError as error:
            if error.errno != errno.EXDEV:
                return _missing(error, path), path
        except Elsewhere as elsewhere:
            return (None, True, str(elsewhere)), b""
        return (None, True, "on a mount that is not known"), b""

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

    def are_ours(self, namespace: bytes) -> bool:
        """Whether these mounts are the recorder's."""
        return namespace == self._ours

    def forget_ways(self, until: float) -> None:
        for world in self._known.values():
            world.forget_ways(until)

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


def _real_folder(path: bytes) -> bytes:
    """Raises OSError, also where the folder is removed already."""
    if not path:
        return b""
    fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        real = os.readlink(b"/proc/self/fd/%d" % fd)
        if real.endswith(b" (deleted)") and not _is_at(real, fd):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return real
    finally:
        os.close(fd)


def _is_at(path: bytes, fd: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except OSError:
        return False


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
