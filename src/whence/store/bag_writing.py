"""Writing a bag: a folder, a tar or a zip that appears whole under its name, or not at all.

Content goes from the store to the bag in pieces, and is held against its digest on the way.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from abc import ABC, abstractmethod
from contextlib import ExitStack, suppress
from pathlib import Path
from shutil import copyfileobj, rmtree
from typing import BinaryIO, Protocol, cast

from ..digests import sha256
from ..errors import UsageError, WhenceError
from ..system.files import fill_new, temporary_name
from .layout import Store
from .objects import copy_object, damaged, open_object

_CHUNK = 1 << 20

ENDINGS = (".tar.gz", ".tgz", ".tar", ".zip")
"""What the name of a bag ends in that is one file."""


OTHERS = tuple(
    f".{packed}" for packed in ("7z", "rar", "gz", "bz2", "xz", "zst", "lz4", "tbz", "tbz2", "txz", "tzst", "iso")
)
"""Names of archives that would be surprising for a folder."""


class BagExistsError(WhenceError):
    """Something is where the bag should go; nothing is overwritten."""


class BagWriter(Protocol):
    """A bag on its way; every method raises OSError."""

    def folder(self, path: str) -> None:
        """A folder, also one with nothing in it."""
        ...

    def text(self, path: str, data: bytes) -> None: ...

    def content(self, path: str, digest: str, size: int, mode: int) -> None:
        """An object of the store. Raises UnresolvedError, FormatError for one that is missing or damaged."""
        ...

    def file(self, path: str, source: Path, size: int, mode: int) -> None:
        """A file of the bag's own file system that is nobody else's: it may be moved."""
        ...

    def finish(self) -> None:
        """Give the bag its name. Raises BagExistsError."""
        ...

    def discard(self) -> None:
        """Leave nothing behind."""
        ...


def begin_bag(store: Store, target: Path, base: str, seconds: int) -> BagWriter:
    """A bag at a path that has none: by the end of its name a folder, or a file with the one folder `base` in it.

    `seconds` is the time of its members, so that the same version makes the same files. Raises BagExistsError,
    UsageError, OSError.
    """
    if os.path.lexists(target):
        raise _exists(target)
    if not target.parent.is_dir():
        raise UsageError(f"{target}: expected a folder at {target.parent}", hint="make it first")
    ending = ending_of(target)
    if ending is None and target.name.lower().endswith(OTHERS):
        raise UsageError(
            f"{target}: expected an ending of {', '.join(ENDINGS)}, or a folder's name",
            hint="the other formats of archives are not written",
        )
    if ending is None:
        return _FolderBag(store, target)
    root = target.name[: -len(ending)]
    kind = _ZipBag if ending == ".zip" else _TarBag
    return kind(store, target, root if root and root.isprintable() else base, seconds)


def ending_of(target: Path) -> str | None:
    """Which form a bag has by its name; nothing for a folder."""
    return next((ending for ending in ENDINGS if target.name.lower().endswith(ending)), None)


def _exists(target: Path) -> BagExistsError:
    return BagExistsError(f"{target}: is there, expected nothing", hint="name another file; nothing was overwritten")


class _FolderBag:
    """A folder. Blocks are shared with the store where the file system can."""

    def __init__(self, store: Store, target: Path) -> None:
        self._store = store
        self._target = target
        self._root = Path(temporary_name(target.parent))
        self._root.mkdir()

    def folder(self, path: str) -> None:
        (self._root / path).mkdir(parents=True, exist_ok=True)

    def text(self, path: str, data: bytes) -> None:
        fill_new(self._made(path), data)

    def content(self, path: str, digest: str, size: int, mode: int) -> None:
        copy_object(self._store, digest, self._made(path), mode=mode)

    def file(self, path: str, source: Path, size: int, mode: int) -> None:
        source.chmod(mode)
        source.rename(self._made(path))

    def _made(self, path: str) -> Path:
        target = self._root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def finish(self) -> None:
        if os.path.lexists(self._target):
            raise _exists(self._target)
        self._root.rename(self._target)

    def discard(self) -> None:
        rmtree(self._root, ignore_errors=True)


class _FileBag(ABC):
    """A bag in one file."""

    def __init__(self, store: Store, target: Path, root: str) -> None:
        self._store = store
        self._target = target
        self._root = root
        self._temporary = temporary_name(target.parent)
        self._stack = ExitStack()
        fd = os.open(self._temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        self._file = self._stack.enter_context(os.fdopen(fd, "w+b"))

    @abstractmethod
    def _put(self, path: str, stream: BinaryIO, size: int, mode: int) -> None: ...
    @abstractmethod
    def _end(self) -> None: ...

    def text(self, path: str, data: bytes) -> None:
        self._put(path, io.BytesIO(data), len(data), 0o644)

    def content(self, path: str, digest: str, size: int, mode: int) -> None:
        with open_object(self._store, digest) as stream:
            reading = _Digesting(stream, size)
            self._put(path, cast("BinaryIO", reading), size, mode)
            if reading.digest() != digest:
                raise damaged(self._store, digest, reading.digest(), reading.size)

    def file(self, path: str, source: Path, size: int, mode: int) -> None:
        with source.open("rb") as stream:
            self._put(path, stream, size, mode)

    def finish(self) -> None:
        self._end()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._stack.close()
        try:
            os.link(self._temporary, self._target)
        except FileExistsError:
            raise _exists(self._target) from None
        except OSError:
            os.rename(self._temporary, self._target)  # A file system without hard links.
            return
        os.unlink(self._temporary)

    def discard(self) -> None:
        self._stack.close()
        Path(self._temporary).unlink(missing_ok=True)


class _TarBag(_FileBag):
    """A tar, compressed if its name says so. Written header by header: `TarFile` would remember every file."""

    def __init__(self, store: Store, target: Path, root: str, seconds: int) -> None:
        super().__init__(store, target, root)
        self._seconds = seconds
        self._into: BinaryIO = self._file
        if ending_of(target) != ".tar":
            packed = gzip.GzipFile(filename="", mode="wb", fileobj=self._file, mtime=seconds)
            self._into = cast("BinaryIO", self._stack.enter_context(packed))
        self.folder("")

    def folder(self, path: str) -> None:
        member = tarfile.TarInfo(f"{self._root}/{path}".rstrip("/") + "/")
        member.type, member.mode = tarfile.DIRTYPE, 0o755
        self._head(member)

    def _put(self, path: str, stream: BinaryIO, size: int, mode: int) -> None:
        member = tarfile.TarInfo(f"{self._root}/{path}")
        member.size, member.mode = size, mode
        self._head(member)
        left = size
        while left and (data := stream.read(min(left, _CHUNK))):
            self._into.write(data)
            left -= len(data)
        self._into.write(bytes(left + -size % tarfile.BLOCKSIZE))

    def _head(self, member: tarfile.TarInfo) -> None:
        member.mtime = self._seconds
        self._into.write(member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))

    def _end(self) -> None:
        self._into.write(bytes(2 * tarfile.BLOCKSIZE))
        if self._into is not self._file:
            self._into.close()


class _ZipBag(_FileBag):
    """A zip."""

    def __init__(self, store: Store, target: Path, root: str, seconds: int) -> None:
        super().__init__(store, target, root)
        self._time = _zip_time(seconds)
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED)
        self.folder("")

    def folder(self, path: str) -> None:
        member = zipfile.ZipInfo(f"{self._root}/{path}".rstrip("/") + "/", self._time)
        member.external_attr = (0o40755 << 16) | 0x10
        self._zip.writestr(member, b"")

    def _put(self, path: str, stream: BinaryIO, size: int, mode: int) -> None:
        member = zipfile.ZipInfo(f"{self._root}/{path}", self._time)
        member.external_attr = (0o100000 | mode) << 16
        member.compress_type = zipfile.ZIP_DEFLATED
        member.file_size = size
        with self._zip.open(member, "w", force_zip64=size >= 1 << 31) as into:
            copyfileobj(stream, into, _CHUNK)

    def _end(self) -> None:
        self._zip.close()

    def discard(self) -> None:
        with suppress(OSError):  # It writes its end first, and would write it into a closed file otherwise.
            self._zip.close()
        super().discard()


def _zip_time(seconds: int) -> tuple[int, int, int, int, int, int]:
    """UTC; zip knows no time before 1980."""
    import time

    year, month, day, hour, minute, second = time.gmtime(seconds)[:6]
    return (year, month, day, hour, minute, second) if 1980 <= year <= 2107 else (1980, 1, 1, 0, 0, 0)


class _Digesting:
    """A stream that digests what is read of it, at most so many bytes and one more."""

    def __init__(self, stream: BinaryIO, expected: int) -> None:
        self._stream = stream
        self._left = expected + 1
        self._running = sha256(more=expected)
        self.size = 0

    def read(self, count: int = -1) -> bytes:
        data = self._stream.read(self._left if count < 0 else min(count, self._left))
        self._left -= len(data)
        self._running.update(data)
        self.size += len(data)
        return data

    def digest(self) -> str:
        """Of the object, as far as it is as long as it should be, and a byte of what is too much."""
        self.read(1)
        return "sha256:" + self._running.hexdigest()
