"""What git prints, read: its configuration, status, index and attributes, each in the form made for programs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Literal

import msgspec

from ..records.code import DirtyPath, LeftOut
from .captured_code import not_listed

_NULL = "(initial)"
_INERT = frozenset({"unspecified", "unset"})


State = Literal["modified", "staged", "staged+modified", "deleted", "renamed", "mode", "type"]


class Tracked(msgspec.Struct, frozen=True):
    """A line of the index."""

    path: str
    mode: int
    blob: str
    hidden: bool
    """Git was told to look away: assume-unchanged or skip-worktree."""
    sparse: bool
    """skip-worktree: not being there is normal."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What `git status` said."""

    commit: str | None
    branch: str | None
    changed: dict[str, DirtyPath]
    """Every tracked path that differs from the commit."""
    content: frozenset[str]
    """Those of them whose file is there."""
    untracked: tuple[str, ...]
    nested: tuple[str, ...]
    """Untracked folders that are repositories."""
    unlisted: tuple[LeftOut, ...] = ()
    """Folders and files that git could not look at: it only warns of them."""


def parse_config(listing: bytes) -> dict[str, list[str]]:
    """Keys as git prints them (section and name in lower case) -> values in order: where one counts, the last."""
    config: dict[str, list[str]] = {}
    for item in listing.split(b"\0")[:-1]:
        key, _, value = os.fsdecode(item).partition("\n")
        config.setdefault(key, []).append(value)
    return config


def filter_names(config: Iterable[str]) -> tuple[str, ...]:
    """The filters that the configuration knows."""
    return tuple(dict.fromkeys(k[len("filter.") : k.rindex(".")] for k in config if k.startswith("filter.")))


_UNLISTED = (
    rb"(?m)^(?:warning: could not open directory '(?P<folder>.+?)(?:/'?)?|(?!\w+: )(?P<file>.+?))"
    rb"(?:: (?P<reason>[A-Z][^:'\n]+))?$"
)
"""git, `dir.c` (`opendir`; cut off at 4096 bytes with the path) and `read-cache.c` (`lstat`), in the C locale."""


def parse_unlisted(warnings: bytes) -> tuple[LeftOut, ...]:
    """What `git status` says on stderr that it could not look at."""
    if not warnings:
        return ()
    found = [match for match in re.finditer(_UNLISTED, warnings) if match["folder"] or match["reason"]]
    return tuple(
        not_listed(os.fsdecode(match["folder"] or match["file"]), (match["reason"] or b"File name too long").decode())
        for match in found
    )


def parse_status(listing: bytes, warnings: bytes = b"") -> Status:
    """`git status --porcelain=v2 --branch -z` (git-status(1), *Porcelain Format Version 2*)."""
    commit = branch = None
    changed: dict[str, DirtyPath] = {}
    content: set[str] = set()
    untracked: list[str] = []
    nested: list[str] = []
    items = iter(listing.split(b"\0")[:-1])
    for item in items:
        kind, _, rest = os.fsdecode(item).partition(" ")
        if kind == "#":
            name, _, value = rest.partition(" ")
            if name == "branch.oid":
                commit = None if value == _NULL else value
            elif name == "branch.head":
                branch = None if value == "(detached)" else value
        elif kind == "?":
            (nested if rest.endswith("/") else untracked).append(rest.rstrip("/"))
        elif kind in "12u":
            before = os.fsdecode(next(items)) if kind == "2" else None
            dirty, there = _changed_path(kind, rest, before)
            changed[dirty.path] = dirty
            if there:
                content.add(dirty.path)
    return Status(
        commit=commit, branch=branch, changed=changed, content=frozenset(content),
        untracked=tuple(untracked), nested=tuple(nested), unlisted=parse_unlisted(warnings),
    )  # fmt: skip


_FIELDS = {"1": 7, "2": 8, "u": 9}
"""Words between the kind and the path."""


_NO_MODE = "000000"


def _changed_path(kind: str, rest: str, before: str | None) -> tuple[DirtyPath, bool]:
    """The path, and whether its file is there."""
    words = rest.split(" ", _FIELDS[kind])
    path, x, y = words[-1], words[0][0], words[0][1]
    if kind == "u":
        there = words[5] != _NO_MODE
        return DirtyPath(path=path, state="conflict", change="modified" if there else "deleted"), there
    there = words[4] != _NO_MODE
    change = "renamed" if kind == "2" else "added" if "A" in (x, y) else "modified"
    state = _state(kind, x, y, words, there)
    known = words[2] if words[2] != _NO_MODE else words[3]
    mode = there and state != "type" and _NO_MODE != known != words[4]
    return (
        DirtyPath(path=path, state=state, change=change if there else "deleted", before=before, mode_changed=mode),
        there,
    )


def _state(kind: str, x: str, y: str, words: list[str], there: bool) -> State:
    """Of a file whose mode differs from the index git does not say whether its content does."""
    head_mode, index_mode, file_mode = words[2], words[3], words[4]
    if not there:
        return "deleted"
    if kind == "2":
        return "renamed"
    if "T" in (x, y):
        return "type"
    if x == "." and index_mode != file_mode and index_mode != _NO_MODE:
        return "mode"
    if y == "." and head_mode != index_mode and words[5] == words[6]:
        return "mode"
    if x != "." and y != ".":
        return "staged+modified"
    return "staged" if y == "." else "modified"


def parse_index(listing: bytes) -> tuple[tuple[Tracked, ...], dict[str, str]]:
    """`git ls-files -s -v -z`: the files once each (a path in conflict too), and the commits of nested repositories."""
    tracked: dict[str, Tracked] = {}
    gitlinks: dict[str, str] = {}
    for item in os.fsdecode(listing).split("\0"):
        if not item:
            continue
        facts, _, path = item.partition("\t")
        flag, mode, blob, _ = facts.split(" ")
        if mode == "160000":
            gitlinks[path] = blob
        else:
            sparse = flag in "Ss"
            tracked[path] = Tracked(path, int(mode, 8), blob, flag.islower() or sparse, sparse)
    return tuple(tracked.values()), gitlinks


def parse_attributes(listing: bytes, everywhere: bool) -> dict[str, str]:
    """`git check-attr -z`: path NUL attribute NUL value NUL. With autocrlf every path that is not `-text` counts."""
    converted: dict[str, str] = {}
    fields = os.fsdecode(listing).split("\0")
    for start in range(0, len(fields) - 3 + 1, 3):
        path, name, value = fields[start : start + 3]
        if name == "filter" and value not in _INERT:
            converted[path] = value
        elif value not in _INERT or (everywhere and name == "text" and value == "unspecified"):
            converted.setdefault(path, "")
    return converted
