"""The manifest of a folder (docs/format.md, section 1): how a line is written, and which manifests may be followed.

A manifest may come from anywhere: what it says is held against the rules before a single file is made by it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence

from ..digests import is_digest
from ..records.data import ManifestEntry
from ..records.encoding import encode
from .git_objects import path_bytes

BEGIN, BETWEEN, END, EMPTY = b"[\n", b",\n", b"\n]\n", b"[\n]\n"


def manifest_line(path: str, kind: str, mode: int, size: int, digest: str | None) -> bytes:
    """One entry, as it stands in its line."""
    return b'[%s,"%s",%d,%d,%s]' % (
        encode(path), kind.encode(), mode, size, b"null" if digest is None else b'"%s"' % digest.encode()
    )  # fmt: skip


def encode_manifest(manifest: Sequence[ManifestEntry]) -> bytes:
    """The canonical bytes, whose digest is the identity of the content. The entries are in their order."""
    lines = (manifest_line(entry.path, entry.kind, entry.mode, entry.size, entry.digest) for entry in manifest)
    return BEGIN + BETWEEN.join(lines) + END if manifest else EMPTY


def shown_mode(mode: int) -> int:
    """The mode of a file as manifests have it: those that git knows, so that a copy under another umask is the same."""
    return 0o755 if mode & 0o100 else 0o644


def manifest_faults(entries: Iterable[ManifestEntry]) -> Iterator[str]:
    """Why a manifest must not be followed, each with the path: nothing may be made outside of the folder, or twice."""
    before, listed, folders = b"", set[str](), {""}
    for entry in entries:
        path, raw = entry.path, path_bytes(entry.path)
        head, _, name = path.rpartition("/")
        because = _name_fault(name) or _kind_fault(entry)
        if because is None and (head not in folders or path.startswith("/")):
            because = _folder_fault(path, listed)
        if because is None and raw <= before:
            because = "is listed twice, or not in the order of the bytes"
        if because is not None:
            yield f"{path!r} {because}"
            continue
        before = raw
        folders.add(head)
        listed.add(path)


def _kind_fault(entry: ManifestEntry) -> str | None:
    if entry.kind == "unread":
        return "was not read when the folder was recorded"
    if entry.kind == "folder":
        return None
    return None if entry.digest is not None and is_digest(entry.digest) else "has no digest"


def _folder_fault(path: str, listed: Container[str]) -> str | None:
    """What is wrong with the folders that a path lies in."""
    if path.startswith("/"):
        return "is an absolute path"
    parts = path.split("/")[:-1]
    faults = (_name_fault(part) for part in parts)
    if because := next((fault for fault in faults if fault is not None), None):
        return because
    above = ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
    blocked = next((folder for folder in above if folder in listed), None)
    return None if blocked is None else f"lies below {blocked!r}, which is listed itself"


def _name_fault(name: str) -> str | None:
    if name in ("", ".", ".."):
        return f"has the part {name!r} in it"
    if "\0" in name:
        return "has a NUL character in it"
    return "lies in a store" if name == ".whence" else None


def case_clashes(entries: Iterable[ManifestEntry]) -> Iterator[tuple[str, str]]:
    """Pairs of paths that are one where upper and lower case are not told apart; folders are looked at, too."""
    seen: dict[str, str] = {}
    for entry in entries:
        path = entry.path
        while path:
            first = seen.get(path.casefold())
            if first is not None:
                if first != path:
                    yield first, path
                break
            seen[path.casefold()] = path
            path = path.rpartition("/")[0]
