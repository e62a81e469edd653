"""Adding a file or a folder: one pass that digests, keeps what is new, and writes the manifest.

What the store holds already is neither read nor written: the digest cache knows a file by its stat identity. The walk
is in the order of the manifest, whose lines go to the disk as they come, so that memory does not grow with their number
(the digest cache does). Folders are entered by descriptor and no link is followed: what is added lies where it was
named. Anything that changes meanwhile, or cannot be read, is an error with its path, and then there is no manifest.
"""

from __future__ import annotations

import errno
import os
import stat as modes
import time
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from ..digests import digest_of, sha256
from ..errors import WhenceError
from ..rules.manifests import BEGIN, BETWEEN, EMPTY, END, manifest_line, shown_mode
from ..system.files import hash_descriptor, kind_of, open_regular, temporary_name, write_all
from .bulk import SMALL, Bulk, LargeCopy, unwritable
from .digest_cache import DigestCache
from .layout import NAME, Store

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_BUFFER = 1 << 18
_OF_THE_STORE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}


class SourceError(WhenceError):
    """What should be added cannot be read as it is, or changed meanwhile."""


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """A file or folder whose manifest is in the store."""

    manifest: str
    """Its digest; of a single file one with a single line."""
    files: int
    size: int
    """Bytes of all files."""
    objects: int
    """How many objects the store did not hold before, without the manifest."""
    stored: int
    """Bytes of these."""


def add(store: Store, source: Path, *, keep: bool = True) -> Added:
    """Digest a file or folder, and with `keep` put its bytes into the store; without only the manifest.

    Raises SourceError, and StoreError; then nothing refers to what was kept so far. The object of the manifest comes
    last, when everything that it names is on the disk.
    """
    adding = _Adding(store, source, keep)
    try:
        adding.walk()
        return adding.finish()
    finally:
        adding.close()


class _Manifest:
    """Lines on their way to the disk."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._temporary = temporary_name(store.objects)
        self._running = sha256(more=1 << 20)
        self._lines: list[bytes] = []
        self._waiting = 0
        self._begun = False
        self._copy: LargeCopy | None = None
        try:
            self._fd = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        except OSError as error:
            raise unwritable(store, error) from error

    def add(self, line: bytes) -> None:
        self._lines.append(line)
        self._waiting += len(line)
        if self._waiting >= _BUFFER:
            self._write(self._taken())

    def finish(self) -> LargeCopy:
        """The whole of it, on the disk; it is the caller's to place."""
        rest = self._taken()
        self._write(rest + END if rest or self._begun else EMPTY)
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise unwritable(self._store, error) from error
        size = os.fstat(self._fd).st_size
        os.close(self._fd)
        self._fd = -1
        return LargeCopy(self._temporary, "sha256:" + self._running.hexdigest(), size)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            os.unlink(self._temporary)

    def _taken(self) -> bytes:
        lines, self._lines, self._waiting = self._lines, [], 0
        if not lines:
            return b""
        first = BETWEEN if self._begun else BEGIN
        self._begun = True
        return first + BETWEEN.join(lines)

    def _write(self, data: bytes) -> None:
        self._running.update(data)
        try:
            write_all(self._fd, data)
        except OSError as error:
            raise unwritable(self._store, error) from error


class _Entry(NamedTuple):
    """What lies in a folder, in the order of the paths at and below it: those below a folder have a slash more."""

    key: bytes
    name: str
    entry: os.DirEntry[str]
    kind: Literal["folder", "empty folder", "other"]


class _Folder:
    """A folder that is being walked, by descriptor. `store` is the inode of the store, which is left out."""

    def __init__(self, fd: int, path: str, store: tuple[int, int]) -> None:
        self.fd = fd
        self.path = path
        """Relative to what is added, with a slash at its end; empty for that itself."""
        self._before = os.fstat(fd)
        entries = sorted(_entry(fd, entry, store) for entry in _listed(fd, store))
        self.empty = not entries
        self.entries = iter(entries)

    def changed(self) -> bool:
        return os.fstat(self.fd).st_mtime_ns != self._before.st_mtime_ns

    def close(self) -> None:
        os.close(self.fd)


def _listed(fd: int, store: tuple[int, int]) -> list[os.DirEntry[str]]:
    with os.scandir(fd) as scan:
        found = [entry for entry in scan if entry.name != NAME]
    if any(entry.inode() == store[1] for entry in found) and os.fstat(fd).st_dev == store[0]:
        return [entry for entry in found if entry.inode() != store[1]]
    return found


def _entry(above: int, entry: os.DirEntry[str], store: tuple[int, int]) -> _Entry:
    name = entry.name
    if not entry.is_dir(follow_symlinks=False):
        return _Entry(os.fsencode(name), name, entry, "other")
    fd = os.open(name, _ENTER, dir_fd=above)
    try:
        empty = not _listed(fd, store)
    finally:
        os.close(fd)
    return _Entry(os.fsencode(name if empty else name + "/"), name, entry, "empty folder" if empty else "folder")


class _Adding:
    """One pass."""

    def __init__(self, store: Store, source: Path, keep: bool) -> None:
        self._store = store
        self._source = source
        self._bulk = Bulk(store) if keep else None
        self._cache = DigestCache(store.cache)
        self._manifest = _Manifest(store)
        self._folders: list[_Folder] = []
        self._part = os.path.realpath(source)
        self._files = 0
        self._size = 0
        place = os.stat(store.path)
        self._place = (place.st_dev, place.st_ino)

    def walk(self) -> None:
        """Everything, in the order of the manifest. Raises SourceError."""
        try:
            stat = os.stat(self._source)
            if not modes.S_ISDIR(stat.st_mode):
                self._refuse_special("", stat)
                self._single()
                return
            self._enter(os.open(self._source, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), "")
        except OSError as error:
            raise self._fault("", error) from error
        while self._folders:
            folder = self._folders[-1]
            entry = next(folder.entries, None)
            if entry is None:
                self._leave(folder)
            else:
                self._take(folder, entry)

    def finish(self) -> Added:
        """The manifest's object, when all that it names is on the disk. Raises StoreError."""
        objects, stored = 0, 0
        if self._bulk is not None:
            self._bulk.finish()
            objects, stored = self._bulk.objects, self._bulk.size
            self._bulk = None  # It knows what the packs hold, which is not needed any more, and is much.
        manifest = self._manifest.finish()
        last = Bulk(self._store)
        last.place(manifest)
        last.finish()
        self._cache.save()
        return Added(manifest=manifest.digest, files=self._files, size=self._size, objects=objects, stored=stored)

    def close(self) -> None:
        """Leave nothing half-written."""
        for folder in self._folders:
            folder.close()
        self._manifest.close()
        if self._bulk is not None:
            self._bulk.discard()

    def _single(self) -> None:
        self._part = os.path.dirname(self._part)
        fd = open_regular(self._source)
        try:
            stat = os.fstat(fd)
            known = self._known(stat)
            digest = self._read("", fd, stat) if known is None else known
        finally:
            os.close(fd)
        self._list_file(self._source.name, stat, digest)

    def _enter(self, fd: int, path: str) -> None:
        try:
            self._folders.append(_Folder(fd, path, self._place))
        except OSError as error:
            os.close(fd)
            inside = error.filename if isinstance(error.filename, str) else ""
            raise self._fault(path + inside, error) from error

    def _leave(self, folder: _Folder) -> None:
        if folder.changed():
            shown = self._shown(folder.path)
            raise _changed(f"{shown}: files were added to it, removed or renamed while it was added")
        folder.close()
        self._folders.pop()

    def _take(self, folder: _Folder, found: _Entry) -> None:
        path = folder.path + found.name
        try:
            if found.kind != "other":
                self._take_folder(folder, found, path)
                return
            stat = found.entry.stat(follow_symlinks=False)
            if modes.S_ISREG(stat.st_mode):
                self._take_file(folder, found.name, path, stat)
            elif modes.S_ISLNK(stat.st_mode):
                self._take_link(os.readlink(found.name, dir_fd=folder.fd), path)
            else:
                self._refuse_special(path, stat)
        except OSError as error:
            raise self._fault(path, error) from error

    def _take_folder(self, folder: _Folder, found: _Entry, path: str) -> None:
        self._enter(os.open(found.name, _ENTER, dir_fd=folder.fd), path + "/")
        if self._folders[-1].empty != (found.kind == "empty folder"):
            raise _changed(f"{self._shown(path)}: changed while it was added")
        if self._folders[-1].empty:
            self._manifest.add(manifest_line(path, "folder", 0o755, 0, None))

    def _take_link(self, target: str, path: str) -> None:
        text = os.fsencode(target)
        digest = digest_of(text)
        if self._bulk is not None:
            self._bulk.put(digest, text)
        self._manifest.add(manifest_line(path, "link", 0o777, len(text), digest))

    def _take_file(self, folder: _Folder, name: str, path: str, stat: os.stat_result) -> None:
        digest = self._known(stat)
        if digest is None:
            fd = os.open(name, _READ, dir_fd=folder.fd)
            try:
                stat = os.fstat(fd)
                self._refuse_special(path, stat)
                digest = self._read(path, fd, stat)
            finally:
                os.close(fd)
        self._list_file(path, stat, digest)

    def _list_file(self, path: str, stat: os.stat_result, digest: str) -> None:
        self._files += 1
        self._size += stat.st_size
        self._manifest.add(manifest_line(path, "file", shown_mode(stat.st_mode), stat.st_size, digest))

    def _known(self, stat: os.stat_result) -> str | None:
        """The digest of a file that need not be read."""
        digest = self._cache.find(self._part, stat)
        if digest is None or self._bulk is None or not self._bulk.needs(digest, stat.st_size):
            return digest
        return None

    def _read(self, path: str, fd: int, before: os.stat_result) -> str:
        """Digest a file, and keep it. What changes meanwhile is not kept."""
        began = time.time_ns()
        if self._bulk is None:
            digest, size = hash_descriptor(fd, before.st_size)
            self._refuse_changed(path, before, size, fd)
        elif before.st_size <= SMALL:
            data = os.read(fd, before.st_size + 1)
            self._refuse_changed(path, before, len(data), fd)
            digest = digest_of(data)
            self._bulk.put(digest, data)
        else:
            digest = self._copy(path, before, fd, self._bulk)
        self._cache.add(self._part, before, digest, began)
        return digest

    def _copy(self, path: str, before: os.stat_result, fd: int, bulk: Bulk) -> str:
        copied = bulk.copy(fd)
        try:
            self._refuse_changed(path, before, copied.size, fd)
        except SourceError:
            copied.discard()
            raise
        bulk.place(copied)
        return copied.digest

    def _refuse_changed(self, path: str, before: os.stat_result, size: int, fd: int) -> None:
        after = os.fstat(fd)
        same = size == before.st_size == after.st_size and before.st_ctime_ns == after.st_ctime_ns
        if not same or before.st_mtime_ns != after.st_mtime_ns:
            raise _changed(f"{self._shown(path)}: changed while it was added")

    def _refuse_special(self, path: str, stat: os.stat_result) -> None:
        if not modes.S_ISREG(stat.st_mode):
            what = f"{self._shown(path)}: is {kind_of(stat.st_mode)}, expected a file, a folder or a link"
            raise SourceError(what, hint="move it away")

    def _fault(self, path: str, error: OSError) -> WhenceError:
        if error.errno in _OF_THE_STORE:
            return unwritable(self._store, error)
        shown = self._shown(path)
        if error.errno == errno.ENOENT and path:
            return _changed(f"{shown}: vanished while it was added")
        if error.errno in (errno.ELOOP, errno.ENOTDIR) and path:
            return _changed(f"{shown}: was replaced by something else while it was added")
        return SourceError(f"{shown}: cannot be read: {error.strerror or error}")

    def _shown(self, path: str) -> str:
        return os.path.join(self._source, path) if path else os.fspath(self._source)


def _changed(what: str) -> SourceError:
    return SourceError(what, hint="add it when nothing writes to it")
