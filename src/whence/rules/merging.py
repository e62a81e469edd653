"""A manifest that is added to another, line by line: both are sorted, so neither has to be in memory.

It makes what `contents.with_entries` makes. Lines that both have are never taken apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from ..errors import FormatError
from ..records.data import ManifestEntry
from ..records.encoding import decode
from .folders import at_and_above
from .git_objects import path_bytes
from .manifests import BEGIN, BETWEEN, END


class Changes(NamedTuple):
    """How many entries a manifest has otherwise than another."""

    added: int
    changed: int
    removed: int


class Arriving(msgspec.Struct, kw_only=True):
    """What an addition brings."""

    added: int = 0
    changed: int = 0
    files: int = 0
    """By how many files and links there are more."""
    size: int = 0
    """By how many bytes."""
    taken: set[str] = msgspec.field(default_factory=set[str])
    """Paths of files and links that are new: what lies below goes."""
    above: set[str] = msgspec.field(default_factory=set[str])
    """Folders above what is new: a file in the place of one goes."""
    empty: set[str] = msgspec.field(default_factory=set[str])
    """Empty folders that are new."""
    filled: set[str] = msgspec.field(default_factory=set[str])
    """Those of them in which something lies already: they are not listed."""
    left: bool = False
    """Whether there is anything that is not added as well."""


def manifest_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a manifest in its canonical form, without what is between them. Raises FormatError."""
    rest, begun = b"", False
    for chunk in chunks:
        rest += chunk
        if not begun and len(rest) >= len(BEGIN):
            if not rest.startswith(BEGIN):
                break
            rest, begun = rest[len(BEGIN) :], True
        if begun:
            *lines, rest = rest.split(BETWEEN)
            yield from lines
    if begun and rest == END[1:]:
        return
    if not begun or not rest.endswith(END):
        raise FormatError("a manifest is not in its canonical form")
    yield rest.removesuffix(END)


def entry_of(line: bytes) -> ManifestEntry:
    return decode(line, ManifestEntry)


def pairs(before: Iterable[bytes], added: Iterable[bytes]) -> Iterator[tuple[bytes | None, bytes | None]]:
    """The lines of both in the order of their paths, those of one path together."""
    ones, others = iter(before), iter(added)
    one, other = next(ones, None), next(others, None)
    while one is not None or other is not None:
        order = 0 if one == other else _order(one, other)
        yield (one if order <= 0 else None), (other if order >= 0 else None)
        if order <= 0:
            one = next(ones, None)
        if order >= 0:
            other = next(others, None)


def _order(one: bytes | None, other: bytes | None) -> int:
    """Below 0 when the first one comes first."""
    if one is None or other is None:
        return 1 if one is None else -1
    first, second = path_bytes(entry_of(one).path), path_bytes(entry_of(other).path)
    return (first > second) - (first < second)


def arriving(before: Iterable[bytes], added: Iterable[bytes]) -> Arriving:
    """What the addition brings. Costs memory for what is new."""
    found = Arriving()
    for old, new in pairs(before, added):
        if old == new:
            continue
        if new is None:
            found.left = True
            if found.empty:
                found.filled |= found.empty.intersection(at_and_above(entry_of(old or b"").path))
            continue
        _arrive(found, None if old is None else entry_of(old), entry_of(new))
    return found


def _arrive(found: Arriving, old: ManifestEntry | None, new: ManifestEntry) -> None:
    if old is not None:
        found.changed += 1
        found.files -= _files(old)
        found.size -= _size(old)
    else:
        found.added += 1
    found.files += _files(new)
    found.size += _size(new)
    if new.kind == "folder":
        found.empty.add(new.path)
    else:
        found.taken.add(new.path)
    _, *above = at_and_above(new.path)
    found.above.update(above)


def stays(entry: ManifestEntry, found: Arriving) -> bool:
    """Whether an entry that is not added as well stays."""
    return entry.path not in found.above and found.taken.isdisjoint(at_and_above(entry.path))


def _files(entry: ManifestEntry) -> int:
    return entry.kind in ("file", "link")


def _size(entry: ManifestEntry) -> int:
    return entry.size if entry.kind == "file" else 0


class Merged:
    """The lines of both, as they are asked for; once they were, how much that is."""

    def __init__(self, before: Iterable[bytes], added: Iterable[bytes], found: Arriving) -> None:
        self._pairs = pairs(before, added)
        self._found = found
        self.removed = 0
        self.files = found.files
        """More, or fewer, than before."""
        self.size = found.size

    @property
    def changes(self) -> Changes:
        return Changes(self._found.added - len(self._found.filled), self._found.changed, self.removed)

    def __iter__(self) -> Iterator[bytes]:
        for old, new in self._pairs:
            if new is not None:
                if old is not None or not self._found.filled or entry_of(new).path not in self._found.filled:
                    yield new
            elif old is not None:
                entry = entry_of(old)
                if stays(entry, self._found):
                    yield old
                else:
                    self.removed += 1
                    self.files -= _files(entry)
                    self.size -= _size(entry)
