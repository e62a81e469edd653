"""Writing content out of the store, verified.

Bytes that were recorded by reference only are looked for where they lay, then at that place below the folder that
holds the store, which may have moved with the project, then in the run's snapshot; they count only if their digest
agrees. `environ` is for git, which reads the snapshot.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from ..capture.hashing import NoCache, Work, measure_folder
from ..digests import digest_of
from ..errors import StoreError, UnresolvedError, UsageError, WhenceError
from ..records.data import ManifestEntry
from ..records.encoding import decode
from ..store.explaining import RESTORE
from ..store.layout import Store
from ..store.objects import copy_object, has, read_object
from ..store.tombstones import expired_with
from ..store.trees import Trees
from ..system.files import copy_new, hash_file, read_regular, temporary_name, write_new
from .content import Content, digest_of_path


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What `fetch` did."""

    path: Path
    digest: str
    origin: Path | None
    """The file that was copied, when the store itself holds no copy."""
    already: bool = False
    """The same bytes were there before."""
    snapshot: str | None = None
    """The run in whose snapshot they were."""


class ExistsError(WhenceError):
    """Other bytes are where ours should go; nothing is overwritten."""


def fetch(store: Store, content: Content, dest: Path, environ: Mapping[str, str]) -> Written:
    """Write the bytes to a path that has none, in a folder that is there, and read them back.

    Raises ExistsError, UsageError, UnresolvedError, FormatError, and StoreError for what cannot be written.
    """
    if not content.folder and dest.is_dir():
        dest = dest / Path(content.name).name
    if not content.folder and dest.exists():
        return _compare(content, dest)
    if not dest.parent.is_dir():
        raise UsageError(
            f"{dest}: expected a folder at {dest.parent}", hint="make it; or a DEST that ends in / is made"
        )
    content = _found_again(store, content)
    try:
        return _fetch_folder(store, content, dest) if content.folder else _fetch_file(store, content, dest, environ)
    except OSError as error:
        raise StoreError(f"{dest}: cannot be written: {error.strerror}") from error


def make_folder(path: Path) -> None:
    """Make a folder with those above it, if it is not there. Raises StoreError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: cannot be made a folder: {error.strerror}") from error


def _fetch_file(store: Store, content: Content, target: Path, environ: Mapping[str, str]) -> Written:
    try:
        origin = _origin(store, content)
        _copy_verified(store, content, origin, target)
    except UnresolvedError:
        data = _in_snapshot(store, content, environ)
        if data is None:
            raise
        if not write_new(target, data):
            raise ExistsError(f"{target}: appeared meanwhile; nothing was overwritten") from None
        return Written(path=target, digest=content.digest, origin=None, snapshot=content.run)
    return Written(path=target, digest=content.digest, origin=origin)


class Bytes(NamedTuple):
    """What was read, and the run in whose snapshot it was, if it was not found elsewhere."""

    data: bytes
    snapshot: str | None = None


def read_content(store: Store, content: Content, environ: Mapping[str, str]) -> Bytes:
    """The bytes, verified; of a folder the manifest. Raises as `fetch` does."""
    if has(store, content.digest):
        return Bytes(read_object(store, content.digest))
    content = _found_again(store, content)
    try:
        origin = _origin(store, content)
        if origin is None:
            return Bytes(read_object(store, content.digest))
        data = read_regular(origin)
        if digest_of(data) != content.digest:
            raise _changed(origin, digest_of(data), content)
        return Bytes(data)
    except UnresolvedError:
        data = _in_snapshot(store, content, environ)
        if data is None:
            raise
        return Bytes(data, content.run)


def _in_snapshot(store: Store, content: Content, environ: Mapping[str, str]) -> bytes | None:
    """The bytes as they are in the code that the run ran from, if they are."""
    if content.folder or content.tree is None or content.inside is None:
        return None
    try:
        data = Trees(store, environ).read(content.tree, content.inside)
    except StoreError:
        return None  # What is not in it, or damaged, does not answer; `verify` names damage.
    return data if digest_of(data) == content.digest else None


def _found_again(store: Store, content: Content) -> Content:
    """The same with the place where the bytes are now, if the store has no copy and they do not lie where they lay."""
    if content.path is None or (has(store, content.digest) and not content.folder):
        return content
    there = [path for path in _moved(store, content.path) if path.is_dir() == content.folder and path.exists()]
    if not there or _holds(content.path, content):
        return content
    return replace(content, path=next((path for path in there if _holds(path, content)), content.path))


def _moved(store: Store, path: Path) -> Iterator[Path]:
    """Where a file may be after its project moved: its place below each folder above it, the outermost first, below the
    folder that holds the store."""
    base, parts = store.path.parent, Path(os.path.normpath(path)).parts
    places = (base.joinpath(*parts[start:]) for start in range(1, len(parts)))
    return (place for place in places if place != path)


def _holds(path: Path, content: Content) -> bool:
    """Whether the bytes lie there."""
    try:
        if content.folder:
            return path.is_dir() and _manifest_of(path)[0] == content.digest
        return path.is_file() and hash_file(path).digest == content.digest
    except OSError:
        return False


def _origin(store: Store, content: Content) -> Path | None:
    """The file to copy from; nothing when the store has the bytes itself. Raises UnresolvedError."""
    if has(store, content.digest):
        return None
    if content.path is not None and content.path.is_file():
        if not os.access(content.path, os.R_OK):
            raise UnresolvedError(f"{content.path}: cannot be read, and the store holds no copy of {content.digest}")
        return content.path
    raise _no_copy(store, content)


def _no_copy(store: Store, content: Content) -> UnresolvedError:
    where = f"; it lay at {content.path}, where it is not any more" if content.path else ""
    if (expired := expired_with(store, content.digest)) is not None:
        return UnresolvedError(
            f"{content.name}: the store holds no copy of {content.digest}: {expired}{where}", hint=RESTORE
        )
    return UnresolvedError(
        f"{content.name}: the store holds no copy of {content.digest}{where}",
        hint=f"it was recorded by reference only (`keep_outputs`, `keep_inputs` and their limits){_in_code(content)}",
    )


def _changed(path: Path, found: str, content: Content) -> UnresolvedError:
    return UnresolvedError(
        f"{path}: holds other bytes now ({found}), expected {content.digest}",
        hint=f"it was recorded by reference only, and has changed since{_in_code(content)}",
    )


def _in_code(content: Content) -> str:
    """Where the tracked files of a folder still are."""
    inside = content.folder and content.tree is not None and content.inside is not None
    return f"; what of it was part of the code: `whence restore {content.run} DIR`" if inside else ""


def _compare(content: Content, target: Path) -> Written:
    found = digest_of_path(target)
    if found != content.digest:
        raise ExistsError(
            f"{target}: holds other bytes ({found}), expected {content.digest} or nothing",
            hint="name another destination; nothing was overwritten",
        )
    return Written(path=target, digest=content.digest, origin=None, already=True)


def _copy_verified(store: Store, content: Content, origin: Path | None, target: Path) -> None:
    """Copy under a temporary name, and give it its own name only if the digest is the right one."""
    temporary = Path(temporary_name(target.parent))
    try:
        if origin is None:
            copy_object(store, content.digest, temporary, mode=0o666)
        else:
            found, _ = copy_new(origin, temporary, mode=0o666)
            if found != content.digest:
                raise _changed(origin, found, content)
        _claim(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _claim(temporary: Path, target: Path) -> None:
    """Give the file its name unless another has taken it meanwhile."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise ExistsError(f"{target}: appeared meanwhile; nothing was overwritten") from None
    except OSError:
        # A file system without hard links.
        temporary.rename(target)


def _fetch_folder(store: Store, content: Content, target: Path) -> Written:
    """Every file of a folder, into a folder that is not there yet; from where it lay when the store has no copy."""
    if target.exists():
        raise ExistsError(f"{target}: is there, expected nothing", hint="name another destination")
    kept = has(store, content.digest)
    manifest = read_object(store, content.digest) if kept else _manifest_there(store, content)
    entries = decode(manifest, list[ManifestEntry], where=content.digest)
    temporary = Path(temporary_name(target.parent))
    temporary.mkdir()
    try:
        for entry in entries:
            _fetch_entry(store, entry, temporary / entry.path, content.path and content.path / entry.path)
        temporary.rename(target)
    except BaseException:
        _remove(temporary)
        raise
    whole = all(entry.digest is None or has(store, entry.digest) for entry in entries)
    return Written(path=target, digest=content.digest, origin=None if whole else content.path)


def _remove(folder: Path) -> None:
    from shutil import rmtree  # It costs every command a millisecond, and few get a folder.

    rmtree(folder)


def _manifest_there(store: Store, content: Content) -> bytes:
    """The manifest of the folder as it lies there now. Raises UnresolvedError unless it is the recorded one."""
    folder = content.path
    if folder is None or not folder.is_dir():
        raise _no_copy(store, content)
    digest, manifest = _manifest_of(folder)
    if digest != content.digest or manifest is None:
        raise _changed(folder, digest, content)
    return manifest


def _manifest_of(folder: Path) -> tuple[str, bytes | None]:
    """The digest and the manifest of a folder as it is now."""
    work = Work(measure_folder(str(folder), NoCache()))
    work.advance()
    return work.result.digest, work.result.manifest


def _link_target(store: Store, path: str, digest: str, origin: Path | None) -> str:
    """Where a link of a folder leads."""
    if not has(store, digest) and origin is not None and origin.is_symlink():
        target = os.readlink(origin)
        if digest_of(os.fsencode(target)) != digest:
            raise _changed(origin, digest_of(os.fsencode(target)), Content(name=path, digest=digest))
        return target
    return os.fsdecode(read_object(store, digest))


def _fetch_entry(store: Store, entry: ManifestEntry, target: Path, origin: Path | None) -> None:
    if entry.kind == "folder":
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if entry.digest is None:
        raise UnresolvedError(f"{entry.path}: was not read when the folder was recorded")
    if entry.kind == "link":
        target.symlink_to(_link_target(store, entry.path, entry.digest, origin))
        return
    part = Content(name=entry.path, digest=entry.digest, path=origin)
    _copy_verified(store, part, _origin(store, part), target)
    target.chmod(entry.mode & 0o777)
