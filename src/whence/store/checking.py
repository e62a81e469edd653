"""A check of the store on its way: what was found so far, and what one part of it leaves for the next."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ..records.act import Act
from .code_check import CodeOfRun
from .damage import Damage
from .dataset_uses import VersionSaid
from .layout import Store


class ActCopy(msgspec.Struct, frozen=True):
    """An act in a run's folder: a link, or a copy that came with the folder."""

    run: str
    where: str
    name: str
    data: bytes


class Check(msgspec.Struct):
    """Runs come first: what they name is what objects and acts are held against."""

    store: Store
    damage: list[Damage] = []
    late: list[str] = []
    notes: list[str] = []
    seals: dict[str, str | None] = {}
    """The digest of each run's seal, if it is sound."""
    named: dict[str, set[str]] = {}
    """Digest -> the runs whose record names it."""
    kept: dict[str, set[str]] = {}
    """Digest -> the runs whose record says that the store holds it."""
    codes: list[CodeOfRun] = []
    """What each run's record says of its snapshot."""
    copies: list[ActCopy] = []
    """Of acts, in the folders of runs."""
    dataset_acts: dict[str, tuple[str, Act]] = {}
    """Digest -> where it lies in `acts/`, and the act, of those about a dataset."""
    versions: list[VersionSaid] = []
    """What runs say that they pinned or made."""
    runs: int = 0
    objects: int = 0
    acts: int = 0

    def add(self, where: str, what: str, runs: Iterable[str] = ()) -> None:
        self.damage.append(Damage(where=where, what=what, runs=tuple(sorted(runs))))
