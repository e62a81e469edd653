"""Where the bytes of a version lie that the store does not hold: the places that its steps name.

A file may lie in several of them, as one step takes the place of another: the newest that has the bytes of the version
is the one. What was derived has the places of the version that it came of. What is read there is held against the
digest, on each use.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ..digests import digest_of, sha256
from ..errors import FormatError, WhenceError
from ..records.data import ManifestEntry
from ..records.derivation import Origin
from ..records.encoding import convert
from ..records.source import Files
from ..rules.fetch_lists import is_fetchable
from ..rules.history import History, Stated
from ..rules.secrets import MASK
from ..system.files import copy_into, open_regular, write_all
from ..system.libraries import LibraryError
from ..system.remote_files import Remote, RemoteError, is_url
from .bulk import Bulk
from .dataset_references import Found
from .datasets import load_history
from .layout import Store
from .manifests import read_manifest

NAMED = 5
"""Files that an error names."""


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

    def absence(self, entry: ManifestEntry) -> str | None:
        """Why it is in none of the places, as far as names and sizes say; nothing is read, and no address is asked."""
        because: list[str] = []
        for place in self._places(entry):
            if is_url(place.location):
                return None
            try:
                size = os.lstat(place.location).st_size
            except OSError as error:
                because.append(_unreadable(place, error))
                continue
            if size == entry.size:
                return None
            because.append(f"{place.location}: has {size} bytes now, expected {entry.size}")
        return "; ".join(because) or "no step says where it lies"

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
            because.append(_changed(place, digest_of(text), len(text)))
        raise self._error([_said(entry, because)])

    def refuse_changed(self, entries: Iterable[ManifestEntry]) -> None:
        """Before anything is read: raises OriginError for files that are gone, or have another size, wherever they
        were."""
        wrong: list[str] = []
        for entry in entries:
            if entry.kind == "file":
                places = list(self._places(entry))
                because = [found for place in places if (found := _not_as_it_was(place, entry)) is not None]
                if len(because) == len(places):
                    wrong.append(_said(entry, because))
        if wrong:
            raise self._error(wrong)

    def copy(self, entry: ManifestEntry, out: int) -> None:
        """Write the bytes to a file that is empty, open for reading and writing. Raises OriginError, and OSError of the
        file."""
        because: list[str] = []
        for place in self._places(entry):
            found = _copy(place, out, because)
            if found is not None and found[0] == entry.digest:
                return
            if found is not None:
                because.append(_changed(place, *found))
            os.ftruncate(out, 0)
            os.lseek(out, 0, os.SEEK_SET)
        raise self._error([_said(entry, because)])

    def _places(self, entry: ManifestEntry) -> Iterator[Source]:
        """Where the file itself would be."""
        for source in self._sources:
            if not source.path or entry.path == source.path or entry.path.startswith(f"{source.path}/"):
                rest = entry.path[len(source.path) :].lstrip("/")
                yield source._replace(location=f"{source.location.rstrip('/')}/{rest}" if rest else source.location)

    def _error(self, wrong: Sequence[str]) -> OriginError:
        """Of what was found of each file."""
        more = f"; and {len(wrong) - NAMED} more files" if len(wrong) > NAMED else ""
        return OriginError(
            f"{self._version}: {'; '.join(wrong[:NAMED])}{more}",
            hint="put back what lay there, or take a version that has what lies there now: `whence data add`",
        )


def _said(entry: ManifestEntry, because: Sequence[str]) -> str:
    what = f"{entry.path!r} was added by reference: {'; '.join(because)}"
    return f"{what}; expected {entry.digest} ({_bytes(entry.size)})"


def _not_as_it_was(place: Source, entry: ManifestEntry) -> str | None:
    """What can be told of a file without reading it."""
    if is_url(place.location):
        return None
    try:
        found = os.stat(place.location, follow_symlinks=False)
    except OSError as error:
        return _unreadable(place, error)
    if not stat.S_ISREG(found.st_mode):
        return f"{_where(place)}: is no file any more"
    return None if found.st_size == entry.size else f"{_where(place)}: found {_bytes(found.st_size)}"


def _copy(place: Source, out: int, because: list[str]) -> tuple[str, int] | None:
    """Digest and size of what was written; nothing where it cannot be read, and why."""
    if is_url(place.location):
        return _fetch(place.location, out, because)
    try:
        source = open_regular(place.location, follow=False)
    except OSError as error:
        because.append(_unreadable(place, error))
        return None
    try:
        return copy_into(source, out, read_back=False)
    finally:
        os.close(source)


def _fetch(url: str, out: int, because: list[str]) -> tuple[str, int] | None:
    running, size = sha256(more=1 << 20), 0
    try:
        for chunk in Remote(url, url).chunks():
            running.update(chunk)
            write_all(out, chunk)
            size += len(chunk)
    except (RemoteError, LibraryError) as error:
        because.append(error.message)
        return None
    return "sha256:" + running.hexdigest(), size


def _unreadable(place: Source, error: OSError) -> str:
    found = "found nothing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror or error}"
    return f"{_where(place)}: {found}"


def _where(place: Source) -> str:
    return f"{place.location} (on {place.host})" if place.host else place.location


def _changed(place: Source, digest: str, size: int) -> str:
    return f"{_where(place)}: holds other bytes now, found {digest} ({_bytes(size)})"


def _bytes(size: int) -> str:
    return f"{size} byte{'' if size == 1 else 's'}"


def origins_of(store: Store, found: Found) -> Origins:
    """The places of a version, of its parts, and of what it was derived from."""
    return Origins(str(found), list(_sources(store, found.history, found.made.stated, "", set())))


def origins_told(history: History, stated: Stated) -> Origins:
    """The places that the steps of a version name, without those of its parts."""
    known = {made.stated.digest: made.stated for made in history.versions}
    sources = [source for step in _lineage(known, stated) for source in _named(step)]
    return Origins(f"{history.name}@{stated.step.version}", sources)


def origins_named(store: Store, identifier: str | None, version: str | None, manifest: str) -> Origins:
    """The places of a version that a record or a step names; none where it is not here."""
    known = _version(store, identifier, version, manifest)
    return Origins("", ()) if known is None else origins_of(store, known)


def holds_all(store: Store, manifest: str) -> bool:
    """Whether the store has the bytes of every file."""
    bulk = Bulk(store)
    return all(entry.digest is None or bulk.holds(entry.digest, entry.size) for entry in read_manifest(store, manifest))


def _version(store: Store, identifier: str | None, version: str | None, manifest: str) -> Found | None:
    """By its content, too: after a merge a version may have been made with two."""
    history = None if identifier is None else load_history(store, identifier)
    for made in history.versions if history else ():
        if history is not None and made.manifest == manifest and str(made.version) == version:
            return Found(history=history, made=made, floating=False)
    return None


def _sources(
    store: Store, history: History, stated: Stated, folder: str, seen: set[tuple[str, str]]
) -> Iterator[Source]:
    """Of the steps that a step comes of, the newest first, and what these were derived from; then of the parts that it
    has. `seen` are steps that were taken already, with the folder that they stand for."""
    known = {made.stated.digest: made.stated for made in history.versions}
    for step in _lineage(known, stated):
        if (step.digest, folder) in seen:
            continue
        seen.add((step.digest, folder))
        for source in _named(step):
            yield source._replace(path="/".join(filter(None, (folder, source.path))))
        origin = _derived_from(step)
        if origin is not None:
            whole = _version(store, origin.dataset, origin.version, origin.manifest)
            if whole is not None:
                yield from _sources(store, whole.history, whole.made.stated, folder, seen)
    for part in stated.step.parts:
        child = _version(store, part.dataset_id, part.version, part.manifest)
        if child is not None:
            below = "/".join(filter(None, (folder, part.folder)))
            yield from _sources(store, child.history, child.made.stated, below, seen)


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


def _derived_from(stated: Stated) -> Origin | None:
    """The version that a step was derived from."""
    if stated.step.operation != "derive":
        return None
    try:
        return convert(stated.step.parameters.get("source"), Origin)
    except FormatError:
        return None
