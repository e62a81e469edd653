"""A dataset for Python: `whence.open().dataset("cifar")`. Each method is the verb of `whence data` of its name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from ..errors import UsageError
from ..records.dataset import Operation
from ..rules.addresses import Scalar
from ..rules.contents import Manifest, difference
from ..rules.history import History, Made
from ..rules.secrets import Secrets
from ..rules.versions import NEWEST, Level, Version, read_version
from ..store.dataset_changes import addition, mirrored, removal
from ..store.dataset_references import CONTENT, Found, content_of, find_dataset
from ..store.dataset_steps import Edit, Said, change, check_new_name, create, release, said_masked
from ..store.dropping import adding
from ..store.explaining import explained
from ..store.layout import Store
from ..store.manifests import read_manifest
from ..store.materialize import Wish, materialize
from ..store.origins import origins_of
from ..store.restoring import restore
from ..store.speaker import Speaker
from .dataset_pick import PickDone, pick
from .dataset_sources import gather_source
from .dataset_tables import describer
from .dataset_view import (
    DifferenceShown,
    FileLine,
    VersionLine,
    difference_shown,
    file_lines,
    version_line,
    version_lines,
)
from .source import Source

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
VersionLike = str | Sequence[int] | Version | VersionLine
"""`"2.1.0"`, `[2, 1, 0]`, `(2, 1, 0)`, a version, a line of `versions()`, `"newest"`, or `"sha256:…"`, the digest of
its manifest or how that begins."""


class RecordedDataset:
    """A dataset of a store. It is read anew whenever it is asked; what changes it makes a version."""

    def __init__(
        self, store: Store, identifier: str, *, cwd: Path, speaker: Speaker, secrets: Callable[[], Secrets]
    ) -> None:
        self._store = store
        self._id = identifier
        self._cwd = cwd
        self._speaker = speaker
        self._secrets = secrets

    @property
    def id(self) -> str:
        """Its identifier, which no other dataset has."""
        return self._id

    @property
    def name(self) -> str:
        return self._history.name

    @property
    def description(self) -> str | None:
        """What it is, as it was said last."""
        return self._history.description

    def __repr__(self) -> str:
        history = self._history
        return f"<whence dataset {history.name} {history.versions[-1].version}>"

    def versions(self) -> list[VersionLine]:
        """Every version, ascending; developing ones stand after the release that they follow."""
        return list(version_lines(self._history))

    def version(self, version: VersionLike | None = None) -> VersionLine:
        """One version; the current release without a name. Raises UsageError, UnresolvedError."""
        history = self._history
        return version_line(history, _made(history, version))

    def files(self, version: VersionLike | None = None) -> list[FileLine]:
        """What a version holds, by path; no byte of it is read. Raises UnresolvedError, FormatError."""
        return list(file_lines(read_manifest(self._store, _made(self._history, version).manifest)))

    def get(
        self,
        folder: str | os.PathLike[str],
        version: VersionLike | None = None,
        *,
        verify: bool = False,
        replace: bool = False,
        link: bool = False,
    ) -> Path:
        """Make a folder exactly what a version holds, verified; where it is.

        `verify` reads every file that is there; `replace` lets go of files that are in the way, where the store holds
        them, too; `link` makes read-only links to the store. Raises OccupiedError, UnresolvedError, OriginError,
        StoreError.
        """
        history = self._history
        found = Found(history=history, made=_made(history, version), floating=version is None)
        wish = Wish(verify=verify, replace=replace, link=link, origins=origins_of(self._store, found))
        with explained(self._store, found):
            return materialize(self._store, found.made.manifest, self._cwd / folder, wish).path

    def add(
        self,
        paths: Paths = (),
        *,
        below: str | None = None,
        because: str | None = None,
        description: str | None = None,
        reference: bool = False,
        delete: bool = False,
        sql: str | None = None,
        url: str | None = None,
        parameters: Mapping[str, Scalar] | None = None,
    ) -> VersionLine:
        """Add files and folders, or put them in place of those of their names; the version that this makes, or the
        newest one where nothing changes. `below` is the folder in the dataset that they go to; with `reference` only
        digests are noted, and with `delete` what one folder has no more is removed. Instead of paths, `sql` is a query
        of the database at `url`, with its `parameters`; its rows are frozen to a Parquet file, which `below` names.
        Raises SourceError, StoreError, UsageError, LibraryError."""
        source = source_of(paths, below, reference, sql, url, parameters)
        mirror = mirrored(self._cwd, source.paths, below) if delete else None
        with adding(self._store):
            history = self._history
            taking = gather_source(
                self._store, self._cwd, history.name, source, self._secrets(), self._speaker, history
            )
            said = replace(self._said(because, description), parameters=taking.parameters)
            made = self._change("add", addition(taking.entries, mirror=mirror), said, taking.entries)
            restore(self._store, self._id, self._speaker)
            return made

    def remove(self, paths: Paths, *, because: str | None = None, description: str | None = None) -> VersionLine:
        """Without what paths, folders or patterns mean; versions before keep it. Raises UnresolvedError."""
        return self._change("remove", removal(self.name, _listed(paths)), self._said(because, description))

    def release(self, level: Level, *, because: str | None = None, description: str | None = None) -> VersionLine:
        """Make the newest version a release. Raises UsageError where there is nothing to release, or somebody else was
        faster."""
        said = self._said(because, description)
        taken = release(self._store, self._id, level, said, self._speaker)
        return version_line(taken.history, taken.made)

    def pick(self, which: str, version: VersionLike | None = None, *, because: str | None = None) -> PickDone:
        """Say which is meant of what stores that were merged had made apart: the digest of a manifest, or the id of a
        step's act; of one version, or as the newest one. Raises UsageError where there is nothing to pick,
        UnresolvedError."""
        reference = self._id if version is None else f"{self._id}@{read_version(version)}"
        said = self._said(because, None)
        return pick(self._store, reference, which, said.why, self._speaker)

    def diff(self, first: VersionLike, second: VersionLike) -> DifferenceShown:
        """What the second has otherwise than the first, path by path."""
        history = self._history
        before, after = (_made(history, version) for version in (first, second))
        differs = difference(read_manifest(self._store, before.manifest), read_manifest(self._store, after.manifest))
        return difference_shown(f"{history.name}@{before.version}", f"{history.name}@{after.version}", differs)

    @property
    def _history(self) -> History:
        return find_dataset(self._store, self._id)

    def _change(self, operation: Operation, edit: Edit, said: Said, added: Manifest = ()) -> VersionLine:
        taken = change(self._store, self._id, operation, edit, said, self._speaker, added=added)
        history = taken.history if taken else self._history
        return version_line(history, taken.made if taken else history.head)

    def _said(self, because: str | None, description: str | None) -> Said:
        return replace(said_masked(self._secrets(), because, description), describe=describer(self._store))


def create_dataset(
    store: Store,
    cwd: Path,
    name: str,
    source: Source,
    *,
    said: Said,
    secrets: Secrets,
    speaker: Speaker,
) -> str:
    """Make a dataset; its identifier. Raises UsageError for a name that is taken or none."""
    check_new_name(store, name)
    with adding(store):
        taking = gather_source(store, cwd, name, source, secrets, speaker)
        whole = replace(said, parameters=taking.parameters, describe=describer(store))
        return create(store, name, taking.entries, whole, speaker).history.id


def source_of(
    paths: Paths,
    below: str | None,
    reference: bool,
    sql: str | None,
    url: str | None,
    parameters: Mapping[str, Scalar] | None,
) -> Source:
    """What Python code asks for."""
    return Source(
        paths=_listed(paths), below=below, reference=reference, sql=sql, url=url, parameters=dict(parameters or {})
    )


def _made(history: History, version: VersionLike | None) -> Made:
    if version is None:
        return history.current
    if isinstance(version, VersionLine) and version.id != history.id:
        raise UsageError(f"found {version.name}@{version.version}, expected a version of {history.name}")
    if isinstance(version, str) and version.startswith(CONTENT):
        return content_of(str(version), [history], version).made
    return history.head if version == NEWEST else history.get(read_version(version))


def _listed(paths: Paths) -> list[str]:
    return [os.fspath(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
