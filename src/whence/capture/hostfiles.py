"""The files in which kernel and distribution describe themselves, below a root that tests replace by a small tree."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ..system.files import open_regular

LIMIT = 1 << 20


class HostFiles(msgspec.Struct, frozen=True):
    """Reads of small local files; what is not there is nothing, never an error."""

    root: Path = Path("/")

    def path(self, name: str) -> str:
        # Not as a `Path`: a launch asks for forty, which would be a millisecond.
        return os.path.join(self.root, name.lstrip("/"))

    def text(self, name: str, limit: int = LIMIT) -> str | None:
        """The start of a file. One read: the kernel makes `/proc/cpuinfo` a page at a time, 128 cores are slow."""
        try:
            fd = os.open(self.path(name), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return os.read(fd, limit).decode("utf-8", "replace")
        except OSError:
            return None
        finally:
            os.close(fd)

    def whole(self, name: str) -> str | None:
        """A file of /proc that is longer than one read gives."""
        try:
            return Path(self.path(name)).read_bytes().decode("utf-8", "replace")
        except OSError:
            return None

    def exists(self, name: str) -> bool:
        return os.path.lexists(self.path(name))

    def link(self, name: str) -> str | None:
        """What a symbolic link says."""
        try:
            return os.readlink(self.path(name))
        except OSError:
            return None

    def names(self, folder: str) -> list[str]:
        """The names in a folder, sorted."""
        try:
            return sorted(os.listdir(self.path(folder)))
        except OSError:
            return []


def regular_bytes(path: str | Path, limit: int) -> bytes:
    """The bytes of a regular file. Raises OSError, also for what is no regular file; ValueError for one larger than the
    limit.

    What is no regular file is not opened: a FIFO of that name must not stop a launch, nor lose what is in it.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise ValueError(f"{os.fspath(path)} has {size} bytes, more than {limit}")
        return file.read()


def home_of(environ: Mapping[str, str]) -> str | None:
    """The home folder that the command will see."""
    return environ.get("HOME") or None
