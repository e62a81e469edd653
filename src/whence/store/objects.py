"""Content by digest: read-only files under `objects/sha256/ab/cdef…`, or many small ones in packs (`packs`).

An object is a copy (or a reflink) and never a link to a user's file: a program that runs as root writes through a
read-only file, and what the store holds must not change with it.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from ..digests import BEFORE_OPENSSL, digest_of, is_digest, sha256
from ..errors import FormatError, UnresolvedError
from ..system.files import (
    NotRegularError,
    copy_new,
    fill_new,
    hash_file,
    make_folders,
    open_regular,
    sync_folder,
    temporary_name,
    write_all,
)
from .layout import Store

if TYPE_CHECKING:
    from .packs import Packed

_CHUNK = 1 << 20


_MENDED: list[str] = []
"""What this process has to say of objects that it found damaged."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What was put in."""

    digest: str
    size: int


def object_path(store: Store, digest: str) -> Path:
    """Where the object lies if it is a file of its own, whether or not it is there. Raises ValueError for no digest."""
    if not is_digest(digest):
        raise ValueError(f"{digest!r} is no digest")
    return store.objects / digest[7:9] / digest[9:]


def has(store: Store, digest: str) -> bool:
    """Whether the store holds the object; `read_object` says whether it is sound."""
    return object_size(store, digest) is not None


def object_size(store: Store, digest: str) -> int | None:
    """Bytes of the object; nothing when the store does not hold it."""
    try:
        return os.stat(object_path(store, digest)).st_size
    except FileNotFoundError:
        packed = _find_packed(store, digest)
        return None if packed is None else packed.size


def put_bytes(store: Store, data: bytes, *, verified: bool = False) -> str:
    """Keep the bytes; their digest. The same bytes twice are one object; one of another length is replaced, and with
    `verified` any that is damaged. Raises OSError and leaves nothing behind."""
    digest = digest_of(data)
    if not (is_sound(store, digest) if verified else seems_sound(store, digest, len(data))):
        temporary = temporary_name(store.objects)
        fill_new(temporary, data, mode=0o444)
        _verify(temporary, digest)
        place(store, temporary, digest)
    return digest


def put_file(store: Store, path: Path | str) -> Kept:
    """Keep the bytes of a regular file: what is hashed is what is stored. Raises OSError and leaves nothing behind.

    Costs a read and a hash of the file, and, where blocks cannot be shared, a copy and a second hash.
    """
    temporary = temporary_name(store.objects)
    digest, size = copy_new(path, temporary)
    if seems_sound(store, digest, size):
        os.unlink(temporary)
    else:
        place(store, temporary, digest)
    return Kept(digest=digest, size=size)


def put_chunks(store: Store, chunks: Iterable[bytes]) -> Kept:
    """Keep what comes piece by piece, flushed to the disk. Raises OSError and leaves nothing behind."""
    temporary = temporary_name(store.objects)
    running, size = sha256(more=BEFORE_OPENSSL), 0
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
    try:
        try:
            for chunk in chunks:
                running.update(chunk)
                size += len(chunk)
                write_all(fd, chunk)
            os.fsync(fd)
        finally:
            os.close(fd)
    except BaseException:
        os.unlink(temporary)
        raise
    digest = f"sha256:{running.hexdigest()}"
    if seems_sound(store, digest, size):
        os.unlink(temporary)
    else:
        place(store, temporary, digest)
        sync_folder(object_path(store, digest).parent)
    return Kept(digest=digest, size=size)


def sync_objects(store: Store, digests: Iterable[str]) -> None:
    """Flush objects to the disk, before something that survives a power loss refers to them. Raises OSError."""
    folders: set[Path] = {store.objects}
    for digest in digests:
        path = object_path(store, digest)
        try:
            fd = open_regular(path)
        except FileNotFoundError:
            if _find_packed(store, digest) is None:
                raise
            continue  # A pack has its name only when it is on the disk.
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        folders.add(path.parent)
    for folder in folders:
        sync_folder(folder)


def open_object(store: Store, digest: str) -> BinaryIO:
    """The object's bytes as a stream, not verified. Raises UnresolvedError when the store does not hold it."""
    path = object_path(store, digest)
    try:
        return os.fdopen(open_regular(path), "rb")
    except NotRegularError as error:
        raise FormatError(f"{path}: {error.strerror}", hint="put a sound copy of the object in its place") from error
    except FileNotFoundError:
        data = _read_packed(store, digest)
        if data is None:
            raise _not_found(store, digest) from None
        return io.BytesIO(data)


def open_verified(store: Store, digest: str) -> BinaryIO:
    """The object's bytes as a stream, at its beginning, read once to verify them. Raises as `read_object`."""
    stream = open_object(store, digest)
    running, size = sha256(more=BEFORE_OPENSSL), 0
    while chunk := stream.read(_CHUNK):
        running.update(chunk)
        size += len(chunk)
    if f"sha256:{running.hexdigest()}" != digest:
        stream.close()
        raise damaged(store, digest, f"sha256:{running.hexdigest()}", size)
    stream.seek(0)
    return stream


def read_object(store: Store, digest: str) -> bytes:
    """The object's bytes, verified. Raises UnresolvedError, and FormatError for an object that was cut or changed."""
    with open_object(store, digest) as stream:
        data = stream.read()
    found = digest_of(data)
    if found != digest:
        raise damaged(store, digest, found, len(data))
    return data


def copy_object(store: Store, digest: str, dest: Path | str, *, mode: int = 0o444) -> None:
    """Write the object to a new file, verified. Leaves nothing behind when it raises: as `read_object`, or OSError."""
    try:
        source = open_regular(object_path(store, digest))
    except FileNotFoundError:
        fill_new(dest, read_object(store, digest), mode=mode)
        return
    try:
        found, size = copy_new(source, dest, mode=mode)
    finally:
        os.close(source)
    if found != digest:
        os.unlink(dest)
        raise damaged(store, digest, found, size)


class DamagedError(FormatError):
    """An object whose bytes are not those of its name."""

    def __init__(self, message: str, *, digest: str, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.digest = digest


def damaged(store: Store, digest: str, found: str, size: int) -> DamagedError:
    """The error for such an object."""
    return DamagedError(
        f"{_place_of(store, digest)}: found {found} ({size} bytes), expected {digest}",
        digest=digest,
        hint="the object was cut or changed; put a sound copy of the file in its place",
    )


def _place_of(store: Store, digest: str) -> str:
    path = object_path(store, digest)
    packed = None if path.exists() else _find_packed(store, digest)
    return f"{path}" if packed is None else f"{packed.path}: {path.relative_to(store.objects.parent)}"


def _not_found(store: Store, digest: str) -> FormatError | UnresolvedError:
    packed = _find_packed(store, digest)
    if packed is None:
        return _missing(store, digest)
    return DamagedError(
        f"{packed.path}: the header before the bytes of {digest} was changed",
        digest=digest,
        hint="`whence data add` of the same file keeps it anew; `whence verify` names all that is damaged",
    )


def _missing(store: Store, digest: str) -> UnresolvedError:
    return UnresolvedError(
        f"{store.path}: holds no object {digest}{unread_packs(store)}",
        hint="it was recorded by reference only, or kept in another store",
    )


def unread_packs(store: Store) -> str:
    """The end of a sentence about what is missing, where packs may hold it that cannot be read."""
    if not os.path.isdir(store.packs):
        return ""
    from .packs import packs_of

    unread = [f"{name}: {because}" for name, because in packs_of(store).unread().items()]
    return f"; not all packs can be read ({', '.join(unread)})" if unread else ""


def _find_packed(store: Store, digest: str) -> Packed | None:
    # How packs are read costs a launch two milliseconds to load, and a store without data sets has none.
    if not os.path.isdir(store.packs):
        return None
    from .packs import packs_of

    return packs_of(store).find(digest)


def _read_packed(store: Store, digest: str) -> bytes | None:
    if not os.path.isdir(store.packs):
        return None
    from .packs import packs_of

    return packs_of(store).read(digest)


def seems_sound(store: Store, digest: str, size: int) -> bool:
    """Whether an object of that length is in place. Reads nothing of it."""
    return object_size(store, digest) == size


def is_sound(store: Store, digest: str) -> bool:
    """Whether the object is in place and its bytes are those of its name. Costs a read of it."""
    try:
        open_verified(store, digest).close()
    except (FormatError, UnresolvedError, OSError):
        return False
    return True


def _verify(path: str, digest: str) -> None:
    found = hash_file(path).digest
    if found != digest:
        os.unlink(path)
        raise OSError(5, f"read back {found}, wrote {digest}", path)


def place(store: Store, temporary: str, digest: str) -> None:
    """Rename sound bytes into place; a second writer of the same bytes replaces the object by an equal one, and what
    is damaged is moved aside. Raises OSError, and the temporary file is gone then."""
    path = object_path(store, digest)
    try:
        make_folders(path.parent, within=path.parents[3])
        if os.path.lexists(path) and not _is_equal(path, temporary, digest):
            _move_aside(path, digest)
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def _is_equal(path: Path, temporary: str, digest: str) -> bool:
    try:
        return os.lstat(path).st_size == os.stat(temporary).st_size and hash_file(path, follow=False).digest == digest
    except OSError:
        return False


def _move_aside(path: Path, digest: str) -> None:
    """To `objects/damaged/`: somebody may have edited the object through a link, and have those bytes nowhere else."""
    aside = path.parents[2] / "damaged" / f"{digest[7:]}-{time.time_ns()}"
    make_folders(aside.parent, within=aside.parents[2])
    os.rename(path, aside)
    _MENDED.append(f"{path} was damaged: sound bytes took its place, and what lay there is {aside}")


def take_mended() -> list[str]:
    """A sentence for each object that this process found damaged and mended, since this was last asked."""
    said, _MENDED[:] = list(_MENDED), []
    return said
