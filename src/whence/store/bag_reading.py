"""Reading a bag, which may come from anywhere: a folder, a zip, or a tar however it is compressed.

Nothing of it is unpacked. What lies in it is listed and held against the rules before a byte is read: regular files and
folders only, each once, each below the bag. Then its files are read as streams, in the order in which they lie there.
"""

from __future__ import annotations

import lzma
import os
import stat as modes
import tarfile
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, cast

from ..errors import WhenceError
from ..rules.bags import DECLARATION, path_fault
from ..system.files import kind_of, open_regular


class BagError(WhenceError):
    """What should be imported is no bag, or not a sound one."""


class Member(NamedTuple):
    """A file in a bag."""

    size: int
    mode: int


class Source(Protocol):
    """Where a bag's files come from."""

    def entries(self) -> Iterator[tuple[str, int, int]]:
        """(path, mode with its kind, size) of everything that lies there."""
        ...

    def streams(self) -> Iterator[tuple[str, BinaryIO]]:
        """Each regular file; a stream is good until the next one is asked for."""
        ...


class Bag:
    """A bag whose listing is sound. Raises BagError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with reading(path):
            self._source = _source(path)
            found = self._listed()
        self._root = self._root_of(found)
        self.members = {name[len(self._root) :]: member for name, member in found.items()}
        """By path in the bag."""

    def _listed(self) -> dict[str, Member]:
        found: dict[str, Member] = {}
        for written, mode, size in self._source.entries():
            name = _normal(written)
            fault = path_fault(name) if name else None
            if fault is None and not modes.S_ISDIR(mode) and not modes.S_ISREG(mode):
                fault = f"is {kind_of(mode)}, expected files and folders only"
            if fault is None and modes.S_ISREG(mode) and (not name or name in found):
                fault = "is there a second time"
            if fault is not None:
                raise BagError(f"{self.path}: {written!r} {fault}", hint="nothing of it was taken")
            if modes.S_ISREG(mode):
                found[name] = Member(size, mode)
        return found

    def _root_of(self, found: dict[str, Member]) -> str:
        """What the paths of the bag begin with: nothing, or the one folder and a slash."""
        if DECLARATION in found:
            return ""
        first = next(iter(found), "").partition("/")[0] + "/"
        if first + DECLARATION not in found:
            raise BagError(f"{self.path}: is no bag: found no {DECLARATION} in it", hint="see RFC 8493")
        stray = next((name for name in found if not name.startswith(first)), None)
        if stray is not None:
            raise BagError(f"{self.path}: found {stray!r} beside the bag {first!r}", hint="nothing of it was taken")
        return first

    def streams(self) -> Iterator[tuple[str, BinaryIO]]:
        """(path in the bag, stream) of each file; to be used within `reading`. Raises OSError and others."""
        for name, stream in self._source.streams():
            path = _normal(name)[len(self._root) :]
            if path in self.members:
                yield path, stream


def _normal(name: str) -> str:
    """Without the `./` before it, and the slash of a folder after it."""
    while name.startswith("./"):
        name = name[2:]
    return "" if name == "." else name.removesuffix("/")


@contextmanager
def reading(path: Path) -> Generator[None]:
    """Whatever is wrong with the file is said of it. Raises BagError."""
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise BagError(f"{path}: cannot be read: {error}", hint="it was cut or changed: get it once more") from error
    except (NotImplementedError, RuntimeError) as error:
        raise BagError(f"{path}: cannot be read: {error}", hint="unpack it, and import the folder") from error
    except OSError as error:
        raise BagError(f"{path}: cannot be read: {error.strerror or error}") from error


def _source(path: Path) -> Source:
    if path.is_dir():
        return _Folder(path)
    os.close(open_regular(path))
    if zipfile.is_zipfile(path):
        return _Zip(path)
    if not tarfile.is_tarfile(path):
        raise BagError(f"{path}: is no folder, tar or zip", hint="expected an archive, as `whence data export` writes")
    return _Tar(path)


class _Folder:
    """A folder; no link is followed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def entries(self) -> Iterator[tuple[str, int, int]]:
        for name in self._names():
            stat = os.lstat(self._root / name)
            yield name, stat.st_mode, stat.st_size

    def streams(self) -> Iterator[tuple[str, BinaryIO]]:
        for name in self._names():
            if modes.S_ISREG(os.lstat(self._root / name).st_mode):
                with os.fdopen(open_regular(self._root / name, follow=False), "rb") as stream:
                    yield name, stream

    def _names(self) -> Iterator[str]:
        """Everything below, folders before what lies in them."""

        def fail(error: OSError) -> None:
            raise error

        for folder, below, names in os.walk(self._root, onerror=fail):
            below.sort()
            head = os.path.relpath(folder, self._root)
            for name in sorted([*below, *names]):
                yield name if head == "." else f"{head}/{name}"


class _Tar:
    """A tar, compressed or not; read from its beginning to its end."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def entries(self) -> Iterator[tuple[str, int, int]]:
        with tarfile.open(self._path) as archive:
            for member in _members(archive):
                yield member.name, _tar_kind(member) | (member.mode & 0o777), member.size

    def streams(self) -> Iterator[tuple[str, BinaryIO]]:
        with tarfile.open(self._path) as archive:
            for member in _members(archive):
                stream = archive.extractfile(member) if member.isreg() else None
                if stream is not None:
                    yield member.name, cast("BinaryIO", stream)


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Each member. `tarfile` would remember every one that was read."""
    while (member := archive.next()) is not None:
        yield member
        vars(archive)["members"].clear()


def _tar_kind(member: tarfile.TarInfo) -> int:
    if member.isdir():
        return modes.S_IFDIR
    if member.isreg():
        return modes.S_IFREG
    # A hard link may lead to anything, too.
    return modes.S_IFLNK if member.issym() or member.islnk() else modes.S_IFIFO if member.isfifo() else modes.S_IFCHR


class _Zip:
    """A zip."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def entries(self) -> Iterator[tuple[str, int, int]]:
        with zipfile.ZipFile(self._path) as archive:
            for member in archive.infolist():
                mode = member.external_attr >> 16
                kind = modes.S_IFDIR if member.is_dir() else modes.S_IFMT(mode) or modes.S_IFREG
                # The name as it stands there: `filename` is cut at a NUL.
                yield member.orig_filename, kind | (mode & 0o777), member.file_size

    def streams(self) -> Iterator[tuple[str, BinaryIO]]:
        with zipfile.ZipFile(self._path) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    with archive.open(member) as stream:
                        yield member.filename, cast("BinaryIO", stream)
