"""Checks objects: each file by its name, each member of a pack, and that every one is there that a record says is kept.

Of a pack whose index is damaged the members are found by their headers, as every reader does.
"""

from __future__ import annotations

import os

from ..digests import digest_of, is_digest
from ..system.files import hash_file
from .checking import Check
from .layout import Store
from .pack_format import BLOCK, Member, member_name, read_header
from .packs import Pack, members_of, packs_of
from .tombstones import expired_objects


def check_objects(check: Check, *, everything: bool) -> None:
    """The objects that the checked runs name; with `everything` those that none names, too."""
    there = _object_digests(check.store)
    for digest, place in sorted(there.items()):
        if everything or digest in check.named:
            check.objects += 1
            _check_object(check, digest, place)
    for name, because in packs_of(check.store).unread().items():
        check.add(f"packs/{name}", f"cannot be read: {because}, expected a pack")
    packed = {member.name for pack in packs_of(check.store).all() for member in _check_pack(check, pack, everything)}
    absent = set(check.kept) - set(there) - packed
    for digest in sorted(absent - expired_objects(check.store) if absent else absent):
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


def _check_pack(check: Check, pack: Pack, everything: bool) -> list[Member]:
    """The members of a pack, after those that matter were read."""
    place = f"packs/{pack.path.name}"
    try:
        sound = pack.sound_rows() is not None
        members = list(members_of(pack))
        for member in members:
            if everything or member.name in check.named:
                check.objects += 1
                _check_member(check, pack, member, place)
    except OSError as error:
        check.add(place, f"cannot be read: {error.strerror}")
        return []
    if not sound:
        check.add(place, _index_fault(pack, members), _rest_on(check, members))
    return members


def _check_member(check: Check, pack: Pack, member: Member, place: str) -> None:
    where = f"{place}:{member_name(member.digest).decode()}"
    runs = check.named.get(member.name, set())
    data = pack.read(member.offset, member.size)
    found = digest_of(data)
    if found != member.name:
        check.add(where, f"found {found} ({len(data)} bytes), expected {member.name}", runs)
        return
    header = read_header(pack.read(member.offset - BLOCK, BLOCK))
    if header is None or header.digest != member.digest or header.size != member.size:
        check.add(where, "the header before its bytes was changed: tar does not find it, its bytes are sound", runs)


def _index_fault(pack: Pack, members: list[Member]) -> str:
    """An index that is not what was written, or is not there since the pack was cut."""
    end = max((member.offset + member.size for member in members), default=0)
    return (
        f"the index was cut or changed; {len(members)} objects were found by their headers, up to byte {end}"
        f" of {pack.size}; put a sound copy of the pack in its place"
    )


def _rest_on(check: Check, members: list[Member]) -> set[str]:
    return set[str]().union(*(check.named.get(member.name, set()) for member in members))


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
