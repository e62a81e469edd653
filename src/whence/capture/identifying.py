"""What the world outside calls a local file, found beside it, and held against its bytes where that can be."""

from __future__ import annotations

import os
import stat as modes
from pathlib import Path

from msgspec.structs import replace

from ..handlers import let_pass
from ..records.data import Identifier
from ..rules.identifiers import POINTER, of_dvc, of_hub_cache, of_pointer
from ..system.files import read_regular

READ_AGAIN = 256 << 20
"""Bytes: a larger file is not read a second time for a digest of another kind."""


def identify(absolute: str, stat: os.stat_result | None) -> Identifier | None:
    """Of a file or folder; nothing where nobody has another name for it."""
    try:
        return of_hub_cache(os.path.realpath(absolute), absolute) or _of_pointer(absolute, stat) or _of_dvc(absolute)
    except (OSError, ValueError) as error:
        let_pass(error)
        return None


def _of_pointer(absolute: str, stat: os.stat_result | None) -> Identifier | None:
    if stat is None or not modes.S_ISREG(stat.st_mode) or not 0 < stat.st_size <= POINTER:
        return None
    return of_pointer(read_regular(absolute, POINTER))


def _of_dvc(absolute: str) -> Identifier | None:
    pointer = absolute.rstrip("/") + ".dvc"
    return of_dvc(read_regular(pointer, 1 << 16), os.path.basename(pointer[:-4])) if os.path.isfile(pointer) else None


def checked(identifier: Identifier | None, absolute: str, digest: str, size: int) -> Identifier | None:
    """The identifier, with whether the bytes are those that it means; of a file of Git LFS itself, what its store
    calls it."""
    if identifier is None:
        return _of_lfs_store(absolute, digest)
    return replace(identifier, checked=_is_of(identifier, absolute, digest, size))


def _is_of(identifier: Identifier, absolute: str, digest: str, size: int) -> bool:
    match identifier.scheme:
        case "sha256":
            return f"sha256:{identifier.value.lower()}" == digest
        case "git-lfs":
            return identifier.value == digest
        case "hf":
            # A large file's blob has its SHA-256 as its name; a small one's is git's own, which says nothing here.
            return f"sha256:{os.path.basename(os.path.realpath(absolute))}" == digest
        case "dvc-md5" | "md5" if size <= READ_AGAIN and os.path.isfile(absolute):
            return _md5(absolute) == identifier.value.lower()
        case _:
            return False


def _md5(absolute: str) -> str | None:
    import hashlib  # OpenSSL, for what has an MD5 beside it

    try:
        with Path(absolute).open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError as error:
        let_pass(error)
        return None


def _of_lfs_store(absolute: str, digest: str) -> Identifier | None:
    """Where the repository's own store of Git LFS has these bytes, it is the file's name there."""
    name = digest.removeprefix("sha256:")
    folder = os.path.dirname(absolute)
    while folder != (above := os.path.dirname(folder)):
        if os.path.isdir(os.path.join(folder, ".git")):
            there = os.path.exists(os.path.join(folder, ".git/lfs/objects", name[:2], name[2:4], name))
            return Identifier(scheme="git-lfs", value=digest, checked=True) if there else None
        folder = above
    return None


def identified(absolute: str, digest: str, size: int) -> Identifier | None:
    """Both: what it is called, and whether its bytes are that."""
    try:
        stat = os.stat(absolute)
    except OSError:
        return None
    return checked(identify(absolute, stat), absolute, digest, size)
