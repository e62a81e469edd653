"""Bytes of the store, by run and part. An object that several runs keep is counted once, as shared."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from ..errors import FormatError
from ..records.record import Record
from ..store.kept import kept_objects
from ..store.layout import Store
from ..store.objects import object_size
from ..store.run_list import open_run, run_ids
from ..store.runs import load_run

PARTS = ("journals", "points", "output", "record", "other")
"""What the files of a run's folder are; `record` is with the seal."""


class RunUsage(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    run: str
    name: str | None
    parts: Mapping[str, int]
    """Bytes of each of `PARTS`."""
    objects: int
    """Bytes of the objects that this run alone refers to."""
    shared: int
    """Bytes of the objects that other runs refer to as well."""

    @property
    def own(self) -> int:
        """Bytes that only this run needs."""
        return sum(self.parts.values()) + self.objects


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """The store."""

    runs: tuple[RunUsage, ...]
    """Newest first."""
    objects: int
    code: int
    acts: int
    cache: int
    total: int


def measure(store: Store) -> Usage:
    """Add up everything. Costs a stat of every file, and reading every record."""
    records = {run: _record(store, run) for run in run_ids(store, newest_first=True)}
    kept = {run: kept_objects(store, record) if record else set[str]() for run, record in records.items()}
    holders = Counter(digest for digests in kept.values() for digest in digests)
    return Usage(
        runs=tuple(_usage(store, run, record, kept[run], holders) for run, record in records.items()),
        objects=_tree(store.path / "objects") + _tree(store.packs),
        code=_tree(store.code_git),
        acts=_tree(store.acts),
        cache=_tree(store.cache),
        total=_tree(store.path),
    )


def _record(store: Store, run: str) -> Record | None:
    try:
        return load_run(store, run).record
    except FormatError:
        return None


def _usage(store: Store, run: str, record: Record | None, kept: Iterable[str], holders: Mapping[str, int]) -> RunUsage:
    sizes = {digest: object_size(store, digest) or 0 for digest in kept}
    return RunUsage(
        run=run,
        name=record.name if record else None,
        parts=_parts(store, run),
        objects=sum(size for digest, size in sizes.items() if holders[digest] == 1),
        shared=sum(size for digest, size in sizes.items() if holders[digest] > 1),
    )


def _parts(store: Store, run: str) -> dict[str, int]:
    files = open_run(store, run)
    parts: dict[str, int] = dict.fromkeys(PARTS, 0)
    for name in files.names():
        if not name.startswith("acts/"):
            parts[_part(name)] += files.size(name)
    return parts


def _part(name: str) -> str:
    if name in ("record.json", "seal.json"):
        return "record"
    if name.endswith(".points.jsonl"):
        return "points"
    if name.endswith(".jsonl"):
        return "journals"
    return "output" if name == "output.log" else "other"


def _tree(folder: Path) -> int:
    """Bytes of the files below a folder; one with several names counts once."""
    seen: dict[tuple[int, int], int] = {}
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                stat = os.lstat(os.path.join(root, name))
            except OSError:
                continue
            seen[stat.st_dev, stat.st_ino] = stat.st_size
    return sum(seen.values())
