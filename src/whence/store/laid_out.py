"""Datasets laid out for runs: one folder for each content, in the store's cache, that all runs share.

Its files are read-only, and it is held against the manifest at each use. A folder that somebody has changed is left as
it is, for whoever did that, and another one takes its place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ..records.data import ManifestEntry
from .digest_cache import DigestCache
from .layout import Store
from .manifests import read_manifest
from .materialize import OccupiedError, Wish, materialize
from .origins import Origins
from .target import Found, Look, digests_there

MOST = 9
"""Folders of one content; whoever changes them all is told to stop it."""


def data_folder(store: Store, manifest: str) -> Path:
    """Where a content is laid out at first."""
    return store.cache / "data" / manifest.removeprefix("sha256:")


def lay_out(
    store: Store,
    manifest: str,
    *,
    say: Callable[[str], None],
    origins: Origins | None = None,
    seconds: float | None = None,
    verify: bool = False,
    between: Callable[[], None] = lambda: None,
) -> Path:
    """A folder that holds what the manifest says. `say` is told of folders that were changed; what the store does not
    hold is at the `origins`.

    Raises what `materialize` raises; OccupiedError, when somebody has changed all that there may be.
    """
    wish = Wish(read_only=True, verify=verify, origins=origins, seconds=seconds, between=between)
    changed: list[str] = []
    for folder in _folders(store, manifest):
        try:
            path = materialize(store, manifest, folder, wish).path
        except OccupiedError as error:
            changed.append(error.message)
        else:
            if changed:
                others = f", and so are {len(changed) - 1} more" if len(changed) > 1 else ""
                say(
                    f"warning: {changed[-1]}; it is not used any more{others}: remove it when nobody needs what was"
                    " changed, and have programs write elsewhere"
                )
            return path
    raise OccupiedError(
        f"{changed[0]}; {MOST} folders of this content were changed by programs that write beside their data",
        hint=f"have them write elsewhere, and remove {data_folder(store, manifest)}* when nobody needs these changes",
    )


def _folders(store: Store, manifest: str) -> list[Path]:
    """Where a content may be laid out, the first one first."""
    first = data_folder(store, manifest)
    return [first, *(first.with_name(f"{first.name}-{number}") for number in range(2, MOST + 1))]


def laid_out_folders(store: Store, manifest: str) -> list[Path]:
    """Where a content is laid out, whole or in part."""
    return [folder for folder in _folders(store, manifest) if folder.is_dir()]


def lies_laid_out(store: Store, manifest: str, entries: Iterable[ManifestEntry]) -> bool:
    """Whether one of the folders has all these files, by their sizes; nothing is read."""
    wanted = list(entries)
    return any(
        all(_size(folder / entry.path) == entry.size for entry in wanted)
        for folder in laid_out_folders(store, manifest)
    )


def _size(path: Path) -> int | None:
    try:
        return os.lstat(path).st_size
    except OSError:
        return None


def forget_laid_out(store: Store, manifest: str) -> list[str]:
    """Remove the folders that hold a content, and nothing else; those that somebody has changed, which stay. Raises
    OSError, UnresolvedError, FormatError."""
    from shutil import rmtree

    left: list[str] = []
    for folder in laid_out_folders(store, manifest):
        if _look(store, manifest, folder).in_the_way:
            left.append(os.fspath(folder))
        else:
            rmtree(folder)
    return left


def _look(store: Store, manifest: str, folder: Path) -> Found:
    cache = DigestCache(store.cache)
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        digest = digests_there(cache, os.path.realpath(folder), verify=False)
        return Look(root, read_manifest(store, manifest), digest).look(None)
    finally:
        os.close(root)
        cache.save()


def changed_there(store: Store, manifest: str, folder: Path) -> list[str]:
    """Paths in a folder that are not as the manifest says. Raises OSError, UnresolvedError, FormatError."""
    entries = read_manifest(store, manifest)
    found = _look(store, manifest, folder)
    wrong = {item.path for item in found.in_the_way} | {entry.path for entry in found.modes}
    return sorted(wrong | {entry.path for entry in entries if entry.path not in found.sound})
