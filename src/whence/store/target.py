"""What lies in a folder that is to hold what a manifest says: nothing is changed here, and no link is followed."""

from __future__ import annotations

import os
import re
import stat as modes
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from ..digests import digest_of
from ..records.data import ManifestEntry
from ..system.files import TEMPORARY, hash_descriptor
from .digest_cache import DigestCache
from .layout import LEFT_OUT, NAME

ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

_LEFT = re.compile(re.escape(TEMPORARY) + r"\d+-[0-9a-f]{12}")


class InTheWay(NamedTuple):
    """What lies where the manifest has something else, or nothing."""

    path: str
    kind: str
    """`file`, `link`, `folder` or `special`."""
    held: bool
    """Whether the store holds its bytes, too: nothing is lost with it."""
    wanted: bool
    """Whether the manifest has a file of that name."""


class Found(msgspec.Struct):
    """What lies there."""

    sound: set[str] = set()
    """Paths of the manifest that need nothing."""
    in_the_way: list[InTheWay] = []
    """Each after what lies below it."""
    modes: list[ManifestEntry] = []
    """Sound files that are executable and should not be, or the other way."""
    left: list[str] = []
    """Temporary files: of a process that fills the folder, or that was killed while it did."""


class Look:
    """Holds a folder against a manifest."""

    def __init__(
        self, root: int, entries: Iterable[ManifestEntry], digest: Callable[[int, str, os.stat_result], str]
    ) -> None:
        self._root = root
        self._digest = digest
        self._wanted = _tree(entries)
        self._found = Found()

    def look(self, holds: Callable[[str, int], bool] | None) -> Found:
        """Everything that lies there. `holds` says what the store has; without it nobody asks. Raises OSError."""
        self._holds = holds
        pending = [""]
        while pending:
            path = pending.pop()
            fd = open_below(self._root, path)
            try:
                pending += self._folder(fd, path)
            finally:
                os.close(fd)
        return self._found

    def _folder(self, fd: int, path: str) -> list[str]:
        """The folders below that the manifest has, too."""
        wanted = self._wanted.get(path, {})
        deeper: list[str] = []
        with os.scandir(fd) as scan:
            for entry in scan:
                below = f"{path}/{entry.name}" if path else entry.name
                if entry.name in wanted:
                    if self._is_wanted(fd, entry, below, wanted[entry.name]):
                        deeper.append(below)
                elif _LEFT.fullmatch(entry.name):
                    self._found.left.append(below)
                elif entry.name not in (NAME, LEFT_OUT):
                    self._in_the_way(fd, entry.name, below, wanted=False)
        return deeper

    def _is_wanted(self, fd: int, entry: os.DirEntry[str], path: str, wanted: ManifestEntry | None) -> bool:
        """Whether it is a folder to look into; of others whether they are sound is noted."""
        stat = entry.stat(follow_symlinks=False)
        if wanted is None or wanted.kind == "folder":
            if modes.S_ISDIR(stat.st_mode):
                self._found.sound.add(path)
                return True
        elif self._is_sound(fd, entry.name, stat, wanted):
            self._found.sound.add(path)
            if wanted.kind == "file" and bool(stat.st_mode & 0o100) != bool(wanted.mode & 0o100):
                self._found.modes.append(wanted)
            return False
        self._in_the_way(fd, entry.name, path, wanted=wanted is not None and wanted.kind != "folder")
        return False

    def _is_sound(self, fd: int, name: str, stat: os.stat_result, wanted: ManifestEntry) -> bool:
        if wanted.kind == "link":
            return modes.S_ISLNK(stat.st_mode) and _link_digest(fd, name) == wanted.digest
        if not modes.S_ISREG(stat.st_mode) or stat.st_size != wanted.size:
            return False
        return self._digest(fd, name, stat) == wanted.digest

    def _in_the_way(self, fd: int, name: str, path: str, *, wanted: bool) -> None:
        stat = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if modes.S_ISDIR(stat.st_mode):
            held = self._holds is None or self._below(fd, name, path)
            self._found.in_the_way.append(InTheWay(path, "folder", held, wanted))
            return
        kind = "file" if modes.S_ISREG(stat.st_mode) else "link" if modes.S_ISLNK(stat.st_mode) else "special"
        self._found.in_the_way.append(InTheWay(path, kind, self._is_held(fd, name, kind, stat), wanted))

    def _below(self, fd: int, name: str, path: str) -> bool:
        """Whether the store holds all that lies in a folder that is in the way; each is noted."""
        before = len(self._found.in_the_way)
        inside = os.open(name, ENTER, dir_fd=fd)
        try:
            for found in os.listdir(inside):
                self._in_the_way(inside, found, f"{path}/{found}", wanted=False)
        finally:
            os.close(inside)
        return all(item.held for item in self._found.in_the_way[before:])

    def _is_held(self, fd: int, name: str, kind: str, stat: os.stat_result) -> bool:
        if self._holds is None or kind == "special":
            return False
        if kind == "link":
            return self._holds(_link_digest(fd, name), stat.st_size)
        return self._holds(self._digest(fd, name, stat), stat.st_size)


def _tree(entries: Iterable[ManifestEntry]) -> dict[str, dict[str, ManifestEntry | None]]:
    """What lies in each folder, by name; nothing stands for a folder with something in it."""
    tree: dict[str, dict[str, ManifestEntry | None]] = {}
    for entry in entries:
        head, _, name = entry.path.rpartition("/")
        if head not in tree:
            _add_folder(tree, head)
        tree[head][name] = entry
    return tree


def _add_folder(tree: dict[str, dict[str, ManifestEntry | None]], path: str) -> None:
    tree[path] = {}
    while path:
        path, _, name = path.rpartition("/")
        above = tree.setdefault(path, {})
        if name in above:
            return
        above[name] = None


def _link_digest(fd: int, name: str) -> str:
    return digest_of(os.fsencode(os.readlink(name, dir_fd=fd)))


def open_below(root: int, path: str) -> int:
    """A folder below another, no link followed. Raises OSError."""
    fd = os.dup(root)
    for name in path.split("/") if path else ():
        try:
            below = os.open(name, ENTER, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd


def digests_there(cache: DigestCache, part: str, *, verify: bool) -> Callable[[int, str, os.stat_result], str]:
    """Digests of files in a folder, by the cache or, with `verify`, always of their bytes."""

    def digest(folder: int, name: str, stat: os.stat_result) -> str:
        known = None if verify else cache.find(part, stat)
        if known is not None:
            return known
        began = time.time_ns()
        stat, found = digest_at(folder, name)
        cache.add(part, stat, found, began)
        return found

    return digest


def digest_at(folder: int, name: str) -> tuple[os.stat_result, str]:
    """The digest of a file in a folder, with the stat that it had before it was read. Raises OSError."""
    fd = os.open(name, _READ, dir_fd=folder)
    try:
        stat = os.fstat(fd)
        return stat, hash_descriptor(fd, stat.st_size)[0]
    finally:
        os.close(fd)
