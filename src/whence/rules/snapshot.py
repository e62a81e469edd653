"""The pure parts of a snapshot: what is planned, git's tree objects, the manifest, and what a code id leaves out.

Paths are relative to the root of the snapshot, with `/`, undecodable bytes as surrogates. Modes are git's: 100644,
100755 and 120000 (octal). Object identifiers are git's SHA-1, in hexadecimal.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, NamedTuple, cast

import msgspec

from ..records.code import LeftOut
from ..records.data import ManifestEntry
from ..records.encoding import encode

FILE = 0o100644
PROGRAM = 0o100755
LINK = 0o120000


class Planned(NamedTuple):
    """A path of the snapshot; `blob` is nothing when its bytes must be read, else what git vouches for."""

    path: str
    mode: int
    blob: str | None
    tracked: bool


class Source(NamedTuple):
    """A repository of the user's that holds blobs of the plan; only ever read."""

    git_dir: str
    objects: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot is to hold, decided by `capture`, carried out by `store`."""

    root: str
    entries: tuple[Planned, ...]
    left_out: tuple[LeftOut, ...] = ()
    """Decided before anything was read: sockets, unreadable files, files kept elsewhere."""
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


class Blob(NamedTuple):
    """A file of a finished snapshot."""

    path: str
    mode: int
    blob: str


_REFUSED = re.compile(r"(?is)\.git|git~1")
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
    return any(_REFUSED.fullmatch(one) for one in (on_ntfs, name.translate(_IGNORED)))


def without_refused(plan: Plan, size: Callable[[str], int]) -> Plan:
    """The plan with such paths left out; git does not keep them either. `size` gives the bytes of a file."""
    refused = {entry.path for entry in plan.entries if not entry.tracked and refused_by_git(entry.path)}
    if not refused:
        return plan
    because = "git refuses a name that some file systems take for `.git`"
    left_out = [LeftOut(path=path, size=size(path), digest=None, because=because) for path in sorted(refused)]
    changes = plan.git_changes and tuple(path for path in plan.git_changes if path not in refused)
    return msgspec.structs.replace(
        plan,
        entries=tuple(entry for entry in plan.entries if entry.path not in refused),
        left_out=(*plan.left_out, *left_out),
        git_changes=changes,
    )


def path_bytes(path: str) -> bytes:
    """The bytes of a path on disk."""
    return path.encode("utf-8", "surrogateescape")


def blob_id(content: bytes) -> str:
    """The identifier that git gives these bytes."""
    return object_id("blob", content)


def object_id(kind: str, content: bytes) -> str:
    """The identifier of a git object (SHA-1 of `kind`, a blank, the length, NUL and the content)."""
    return hashlib.sha1(b"%s %d\0" % (kind.encode(), len(content)) + content, usedforsecurity=False).hexdigest()


def build_trees(blobs: Iterable[Blob]) -> tuple[str, dict[str, bytes]]:
    """The identifier of the root tree, and every tree object by identifier.

    A file and a folder of one name cannot both be there: the folder wins, as on disk it could only be one of them.
    """
    folders: dict[bytes, dict[bytes, tuple[int, bytes]]] = {b"": {}}
    for path, mode, blob in blobs:
        parent, _, name = path_bytes(path).rpartition(b"/")
        if parent not in folders:
            _open_folder(folders, parent)
        folders[parent][name] = (mode, bytes.fromhex(blob))
    return _close_folders(folders)


def _open_folder(folders: dict[bytes, dict[bytes, tuple[int, bytes]]], path: bytes) -> None:
    while path not in folders:
        folders[path] = {}
        path = path.rpartition(b"/")[0]


def _close_folders(folders: dict[bytes, dict[bytes, tuple[int, bytes]]]) -> tuple[str, dict[str, bytes]]:
    trees: dict[str, bytes] = {}
    tree = ""
    # Deepest first: the empty path has no slash and comes last.
    for path in sorted(folders, key=lambda folder: folder.count(b"/") + bool(folder), reverse=True):
        content = tree_content(folders[path])
        tree = object_id("tree", content)
        trees[tree] = content
        if path:
            parent, _, name = path.rpartition(b"/")
            folders[parent][name] = (0o40000, bytes.fromhex(tree))
    return tree, trees


def tree_content(members: dict[bytes, tuple[int, bytes]]) -> bytes:
    """A tree object: `mode name NUL id`, sorted as if names of folders ended with a slash."""
    ordered = sorted(members.items(), key=lambda item: item[0] + b"/" if item[1][0] == 0o40000 else item[0])
    return b"".join(b"%o %s\0%s" % (mode, name, identifier) for name, (mode, identifier) in ordered)


def commit_content(tree: str) -> bytes:
    """A commit without parents that keeps a tree; the same for every run of that tree."""
    who = "whence <whence@localhost> 0 +0000"
    return f"tree {tree}\nauthor {who}\ncommitter {who}\n\nsnapshot\n".encode()


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
    """Whether a pattern of `code_exclude` matches: the path, its name, or a folder above it (`outputs/`, `*.log`)."""
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


def strip_notebook(content: bytes) -> bytes | None:
    """A notebook without what running it changes: outputs, execution counts, cell ids, widget state.

    Nothing when the bytes are not a notebook of format 4; then they stand for themselves.
    """
    try:
        notebook: Any = json.loads(content)
    except (ValueError, RecursionError):
        return None
    cells: Any = cast("dict[str, Any]", notebook).get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        return None
    source: dict[str, Any] = {
        "cells": [_strip_cell(cast("dict[str, Any]", c)) for c in cast("list[Any]", cells) if isinstance(c, dict)]
    }
    source["language"] = _language(cast("dict[str, Any]", notebook))
    return json.dumps(source, sort_keys=True, separators=(",", ":")).encode()


def _strip_cell(cell: dict[str, Any]) -> dict[str, Any]:
    source = cell.get("source", "")
    if isinstance(source, list):
        source = "".join(str(line) for line in cast("list[Any]", source))
    metadata = cell.get("metadata")
    attached: Any = cell.get("attachments")
    tags: Any = cast("dict[str, Any]", metadata).get("tags", []) if isinstance(metadata, dict) else []
    return {"type": cell.get("cell_type"), "source": source, "tags": tags, "attachments": attached}


def _language(notebook: dict[str, Any]) -> Any:
    """The kernel's language, without its version: that is the environment's business."""
    metadata = notebook.get("metadata")
    kernel: Any = cast("dict[str, Any]", metadata).get("kernelspec") if isinstance(metadata, dict) else None
    return cast("dict[str, Any]", kernel).get("language") if isinstance(kernel, dict) else None
