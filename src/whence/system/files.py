"""Files that appear whole, and their digests.

A file is written under a temporary name (`.tmp-…`) in its own folder and then renamed (`write_whole`) or linked
(`write_new`) into place: no reader sees half of it. Modes are those asked for, less the umask.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat as modes
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from ..digests import digest_of, sha256
from ..records.data import Stat

TEMPORARY = ".tmp-"
"""How the names of files begin that are being written; readers ignore them."""

_CHUNK = 1 << 20
_FICLONE = 0x40049409
"""ioctl_ficlone(2): the new file shares the blocks of the old until one is written."""

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES}


def temporary_name(folder: Path | str) -> str:
    """A path in the folder that no other process will choose."""
    return os.path.join(folder, f"{TEMPORARY}{os.getpid()}-{os.urandom(6).hex()}")


def write_all(fd: int, data: bytes | bytearray | memoryview) -> None:
    """Write every byte, in as many writes as it takes."""
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]


def write_whole(path: Path | str, data: bytes, *, sync: bool = False) -> None:
    """Put a file in place, over whatever had its name. Raises OSError and leaves nothing behind."""
    temporary = _write_temporary(path, data, 0o666, sync)
    try:
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    if sync:
        sync_folder(os.path.dirname(path))


def write_new(path: Path | str, data: bytes, *, mode: int = 0o666, sync: bool = False) -> bool:
    """Put a file in place unless there is one already: of many writers exactly one gets True.

    Where hard links are refused the name is created exclusively and filled with one write.
    """
    temporary = _write_temporary(path, data, mode, sync)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _write_exclusive(path, data, mode, sync)
    finally:
        os.unlink(temporary)
    if sync:
        sync_folder(os.path.dirname(path))
    return True


def claim_folder(folder: Path | str, name: str, data: bytes) -> bool:
    """Put a folder in place that holds one file, unless there is one with anything in it: of many exactly one gets
    True, and nobody sees the folder without the file. Raises OSError and leaves nothing behind."""
    temporary = temporary_name(os.path.dirname(folder))
    make_folders(temporary)
    try:
        fill_new(os.path.join(temporary, name), data, sync=True)
        sync_folder(temporary)
        os.rename(temporary, folder)
    except OSError as error:
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(temporary, name))
        os.rmdir(temporary)
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            return False
        raise
    sync_folder(os.path.dirname(folder))
    return True


def _write_temporary(path: Path | str, data: bytes, mode: int, sync: bool) -> str:
    temporary = temporary_name(os.path.dirname(path))
    fill_new(temporary, data, mode=mode, sync=sync)
    return temporary


def _write_exclusive(path: Path | str, data: bytes, mode: int, sync: bool) -> bool:
    try:
        fill_new(path, data, mode=mode, sync=sync)
    except FileExistsError:
        return False
    return True


def fill_new(path: Path | str, data: bytes, *, mode: int = 0o666, sync: bool = False) -> None:
    """Create the file with these bytes, or leave none: for a name that nobody looks at yet. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        write_all(fd, data)
        if sync:
            os.fsync(fd)
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(fd)


def sync_folder(folder: Path | str) -> None:
    """Flush the names in a folder to the disk; some file systems refuse that and need it not."""
    fd = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.EROFS):
            raise
    finally:
        os.close(fd)


def make_folders(path: Path | str, *, within: Path | str | None = None) -> None:
    """Make a folder and its missing parents, but not `within`: whoever removed that one meanwhile meant it.

    Below a set-gid folder that its group may write, so are the new ones. That is what `git init --shared` does:
    accounts of one group can all add to what one of them began.
    """
    try:
        made = _make_one(path)
    except FileNotFoundError:
        parent = os.path.dirname(path)
        if not os.path.isdir(parent):
            if within is not None and parent == os.fspath(within):
                raise
            make_folders(parent, within=within)
        # Once more and no further: there are places that make no folders (`/proc`), whatever stands above.
        made = _make_one(path)
    if made:
        _share(path, os.stat(os.path.dirname(path) or ".").st_mode)


def _make_one(path: Path | str) -> bool:
    """Whether the folder was made now; it may have been there."""
    try:
        os.mkdir(path)
    except FileExistsError:
        if os.path.isdir(path):
            return False
        if os.path.lexists(path):
            raise
        raise FileNotFoundError(errno.ENOENT, "it was removed meanwhile", os.fspath(path)) from None
    return True


def _share(path: Path | str, parent: int) -> None:
    if parent & modes.S_ISGID and parent & modes.S_IWGRP:
        own = modes.S_IMODE(os.stat(path).st_mode)
        os.chmod(path, own | modes.S_ISGID | modes.S_IRWXG)


def write_over(path: Path | str, data: bytes, *, patience: float = 5.0) -> None:
    """Write to what a user named: a file, whose bytes these replace, a pipe or a device. Raises OSError.

    A pipe from which nobody takes anything for so many seconds is an error: nothing is waited for without an end.
    """
    fd = _open_to_write(path, time.monotonic() + patience, patience)
    try:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(fd, left) :]
            except BlockingIOError:
                if not select.select([], [fd], [], patience)[1]:
                    raise _nobody_reads(path, patience) from None
    finally:
        os.close(fd)


def _open_to_write(path: Path | str, until: float, patience: float) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    while True:
        try:
            return os.open(path, flags, 0o666)
        except OSError as error:
            if error.errno != errno.ENXIO or not modes.S_ISFIFO(os.stat(path).st_mode):
                raise
            if time.monotonic() > until:
                raise _nobody_reads(path, patience) from None
            time.sleep(0.02)


def _nobody_reads(path: Path | str, patience: float) -> OSError:
    return OSError(errno.EAGAIN, f"nobody reads from this pipe ({patience:g} s)", os.fspath(path))


def stat_identity(result: os.stat_result) -> Stat:
    """What changes whenever a file's bytes do."""
    return Stat(
        device=result.st_dev,
        inode=result.st_ino,
        size=result.st_size,
        mtime=result.st_mtime_ns,
        ctime=result.st_ctime_ns,
    )


class Hashed(msgspec.Struct, frozen=True, kw_only=True):
    """A file's digest, with the stat identity that it had before it was read."""

    digest: str
    size: int
    stat: Stat
    changed: bool = False
    """It changed while it was read, twice: the digest is of no moment in time."""


class NotRegularError(OSError):
    """A pipe, a folder, a device or a socket lies where a regular file is expected."""


def open_regular(path: Path | str, *, follow: bool = True) -> int:
    """A descriptor to read a regular file with. Raises OSError, NotRegularError for what is none, and never waits.

    Nothing else is opened: that alone takes what a pipe holds from its reader, lets its writer go on, and may move a
    device. What takes the file's place between the two looks is at least not waited for, and not read.
    """
    _refuse_special(path, os.stat(path, follow_symlinks=follow))
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | (0 if follow else os.O_NOFOLLOW)
    fd = os.open(path, flags)
    try:
        _refuse_special(path, os.fstat(fd))
    except OSError:
        os.close(fd)
        raise
    return fd


def _refuse_special(path: Path | str, stat: os.stat_result) -> None:
    if not modes.S_ISREG(stat.st_mode):
        raise NotRegularError(errno.EINVAL, f"it is {kind_of(stat.st_mode)}, not a regular file", os.fspath(path))


def kind_of(mode: int) -> str:
    """What a file is that is no regular one, for a person."""
    for test, name in (
        (modes.S_ISFIFO, "a pipe"), (modes.S_ISSOCK, "a socket"), (modes.S_ISBLK, "a device"),
        (modes.S_ISCHR, "a device"), (modes.S_ISDIR, "a folder"), (modes.S_ISLNK, "a link"),
    ):  # fmt: skip
        if test(mode):
            return name
    return "a special file"


def read_regular(path: Path | str, limit: int | None = None, *, follow: bool = True) -> bytes:
    """The bytes of a regular file, or as many as `limit` says. Raises OSError as `open_regular` does."""
    with os.fdopen(open_regular(path, follow=follow), "rb") as file:
        return file.read(-1 if limit is None else limit)


def hash_file(path: Path | str, *, follow: bool = True) -> Hashed:
    """The digest of a regular file. Raises OSError, also for what is no regular file (nothing is waited for).

    Costs one read of the file at the speed of SHA-256; a file that changes under it is read a second time.
    """
    fd = open_regular(path, follow=follow)
    try:
        first = _hash_once(fd)
        return first if not first.changed else _hash_once(fd)
    finally:
        os.close(fd)


def _hash_once(fd: int) -> Hashed:
    before = os.fstat(fd)
    os.lseek(fd, 0, os.SEEK_SET)
    digest, size = hash_descriptor(fd, before.st_size)
    stat = stat_identity(before)
    changed = size != before.st_size or stat != stat_identity(os.fstat(fd))
    return Hashed(digest=digest, size=size, stat=stat, changed=changed)


def hash_descriptor(fd: int, expected: int = _CHUNK, limit: int | None = None) -> tuple[str, int]:
    """Digest and number of the bytes from here to the end, or to `limit`; `expected` saves a call on small files."""
    first = b""
    if limit is None and expected < _CHUNK:
        first = os.read(fd, expected + 1)
        if len(first) == expected:
            return digest_of(first), expected
    running, size = sha256(first, more=expected if limit is None else limit), len(first)
    view = memoryview(bytearray(_CHUNK))
    while limit is None or size < limit:
        room = view if limit is None else view[: limit - size]
        count = os.readv(fd, [room])
        if not count:
            break
        running.update(room[:count])
        size += count
    return "sha256:" + running.hexdigest(), size


def copy_new(
    source: int | Path | str, dest: Path | str, *, mode: int = 0o444, read_back: bool = True, sync: bool = False
) -> tuple[str, int]:
    """Copy a file to a new name and read the copy back; its digest and size. Leaves nothing behind when it fails.

    Shares blocks where the file system can (reflink), which needs one read; else the bytes are hashed while they are
    copied and, with `read_back`, the copy is hashed again, at twice the cost of SHA-256. The second read mostly comes
    from the page cache: it shows a fault of copying, not one of the disk. Holes of a sparse file stay holes.
    """
    opened = source if isinstance(source, int) else open_regular(source)
    try:
        return _copy(opened, dest, mode, read_back, sync)
    finally:
        if not isinstance(source, int):
            os.close(opened)


def _copy(source: int, dest: Path | str, mode: int, read_back: bool, sync: bool) -> tuple[str, int]:
    fd = os.open(dest, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        stored = copy_into(source, fd, read_back=read_back)
        if sync:
            os.fsync(fd)
    except OSError:
        os.unlink(dest)
        raise
    finally:
        os.close(fd)
    return stored


def copy_into(source: int, dest: int, *, read_back: bool = True) -> tuple[str, int]:
    """The same into an empty file that is open for reading and writing. Raises OSError and leaves it as it is then."""
    copied = None if _reflink(source, dest) else _pump(source, dest)
    if copied is not None and not read_back:
        return copied
    os.lseek(dest, 0, os.SEEK_SET)
    stored = hash_descriptor(dest)
    if copied not in (None, stored):
        raise OSError(errno.EIO, "the copy reads back other bytes than were written")
    return stored


def _reflink(source: int, dest: int) -> bool:
    try:
        fcntl.ioctl(dest, _FICLONE, source)
    except OSError:
        # Another file system, or one that cannot: whatever the reason, copying will tell if it is a real one.
        return False
    return True


def _pump(source: int, dest: int) -> tuple[str, int]:
    stat = os.fstat(source)
    running, size = sha256(more=stat.st_size), 0
    sparse = stat.st_blocks * 512 < stat.st_size
    view = memoryview(bytearray(_CHUNK))
    os.lseek(source, 0, os.SEEK_SET)
    while count := os.readv(source, [view]):
        running.update(view[:count])
        if sparse and not view[:count].tobytes().strip(b"\0"):
            os.lseek(dest, count, os.SEEK_CUR)
        else:
            write_all(dest, view[:count])
        size += count
    if sparse:
        os.ftruncate(dest, size)
    return "sha256:" + running.hexdigest(), size
