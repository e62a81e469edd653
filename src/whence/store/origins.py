"""Where the bytes of a version lie that the store does not hold: the places that its steps name.

A file may lie in several of them, as one step takes the place of another: the newest that has the bytes of the version
is the one. What is read there is held against the digest, on each use.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..digests import digest_of, sha256
from ..errors import FormatError, WhenceError
from ..records.data import ManifestEntry
from ..records.encoding import convert
from ..records.source import Files
from ..rules.fetch_lists import is_fetchable
from ..rules.history import History, Stated
from ..rules.secrets import MASK
from ..system.files import copy_into, open_regular, write_all
from ..system.libraries import LibraryError
from ..system.remote_files import Remote, RemoteError, is_url
from .bulk import Bulk
from .dataset_references import Found, find_version
from .datasets import load_history
from .layout import Store
from .manifests import read_manifest


class OriginError(WhenceError):
    """What was added by reference is not any more where it lay, or not as it was."""

    code = 3


class Source(NamedTuple):
    """A file or folder that was added by reference."""

    path: str
    """In the version; empty for its top."""
    location: str
    """An absolute path, or an address."""
    host: str | None


class Origins:
    """The places of a version, the newest first."""

    def __init__(self, version: str, sources: Sequence[Source]) -> None:
        self._version = version
        self._sources = sources

    def __bool__(self) -> bool:
        return bool(self._sources)

    def know(self, entry: ManifestEntry) -> bool:
        """Whether a step says where the file lay."""
        return any(self._places(entry))

    def addresses(self, entry: ManifestEntry) -> list[str]:
        """Where the file lies on other machines, the newest first; not where a part of the address is masked."""
        places = [place.location for place in self._places(entry)]
        return [place for place in places if is_fetchable(place) and MASK.search(place) is None]

    def link_text(self, entry: ManifestEntry) -> bytes:
        """What a link leads to. Raises OriginError."""
        because: list[str] = []
        for place in self._places(entry):
            try:
                text = os.fsencode(os.readlink(place.location))
            except OSError as error:
                because.append(_unreadable(place, error))
                continue
            if digest_of(text) == entry.digest:
                return text
            because.append(_changed(place, digest_of(text)))
        raise self._fault(entry, because)

    def copy(self, entry: ManifestEntry, out: int) -> None:
        """Write the bytes to a file that is empty, open for reading and writing. Raises OriginError, and OSError of the
        file."""
        because: list[str] = []
        for place in self._places(entry):
            found = _copy(place, out, because)
            if found == entry.digest:
                return
            if found is not None:
                because.append(_changed(place, found))
            os.ftruncate(out, 0)
            os.lseek(out, 0, os.SEEK_SET)
        raise self._fault(entry, because)

    def _places(self, entry: ManifestEntry) -> Iterator[Source]:
        """Where the file itself would be."""
        for source in self._sources:
            if not source.path or entry.path == source.path or entry.path.startswith(f"{source.path}/"):
                rest = entry.path[len(source.path) :].lstrip("/")
                yield source._replace(location=f"{source.location.rstrip('/')}/{rest}" if rest else source.location)

    def _fault(self, entry: ManifestEntry, because: Sequence[str]) -> OriginError:
        return OriginError(
            f"{self._version}: {entry.path!r} was added by reference: {'; '.join(because)}; expected {entry.digest}",
            hint="put back what lay there, or take a version that has what lies there now: `whence data add`",
        )


def _copy(place: Source, out: int, because: list[str]) -> str | None:
    """The digest of what was written; nothing where it cannot be read, and why."""
    if is_url(place.location):
        return _fetch(place.location, out, because)
    try:
        source = open_regular(place.location, follow=False)
    except OSError as error:
        because.append(_unreadable(place, error))
        return None
    try:
        return copy_into(source, out, read_back=False)[0]
    finally:
        os.close(source)


def _fetch(url: str, out: int, because: list[str]) -> str | None:
    running = sha256(more=1 << 20)
    try:
        for chunk in Remote(url, url).chunks():
            running.update(chunk)
            write_all(out, chunk)
    except (RemoteError, LibraryError) as error:
        because.append(error.message)
        return None
    return "sha256:" + running.hexdigest()


def _unreadable(place: Source, error: OSError) -> str:
    where = f" (on {place.host})" if place.host else ""
    found = "found nothing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror or error}"
    return f"{place.location}{where}: {found}"


def _changed(place: Source, digest: str) -> str:
    return f"{place.location}: holds other bytes now, found {digest}"


def origins_of(store: Store, found: Found) -> Origins:
    """The places of a version and of its parts."""
    return Origins(str(found), list(_sources(store, found.history, found.made.stated, "")))


def origins_told(history: History, stated: Stated) -> Origins:
    """The places that the steps of a version name, without those of its parts."""
    known = {made.stated.digest: made.stated for made in history.versions}
    sources = [source for step in _lineage(known, stated) for source in _named(step)]
    return Origins(f"{history.name}@{stated.step.version}", sources)


def origins_named(store: Store, identifier: str | None, version: str | None) -> Origins | None:
    """The places of a version that a record names; nothing where it is not here."""
    try:
        return origins_of(store, find_version(store, f"{identifier}@{version}"))
    except WhenceError:
        return None


def holds_all(store: Store, manifest: str) -> bool:
    """Whether the store has the bytes of every file."""
    bulk = Bulk(store)
    return all(entry.digest is None or bulk.holds(entry.digest, entry.size) for entry in read_manifest(store, manifest))


def _sources(store: Store, history: History, stated: Stated, folder: str) -> Iterator[Source]:
    """Of the steps that a step comes of, the newest first; then of the parts that it has."""
    known = {made.stated.digest: made.stated for made in history.versions}
    for step in _lineage(known, stated):
        for source in _named(step):
            yield source._replace(path="/".join(filter(None, (folder, source.path))))
    for part in stated.step.parts:
        child = load_history(store, part.dataset_id)
        for made in child.versions if child else ():
            if child is not None and made.manifest == part.manifest and str(made.version) == part.version:
                yield from _sources(store, child, made.stated, "/".join(filter(None, (folder, part.folder))))


def _lineage(known: dict[str, Stated], stated: Stated) -> Iterator[Stated]:
    waiting, seen = [stated], set[str]()
    while waiting:
        one = waiting.pop()
        if one.digest in seen:
            continue
        seen.add(one.digest)
        yield one
        waiting += [known[digest] for digest in one.prior if digest in known]


def _named(stated: Stated) -> Iterator[Source]:
    if stated.step.parameters.get("source") != "files":
        return
    try:
        files = convert(stated.step.parameters, Files)
    except FormatError:
        return
    for place in files.places if files.reference else ():
        yield Source(place.path, place.location, files.host)
