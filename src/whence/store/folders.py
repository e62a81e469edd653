"""A folder that is being walked, by descriptor: what lies in it, in the order of a manifest."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .layout import LEFT_OUT, NAME

ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Files(NamedTuple):
    """What is no folder and lies between two folders, in the order of the manifest."""

    after: str
    """The folder before; nothing at the beginning."""
    entries: Sequence[os.DirEntry[str]]


class Below(NamedTuple):
    """A folder in a folder."""

    name: str
    empty: bool | None
    """Where its place in the manifest depends on it; else nobody has looked yet."""


class Folder:
    """One that is open. `store` is the inode of the store, which is left out."""

    def __init__(self, fd: int, path: str, store: tuple[int, int]) -> None:
        self.fd = fd
        self.path = path
        """Relative to what is walked, with a slash at its end; empty for that itself."""
        self._before = os.fstat(fd)
        self.left_out: list[str] = []
        """The names of what is no data, and is not listed."""
        listed = _listed(fd, store, self.left_out)
        self.empty = not listed
        self.parts = _parts(_in_order(fd, listed, store))

    def changed(self) -> bool:
        """Whether a name in it came, went or is another since it was listed."""
        return os.fstat(self.fd).st_mtime_ns != self._before.st_mtime_ns

    def close(self) -> None:
        os.close(self.fd)


_Keyed = tuple[str, os.DirEntry[str]]
"""By its name, with a slash where what is listed of a folder lies below it."""


def _listed(fd: int, store: tuple[int, int], left_out: list[str]) -> list[_Keyed]:
    found: list[_Keyed] = []
    with os.scandir(fd) as scan:
        for entry in scan:
            name = entry.name
            if name == LEFT_OUT:
                left_out.append(name)
            elif not entry.is_dir(follow_symlinks=False):
                if name != NAME:
                    found.append((name, entry))
            elif name != NAME and not (entry.inode() == store[1] and os.fstat(fd).st_dev == store[0]):
                found.append((f"{name}/", entry))
    return found


def _in_order(fd: int, keyed: list[_Keyed], store: tuple[int, int]) -> list[_Keyed]:
    """By the bytes of the paths at and below each: those below a folder have a slash more, but not an empty one."""
    keyed = _sorted(keyed)
    before, moved = "", False
    for at, (key, entry) in enumerate(keyed):
        # Only then something stands between the folder itself and what lies in it.
        if before and _is_between(before, key) and _is_empty(fd, entry.name, store):
            keyed[at] = entry.name, entry
            moved = True
        before = key
    return _sorted(keyed) if moved else keyed


def _is_between(before: str, key: str) -> bool:
    """Whether what stands before a folder in the order would stand behind it, were it empty."""
    return key[-1] == "/" and before.startswith(key[:-1])


def _sorted(keyed: list[_Keyed]) -> list[_Keyed]:
    if "".join([key for key, _ in keyed]).isascii():
        return sorted(keyed)
    return sorted(keyed, key=lambda one: os.fsencode(one[0]))


def _is_empty(above: int, name: str, store: tuple[int, int]) -> bool:
    fd = os.open(name, ENTER, dir_fd=above)
    try:
        return not _listed(fd, store, [])
    finally:
        os.close(fd)


def _parts(keyed: Sequence[_Keyed]) -> Iterator[Files | Below]:
    after, files, before = "", list[os.DirEntry[str]](), ""
    for key, entry in keyed:
        if not entry.is_dir(follow_symlinks=False):
            files.append(entry)
        else:
            if files:
                yield Files(after, files)
            looked = key[-1] != "/" or _is_between(before, key)
            yield Below(entry.name, key[-1] != "/" if looked else None)
            after, files = entry.name, []
        before = key
    if files:
        yield Files(after, files)
