"""What is added, file by file: read once, digested, and kept. What changes meanwhile is an error with its path."""

from __future__ import annotations

import errno
import os
import stat as modes
import time
from pathlib import Path
from typing import NamedTuple

from ..digests import digest_of
from ..errors import WhenceError
from ..rules.manifests import manifest_line, shown_mode
from ..system.files import hash_descriptor, kind_of
from .bulk import SMALL, Bulk, unwritable
from .layout import Store

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_OF_THE_STORE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}


class SourceError(WhenceError):
    """What should be added cannot be read as it is, or changed meanwhile."""


class NoSourceError(SourceError):
    """There is nothing of the name that was given."""

    code = 3


class Taken(NamedTuple):
    """A file or link that was read."""

    stat: os.stat_result
    """As it was before."""
    began: int
    """When the reading began, in Unix nanoseconds."""
    digest: str
    size: int
    """Bytes; of a link of its target's text."""


class Taking:
    """The files of one source. Without a `bulk` nothing is kept."""

    def __init__(self, store: Store, source: Path, bulk: Bulk | None) -> None:
        self._store = store
        self._source = source
        self._bulk = bulk

    def take(self, folder: int, name: str, path: str, stat: os.stat_result) -> Taken:
        """What lies in a folder that is open, and is no folder. Raises SourceError, StoreError."""
        began = time.time_ns()
        try:
            if modes.S_ISLNK(stat.st_mode):
                return self._link(os.fsencode(os.readlink(name, dir_fd=folder)), stat, began)
            self.refuse_special(path, stat)
            fd = os.open(name, _READ, dir_fd=folder)
            try:
                stat = os.fstat(fd)
                self.refuse_special(path, stat)
                return self.read(path, fd, stat)
            finally:
                os.close(fd)
        except OSError as error:
            raise self.fault(path, error) from error

    def read(self, path: str, fd: int, before: os.stat_result) -> Taken:
        """A file that is open. Raises SourceError, StoreError, OSError."""
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
        return Taken(before, began, digest, before.st_size)

    def _link(self, text: bytes, stat: os.stat_result, began: int) -> Taken:
        digest = digest_of(text)
        if self._bulk is not None:
            self._bulk.put(digest, text)
        return Taken(stat, began, digest, len(text))

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
            raise changed(f"{self.shown(path)}: changed while it was added")

    def refuse_special(self, path: str, stat: os.stat_result) -> None:
        if not modes.S_ISREG(stat.st_mode):
            what = f"{self.shown(path)}: is {kind_of(stat.st_mode)}, expected a file, a folder or a link"
            raise SourceError(what, hint="move it away")

    def fault(self, path: str, error: OSError) -> WhenceError:
        """The error for what the system refused."""
        if error.errno in _OF_THE_STORE:
            return unwritable(self._store, error)
        shown = self.shown(path)
        if error.errno == errno.ENOENT and path:
            return changed(f"{shown}: vanished while it was added")
        if error.errno in (errno.ELOOP, errno.ENOTDIR) and path:
            return changed(f"{shown}: was replaced by something else while it was added")
        if error.errno == errno.ENOENT:
            return NoSourceError(f"{shown}: is not there, expected a file or a folder", hint="see how it is spelled")
        return SourceError(f"{shown}: cannot be read: {error.strerror or error}")

    def shown(self, path: str) -> str:
        return os.path.join(self._source, path) if path else os.fspath(self._source)


def changed(what: str) -> SourceError:
    return SourceError(what, hint="add it when nothing writes to it")


def line_of(path: str, stat: os.stat_result, digest: str, size: int) -> bytes:
    """The line of a file or link in a manifest."""
    if modes.S_ISLNK(stat.st_mode):
        return manifest_line(path, "link", 0o777, size, digest)
    return manifest_line(path, "file", shown_mode(stat.st_mode), size, digest)
