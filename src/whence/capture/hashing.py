"""Digests of files and folders, as work that can stop at a deadline and go on later without having lost anything.

A folder's digest is that of its manifest (docs/format.md, section 1). Modes are those that git knows, so that a copy
under another umask has the same identity. Links are not followed, but where it is said; a store inside the folder is
left out.
"""

from __future__ import annotations

import os
import stat as modes
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec

from ..digests import digest_of, sha256
from ..handlers import let_pass
from ..records.data import Stat
from ..records.encoding import encode
from ..rules.manifests import BEGIN, BETWEEN, EMPTY, END, shown_mode
from ..system.files import hash_file, open_regular, stat_identity

T = TypeVar("T")
Steps = Generator[None, None, T]
"""Work that yields between its pieces, and returns the result."""

_CHUNK = 1 << 20
_SMALL = 1 << 20
"""Files below this size are hashed in one piece."""
_AT_ONCE = 100
"""Files that need not be read are one piece of work together."""


class Cache(Protocol):
    """Digests of earlier runs. `part` says which entries are loaded and saved together: the path of a folder."""

    def find(self, part: str, stat: os.stat_result) -> str | None:
        """The digest of the file with that stat identity."""
        ...

    def add(self, part: str, stat: os.stat_result, digest: str, began: int) -> None:
        """Remember a digest; `began` is when its reading began, in Unix nanoseconds."""
        ...


class NoCache:
    """Remembers nothing."""

    def find(self, part: str, stat: os.stat_result) -> str | None:
        return None

    def add(self, part: str, stat: os.stat_result, digest: str, began: int) -> None:
        return


def never() -> bool:
    """For work without a deadline."""
    return False


class Work(Generic[T]):
    """Steps that are under way. Raises what the steps raise, once."""

    def __init__(self, steps: Steps[T]) -> None:
        self._steps = steps
        self._results: list[T] = []

    def advance(self, enough: Callable[[], bool] = never) -> bool:
        """Work until it is done (True) or `enough` says so; what was done is kept."""
        while not self._results:
            try:
                next(self._steps)
            except StopIteration as end:
                self._results.append(end.value)
                return True
            if enough():
                return False
        return True

    def stop(self) -> None:
        """Close what the steps have open; they go no further."""
        self._steps.close()

    @property
    def result(self) -> T:
        return self._results[0]


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What was read: the digest, and of what."""

    digest: str
    size: int
    stat: Stat
    began: int
    """When the reading began, in Unix nanoseconds."""
    changed: bool = False
    """It changed while it was read: the digest is of no moment in time."""
    files: int | None = None
    """In a folder."""
    unread: tuple[str, ...] = ()
    """What in a folder could not be read."""
    manifest: bytes | None = None


def measure(path: str, cache: Cache) -> Steps[Measured]:
    """The digest of a file or folder, links on the way followed. Raises OSError."""
    folder = modes.S_ISDIR(os.stat(path).st_mode)
    return (yield from measure_folder(path, cache) if folder else measure_file(path, cache))


def measure_file(path: str, cache: Cache, part: str | None = None) -> Steps[Measured]:
    """The digest of a regular file, a chunk a step; one that changes meanwhile is read a second time."""
    part = os.path.dirname(os.path.realpath(path)) if part is None else part
    known = _known(path, cache, part)
    if known is not None:
        return known
    fd = open_regular(path)
    try:
        measured = yield from _read(fd)
        if measured.changed:
            measured = yield from _read(fd)
        if not measured.changed:
            cache.add(part, os.fstat(fd), measured.digest, measured.began)
    finally:
        os.close(fd)
    return measured


def _known(path: str, cache: Cache, part: str) -> Measured | None:
    began = time.time_ns()
    stat = os.stat(path)
    digest = cache.find(part, stat)
    if digest is None:
        return None
    return Measured(digest=digest, size=stat.st_size, stat=stat_identity(stat), began=began)


def _read(fd: int) -> Steps[Measured]:
    began = time.time_ns()
    before = stat_identity(os.fstat(fd))
    os.lseek(fd, 0, os.SEEK_SET)
    running, size = sha256(more=before.size), 0
    view = memoryview(bytearray(min(_CHUNK, before.size + 1)))
    while count := os.readv(fd, [view]):
        running.update(view[:count])
        size += count
        yield
    changed = size != before.size or before != stat_identity(os.fstat(fd))
    # Files of /proc and /sys say they are empty and are not.
    changed = changed and not (before.size == 0 and before == stat_identity(os.fstat(fd)))
    return Measured(digest="sha256:" + running.hexdigest(), size=size, stat=before, began=began, changed=changed)


_Line = tuple[str, str, int, int, str | None]
"""Path, kind, mode, size, digest: one line of a manifest."""


class _Lines:
    """The lines of a manifest, each as it will stand there: there may be very many."""

    def __init__(self) -> None:
        self._lines: list[tuple[bytes, bytes]] = []
        self._size = 0
        self._files = 0
        self._unread: list[bytes] = []

    def add(self, line: _Line) -> None:
        path, kind, _, size, _ = line
        name = os.fsencode(path)
        self._lines.append((name, encode(line)))
        if kind == "file":
            self._files += 1
            self._size += size
        elif kind == "unread":
            self._unread.append(name)

    def measured(self, stat: os.stat_result, began: int) -> Measured:
        """The folder, with its manifest in the canonical form: lines sorted by the bytes of the path. Call it once."""
        manifest = self.manifest()
        return Measured(
            digest=digest_of(manifest),
            size=self._size,
            stat=stat_identity(stat),
            began=began,
            files=self._files,
            unread=tuple(map(os.fsdecode, sorted(self._unread))),
            manifest=manifest,
        )

    def manifest(self) -> bytes:
        """In the canonical form; what it has is given up."""
        if not self._lines:
            return EMPTY
        self._lines.sort()
        lines = [line for _, line in self._lines]
        self._lines.clear()
        lines[0] = BEGIN + lines[0]
        lines[-1] += END
        return BETWEEN.join(lines)


def measure_folder(path: str, cache: Cache, *, follow: bool = False) -> Steps[Measured]:
    """The digest of a folder's manifest; a step is a file that is read (a chunk of a big one), or some that are known.
    Raises OSError for the folder itself; what lies in it and cannot be read stands in the manifest as `unread`.

    `follow`: a link to a file is that file, whose bytes were read through it.
    """
    began = time.time_ns()
    part = os.path.realpath(path)
    stat = os.stat(path)
    lines = _Lines()
    folders = [""]
    os.scandir(path).close()
    while folders:
        below = folders.pop()
        yield from _folder_lines(path, below, part, cache, lines, folders, follow=follow)
    return lines.measured(stat, began)


def measure_some(path: str, names: Sequence[str], cache: Cache) -> Steps[Measured]:
    """The digest of the manifest of those files of a folder: what was read of it, or written to it.

    `names` are relative to the folder. Links are followed: the bytes were read through them. One that is gone is
    `unread`. Raises OSError when the folder is gone.
    """
    began = time.time_ns()
    part = os.path.realpath(path)
    stat = os.stat(path)
    lines = _Lines()
    for name in names:
        lines.add((yield from _line_of(os.path.join(path, name), name, part, cache)))
        yield
    return lines.measured(stat, began)


def manifest_of(known: Iterable[tuple[str, int, str | None]]) -> bytes:
    """The manifest of files that are gone, by what is known of them: path, size, digest. One without is `unread`."""
    lines = _Lines()
    for path, size, digest in known:
        lines.add((path, "file" if digest else "unread", 0o644, size, digest))
    return lines.manifest()


def _line_of(path: str, relative: str, part: str, cache: Cache) -> Steps[_Line]:
    try:
        stat = os.stat(path)
        if not modes.S_ISREG(stat.st_mode):
            return relative, "unread", 0o644, stat.st_size, None
        digest, size = cache.find(part, stat), stat.st_size
        if digest is None:
            digest, size = yield from _file_of_folder(path, stat, part, cache, follow=True)
        return relative, "file", shown_mode(stat.st_mode), size, digest
    except OSError as error:
        let_pass(error)
        return relative, "unread", 0o644, 0, None


def _folder_lines(
    root: str, below: str, part: str, cache: Cache, lines: _Lines, folders: list[str], *, follow: bool
) -> Steps[None]:
    """The lines of what lies in one folder; folders below it are added to those still to be read."""
    folder = os.path.join(root, below) if below else root
    try:
        with os.scandir(folder) as scan:
            entries = [entry for entry in scan if entry.name != ".whence"]
    except OSError as error:
        let_pass(error)
        lines.add((below, "unread", 0o755, 0, None))
        return
    if not entries and below:
        lines.add((below, "folder", 0o755, 0, None))
    for number, entry in enumerate(entries, 1):
        relative = f"{below}/{entry.name}" if below else entry.name
        if entry.is_dir(follow_symlinks=False):
            folders.append(relative)
            continue
        if follow and entry.is_symlink() and entry.is_file():
            line = yield from _line_of(entry.path, relative, part, cache)
        else:
            line = _line_at_once(entry, relative, part, cache)
            if line is None:
                line = yield from _line_of_unread(entry, relative, part, cache)
        lines.add(line)
        if not number % _AT_ONCE:
            yield


def _line_at_once(entry: os.DirEntry[str], relative: str, part: str, cache: Cache) -> _Line | None:
    """The line of what need not be read; nothing for a file whose digest is not known."""
    try:
        stat = entry.stat(follow_symlinks=False)
        if modes.S_ISREG(stat.st_mode):
            digest = cache.find(part, stat)
            return None if digest is None else (relative, "file", shown_mode(stat.st_mode), stat.st_size, digest)
        if modes.S_ISLNK(stat.st_mode):
            target = os.fsencode(os.readlink(entry.path))
            return relative, "link", 0o777, len(target), digest_of(target)
    except OSError as error:
        let_pass(error)
        # Gone since the folder was listed: the manifest says that it was not read.
        return relative, "unread", 0o644, 0, None
    return relative, "unread", 0o644, stat.st_size, None


def _line_of_unread(entry: os.DirEntry[str], relative: str, part: str, cache: Cache) -> Steps[_Line]:
    try:
        stat = entry.stat(follow_symlinks=False)
        digest, size = yield from _file_of_folder(entry.path, stat, part, cache)
    except OSError:
        # Not readable for this account, or gone meanwhile.
        return relative, "unread", 0o644, 0, None
    yield
    return relative, "file", shown_mode(stat.st_mode), size, digest


def _file_of_folder(
    path: str, stat: os.stat_result, part: str, cache: Cache, *, follow: bool = False
) -> Steps[tuple[str, int]]:
    if stat.st_size >= _SMALL:
        measured = yield from measure_file(path, cache, part)
        return measured.digest, measured.size
    began = time.time_ns()
    hashed = hash_file(path, follow=follow)
    if not hashed.changed and hashed.stat == stat_identity(stat):
        cache.add(part, stat, hashed.digest, began)
    return hashed.digest, hashed.size
