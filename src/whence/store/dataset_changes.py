"""Changes of a dataset's content, as functions of a manifest: they are asked again where another change came first."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from ..errors import UnresolvedError, UsageError
from ..records.data import ManifestEntry
from ..rules.contents import Manifest, in_order, with_entries, without_entries
from ..rules.folders import at_and_above, is_at_or_below
from ..system.remote_files import is_url
from .adding import Added, NoSourceError, add
from .dataset_steps import Edit
from .layout import Store
from .manifests import Stored, read_entries, read_manifest
from .merging import grown


def gather(
    store: Store,
    cwd: Path,
    paths: Sequence[str],
    *,
    below: str | None = None,
    keep: bool = True,
    left_out: list[str] | None = None,
) -> Sequence[ManifestEntry]:
    """The entries of files and folders, whose bytes are in the store then, unless not to `keep` them is asked for.

    Of one folder alone the content is taken, and not read again (`Stored`); several paths keep their names. `below` is
    the folder in the dataset that they go to; `left_out` is told of each `.git` that is not taken. Raises SourceError,
    StoreError, UsageError.
    """
    if "" in paths:
        raise UsageError("found an empty path, expected a file or folder", hint="is a variable of the shell not set?")
    if len(paths) == 1 and not folder_of(below) and (cwd / paths[0]).is_dir():
        added = add(store, cwd / paths[0], keep=keep)
        _tell(left_out, paths[0], added)
        return Stored(store, added.manifest, files=added.files, size=added.size)
    found: dict[str, ManifestEntry] = {}
    for path in paths:
        source = cwd / path
        folder = place_of(source, below, alone=len(paths) == 1) if source.is_dir() else folder_of(below)
        added = add(store, source, keep=keep)
        _tell(left_out, path, added)
        for entry in read_entries(store, added.manifest):
            placed = "/".join(filter(None, (folder, entry.path)))
            if placed in found:
                raise UsageError(
                    f"{path}: found a second file for {placed}", hint="take one at a time, with --as FOLDER"
                )
            found[placed] = msgspec.structs.replace(entry, path=placed)
    return in_order(found.values())


def _tell(left_out: list[str] | None, path: str, added: Added) -> None:
    if left_out is not None:
        left_out += (f"{path.rstrip('/')}/{inside}" for inside in added.left_out)


def place_of(source: Path, below: str | None, *, alone: bool) -> str:
    """Where a file or folder goes in a dataset; the content of one that is `alone` goes to the top."""
    name = source.name
    if source.is_dir():
        name = "" if alone else source.resolve().name
    return "/".join(filter(None, (folder_of(below), name)))


def folder_of(below: str | None) -> str:
    """A folder in a dataset; nothing for its top. Raises UsageError for one that leads out of it."""
    parts = (below or "").strip("/").split("/")
    if any(part in (".", "..") for part in parts):
        raise UsageError(f"--as {below}: expected a folder in the dataset", hint="for instance --as train/images")
    return "/".join(part for part in parts if part)


def look(store: Store, folder: Path) -> list[ManifestEntry]:
    """The entries of a folder, of which nothing but the manifest is kept. Raises SourceError."""
    return read_manifest(store, add(store, folder, keep=False).manifest)


def addition(entries: Sequence[ManifestEntry], *, mirror: str | None = None) -> Edit:
    """These entries, in place of what has their paths; in place of all that is in the folder to `mirror`, which is
    empty for the whole dataset. Raises what reading a manifest raises."""

    def edit(manifest: Manifest) -> Manifest:
        if mirror is not None:
            rest = without_entries(manifest, lambda path: not mirror or is_at_or_below(path, {mirror}))
            return with_entries(rest, entries)
        if isinstance(manifest, Stored) and isinstance(entries, Stored):
            both = grown(manifest, entries)
            if both is not None:
                return both
        return with_entries(manifest, entries)

    return edit


def mirrored(cwd: Path, paths: Sequence[str], below: str | None) -> str:
    """The folder in the dataset that becomes what a folder is. Raises UsageError for anything but one folder, and
    NoSourceError for one that is not there: it would empty the dataset."""
    if len(paths) != 1 or is_url(paths[0]) or (cwd / paths[0]).is_file():
        raise UsageError(
            "found --delete, expected one folder with it: what is not in that goes",
            hint="`whence data remove NAME PATH` takes out single files",
        )
    if not (cwd / paths[0]).is_dir():
        raise NoSourceError(f"{paths[0]}: is not there, expected the folder that the dataset is to be like")
    return folder_of(below)


def removal(name: str, patterns: Sequence[str]) -> Edit:
    """Without what the patterns mean: a path, a folder, or a glob, in which `*` also takes `/`.

    The edit raises UnresolvedError for a pattern that means nothing: a file that was not removed is not removed twice.
    """

    def edit(manifest: Manifest) -> list[ManifestEntry]:
        for pattern in patterns:
            if not any(_means(pattern, entry.path) for entry in manifest):
                raise UnresolvedError(
                    f"{name}: found nothing that {pattern!r} means", hint="`data show --files` lists all"
                )
        return without_entries(manifest, lambda path: any(_means(pattern, path) for pattern in patterns))

    return edit


def _means(pattern: str, path: str) -> bool:
    wanted = pattern.rstrip("/")
    return any(above == wanted or fnmatchcase(above, wanted) for above in at_and_above(path))
