"""What was said of the versions of a dataset after they were made: that they expired, or came out of an archive."""

from __future__ import annotations

from typing import Literal

import msgspec

from ..errors import FormatError
from ..records.act import Actor
from ..records.dataset import Expired, Imported, Restored
from ..records.encoding import convert
from ..store.dataset_acts import dataset_acts
from ..store.layout import Store
from ..store.tombstones import EXPIRE, IMPORT, RESTORE


class VersionAct(msgspec.Struct, frozen=True, kw_only=True):
    """One of them."""

    act: str
    kind: Literal["expire", "import", "restore"]
    version: str
    manifest: str
    at: str
    by: Actor
    why: str | None
    size: int
    """Bytes that went, or came."""
    archive: str | None = None
    """Of an import: the name of the file."""
    stands: bool = True
    """Of a tombstone: nothing has brought the bytes back since."""


def version_acts(store: Store, identifier: str) -> list[VersionAct]:
    """All of a dataset, the oldest first; without those of a later version of the format."""
    acts = dataset_acts(store, identifier)
    undone = {prior for _, act in acts if act.kind in (IMPORT, RESTORE) for prior in act.prior}
    found: list[VersionAct] = []
    for digest, act in acts:
        try:
            if act.kind == EXPIRE:
                body = convert(act.body, Expired)
                kind, archive, stands = "expire", None, digest not in undone
            elif act.kind == IMPORT:
                body = convert(act.body, Imported)
                kind, archive, stands = "import", body.archive, True
            elif act.kind == RESTORE:
                body = convert(act.body, Restored)
                kind, archive, stands = "restore", None, True
            else:
                continue
        except FormatError:
            continue
        found.append(
            VersionAct(
                act=act.id,
                kind=kind,
                version=body.version,
                manifest=body.manifest,
                at=act.at,
                by=act.by,
                why=act.why,
                size=body.size,
                archive=archive,
                stands=stands,
            )
        )
    return found


def expired_of(acts: list[VersionAct]) -> set[tuple[str, str]]:
    """(version, manifest) of those whose bytes are gone."""
    return {(one.version, one.manifest) for one in acts if one.kind == "expire" and one.stands}


def expired_texts(store: Store, identifier: str) -> list[str]:
    """The versions of a dataset whose bytes are gone."""
    return sorted({version for version, _ in expired_of(version_acts(store, identifier))})
