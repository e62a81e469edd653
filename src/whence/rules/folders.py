"""Many files as few entries: a folder of which a run took every file is one entry, with its manifest.

The rule: the highest folder below which more than `MANY` files were taken, and all that lie there, is one entry. Of a
folder with more than `MANY` files that were taken, but not all, those are one entry. Other files stand for themselves.
Folders that hold the project, the home or the working directory are never entries.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

MANY = 100
"""Files below one folder that are still named one by one."""


class Listing(msgspec.Struct, frozen=True):
    """What lies in a folder."""

    files: Sequence[str]
    folders: Sequence[str]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A folder that stands for many files."""

    folder: str
    whole: bool
    files: Sequence[str]
    """Their absolute paths, sorted."""


class Gathered(msgspec.Struct, frozen=True):
    """The entries, and the files that stand for themselves; both sorted."""

    entries: list[Entry]
    files: list[str]


def gather(
    paths: Iterable[str], *, listing: Callable[[str], Listing | None], spread: Callable[[str], bool], many: int = MANY
) -> Gathered:
    """The entries for these absolute paths. `listing` looks into a folder, `spread` says that one is no entry."""
    tree = _Tree(paths)
    work = _Work(tree, listing, spread, many)
    work.descend("")
    return Gathered(sorted(work.entries, key=lambda entry: entry.folder), sorted(work.singles))


class _Tree:
    """The paths by folder, with how many there are below each. `""` is the root folder."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.direct: dict[str, set[str]] = {}
        self.below: dict[str, int] = {}
        self.children: dict[str, set[str]] = {}
        for path in paths:
            folder, _, name = path.rpartition("/")
            self.direct.setdefault(folder, set()).add(name)
        for folder, names in self.direct.items():
            self._count(folder, len(names))

    def _count(self, folder: str, count: int) -> None:
        self.below[folder] = self.below.get(folder, 0) + count
        while folder:
            above = folder.rpartition("/")[0]
            self.children.setdefault(above, set()).add(folder)
            self.below[above] = self.below.get(above, 0) + count
            folder = above

    def all_below(self, folder: str) -> list[str]:
        found: list[str] = []
        todo = [folder]
        while todo:
            here = todo.pop()
            found += [f"{here}/{name}" for name in self.direct.get(here, ())]
            todo += self.children.get(here, ())
        return sorted(found)


class _Work:
    """From the top down."""

    def __init__(
        self, tree: _Tree, listing: Callable[[str], Listing | None], spread: Callable[[str], bool], many: int
    ) -> None:
        self.entries: list[Entry] = []
        self.singles: list[str] = []
        self._tree = tree
        self._listing = listing
        self._spread = spread
        self._many = many
        self._whole: dict[str, bool] = {}

    def descend(self, top: str) -> None:
        todo = [top]
        while todo:
            folder = todo.pop()
            if self._tree.below.get(folder, 0) <= self._many:
                self.singles += self._tree.all_below(folder)
            elif folder and not self._spread(folder) and self._is_whole(folder):
                self.entries.append(Entry(folder=folder, whole=True, files=self._tree.all_below(folder)))
            else:
                self._split(folder)
                todo += self._tree.children.get(folder, ())

    def _split(self, folder: str) -> None:
        own = sorted(f"{folder}/{name}" for name in self._tree.direct.get(folder, ()))
        if len(own) > self._many:
            self.entries.append(Entry(folder=folder, whole=False, files=own))
        else:
            self.singles += own

    def _is_whole(self, folder: str) -> bool:
        """Whether every file below was taken; stops at the first that was not. Each folder is looked at once."""
        todo, seen = [folder], list[str]()
        while todo:
            here = todo.pop()
            known = self._whole.get(here)
            if known is False or (known is None and not self._took_all(here, todo)):
                for one in (here, folder):
                    self._whole[one] = False
                return False
            seen.append(here)
        self._whole.update(dict.fromkeys(seen, True))
        return True

    def _took_all(self, folder: str, todo: list[str]) -> bool:
        found = self._listing(folder)
        if found is None:
            return False
        todo += [f"{folder}/{name}" for name in found.folders]
        taken: Mapping[str, set[str]] = self._tree.direct
        return all(name in taken.get(folder, ()) for name in found.files)


def at_and_above(path: str) -> Iterator[str]:
    """A path, and each folder above it."""
    yield path
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def is_at_or_below(path: str, places: Collection[str]) -> bool:
    """Whether a path is one of the places, or lies in one."""
    return bool(places) and any(above in places for above in at_and_above(path))
