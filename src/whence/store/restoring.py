"""Versions that expired and have all their bytes again, since these were added anew (docs/format.md, section 10)."""

from __future__ import annotations

from ..errors import FormatError, UnresolvedError
from ..records.dataset import Restored
from .dataset_acts import say_of_dataset
from .layout import Store
from .origins import holds_all
from .speaker import Speaker
from .tombstones import RESTORE, Tombstone, tombstones


def restore(store: Store, identifier: str, speaker: Speaker) -> list[str]:
    """Say of each version of a dataset that expired and is whole that it is; these versions. Call it after adding.

    Raises OSError.
    """
    found = [one for one in tombstones(store, identifier) if one.undone is None and _is_whole(store, one)]
    for one in found:
        body = Restored(version=one.body.version, manifest=one.body.manifest, size=one.body.size)
        say_of_dataset(store, identifier, RESTORE, body, prior=[one.digest], why=None, speaker=speaker)
    return [one.body.version for one in found]


def _is_whole(store: Store, tombstone: Tombstone) -> bool:
    try:
        return holds_all(store, tombstone.body.manifest)
    except (UnresolvedError, FormatError):
        return False
