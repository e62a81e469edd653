"""The files of one run: in a folder, or wherever else they lie."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ..system.files import TEMPORARY, read_regular

SEAL = "seal.json"
RECORD = "record.json"


class RunFiles(Protocol):
    """The files of one run, wherever they lie."""

    def names(self) -> list[str]:
        """Every file, sorted; those of `acts/` with that prefix. No temporary ones."""
        ...

    def read(self, name: str) -> bytes:
        """The bytes of a file. Raises OSError, also for what is no regular file; FormatError for a damaged archive."""
        ...

    def size(self, name: str) -> int:
        """The length of a file. Raises FileNotFoundError."""
        ...

    def path(self, name: str) -> Path | None:
        """Where the file lies by itself; nothing inside an archive."""
        ...


class FolderFiles:
    """A run in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        found = [name for name in os.listdir(self._folder) if not name.startswith(TEMPORARY) and name != "acts"]
        return sorted(found + [f"acts/{name}" for name in listed(self._folder / "acts")])

    def read(self, name: str) -> bytes:
        return read_regular(self._folder / name)

    def size(self, name: str) -> int:
        return (self._folder / name).stat().st_size

    def path(self, name: str) -> Path | None:
        return self._folder / name


def written_beside(files: RunFiles) -> list[str]:
    """What is in a run's files beside its first journal: a writer that died before its first line left nothing. (A
    journal without a byte only claims a name.)"""
    names = [name for name in files.names() if name != "main.jsonl" and not name.startswith("acts/")]
    return [name for name in names if files.size(name)]


NEVER_CAME_TO_BE = "a run that never came to be: its writer died, or had no room, before the first line"


def came_to_be(files: RunFiles) -> bool:
    """Whether there is a run: its first line, or what is written only after that. Else the writer died before its first
    write, had no room for it, or is just about to write it. Costs a sealed run one system call."""
    with suppress(FileNotFoundError):
        if files.size(SEAL):
            return True
    names = files.names()
    begun = "main.jsonl" in names and b"\n" in files.read("main.jsonl")
    return begun or bool(written_beside(files))


class SpooledFiles:
    """A run in a spool, with what writers on other hosts have in the store."""

    def __init__(self, spool: Path, folder: Path) -> None:
        self._spool = FolderFiles(spool)
        self._store = FolderFiles(folder)
        self._here = set(self._spool.names())

    def names(self) -> list[str]:
        try:
            return sorted(self._here.union(self._store.names()))
        except FileNotFoundError:
            # Nothing was forwarded yet.
            return sorted(self._here)

    def read(self, name: str) -> bytes:
        return self._of(name).read(name)

    def size(self, name: str) -> int:
        return self._of(name).size(name)

    def path(self, name: str) -> Path | None:
        return self._of(name).path(name)

    def _of(self, name: str) -> FolderFiles:
        return self._spool if name in self._here else self._store


def listed(folder: Path) -> list[str]:
    """The names in a folder, without temporary ones; none where there is no folder."""
    try:
        return [name for name in os.listdir(folder) if not name.startswith(TEMPORARY)]
    except (FileNotFoundError, NotADirectoryError):
        return []
