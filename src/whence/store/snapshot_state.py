"""What earlier snapshots of a folder taught, so that the same tree costs nothing again. Derived; may be deleted.

A row says that a path with this stat identity had these bytes; `known` says which blobs are in `code.git`, with their
digests. A row is only kept when the file was last changed two seconds before it was read, so that a second edit
within one tick of the file system's clock is never missed.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from ..digests import sha256
from ..system.files import make_folders, read_regular, write_whole

RACY = 2_000_000_000
"""Nanoseconds."""
_VERSION = 1
_MOST_KNOWN = 200_000

Identity = tuple[int, int, int, int, int]


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A path as it was read: device, inode, size, mtime, ctime; `blob` is nothing for a file that was left out."""

    path: bytes
    stat: Identity
    blob: bytes | None
    digest: str
    judged: bytes = b""
    """By what it was found to hold no secret (`Secrets.judgement`); nothing of a file that was not asked about."""


class Known(msgspec.Struct, frozen=True, array_like=True):
    """A blob that is in `code.git`."""

    blob: bytes
    digest: bytes
    size: int


class Finished(msgspec.Struct, frozen=True, array_like=True):
    """The digest of a snapshot: tree and what was left out -> manifest."""

    key: str
    digest: str


class Stripped(msgspec.Struct, frozen=True, array_like=True):
    """A notebook's blob -> the blob of what counts of it; itself when it is no notebook."""

    blob: bytes
    code: bytes


class State(msgspec.Struct, array_like=True):
    """All of it, for one folder."""

    version: int = _VERSION
    repository: tuple[int, int] = (0, 0)
    rows: list[Row] = []
    known: list[Known] = []
    trees: list[bytes] = []
    finished: list[Finished] = []
    stripped: list[Stripped] = []


def identity_of(stat: os.stat_result) -> Identity:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def state_path(cache: Path, root: str) -> Path:
    """One file a folder; named by the folder, so that two worktrees of one repository do not take turns."""
    return cache / "code" / sha256(os.fsencode(root)).hexdigest()[:32]


def load_state(path: Path, code_git: Path) -> State:
    """The state, or an empty one when there is none, it is damaged, or it speaks of another `code.git`."""
    repository = _repository_identity(code_git)
    try:
        state = msgspec.msgpack.decode(read_regular(path), type=State)
    except (OSError, msgspec.DecodeError):
        return State(repository=repository)
    same = state.version == _VERSION and state.repository == repository
    return state if same else State(repository=repository)


def _repository_identity(code_git: Path) -> tuple[int, int]:
    """Of the file that is written once, when the repository is made; an inode alone may be used again."""
    try:
        stat = os.stat(code_git / "config")
    except OSError:
        return 0, 0
    return stat.st_ino, stat.st_mtime_ns


def save_state(path: Path, state: State) -> None:
    """Replace the state; a disk that is full or a folder that may not be written only costs time later."""
    if len(state.known) > _MOST_KNOWN:
        state.known = state.known[-_MOST_KNOWN:]
    try:
        make_folders(path.parent, within=path.parents[2])
        write_whole(path, msgspec.msgpack.encode(state))
    except OSError:
        return
