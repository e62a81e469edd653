"""What a dataset has had of an address before: the files that need not be read again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..errors import FormatError, UnresolvedError
from ..records.data import ManifestEntry
from ..records.encoding import convert, decode
from ..records.source import Files, RemoteFile
from ..rules.file_identity import is_same
from ..rules.history import History, Stated
from ..store.bulk import Bulk
from ..store.layout import Store
from ..store.manifests import read_manifest
from ..store.objects import read_object
from ..system.remote_files import RemoteFile as Seen


class _Known(NamedTuple):
    """A file as a step had it."""

    told: RemoteFile
    entry: ManifestEntry


class KnownFiles:
    """Files of one place in a dataset, as the newest step that took them from the same address had them."""

    def __init__(
        self, store: Store, history: History | None, *, path: str, location: str, folder: bool, keep: bool
    ) -> None:
        self._bulk = Bulk(store) if keep else None
        self._known: dict[str, _Known] = {}
        for made in reversed(history.versions) if history is not None else ():
            files = files_of_step(made.stated)
            if files is not None and any((place.path, place.location) == (path, location) for place in files.places):
                self._take(store, made.manifest, files, f"{path}/" if folder and path else path)
                return

    def _take(self, store: Store, manifest: str, files: Files, below: str) -> None:
        try:
            entries = {entry.path: entry for entry in read_manifest(store, manifest)}
            listed = list(listed_files(store, files))
        except (UnresolvedError, FormatError):
            return
        for told in listed:
            entry = entries.get(told.path)
            if entry is not None and entry.size == told.size and told.path.startswith(below):
                self._known[told.path] = _Known(told, entry)

    def find(self, path: str, file: Seen) -> ManifestEntry | None:
        """The entry of a file that has the bytes that it had then, and that the store still holds if it has to."""
        known = self._known.get(path)
        if known is None or not is_same(known.told, file.size, file.etag, file.version):
            return None
        entry = known.entry
        held = self._bulk is None or (entry.digest is not None and not self._bulk.needs(entry.digest, entry.size))
        return entry if held else None


def files_of_step(stated: Stated) -> Files | None:
    """What a step says of files that were added with where they lay."""
    parameters = stated.step.parameters
    try:
        return convert(parameters, Files) if parameters.get("source") == "files" else None
    except FormatError:
        return None


def listed_files(store: Store, files: Files) -> Iterator[RemoteFile]:
    """What was told of each file. Raises UnresolvedError, FormatError."""
    yield from files.files
    if files.listing is not None:
        listed: Sequence[RemoteFile] = decode(read_object(store, files.listing), list[RemoteFile], where=files.listing)
        yield from listed
