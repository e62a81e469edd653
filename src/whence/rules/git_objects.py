"""Git's objects as bytes: the identifier of a blob, the trees above blobs, and the commit that keeps a tree.

Modes are git's (octal). Identifiers are git's SHA-1, in hexadecimal.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ..digests import sha1

FILE = 0o100644
PROGRAM = 0o100755
LINK = 0o120000
FOLDER = 0o040000

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The tree without a file: a snapshot of nothing."""


class Blob(msgspec.Struct, frozen=True):
    """A file of a finished snapshot."""

    path: str
    mode: int
    blob: str


def path_bytes(path: str) -> bytes:
    """The bytes of a path on disk."""
    return path.encode("utf-8", "surrogateescape")


def blob_id(content: bytes) -> str:
    """The identifier that git gives these bytes."""
    return object_id("blob", content)


def object_id(kind: str, content: bytes) -> str:
    """The identifier of a git object (SHA-1 of `kind`, a blank, the length, NUL and the content)."""
    return sha1(b"%s %d\0" % (kind.encode(), len(content)) + content).hexdigest()


def build_trees(blobs: Iterable[Blob]) -> tuple[str, dict[str, bytes]]:
    """The identifier of the root tree, and every tree object by identifier.

    A file and a folder of one name cannot both be there: the folder wins, as on disk it could only be one of them.
    """
    folders: dict[bytes, dict[bytes, tuple[int, bytes]]] = {b"": {}}
    for file in blobs:
        parent, _, name = path_bytes(file.path).rpartition(b"/")
        if parent not in folders:
            _open_folder(folders, parent)
        folders[parent][name] = (file.mode, bytes.fromhex(file.blob))
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
            folders[parent][name] = (FOLDER, bytes.fromhex(tree))
    return tree, trees


def tree_content(members: dict[bytes, tuple[int, bytes]]) -> bytes:
    """A tree object: `mode name NUL id`, sorted as if names of folders ended with a slash."""
    ordered = sorted(members.items(), key=lambda item: item[0] + b"/" if item[1][0] == FOLDER else item[0])
    return b"".join(b"%o %s\0%s" % (mode, name, identifier) for name, (mode, identifier) in ordered)


def commit_content(tree: str) -> bytes:
    """A commit without parents that keeps a tree; the same for every run of that tree."""
    who = "whence <whence@localhost> 0 +0000"
    return f"tree {tree}\nauthor {who}\ncommitter {who}\n\nsnapshot\n".encode()
