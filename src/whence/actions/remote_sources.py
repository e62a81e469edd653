"""Files by their addresses, copied or only digested.

A file is not read again whose file system tells, by a version or a strong entity tag, that it has the bytes which the
dataset had of the same address before.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

import msgspec

from ..errors import UsageError
from ..records.data import ManifestEntry
from ..records.encoding import encode, timestamp
from ..records.source import Files, Place, RemoteFile
from ..rules.addresses import name_of_url, without_password
from ..rules.contents import in_order
from ..rules.file_identity import is_told
from ..rules.history import History
from ..rules.manifests import manifest_faults
from ..rules.secrets import Secrets
from ..store.adding import SourceError
from ..store.dataset_changes import folder_of
from ..store.incoming import Incoming
from ..store.layout import Store
from ..store.objects import put_bytes
from ..system.remote_files import Remote, RemoteError, is_url
from ..system.remote_files import RemoteFile as Seen
from .known_files import KnownFiles
from .source import Gathered, Source, knowing

MOST_LISTED = 20
"""So many files by address a step lists itself; more are an object."""


def gather_remote(store: Store, source: Source, secrets: Secrets, now_ns: int, history: History | None) -> Gathered:
    """Files and folders by address. Raises SourceError, UsageError, StoreError, LibraryError."""
    local = next((path for path in source.paths if not is_url(path)), None)
    if local is not None:
        raise UsageError(f"found the path {local!r} beside addresses", hint="add them apart")
    places: list[Place] = []
    seen: list[RemoteFile] = []
    entries: dict[str, ManifestEntry] = {}
    with Incoming(store, keep=not source.reference) as incoming:
        for url in source.paths:
            found = _found(url, source, knowing(secrets, source))
            places.append(found.place)
            known = _known(store, history, url, source, found)
            for told, entry in _taken(incoming, found, known):
                if entries.setdefault(entry.path, entry) is not entry:
                    what = f"{found.place.location}: found a second file for {entry.path}"
                    raise UsageError(what, hint="add them apart")
                seen.append(told)
    listed = in_order(entries.values())
    fault = next(manifest_faults(listed), None)
    if fault is not None:
        raise SourceError(f"{places[0].location}: {fault}", hint="no folder could hold it")
    many = len(seen) > MOST_LISTED
    files = Files(
        reference=source.reference,
        places=places,
        files=[] if many else seen,
        listing=put_bytes(store, secrets.mask_text(encode(seen).decode()).encode()) if many else None,
        at=timestamp(now_ns),
    )
    return Gathered(entries=listed, parameters=knowing(secrets, source).mask_values(msgspec.to_builtins(files)))


class _Found(NamedTuple):
    """What is at an address."""

    remote: Remote
    files: list[Seen]
    place: Place


def _found(url: str, source: Source, secrets: Secrets) -> _Found:
    """A folder that is alone goes to the top, as a local one does. Raises SourceError, LibraryError."""
    location = secrets.mask_text(without_password(url))
    try:
        remote = Remote(url, location)
        files = remote.files()
    except RemoteError as error:
        raise SourceError(error.message, hint=error.hint) from error
    if not files:
        raise SourceError(f"{location}: found no files")
    name = "" if len(source.paths) == 1 and files[0].path else name_of_url(url)
    return _Found(remote, files, Place(path="/".join(filter(None, (folder_of(source.below), name))), location=location))


def _known(store: Store, history: History | None, url: str, source: Source, found: _Found) -> KnownFiles:
    """Nothing where a part of the address is masked: two that differ in it are not told apart."""
    masked = without_password(url) != found.place.location
    return KnownFiles(
        store,
        None if masked else history,
        path=found.place.path,
        location=found.place.location,
        folder=bool(found.files[0].path),
        keep=not source.reference,
    )


def _taken(incoming: Incoming, found: _Found, known: KnownFiles) -> Iterator[tuple[RemoteFile, ManifestEntry]]:
    """Each file as the other side told of it, and as it is here. Raises SourceError."""
    read: list[Seen] = []
    for file in found.files:
        path = "/".join(filter(None, (found.place.path, file.path)))
        entry = known.find(path, file)
        unread = entry is not None
        if entry is None:
            entry = _read(incoming, found, file, path)
            read.append(file)
        yield _told(file, entry, unread=unread), entry
    _refuse_changed(found, read)


def _read(incoming: Incoming, found: _Found, file: Seen, path: str) -> ManifestEntry:
    try:
        entry = incoming.take(path, functools.partial(_write, found.remote, file))
    except RemoteError as error:
        raise SourceError(error.message, hint=error.hint) from error
    if file.size is not None and file.size != entry.size:
        said = f"{found.place.location}: {path!r} has {entry.size} bytes, expected {file.size}"
        raise SourceError(said, hint="add it when nothing writes to it")
    return entry


def _told(file: Seen, entry: ManifestEntry, *, unread: bool) -> RemoteFile:
    return RemoteFile(path=entry.path, size=entry.size, etag=file.etag, version=file.version, unread=unread)


def _refuse_changed(found: _Found, read: Sequence[Seen]) -> None:
    """What was told before the files were read must hold afterwards, too: a later step relies on it."""
    told = {file.path: file for file in read if is_told(file.etag, file.version)}
    if not told:
        return
    try:
        after = {file.path: file for file in found.remote.files()}
    except RemoteError as error:
        raise SourceError(error.message, hint=error.hint) from error
    for path, file in told.items():
        if after.get(path) != file:
            said = f"{found.place.location}: {path or file.place!r} changed while it was read"
            raise SourceError(said, hint="add it when nothing writes to it")


def _write(remote: Remote, file: Seen, out: BinaryIO) -> None:
    for chunk in remote.chunks(file.place):
        out.write(chunk)
