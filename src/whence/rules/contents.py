"""Manifests changed and compared: lists of entries, sorted by the bytes of their paths (docs/format.md, section 1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from ..records.data import ManifestEntry
from .folders import at_and_above, is_at_or_below

Manifest = Sequence[ManifestEntry]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What a second manifest has otherwise than a first; paths in order."""

    added: Sequence[ManifestEntry]
    changed: Sequence[tuple[ManifestEntry, ManifestEntry]]
    """Before and after: other bytes, another mode or another kind."""
    removed: Sequence[ManifestEntry]

    @property
    def same(self) -> bool:
        return not (self.added or self.changed or self.removed)


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How much a manifest names."""

    files: int
    size: int


def counts(manifest: Manifest) -> Counts:
    files = [entry for entry in manifest if entry.kind in ("file", "link")]
    return Counts(files=len(files), size=sum(entry.size for entry in files if entry.kind == "file"))


def difference(first: Manifest, second: Manifest) -> Difference:
    """What differs. The same the other way round, with added and removed changed places."""
    before, after = _by_path(first), _by_path(second)
    return Difference(
        added=[entry for path, entry in after.items() if path not in before],
        changed=[(before[path], entry) for path, entry in after.items() if path in before and before[path] != entry],
        removed=[entry for path, entry in before.items() if path not in after],
    )


def with_entries(manifest: Manifest, entries: Iterable[ManifestEntry]) -> list[ManifestEntry]:
    """With these entries, in place of what had their paths; a file that takes a folder's place takes all of it, and an
    empty folder is not listed where something lies in it already."""
    new = _by_path(entries)
    taken = {path for path, entry in new.items() if entry.kind != "folder"}
    parents = {above for path in new for above in at_and_above(path) if above != path}
    kept = [entry for entry in manifest if not is_at_or_below(entry.path, taken) and entry.path not in parents]
    kept = [entry for entry in kept if entry.path not in new]
    empty = new.keys() - taken
    filled = {above for entry in kept for above in at_and_above(entry.path)} & empty if empty else set[str]()
    return in_order([*kept, *(entry for path, entry in new.items() if path not in filled)])


def without_entries(manifest: Manifest, goes: Callable[[str], bool]) -> list[ManifestEntry]:
    """Without the entries whose path goes."""
    return [entry for entry in manifest if not goes(entry.path)]


def in_order(entries: Iterable[ManifestEntry]) -> list[ManifestEntry]:
    """Sorted as a manifest is: by the bytes of the paths."""
    return sorted(entries, key=lambda entry: entry.path.encode("utf-8", "surrogateescape"))


def _by_path(entries: Iterable[ManifestEntry]) -> Mapping[str, ManifestEntry]:
    return {entry.path: entry for entry in entries}
