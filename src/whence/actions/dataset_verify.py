"""Verifying datasets: every byte of their versions is read again, and what is damaged is named with what needs it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..rules.history import History, Made
from ..store.checking import Check
from ..store.dataset_check import check_versions
from ..store.dataset_references import find_datasets, find_version
from ..store.dataset_uses import all_versions, runs_that_pinned
from ..store.layout import Store


class DamagedObject(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it was written."""

    where: str
    what: str
    versions: list[str]
    """The versions that need it."""
    runs: list[str]
    """The runs that pinned one of these."""


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What `whence data verify` answers."""

    sound: bool
    versions: int
    objects: int
    damage: list[DamagedObject]
    notes: list[str]
    """Bytes that are not here: expired, added by reference, or lost."""


def verify_datasets(store: Store, words: Sequence[str]) -> Verified:
    """Of datasets all versions, of versions these; without words everything. Raises UsageError, UnresolvedError."""
    versions = [one for word in words for one in _meant(store, word)] if words else list(all_versions(store))
    check = Check(store)
    check_versions(check, versions, everything=not words)
    manifests = {f"{history.name}@{made.version}": made.manifest for history, made in versions}
    return Verified(
        sound=not check.damage,
        versions=len(versions),
        objects=check.objects,
        damage=[
            DamagedObject(
                where=damage.where,
                what=damage.what,
                versions=list(damage.runs),
                runs=_runs(store, {manifests[name] for name in damage.runs if name in manifests}),
            )
            for damage in check.damage
        ],
        notes=check.notes,
    )


def _meant(store: Store, word: str) -> list[tuple[History, Made]]:
    if "@" in word:
        found = find_version(store, word)
        return [(found.history, found.made)]
    return [(history, made) for history in find_datasets(store, word) for made in history.versions]


def _runs(store: Store, manifests: set[str]) -> list[str]:
    return [use.run for use in runs_that_pinned(store, manifests)] if manifests else []
