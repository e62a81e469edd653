"""Checks objects: each file by its name, and that every one is there that a record says is kept."""

from __future__ import annotations

import os

from ..digests import is_digest
from ..system.files import hash_file
from .checking import Check
from .layout import Store


def check_objects(check: Check, *, everything: bool) -> None:
    """The objects that the checked runs name; with `everything` those that none names, too."""
    there = _object_digests(check.store)
    for digest, place in sorted(there.items()):
        if everything or digest in check.named:
            check.objects += 1
            _check_object(check, digest, place)
    for digest in sorted(set(check.kept) - set(there)):
        place = f"objects/sha256/{digest[7:9]}/{digest[9:]}"
        check.add(place, f"not there, expected {digest}", check.kept[digest])


def _check_object(check: Check, digest: str, place: str) -> None:
    runs = check.named.get(digest, set())
    try:
        found = hash_file(check.store.path / place, follow=False)
    except OSError as error:
        check.add(place, f"cannot be read: {error.strerror}, expected {digest}", runs)
        return
    if found.digest != digest:
        check.add(place, f"found {found.digest} ({found.size} bytes), expected {digest}", runs)


def _object_digests(store: Store) -> dict[str, str]:
    """Digest -> path inside the store, by the names of the files; other names are not ours."""
    found: dict[str, str] = {}
    for shard in _listed(store.objects):
        for name in _listed(store.objects / shard):
            if is_digest(f"sha256:{shard}{name}"):
                found[f"sha256:{shard}{name}"] = f"objects/sha256/{shard}/{name}"
    return found


def _listed(folder: os.PathLike[str]) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
