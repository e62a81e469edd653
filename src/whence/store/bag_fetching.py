"""Files of a bag that lie elsewhere: fetched into the store, each held against every digest that the bag has of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import BinaryIO, NamedTuple

import msgspec

from ..rules.addresses import without_password
from ..rules.fetch_lists import address_of
from ..system.libraries import LibraryError
from ..system.remote_files import Remote, RemoteError
from .bag_check import Absent, Measured, SoundBag
from .bag_reading import BagError
from .bulk import Bulk
from .incoming import Incoming
from .layout import Store

_MODE = 0o644


class Unfetched(msgspec.Struct, frozen=True, kw_only=True):
    """A file that could not be had, or was not asked for."""

    path: str
    """In the payload."""
    address: str
    because: str


class Fetching(NamedTuple):
    """What came of the files that a bag does not hold."""

    here: Mapping[str, Measured]
    """By path: what was fetched, and what the store held already."""
    unfetched: list[Unfetched]
    fetched: int
    """Files that were asked for."""
    objects: int
    """What the store did not hold before."""
    size: int


def fetch_absent(
    store: Store, bag: SoundBag, mask: Callable[[str], str], *, ask: bool, between: Callable[[], None]
) -> Fetching:
    """Have what can be had; without `ask` only what the store holds. Raises BagError for other bytes than those that
    the bag names, and StoreError; then nothing refers to what was kept so far."""
    bulk = Bulk(store)
    here: dict[str, Measured] = {}
    unfetched: list[Unfetched] = []
    fetched = 0
    with Incoming(store) as incoming:
        for path, absent in bag.absent.items():
            between()
            if absent.digest is not None and absent.size is not None and not bulk.needs(absent.digest, absent.size):
                here[path] = Measured(digest=absent.digest, size=absent.size, mode=_MODE)
                continue
            address = address_of(absent.uri)
            shown = mask(without_password(address))
            if not ask:
                unfetched.append(Unfetched(path=path, address=shown, because="it was not asked for"))
                continue
            try:
                entry = incoming.take(path, _Fill(bag, path, absent, address, shown))
            except (RemoteError, LibraryError) as error:
                unfetched.append(Unfetched(path=path, address=shown, because=mask(error.message)))
                continue
            here[path] = Measured(digest=entry.digest or "", size=entry.size, mode=_MODE)
            fetched += 1
    return Fetching(here, unfetched, fetched, incoming.objects, incoming.size)


class _Fill:
    """Writes one file, as far as it is what the bag says."""

    def __init__(self, bag: SoundBag, path: str, absent: Absent, address: str, shown: str) -> None:
        self._bag, self._path, self._absent = bag, path, absent
        self._address, self._shown = address, shown

    def __call__(self, out: BinaryIO) -> None:
        running = {name: hashlib.new(name, usedforsecurity=False) for name in self._absent.digests}
        size = 0
        for chunk in Remote(self._address, self._shown).chunks():
            size += len(chunk)
            if self._absent.size is not None and size > self._absent.size:
                raise self._other(f"is longer than the {self._absent.size} bytes that it should have")
            for one in running.values():
                one.update(chunk)
            out.write(chunk)
        if self._absent.size not in (None, size):
            raise self._other(f"has {size} bytes, expected {self._absent.size}")
        for name, expected in self._absent.digests.items():
            if (found := running[name].hexdigest()) != expected:
                raise self._other(f"has the {name} {found}, expected {expected}")

    def _other(self, what: str) -> BagError:
        return BagError(
            f"{self._bag.bag.path}: {self._path!r}, fetched from {self._shown}, {what}",
            hint="nothing of the bag was taken; `--reference` asks no address",
        )
