"""Versions whose bytes were removed, and what says so (docs/format.md, section 10)."""

from __future__ import annotations

import msgspec

from ..errors import FormatError, UnresolvedError
from ..records.act import Act
from ..records.dataset import Expired, Imported
from ..records.encoding import convert
from .dataset_acts import dataset_acts
from .datasets import dataset_ids, load_history
from .layout import Store
from .manifests import read_manifest

EXPIRE = "expire"
IMPORT = "import"
RESTORE = "restore"


class Tombstone(msgspec.Struct, frozen=True, kw_only=True):
    """An act that says that bytes of a version were removed, and the one that says that they are back, if one does."""

    digest: str
    """Of the act."""
    act: Act
    body: Expired
    undone: Act | None = None

    def __str__(self) -> str:
        why = f": {self.act.why}" if self.act.why else ""
        return f"expired {self.act.at[:19].replace('T', ' ')} UTC by {_who(self.act)}{why}"


def archive_of(act: Act) -> str | None:
    """The name of the file that an import was made of; nothing for another act."""
    return convert(act.body, Imported).archive if act.kind == IMPORT else None


def _who(act: Act) -> str:
    return act.by.name or act.by.user or "somebody"


def tombstones(store: Store, identifier: str) -> list[Tombstone]:
    """All of a dataset, the oldest first."""
    acts = dataset_acts(store, identifier)
    undone = {prior: act for _, act in acts if act.kind in (IMPORT, RESTORE) for prior in act.prior}
    found: list[Tombstone] = []
    for digest, act in acts:
        if act.kind == EXPIRE:
            try:
                body = convert(act.body, Expired)
            except FormatError:
                continue  # of a later version of the format
            found.append(Tombstone(digest=digest, act=act, body=body, undone=undone.get(digest)))
    return found


def standing(store: Store, identifier: str, manifest: str) -> list[Tombstone]:
    """The tombstones of a content that nothing has undone since: of each version that has it."""
    return [one for one in tombstones(store, identifier) if one.undone is None and one.body.manifest == manifest]


def tombstone_of(store: Store, identifier: str, version: str, manifest: str) -> Tombstone | None:
    """The one of a version that nothing has undone since."""
    found = [one for one in standing(store, identifier, manifest) if one.body.version == version]
    return found[-1] if found else None


def expired_versions(store: Store, identifier: str) -> set[tuple[str, str]]:
    """(version, manifest) of each version of a dataset that needs its bytes no more."""
    known = (one for one in tombstones(store, identifier) if one.undone is None)
    return {(one.body.version, one.body.manifest) for one in known}


def expired_with(store: Store, digest: str) -> str | None:
    """`cifar@1.0.0 expired …`: what stands about a version that is this content, or has it; the last one that is found.

    Costs a read of the manifests of all that expired."""
    found: str | None = None
    for identifier in dataset_ids(store):
        for one in tombstones(store, identifier):
            if one.undone is None and (one.body.manifest == digest or digest in _objects_of(store, one.body.manifest)):
                history = load_history(store, identifier)
                found = f"{history.name if history else identifier}@{one.body.version} {one} (act {one.act.id})"
    return found


def _objects_of(store: Store, manifest: str) -> set[str]:
    """Nothing where it cannot be read, which is named elsewhere."""
    try:
        return {entry.digest for entry in read_manifest(store, manifest) if entry.digest is not None}
    except (UnresolvedError, FormatError):
        return set()


def expired_objects(store: Store) -> set[str]:
    """What the versions have that need their bytes no more."""
    manifests = {manifest for one in dataset_ids(store) for _, manifest in expired_versions(store, one)}
    return set[str]().union(*(_objects_of(store, manifest) for manifest in manifests))
