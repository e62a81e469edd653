"""Datasets inside datasets: a version freezes the versions of its parts, whose files lie in a folder of it.

A part is one as long as its folder holds exactly its content; what changes a file there takes it out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from ..records.data import ManifestEntry
from ..records.dataset import Part
from .contents import Manifest, with_entries, without_entries

Parts = Callable[[str, str], Sequence[Part]]
"""The parts of a version, by the dataset's identifier and the version."""


def with_part(manifest: Manifest, content: Manifest, folder: str) -> list[ManifestEntry]:
    """The manifest with a part's content as the folder, in place of all that was there."""
    bare = without_entries(manifest, lambda path: path == folder or path.startswith(f"{folder}/"))
    return with_entries(bare, [replace(entry, path=f"{folder}/{entry.path}") for entry in content])


def intact(part: Part, manifest: Manifest, content: Manifest) -> bool:
    """Whether the folder of a part holds its content and nothing else."""
    start = f"{part.folder}/"
    there = [replace(entry, path=entry.path[len(start) :]) for entry in manifest if entry.path.startswith(start)]
    return there == list(content)


def cycle(identifier: str, part: Part, parts: Parts) -> list[str] | None:
    """The names on the way from a new part down to the dataset that it would become a part of; nothing if it is not
    there."""
    if part.dataset_id == identifier:
        return [part.dataset]
    for below in parts(part.dataset_id, part.version):
        if (way := cycle(identifier, below, parts)) is not None:
            return [part.dataset, *way]
    return None


def all_parts(parts: Iterable[Part], below: Parts, folder: str = "") -> list[Part]:
    """Parts, and theirs, each with its folder in the whole; those of one level in their order."""
    found: list[Part] = []
    for part in parts:
        place = f"{folder}/{part.folder}" if folder else part.folder
        found.append(replace(part, folder=place))
        found += all_parts(below(part.dataset_id, part.version), below, place)
    return found
