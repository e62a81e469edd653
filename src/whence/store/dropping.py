"""Removing objects: what is dropped loses its bytes, and nothing else does.

A pack that holds some of them is written anew without them before it is removed, so every other object is there at any
moment. A process that adds at the same time may count on what is dropped: who adds to a dataset does it in `adding`,
and who drops in `adding_nothing`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Generator
from contextlib import contextmanager

from ..digests import digest_of
from ..errors import FormatError, StoreError
from ..ids import new_id
from ..system.files import sync_folder
from ..system.locks import alone, entered
from .bulk import unwritable
from .layout import Store
from .objects import object_path
from .pack_format import Member
from .pack_writer import PackWriter
from .packs import Pack, members_of, packs_of


@contextmanager
def adding(store: Store) -> Generator[None]:
    """What the store holds is not dropped meanwhile: from when it is asked for to when a version has it."""
    with entered(store.objects):
        yield


@contextmanager
def adding_nothing(store: Store) -> Generator[None]:
    """Nobody adds to a dataset meanwhile. Raises StoreError where somebody does."""
    with alone(store.objects) as nobody:
        if not nobody:
            raise StoreError(
                f"{store.path}: another process adds to a dataset, or its file system has no locks",
                hint="try it again when nobody does; nothing was removed",
            )
        yield


def drop_objects(store: Store, digests: Collection[str]) -> int:
    """Remove the objects, wherever they lie; how many bytes of them there were.

    Raises StoreError, and FormatError for a pack in which something else is damaged: `verify` comes first.
    """
    try:
        freed = sum(_drop_file(store, digest) for digest in digests)
        freed += sum(_drop_from(store, pack, digests) for pack in packs_of(store).all())
    except OSError as error:
        raise unwritable(store, error) from error
    packs_of(store).look()
    return freed


def _drop_file(store: Store, digest: str) -> int:
    path = object_path(store, digest)
    try:
        size = path.stat().st_size
        path.unlink()
    except FileNotFoundError:
        return 0
    return size


def _drop_from(store: Store, pack: Pack, digests: Collection[str]) -> int:
    members = list(members_of(pack))
    left = [member for member in members if member.name not in digests]
    if len(left) == len(members):
        return 0
    if left:
        _pack_again(store, pack, left)
    os.unlink(pack.path)
    sync_folder(store.packs)
    return sum(member.size for member in members) - sum(member.size for member in left)


def _pack_again(store: Store, pack: Pack, members: list[Member]) -> None:
    writer = PackWriter(store, new_id(time.time_ns() // 1_000_000, os.urandom(10)))
    try:
        for member in members:
            data = pack.read(member.offset, member.size)
            found = digest_of(data)
            if found != member.name:
                what = f"found {found} ({len(data)} bytes), expected {member.name}; nothing was removed of it"
                raise FormatError(f"{pack.path}: {what}", hint="whence verify names everything that is damaged")
            writer.add(member.name, data)
        writer.finish()
    finally:
        writer.discard()
