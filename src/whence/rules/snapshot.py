"""The pure parts of a snapshot: what is planned, the manifest, and what a code id leaves out.

Paths are relative to the root of the snapshot, with `/`, undecodable bytes as surrogates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

import msgspec

from ..records.code import LeftOut
from ..records.data import ManifestEntry
from ..records.encoding import encode
from .git_objects import LINK, Blob, path_bytes


class Planned(msgspec.Struct, frozen=True):
    """A path of the snapshot; `blob` is nothing when its bytes must be read, else what git vouches for."""

    path: str
    mode: int
    blob: str | None
    tracked: bool


class Source(msgspec.Struct, frozen=True):
    """A repository of the user's that holds blobs of the plan; only ever read."""

    git_dir: str
    objects: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot is to hold, decided by `capture`, carried out by `store`."""

    root: str
    entries: tuple[Planned, ...]
    left_out: tuple[LeftOut, ...] = ()
    """Decided before anything was read: sockets, unreadable files, files kept elsewhere."""
    unlisted: bool = False
    """Whether some of it could not be listed: the snapshot is not of all that is there."""
    sources: tuple[Source, ...] = ()
    raw_head: str | None = None
    """The tree of the commit, when the folder is byte for byte that tree: nothing needs to be built."""
    head_tree: str | None = None
    git_tree: str | None = None
    """What git computes for the folder, when it is known without computing."""
    git_changes: tuple[str, ...] | None = None
    """The paths to hand to a scratch index for `git_tree`; nothing when that cannot be computed truthfully."""
    git_dir: str | None = None
    index: str | None = None
    """The user's index file; copied, never written."""
    filters: tuple[str, ...] = ()
    """Filters that apply to a path that differs; with one, `git_tree` cannot be known."""
    all_filters: tuple[str, ...] = ()
    """Every filter that the user's configuration names; none must run."""


_REFUSED = r"(?is)\.git|git~1"
_IGNORED = dict.fromkeys([*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF])
"""Code points that HFS+ ignores in a name (git, `utf8.c`, `next_hfs_char`)."""


def refused_by_git(path: str) -> bool:
    """Whether no tree may hold the path, as it could be written into a repository somewhere: `.git` in any case, its
    short name, and what NTFS or HFS+ take for either (git, `verify_path` and `is_ntfs_dotgit`)."""
    if path.isascii() and "git" not in path.lower():
        return False  # at once, for most of many
    return any(_is_refused(name) for name in path.split("/"))


def _is_refused(name: str) -> bool:
    # To NTFS a colon begins the name of a stream, and blanks and dots at the end are nothing.
    on_ntfs = re.split(r"[\\:]", name, maxsplit=1)[0].rstrip(" .")
    return any(re.fullmatch(_REFUSED, one) for one in (on_ntfs, name.translate(_IGNORED)))


def without_refused(plan: Plan, size: Callable[[str], int]) -> Plan:
    """The plan with such paths left out; git does not keep them either. `size` gives the bytes of a file."""
    refused = {entry.path for entry in plan.entries if not entry.tracked and refused_by_git(entry.path)}
    if not refused:
        return plan
    because = "git refuses a name that some file systems take for `.git`"
    left_out = [LeftOut(path=path, size=size(path), digest=None, because=because) for path in sorted(refused)]
    return msgspec.structs.replace(without(plan, refused), left_out=(*plan.left_out, *left_out))


def without(plan: Plan, paths: Collection[str]) -> Plan:
    """The plan without some of its untracked files."""
    return msgspec.structs.replace(
        plan,
        entries=tuple(entry for entry in plan.entries if entry.tracked or entry.path not in paths),
        git_changes=plan.git_changes and tuple(path for path in plan.git_changes if path not in paths),
    )


def manifest(blobs: Iterable[Blob], facts: Callable[[str], tuple[str, int]], left_out: Iterable[LeftOut]) -> bytes:
    """The folder's manifest of docs/format.md, section 1; `facts` gives digest and size of a blob.

    Files that were left out are in it too, as far as their digest is known: they are part of what was there.
    """
    entries = [_manifest_entry(blob, *facts(blob.blob)) for blob in blobs]
    entries += [
        ManifestEntry(
            path=item.path,
            kind="file" if item.digest else "unread",
            mode=0o644,
            size=item.size,
            digest=item.digest,
        )
        for item in left_out
    ]
    entries.sort(key=lambda entry: path_bytes(entry.path))
    return b"[\n" + b",\n".join(encode(entry) for entry in entries) + (b"\n]\n" if entries else b"]\n")


def _manifest_entry(blob: Blob, digest: str, size: int) -> ManifestEntry:
    kind = "link" if blob.mode == LINK else "file"
    mode = 0o777 if blob.mode == LINK else blob.mode & 0o777
    return ManifestEntry(path=blob.path, kind=kind, mode=mode, size=size, digest=digest)


DERIVED = ("__pycache__/", "*.pyc", ".ipynb_checkpoints/", ".pytest_cache/", ".mypy_cache/", ".ruff_cache/")
"""What tools derive from the code: it says nothing of the program, also where no .gitignore names it."""


def is_excluded(path: str, code_exclude: Sequence[str]) -> bool:
    """Whether the code id leaves the path out: something derived, or what `code_exclude` matches."""
    return matches(path, (*DERIVED, *code_exclude))


def matches(path: str, patterns: Sequence[str]) -> bool:
    """Whether a gitignore pattern matches: the path, its name, or a folder above it (`outputs/`, `*.log`)."""
    folder, _, name = path.rpartition("/")
    if folder and _folder_matches(folder, tuple(patterns)):
        return True
    return any(_matches_one(pattern, path, name) for pattern in patterns if not pattern.endswith("/"))


@lru_cache(maxsize=10_000)
def _folder_matches(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether one matches the folder, or one above it: the same for all its files."""
    above, _, name = path.rpartition("/")
    if above and _folder_matches(above, patterns):
        return True
    return any(_matches_one(pattern, path, name) for pattern in patterns)


def _matches_one(pattern: str, path: str, name: str) -> bool:
    anchored = "/" in pattern.rstrip("/")
    return fnmatchcase(path if anchored else name, pattern.strip("/"))
