"""What is known of a version, as files of its own: no bytes of it move, and it need not have any left."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from ..errors import UsageError
from ..records.encoding import encode
from ..store.dataset_references import Found
from ..store.layout import Store
from ..store.objects import read_object
from ..system.files import write_new
from .dataset_view import tables_of, version_page

MANIFEST = "manifest.json"
"""The manifest itself: its SHA-256 is the identity of the version."""

VERSION = "version.json"


def write_metadata(store: Store, found: Found, folder: Path) -> list[Path]:
    """Write both files into a folder, which is made if it is not there; those that were not there with these bytes.

    Raises UsageError for another file of that name, UnresolvedError for a manifest that is not here, FormatError,
    OSError.
    """
    page = msgspec.to_builtins(version_page(store, found))
    told = {**page.pop("version"), **page, "tables": msgspec.to_builtins(tables_of(store, found.made))}
    wanted = {MANIFEST: read_object(store, found.made.manifest), VERSION: encode(told) + b"\n"}
    for name, data in wanted.items():
        if os.path.lexists(folder / name) and not _is(folder / name, data):
            raise UsageError(f"{folder / name}: found another file, expected none", hint="name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    return [folder / name for name, data in wanted.items() if write_new(folder / name, data)]


def _is(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data
