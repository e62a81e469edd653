"""A program's calls, done for real and noted as the answerer would note them: the identity is taken right before each.

What is done goes through the same `open`, `rename`, … as in any program; `records` are the tuples of the ring.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

Identity = tuple[int, int, int, int, int, int]


def identity(path: Path | str, *, follow: bool = True) -> Identity | None:
    try:
        stat = os.stat(path, follow_symlinks=follow)
    except OSError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_mode, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


NAMING = ("rename", "link", "unlink")
"""Calls that do not follow a link at the end of a path."""


def real(path: bytes, follow: bool) -> bytes:
    """A path without links, as the answerer says it."""
    folder, name = os.path.split(path)
    return os.path.realpath(path) if follow else os.path.realpath(folder) + b"/" + name


class Stage:
    """Calls of one or several processes, in a folder; paths are relative to it or absolute."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records: list[tuple[Any, ...]] = []

    def note(
        self, op: str, path: Path | str | bytes, other: Path | str | bytes = b"", flags: int = 0, **known: Any
    ) -> None:
        """A record without its call; `pid`, `identity`, `late` and `because` where the answerer would say others."""
        place = path if isinstance(path, bytes) else os.fsencode(self.folder / path)
        target = other if isinstance(other, bytes) else os.fsencode(self.folder / other)
        known.setdefault("identity", identity(os.fsdecode(place)))
        known.setdefault("real", b"" if not other and place == path else real(place, op not in NAMING))
        number = len(self.records)
        self.records.append(
            (number, number / 1000, known.get("pid", 100), op, place, target, flags, known["identity"],
             known.get("late", False), known.get("because", ""), known.get("replaced"),
             known["real"], real(target, False) if other else b"")
        )  # fmt: skip

    def open(self, path: Path | str, flags: int) -> int:
        """Any open, noted under the word that its flags have; the descriptor, or -1 where it fails."""
        writing, emptying = flags & os.O_ACCMODE, flags & (os.O_CREAT | os.O_TRUNC)
        op = "create" if emptying else "update" if writing == os.O_RDWR else "write" if writing else "read"
        self.note(op, path, flags=flags)
        try:
            return os.open(self.folder / path, flags, 0o666)
        except OSError:
            return -1

    def read(self, path: Path | str) -> bytes:
        fd = self.open(path, os.O_RDONLY)
        if fd < 0:
            return b""
        with os.fdopen(fd, "rb") as file:
            return file.read()

    def write(self, path: Path | str, content: bytes, flags: int = os.O_CREAT | os.O_TRUNC | os.O_WRONLY) -> None:
        fd = self.open(path, flags)
        with os.fdopen(fd, "wb") as file:
            file.write(content)

    def append(self, path: Path | str, content: bytes) -> None:
        self.write(path, content, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def update(self, path: Path | str, content: bytes = b"") -> None:
        """Open to read and write; write at the beginning if there is something to write."""
        fd = self.open(path, os.O_RDWR)
        if content:
            os.pwrite(fd, content, 0)
        os.close(fd)

    def rename(self, path: Path | str, other: Path | str, flags: int = 0) -> None:
        self.note_pair("rename", path, other, flags)
        os.rename(self.folder / path, self.folder / other)

    def link(self, path: Path | str, other: Path | str) -> None:
        self.note_pair("link", path, other)
        os.link(self.folder / path, self.folder / other)

    def note_pair(self, op: str, path: Path | str, other: Path | str, flags: int = 0) -> None:
        """A record of two names without its call."""
        there, replaced = (identity(self.folder / name, follow=False) for name in (path, other))
        self.note(op, path, other, flags, identity=there, replaced=replaced)

    def unlink(self, path: Path | str) -> None:
        self.note("unlink", path)
        os.unlink(self.folder / path)

    def truncate(self, path: Path | str, size: int) -> None:
        self.note("truncate", path)
        os.truncate(self.folder / path, size)

    def execute(self, path: Path | str) -> None:
        self.note("execute", path)

    def connect(self, address: str) -> None:
        self.note("connect", address.encode(), identity=None)
