"""The paths that runs recorded as outputs: what `code.id` leaves out, and `dirty_paths` calls results.

Derived, in `cache/results/`: each file there is a list of paths under the digest of its bytes, created exclusively, so
runs that end together take no lock and lose nothing. When the folder is gone it is made anew from the records. Paths
are relative to the folder that holds the store, or absolute outside it, so a moved project keeps its answers. One that
is a result only while it is not under version control ends in a NUL.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ..digests import digest_of
from ..errors import WhenceError
from ..records.data import Artifact
from ..records.encoding import decode, encode
from ..rules.kinds import is_result, is_result_untracked
from ..system.files import make_folders, read_regular, write_new
from .layout import Store

UNTRACKED = "\0"

MANY = 64
"""So many lists are merged into one by the next reader."""


def known_results(store: Store) -> frozenset[str]:
    """Every path that a run of this store recorded as output. Without the cache this reads every record."""
    folder = _folder(store)
    if not folder.is_dir():
        paths = frozenset(_recorded(store))
        _add(store, paths)
        return paths
    lists = _lists(folder)
    paths = frozenset(path for found in lists.values() for path in found)
    if len(lists) > MANY:
        _merge(store, lists, paths)
    return paths


def results_judge(store: Store, declared: Iterable[Path] = ()) -> Callable[[str, bool], bool]:
    """Tells of an absolute path, and whether it is under version control, whether it is, or lies in, an output of an
    earlier run or one of the declared."""
    results = known_results(store).union(placed(store, path) for path in declared)

    def known(place: str, tracked: bool) -> bool:
        return place in results or (not tracked and place + UNTRACKED in results)

    def judge(path: str, tracked: bool) -> bool:
        if not results:
            return False
        place = placed(store, path)
        return known(place, tracked) or any(known(above, tracked) for above in _folders_above(place))

    return judge


def _folders_above(path: str) -> Iterator[str]:
    end = path.rfind("/")
    while end > 0:
        yield path[:end]
        end = path.rfind("/", 0, end)


def add_results(store: Store, cwd: Path, paths: Iterable[str]) -> None:
    """Remember the declared outputs of a run that ended, and what it printed to."""
    _add(store, frozenset(placed(store, cwd / path) for path in paths))


def add_artifacts(store: Store, cwd: Path, artifacts: Iterable[Artifact]) -> None:
    """Remember the artifacts of a run that ended, as far as they are results."""
    _add(store, frozenset(_entries(store, cwd, artifacts)))


def _entries(store: Store, cwd: Path, artifacts: Iterable[Artifact]) -> Iterator[str]:
    for artifact in artifacts:
        if is_result(artifact):
            yield placed(store, cwd / artifact.path)
        elif is_result_untracked(artifact):
            yield placed(store, cwd / artifact.path) + UNTRACKED


def placed(store: Store, path: Path | str) -> str:
    """A path as it is written here. Not by `relpath`, which costs 30 us: every file of a launch is asked about."""
    return os.path.normpath(path).removeprefix(os.fspath(store.path.parent).rstrip("/") + "/")


def _folder(store: Store) -> Path:
    return store.cache / "results"


def _lists(folder: Path) -> dict[str, list[str]]:
    """Name -> paths. A file that another reader merged away meanwhile is in the list that it wrote before."""
    found: dict[str, list[str]] = {}
    for name in sorted(os.listdir(folder)):
        try:
            found[name] = decode(read_regular(folder / name), list[str])
        except (OSError, WhenceError):
            continue
    return found


def _add(store: Store, paths: frozenset[str]) -> str | None:
    """Write a list, unless it is there; its name. A cache: what cannot be written is found again from the records."""
    data = encode(sorted(paths))
    name = digest_of(data).removeprefix("sha256:")[:32]
    try:
        make_folders(_folder(store), within=store.path)
        if not (_folder(store) / name).exists():
            write_new(_folder(store) / name, data)
    except OSError:
        return None
    return name


def _merge(store: Store, lists: Iterable[str], paths: frozenset[str]) -> None:
    merged = _add(store, paths)
    for name in lists:
        if merged is not None and name != merged:
            (_folder(store) / name).unlink(missing_ok=True)


def _recorded(store: Store) -> Iterator[str]:
    # Readers: a recorder needs them here only, when the cache was deleted.
    from .run_list import run_ids
    from .runs import load_run

    for run in run_ids(store):
        try:
            record = load_run(store, run).record
        except (WhenceError, OSError):
            # A run that cannot be read is for `verify` to report.
            continue
        yield from _entries(store, Path(record.cwd or "/"), record.artifacts)
