"""Taking what a sound bag holds into the store. What is taken is held against its digest once more on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import BinaryIO

import msgspec

from ..digests import digest_of
from ..rules.bags import PAYLOAD
from .bag_check import Measured, SoundBag
from .bag_reading import BagError, reading
from .bulk import SMALL, Bulk
from .layout import Store


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What the store did not hold before, or held damaged."""

    objects: int
    size: int


def take_payload(
    store: Store, bag: SoundBag, texts: Mapping[str, bytes], between: Callable[[], None] = lambda: None
) -> Taken:
    """Keep every file of the payload, and these texts by digest; all is on the disk then. What the store holds already
    is read, and replaced where it is damaged.

    Raises BagError, StoreError.
    """
    bulk = Bulk(store)
    try:
        with reading(bag.bag.path):
            for path, stream in bag.bag.streams():
                between()
                if path.startswith(PAYLOAD):
                    _take(bulk, bag, path, bag.payload[path[len(PAYLOAD) :]], stream)
        for digest, text in texts.items():
            bulk.put(digest, text)
        bulk.finish()
    finally:
        bulk.discard()
    return Taken(objects=bulk.objects, size=bulk.size)


def _take(bulk: Bulk, bag: SoundBag, path: str, expected: Measured, stream: BinaryIO) -> None:
    needed = bulk.needs(expected.digest, expected.size)
    damaged = not needed and bulk.is_damaged(expected.digest)
    if not needed and not damaged:
        return
    if expected.size <= SMALL:
        data = stream.read(SMALL + 1)
        found = digest_of(data)
        if found == expected.digest:
            (bulk.mend if damaged else bulk.put)(found, data)
            return
    else:
        copied = bulk.receive(stream)
        found = copied.digest
        if found == expected.digest:
            (bulk.mend_large if damaged else bulk.place)(copied)
            return
        copied.discard()
    raise BagError(
        f"{bag.bag.path}: {path!r} changed while it was imported", hint="import it when nothing writes to it"
    )
