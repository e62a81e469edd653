"""The installed distribution that a command runs, where no checkout has its code: its files, as its RECORD lists them.

RECORD names every file of a distribution with its digest ("Recording installed projects" of the Python Packaging User
Guide). Its own bytes differ between environments (scripts, caches), so the identity is that of the files it brought.
"""

from __future__ import annotations

import csv
import os
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..digests import digest_of, sha256
from ..records.base import Missing
from ..records.code import Entry
from ..rules.packages import from_folder
from ..system.files import read_regular
from ..system.processes import find_program
from .attempts import Attempts
from .hostfiles import regular_bytes
from .python_environment import command_environment

LARGEST = 32 << 20
"""Bytes of files that are read; of a larger distribution what RECORD says is taken."""

_RECORD_LIMIT = 16 << 20
_SECONDS = 3.0


class Distribution(NamedTuple):
    """What was found; `changed` are the files that are not as they were installed."""

    name: str
    version: str
    digest: str
    changed: tuple[str, ...]

    @property
    def id(self) -> str:
        return f"package:{self.name}=={self.version}#{self.digest}"


class _File(NamedTuple):
    path: str
    digest: str
    """`sha256=` and URL-safe base64 without padding, as RECORD writes it."""
    size: int


def find_distribution(
    entry: Entry, argv: Sequence[str], cwd: Path, environ: Mapping[str, str]
) -> tuple[Distribution | None, list[Missing]]:
    """The distribution that a module or console script belongs to; nothing when it belongs to none.

    Costs a read of each RECORD in the environment, some 10 ms for 100 packages, and of the distribution's files.
    """
    attempts = Attempts(_SECONDS)
    if entry.kind not in ("module", "console_script"):
        return None, []
    found = attempts.attempt("code.id", lambda: _find(entry, argv, cwd, environ, attempts), None)
    if found is not None and found.changed:
        listed = ", ".join(found.changed[:5])
        attempts.failed("code.version", f"files of {found.name} {found.version} were changed after it: {listed}")
    return found, attempts.missing


def _find(
    entry: Entry, argv: Sequence[str], cwd: Path, environ: Mapping[str, str], attempts: Attempts
) -> Distribution | None:
    for folder in _folders(entry, argv, cwd, environ, attempts):
        wanted = _wanted(entry, folder)
        for info in sorted(name for name in _names(folder) if name.endswith(".dist-info")):
            rows = _record(f"{folder}/{info}")
            named = from_folder(info)
            if named and not wanted.isdisjoint(row[0] for row in rows):
                return _distribution(*named, folder, list(_own(rows)))
    return None


def _folders(
    entry: Entry, argv: Sequence[str], cwd: Path, environ: Mapping[str, str], attempts: Attempts
) -> Sequence[str]:
    above = Path(entry.path).parents if entry.path else ()
    inside = [os.fspath(folder) for folder in above if folder.name in ("site-packages", "dist-packages")]
    if inside:
        return inside[:1]
    script = entry.path if entry.kind == "console_script" else None
    program = script or find_program(argv[0], environ)
    found = command_environment(program, [script] if script else argv, cwd, environ, attempts) if program else None
    return found.folders if found else ()


def _wanted(entry: Entry, folder: str) -> set[str]:
    """The paths, as RECORD writes them, that show that a distribution brought the entry."""
    if entry.kind == "console_script":
        real = os.path.realpath(folder)
        return {os.path.relpath(entry.path or "", folder), os.path.relpath(entry.path or "", real)}
    path = (entry.name or "").replace(".", "/")
    return {f"{path}.py", f"{path}/__main__.py"}


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _record(info: str) -> list[tuple[str, str, int]]:
    """The rows of a RECORD; none for what was not installed from a wheel, or is an editable checkout."""
    try:
        if b'"editable": true' in regular_bytes(f"{info}/direct_url.json", _RECORD_LIMIT):
            return []
    except OSError:
        pass  # It came from an index.
    try:
        text = regular_bytes(f"{info}/RECORD", _RECORD_LIMIT).decode("utf-8", "surrogateescape")
    except (OSError, ValueError):
        return []
    rows = [row for row in csv.reader(text.splitlines()) if len(row) == 3]
    return [(path, digest, int(size) if size.isdigit() else 0) for path, digest, size in rows]


def _own(rows: Sequence[tuple[str, str, int]]) -> Iterator[_File]:
    """The files that the wheel brought, without what the installer wrote beside them."""
    for path, digest, size in sorted(rows):
        if digest.startswith("sha256=") and not path.startswith("..") and ".dist-info/" not in path:
            yield _File(path, digest, size)


def _distribution(name: str, version: str, folder: str, files: Sequence[_File]) -> Distribution:
    if sum(file.size for file in files) > LARGEST:
        there = list(files)
    else:
        there = [file._replace(digest=_digest(f"{folder}/{file.path}")) for file in files]
    changed = tuple(file.path for file, now in zip(files, there, strict=True) if file.digest != now.digest)
    listed = "".join(f"{file.path},{file.digest}\n" for file in there)
    return Distribution(name, version, digest_of(listed.encode("utf-8", "surrogateescape")), changed)


def _digest(path: str) -> str:
    """As RECORD writes it; nothing for a file that cannot be read."""
    try:
        content = sha256(read_regular(path)).digest()
    except OSError:
        return ""
    return "sha256=" + urlsafe_b64encode(content).decode().rstrip("=")
