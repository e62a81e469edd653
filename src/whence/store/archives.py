"""Runs of an old month in `runs/<month>.zip`, and how one of them is read (docs/format.md, section 1)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FormatError
from ..ids import is_id
from ..system.files import open_regular
from .layout import Store
from .run_files import listed

if TYPE_CHECKING:
    from zipfile import ZipFile

ARCHIVE = r"(\d{4}-\d{2})\.zip"
"""How the files are named."""


class ArchivedFiles:
    """A run in `runs/<month>.zip`."""

    def __init__(self, archive: Path, members: Mapping[str, str]) -> None:
        self._archive = archive
        self._members = members

    def names(self) -> list[str]:
        return sorted(self._members)

    def read(self, name: str) -> bytes:
        from zipfile import BadZipFile
        from zlib import error as BadDeflate

        member = self._member(name)
        try:
            return _opened(self._archive).read(member)
        except (BadZipFile, BadDeflate, EOFError) as error:
            raise FormatError(f"{self._archive}:{member}: {error}") from error

    def size(self, name: str) -> int:
        return _opened(self._archive).getinfo(self._member(name)).file_size

    def path(self, name: str) -> Path | None:
        return None

    def _member(self, name: str) -> str:
        try:
            return self._members[name]
        except KeyError:
            raise FileNotFoundError(2, "no such member", f"{self._archive}:{name}") from None


def _opened(archive: Path) -> ZipFile:
    stat = archive.stat()
    return _archive(str(archive), stat.st_mtime_ns, stat.st_size)[0]


@lru_cache(maxsize=4)
def _archive(path: str, changed: int, size: int) -> tuple[ZipFile, dict[str, dict[str, str]]]:
    """The open archive, and of each run its members by name. Reading its directory costs 10 us a member."""
    # zipfile costs 15 ms to import and most stores have no archive.
    from zipfile import BadZipFile, ZipFile

    file = os.fdopen(open_regular(path), "rb")
    try:
        archive = ZipFile(file)
    except BadZipFile as error:
        file.close()
        raise FormatError(f"{path}: {error}, expected an archive of runs") from error
    runs: dict[str, dict[str, str]] = {}
    for member in archive.namelist():
        _, _, rest = member.partition("/")
        run, _, name = rest.partition("/")
        if is_id(run) and name and not name.endswith("/"):
            runs.setdefault(run, {})[name] = member
    return archive, runs


def archived_runs(path: Path) -> dict[str, dict[str, str]]:
    """Run -> its members by name. Raises FormatError for what is no archive, or cannot be read."""
    try:
        stat = path.stat()
        return _archive(str(path), stat.st_mtime_ns, stat.st_size)[1]
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror}, expected an archive of runs") from error


def archive_files(store: Store) -> list[Path]:
    """Every `runs/<month>.zip`, oldest first."""
    return [store.runs / name for name in sorted(listed(store.runs)) if re.fullmatch(ARCHIVE, name)]


def unreadable_archives(store: Store) -> list[str]:
    """A sentence for each archive that cannot be read: its runs are not listed."""
    faults: list[str] = []
    for path in archive_files(store):
        try:
            archived_runs(path)
        except FormatError as error:
            faults.append(error.message)
    return faults


def runs_in(path: Path) -> dict[str, dict[str, str]]:
    """Nothing for what is no archive: the other runs can still be read, and `verify` names it."""
    try:
        return archived_runs(path)
    except FormatError:
        return {}
