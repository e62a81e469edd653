"""Content: the bytes that a reference means. `makers` says whose they are, `fetching` writes them out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..digests import is_digest
from ..errors import FormatError, StoreError, UnresolvedError, UsageError
from ..records.data import Artifact, ManifestEntry
from ..records.record import Record
from ..rules.expected import unseen_outputs
from ..store.layout import Store
from ..store.manifests import read_manifest
from ..store.objects import has, open_object
from ..system.files import hash_file
from .references import CANDIDATES, ContentReference, PartReference, PathReference, RunReference, resolve
from .view import view_record


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that a record names."""

    name: str
    digest: str
    folder: bool = False
    path: Path | None = None
    """Where they lay when they were recorded."""
    run: str | None = None
    tree: str | None = None
    """The run's snapshot, and where in it the bytes may be: a tracked input is not copied a second time."""
    inside: str | None = None


def find_content(store: Store, text: str, *, cwd: Path, now_ns: int) -> Content:
    """The bytes that a word names. Raises UnresolvedError."""
    match resolve(store, text, cwd=cwd):
        case PartReference(run=run, name=name):
            return content_of(view_record(store, run, now_ns=now_ns), name, store)
        case ContentReference(digest=digest):
            return Content(name=digest.removeprefix("sha256:"), digest=digest, folder=_is_manifest(store, digest))
        case PathReference(path=path):
            return Content(name=path.name, digest=digest_of_path(path))
        case RunReference(run=run):
            names = _names(view_record(store, run, now_ns=now_ns))
            raise UnresolvedError(
                f"{text}: is a run, expected content", candidates=names, hint=f"for instance whence get {text}:NAME"
            )


def content_of(record: Record, name: str, store: Store | None = None) -> Content:
    """The artifact, input, configuration file or source outside the snapshot of that name, at that path, or the only
    one that ends in it; with a store also a file in a folder or version among them.

    Raises UnresolvedError.
    """
    parts = list(_parts(record))
    exact = [part for part in parts if name in (part.name, part.path)]
    found = exact[:1] or [part for part in parts if part.path.endswith("/" + name)]
    if not found and store is not None:
        found = list(islice(_members(store, parts, name), 1))
    if len({part.path for part in found}) != 1:
        candidates = tuple(part.path for part in found) or _names(record)
        what = "has several outputs or inputs that end in" if found else "has no output or input"
        raise UnresolvedError(f"{record.id}: {what} {name!r}", candidates=candidates)
    part = found[0]
    if part.digest is None:
        raise UnresolvedError(f"{record.id}:{name}: has no digest: {part.because or 'it was never taken'}")
    code = record.code
    path = Path((part.in_code and code and code.root) or record.cwd or "/") / part.path
    return Content(
        name=part.name,
        digest=part.digest,
        folder=part.folder,
        path=path,
        run=record.id,
        tree=code.tree if code else None,
        inside=_inside(path, code.root) if code and code.root else None,
    )


def _members(store: Store, parts: Iterable[_Part], name: str) -> Iterator[_Part]:
    """Files in folders, named by the folder's name or path and theirs in it."""
    for part in parts:
        for above in dict.fromkeys((part.name, part.path)):
            if part.folder and part.digest is not None and name.startswith(f"{above}/"):
                inside = name[len(above) + 1 :]
                for entry in manifest_entries(store, part.digest):
                    if entry.path == inside and entry.kind == "file":
                        yield _Part(inside, f"{part.path}/{inside}", entry.digest)


def manifest_entries(store: Store, digest: str) -> Sequence[ManifestEntry]:
    """What a folder that was recorded holds; nothing where its manifest is not here, or damaged."""
    try:
        return read_manifest(store, digest)
    except (UnresolvedError, FormatError):
        return ()


def _inside(path: Path, root: str) -> str | None:
    """The path from the root of a snapshot, if it is below."""
    relative = os.path.relpath(path, root)
    return None if relative == os.pardir or relative.startswith(os.pardir + os.sep) else relative


class _Part(NamedTuple):
    """What a record names; `because` says why there is no digest."""

    name: str
    path: str
    digest: str | None
    folder: bool = False
    because: str | None = None
    in_code: bool = False
    """The path is from the root of the code, not from the working folder."""


def _parts(record: Record) -> Iterator[_Part]:
    """Outputs first, and sources that ran last."""
    for artifact in _latest_first(record.artifacts):
        because = "it was declared and never written" if artifact.missing else artifact.because
        yield _Part(artifact.name, artifact.path, artifact.digest, is_folder(artifact), because)
    for output, why in unseen_outputs(record):
        because = f"it was not captured: {why}" if why else "it is looked at when the run ends"
        yield _Part(output.name, output.path, None, False, because)
    for item in record.inputs:
        yield _Part(item.name, item.path, item.digest, item.kind == "folder", item.because)
    for file in record.config.files if record.config else ():
        yield _Part(file.path, file.path, file.digest)
    for source in record.code.outside_snapshot if record.code else ():
        # A keyed digest, of what holds a secret, is no name of bytes.
        digest = source.digest if source.digest and is_digest(source.digest) else None
        yield _Part(source.path, source.path, digest, False, source.because, in_code=True)


def _latest_first(artifacts: Sequence[Artifact]) -> list[Artifact]:
    """Of several versions under one name the last one that the run made is meant."""
    others = [artifact for artifact in artifacts if artifact.version is None]
    return others + [artifact for artifact in reversed(artifacts) if artifact.version is not None]


def is_folder(artifact: Artifact) -> bool:
    """Whether its digest is that of a manifest: of a version it always is."""
    return artifact.form == "folder" or artifact.version is not None


def _names(record: Record) -> tuple[str, ...]:
    return content_names(record)[:CANDIDATES]


def content_names(record: Record) -> tuple[str, ...]:
    """What may stand behind `RUN:`, outputs first."""
    return tuple(dict.fromkeys(part.name for part in _parts(record)))


def _is_manifest(store: Store, digest: str) -> bool:
    """Whether the object is a folder's manifest, by its first line; the file may happen to look like one."""
    if not has(store, digest):
        return False
    with open_object(store, digest) as stream:
        return stream.read(4) in (b'[\n["', b"[\n]\n")


def digest_of_path(path: Path) -> str:
    """The digest of a file as it is now. Raises UsageError for what is no regular file, StoreError if unreadable."""
    try:
        return hash_file(path).digest
    except OSError as error:
        if path.is_dir():
            raise UsageError(f"{path}: is a folder, expected a file", hint="name a file in it, or RUN:NAME") from None
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
