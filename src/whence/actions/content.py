"""Content out of the store: what a reference means in bytes, who made them, and writing them out, verified.

Bytes that were recorded by reference only are looked for where they lay; they count only if their digest agrees.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from ..capture.hashing import NoCache, Work, measure_folder
from ..digests import digest_of
from ..errors import FormatError, StoreError, UnresolvedError, UsageError, WhenceError
from ..records.data import ManifestEntry
from ..records.encoding import decode
from ..records.record import Record
from ..store.layout import Store
from ..store.objects import damaged, has, object_path, read_object
from ..store.runs import run_ids
from ..system.files import copy_new, hash_file, temporary_name
from .references import (
    CANDIDATES,
    ContentReference,
    PartReference,
    PathReference,
    RunReference,
    described,
    resolve,
)
from .view import KnownActs, view_record


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that a record names."""

    name: str
    digest: str
    folder: bool = False
    path: Path | None = None
    """Where they lay when they were recorded."""
    run: str | None = None


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What `fetch` did."""

    path: Path
    digest: str
    origin: Path | None
    """The file that was copied, when the store itself holds no copy."""
    already: bool = False
    """The same bytes were there before."""


# Which bytes are meant


def find_content(store: Store, text: str, *, cwd: Path, now_ns: int) -> Content:
    """The bytes that a word names. Raises UnresolvedError."""
    match resolve(store, text, cwd=cwd):
        case PartReference(run=run, name=name):
            return content_of(view_record(store, run, now_ns=now_ns), name)
        case ContentReference(digest=digest):
            return Content(name=digest.removeprefix("sha256:"), digest=digest, folder=_is_manifest(store, digest))
        case PathReference(path=path):
            return Content(name=path.name, digest=digest_of_path(path))
        case RunReference(run=run):
            names = _names(view_record(store, run, now_ns=now_ns))
            raise UnresolvedError(
                f"{text}: is a run, expected content", candidates=names, hint=f"for instance whence get {text}:NAME"
            )


def content_of(record: Record, name: str) -> Content:
    """The artifact, input or configuration file of that name, at that path, or the only one that ends in it.

    Raises UnresolvedError.
    """
    parts = list(_parts(record))
    exact = [part for part in parts if name in part[:2]]
    found = exact[:1] or [part for part in parts if part[1].endswith("/" + name)]
    if len({part[1] for part in found}) != 1:
        candidates = tuple(part[1] for part in found) or _names(record)
        what = "has several outputs or inputs that end in" if found else "has no output or input"
        raise UnresolvedError(f"{record.id}: {what} {name!r}", candidates=candidates)
    known, path, digest, folder, because = found[0]
    if digest is None:
        raise UnresolvedError(f"{record.id}:{name}: has no digest: {because or 'it was never taken'}")
    return Content(name=known, digest=digest, folder=folder, path=Path(record.cwd or "/") / path, run=record.id)


def _parts(record: Record) -> Iterator[tuple[str, str, str | None, bool, str | None]]:
    """(name, path, digest, whether it is a folder, why there is no digest), outputs first."""
    for artifact in record.artifacts:
        because = "it was declared and never written" if artifact.missing else artifact.because
        yield artifact.name, artifact.path, artifact.digest, artifact.form == "folder", because
    for item in record.inputs:
        yield item.name, item.path, item.digest, item.kind == "folder", item.because
    for file in record.config.files if record.config else ():
        yield file.path, file.path, file.digest, False, None


def _names(record: Record) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name, *_ in _parts(record)))[:CANDIDATES]


def _is_manifest(store: Store, digest: str) -> bool:
    """Whether the object is a folder's manifest, by its first line; the file may happen to look like one."""
    if not has(store, digest):
        return False
    with object_path(store, digest).open("rb") as stream:
        return stream.read(4) in (b'[\n["', b"[\n]\n")


def digest_of_path(path: Path) -> str:
    """The digest of a file as it is now. Raises UsageError for what is no regular file, StoreError if unreadable."""
    try:
        return hash_file(path).digest
    except OSError as error:
        if path.is_dir():
            raise UsageError(f"{path}: is a folder, expected a file", hint="name a file in it, or RUN:NAME") from None
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error


# Who made them


def resolve_shown(store: Store, text: str, *, cwd: Path, now_ns: int) -> str:
    """The run that a word leads to: itself, or the one that made the content. Raises UnresolvedError."""
    match resolve(store, text, cwd=cwd):
        case RunReference(run=run) | PartReference(run=run):
            return run
        case ContentReference(digest=digest):
            return _maker(store, digest, text, now_ns)
        case PathReference(path=path):
            return _maker(store, digest_of_path(path), text, now_ns)


def makers_of(store: Store, digest: str, *, now_ns: int) -> list[str]:
    """The runs that recorded these bytes as an output, newest first. Reads every record."""
    return _runs_with(store, lambda record: any(made.digest == digest for made in record.artifacts), now_ns)


def _readers_of(store: Store, digest: str, now_ns: int) -> list[str]:
    """The runs that recorded these bytes as an input, newest first."""
    return _runs_with(store, lambda record: any(read.digest == digest for read in record.inputs), now_ns)


def _runs_with(store: Store, includes: Callable[[Record], bool], now_ns: int) -> list[str]:
    """Runs that cannot be read are left out; `verify` names them."""
    acts = KnownActs(store)
    found: list[str] = []
    for run in run_ids(store, newest_first=True):
        try:
            record = view_record(store, run, now_ns=now_ns, acts=acts)
        except FormatError:
            continue
        if includes(record):
            found.append(run)
    return found


def _maker(store: Store, digest: str, text: str, now_ns: int) -> str:
    makers = makers_of(store, digest, now_ns=now_ns)
    if len(makers) == 1:
        return makers[0]
    if makers:
        raise UnresolvedError(
            f"{text}: {len(makers)} runs made these bytes, expected one",
            candidates=tuple(described(store, run) for run in makers[:CANDIDATES]),
            hint="name the run",
        )
    readers = _readers_of(store, digest, now_ns)
    if readers:
        raise UnresolvedError(
            f"{text}: no run made these bytes, expected one; read as an input by",
            candidates=tuple(described(store, run) for run in readers[:CANDIDATES]),
            hint="name the run",
        )
    raise UnresolvedError(
        f"{text}: no run of {store.path} recorded these bytes ({digest}) as an output",
        hint="`whence log` lists the runs",
    )


# Writing them out


class ExistsError(WhenceError):
    """Other bytes are where ours should go; nothing is overwritten."""


def fetch(store: Store, content: Content, dest: Path) -> Written:
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
    try:
        return _fetch_folder(store, content, dest) if content.folder else _fetch_file(store, content, dest)
    except OSError as error:
        raise StoreError(f"{dest}: cannot be written: {error.strerror}") from error


def make_folder(path: Path) -> None:
    """Make a folder with those above it, if it is not there. Raises StoreError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: cannot be made a folder: {error.strerror}") from error


def _fetch_file(store: Store, content: Content, target: Path) -> Written:
    source, origin = _source(store, content)
    _copy_verified(source, target, content.digest, lambda found, size: _disagrees(store, content, source, found, size))
    return Written(path=target, digest=content.digest, origin=origin)


def read_content(store: Store, content: Content) -> bytes:
    """The bytes, verified; of a folder the manifest. Raises as `fetch` does."""
    if has(store, content.digest):
        return read_object(store, content.digest)
    source, _ = _source(store, content)
    data = source.read_bytes()
    if digest_of(data) != content.digest:
        raise _disagrees(store, content, source, digest_of(data), len(data))
    return data


def _source(store: Store, content: Content) -> tuple[Path, Path | None]:
    """The file to copy from; and again, if it is not the store's own."""
    if has(store, content.digest):
        return object_path(store, content.digest), None
    if content.path is not None and content.path.is_file():
        if not os.access(content.path, os.R_OK):
            raise UnresolvedError(f"{content.path}: cannot be read, and the store holds no copy of {content.digest}")
        return content.path, content.path
    raise _no_copy(content)


def _no_copy(content: Content) -> UnresolvedError:
    where = f"; it lay at {content.path}, where it is not any more" if content.path else ""
    return UnresolvedError(
        f"{content.name}: the store holds no copy of {content.digest}{where}",
        hint=f"it was recorded by reference only (`keep_outputs`, `keep_inputs` and their limits){_in_code(content)}",
    )


def _disagrees(store: Store, content: Content, source: Path, found: str, size: int) -> WhenceError:
    if source == content.path:
        return _changed(source, found, content)
    return damaged(store, content.digest, found, size)


def _changed(path: Path, found: str, content: Content) -> UnresolvedError:
    return UnresolvedError(
        f"{path}: holds other bytes now ({found}), expected {content.digest}",
        hint=f"it was recorded by reference only, and has changed since{_in_code(content)}",
    )


def _in_code(content: Content) -> str:
    """Where a tracked file that a run read still is."""
    return f"; if it was part of the code: `whence restore {content.run} DIR`" if content.run else ""


def _compare(content: Content, target: Path) -> Written:
    found = digest_of_path(target)
    if found != content.digest:
        raise ExistsError(
            f"{target}: holds other bytes ({found}), expected {content.digest} or nothing",
            hint="name another destination; nothing was overwritten",
        )
    return Written(path=target, digest=content.digest, origin=None, already=True)


def _copy_verified(source: Path, target: Path, digest: str, fault: Callable[[str, int], WhenceError]) -> None:
    """Copy under a temporary name, and give it its own name only if the digest is the right one."""
    temporary = Path(temporary_name(target.parent))
    try:
        found, size = copy_new(source, temporary, mode=0o666)
        if found != digest:
            raise fault(found, size)
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
    manifest = read_object(store, content.digest) if kept else _manifest_there(content)
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


def _manifest_there(content: Content) -> bytes:
    """The manifest of the folder as it lies there now. Raises UnresolvedError unless it is the recorded one."""
    folder = content.path
    if folder is None or not folder.is_dir():
        raise _no_copy(content)
    work = Work(measure_folder(str(folder), NoCache()))
    work.advance()
    if work.result.digest != content.digest or work.result.manifest is None:
        raise _changed(folder, work.result.digest, content)
    return work.result.manifest


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
    source, _ = _source(store, part)
    _copy_verified(source, target, entry.digest, lambda found, size: _disagrees(store, part, source, found, size))
    target.chmod(entry.mode & 0o777)
