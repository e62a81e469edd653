"""The lock files beside the code: found from the working folder upwards, read whole, held against what is installed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from ..digests import digest_of
from ..records.environment import Lock, Package
from ..rules.locks import (
    Format,
    compare,
    conda_platform,
    format_of,
    has_hashes,
    is_requirements,
    preference,
    read_lock,
    without_credentials,
)
from .attempts import FAULTS, reason
from .hostfiles import regular_bytes

LIMIT = 64 << 20
"""Bytes of a lock file; more is none."""

_ENTRIES = 4000
"""Names of a folder that are looked at: the working folder may be one of a million data files."""

_USUAL = ("uv.lock", "poetry.lock", "pdm.lock", "pixi.lock", "conda-lock.yml", "pylock.toml", "Pipfile.lock")
_USUAL_REQUIREMENTS = ("requirements.txt", "requirements.lock", "requirements-dev.txt", "requirements-dev.lock")

_WHOLE = ("requirements.txt", "requirements.lock")
"""Without hashes: what must be installed. Others, for tests or documentation, are held against what is."""


class Locks(msgspec.Struct, kw_only=True):
    """The locks of the nearest folder that has any, the preferred first."""

    locks: list[Lock] = []
    kept: dict[str, bytes] = {}
    """The bytes to keep, by their digest."""


def read_locks(cwd: Path, root: Path, installed: Sequence[Package] | None) -> Locks:
    """The nearest lock files between the working folder and the root; `installed` is nothing when that is unknown."""
    for folder in _upwards(cwd, root):
        found = Locks()
        for kind, name in _candidates(folder):
            _read(found, kind, folder / name, root, installed)
        if found.locks:
            return found
    return Locks()


def _upwards(cwd: Path, root: Path) -> Iterator[Path]:
    """The working folder and its parents up to the root; outside the root the working folder alone."""
    yield cwd
    if cwd != root and cwd.is_relative_to(root):
        for parent in cwd.parents:
            yield parent
            if parent == root:
                return


def _candidates(folder: Path) -> list[tuple[Format, str]]:
    found: list[tuple[Format, str]] = [(kind, name) for name in _names(folder) if (kind := format_of(name))]
    return sorted(found, key=lambda one: (preference(one[0]), one[1] not in _WHOLE, one[1]))


def _names(folder: Path) -> list[str]:
    names: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                names.append(entry.name)
                if len(names) > _ENTRIES:
                    return [name for name in (*_USUAL, *_USUAL_REQUIREMENTS) if (folder / name).exists()]
    except OSError:
        return []
    return names


def _read(found: Locks, kind: Format, path: Path, root: Path, installed: Sequence[Package] | None) -> None:
    shown = os.fspath(path.relative_to(root)) if path.is_relative_to(root) else os.fspath(path)
    try:
        text = regular_bytes(path, LIMIT)
    except (OSError, ValueError) as error:
        found.locks.append(Lock(path=shown, format=kind, digest="", size=0, agrees=None, because=reason(error)))
        return
    if kind == "requirements" and not is_requirements(text):
        return
    kept = without_credentials(text)
    found.kept[digest_of(kept)] = kept
    found.locks.append(_held_against(shown, kind, text, digest_of(kept), installed))


def _held_against(shown: str, kind: Format, text: bytes, kept: str, installed: Sequence[Package] | None) -> Lock:
    lock = Lock(path=shown, format=kind, digest=digest_of(text), size=len(text), kept=kept, agrees=None)
    if installed is None:
        return replace(lock, because="no Python environment of the command was found to hold it against")
    uname = os.uname()
    try:
        locked = read_lock(kind, text, conda_platform(uname.sysname, uname.machine))
        if kind == "requirements" and not has_hashes(text) and os.path.basename(shown) not in _WHOLE:
            locked = replace(locked, needed=frozenset())
        agreement = compare(locked, installed)
    except FAULTS as error:
        return replace(lock, because=f"it could not be read: {reason(error)}")
    compared = replace(lock, mismatches=agreement.mismatches, unlocked=agreement.unlocked)
    if locked.unpinned and not agreement.mismatches:
        return replace(compared, because=_partly(locked.unpinned))
    return replace(compared, agrees=not agreement.mismatches)


def _partly(unpinned: Sequence[str]) -> str:
    more = f" and {len(unpinned) - 3} more" if len(unpinned) > 3 else ""
    return f"what it pins agrees with what is installed; not pinned to a version: {', '.join(unpinned[:3])}{more}"
