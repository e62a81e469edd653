"""What `git diff --raw --numstat -z` says of two trees (git-diff-tree(1), "raw output format"), as values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from .git_objects import LINK

_NESTED = 0o160000
_NONE = "0" * 40


class TreeChange(msgspec.Struct, frozen=True, kw_only=True):
    """One path that two trees have otherwise; `blob` is nothing in a tree that has no such file."""

    path: str
    before: str | None
    """The path in the first tree, where it was renamed."""
    modes: tuple[int, int]
    blobs: tuple[str | None, str | None]
    lines: tuple[int, int] | None
    """Added and removed; nothing of what is no text."""

    @property
    def change(self) -> Literal["added", "removed", "changed", "renamed"]:
        if self.before is not None:
            return "renamed"
        return "added" if self.blobs[0] is None else "removed" if self.blobs[1] is None else "changed"

    @property
    def kind(self) -> Literal["text", "binary", "notebook", "link", "repository"]:
        """By mode and name; `notebook` is what is called so."""
        if _NESTED in self.modes:
            return "repository"
        if LINK in self.modes:
            return "link"
        if self.path.endswith(".ipynb"):
            return "notebook"
        return "binary" if self.lines is None else "text"

    @property
    def mode_changed(self) -> bool:
        return 0 not in self.modes and self.modes[0] != self.modes[1]

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that it has in a tree."""
        return (self.path,) if self.before is None else (self.before, self.path)


def read_changes(listing: str) -> list[TreeChange]:
    """The changes of a listing, by path. Raises ValueError for what is none."""
    words = iter(listing.split("\0"))
    raw: list[tuple[str, str | None, list[str]]] = []
    lines: dict[str, tuple[int, int] | None] = {}
    for word in words:
        if word.startswith(":"):
            facts = word[1:].split(" ")
            first = next(words)
            renamed = facts[4][:1] in ("R", "C")
            raw.append((next(words), first, facts) if renamed else (first, None, facts))
        elif word:
            added, removed, path = word.split("\t", 2)
            if not path:
                next(words)
                path = next(words)
            lines[path] = None if added == "-" else (int(added), int(removed))
    return sorted(_changes(raw, lines), key=lambda change: change.path)


def _changes(
    raw: list[tuple[str, str | None, list[str]]], lines: dict[str, tuple[int, int] | None]
) -> Iterator[TreeChange]:
    for path, before, (old, new, first, second, _) in raw:
        yield TreeChange(
            path=path,
            before=before,
            modes=(int(old, 8), int(new, 8)),
            blobs=(None if first == _NONE else first, None if second == _NONE else second),
            lines=lines.get(path),
        )
