"""Checks versions of datasets: what each names against what is here, and what is said of it against what it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from ..errors import FormatError, UnresolvedError
from ..ids import day_of, is_id
from ..records.data import ManifestEntry
from ..rules.chains import counts_fault
from ..rules.derivations import read_derivation
from ..rules.history import History, Made
from ..rules.named_objects import named_objects
from .acts import SUFFIX
from .bulk import Bulk
from .checking import Check
from .dataset_acts import dataset_acts
from .dataset_references import Found
from .dataset_uses import VersionSaid
from .datasets import load_history
from .manifests import read_manifest
from .objects import has
from .origins import origins_of
from .run_list import holds_run
from .tombstones import IMPORT, expired_objects, tombstone_of
from .version_bytes import missing_entries


class Said(NamedTuple):
    """A version that something refers to."""

    who: str
    """A sentence that ends before it."""
    dataset: str
    """Its identifier."""
    name: str
    version: str
    manifest: str

    def __str__(self) -> str:
        return f"{self.who} {self.name}@{self.version}"


class VersionCheck:
    """`said` is what runs pinned or made, `histories` are the datasets that were read already."""

    def __init__(self, check: Check, said: Sequence[VersionSaid], histories: Mapping[str, History | None]) -> None:
        self._check = check
        self._said = said
        self._histories = dict(histories)
        self._known = Bulk(check.store)

    def check(self, history: History, made: Made, needed_by: Collection[str]) -> set[str]:
        """The digests of what a version names: its manifest, and all in it. Damage is said to concern `needed_by`."""
        check, step, name = self._check, made.stated.step, f"{history.name}@{made.version}"
        self._check_sources(history, made)
        try:
            manifest = read_manifest(check.store, made.manifest)
        except UnresolvedError:
            if self._came_in(history.id):
                check.notes.append(f"{name}: its files are not known here: an archive of a later version was imported")
                return set()
            check.add(f"objects of {name}", f"not there, expected its manifest {made.manifest}", needed_by)
            return set()
        except FormatError as error:
            check.add(f"manifest of {name}", error.message, needed_by)
            return {made.manifest}
        fault = counts_fault(step, manifest)
        if fault is not None:
            check.add(_place(history, made), fault, needed_by)
        self._check_bytes(history, made, manifest, needed_by)
        named = named_objects(step)
        if not all(has(check.store, digest) for digest in named):
            check.notes.append(f"{name}: what its step names beside its files is not all in the store")
        return {made.manifest, *named, *(entry.digest for entry in manifest if entry.digest is not None)}

    def check_said(self) -> None:
        """What runs say of versions, against what these are."""
        for said in self._said:
            who = f"run {said.run} {said.did}"
            reference = Said(who, said.dataset, said.name, said.version, said.manifest)
            self._check_reference(reference, runs=[said.run])

    def _check_bytes(
        self, history: History, made: Made, manifest: Sequence[ManifestEntry], needed_by: Collection[str]
    ) -> None:
        """What is not here expired, lies where it was added from, or was lost."""
        check, name = self._check, f"{history.name}@{made.version}"
        absent = missing_entries(check.store, manifest, self._known)
        if not absent:
            return
        tombstone = tombstone_of(check.store, history.id, str(made.version), made.manifest)
        if tombstone is not None:
            check.notes.append(f"{name}: {_some(absent)} not in the store: {tombstone}")
            return
        origins = origins_of(check.store, Found(history=history, made=made, floating=False))
        referred = [entry for entry in absent if origins.know(entry)]
        elsewhere = [entry for entry in absent if not origins.know(entry)]
        expired = [entry for entry in elsewhere if entry.digest in self._expired]
        lost = [entry for entry in elsewhere if entry.digest not in self._expired]
        for entries, why in ((referred, "added by reference"), (expired, "expired with another version")):
            if entries:
                check.notes.append(f"{name}: {_some(entries)} not in the store: {why}")
        if lost:
            size = sum(entry.size for entry in lost)
            what = f"{_some(lost)} not there ({size} bytes), expected in the store: no act says that it expired"
            check.add(f"objects of {name}", what, needed_by)

    def _check_sources(self, history: History, made: Made) -> None:
        """What it was made of and by whom: versions of other datasets, and runs. An archive comes without these."""
        step, name, alone = made.stated.step, f"{history.name}@{made.version}", self._came_in(history.id)
        for run in {} if alone else dict.fromkeys([*filter(None, [step.run]), *step.producers]):
            known = is_id(run) and holds_run(self._check.store, run)
            if not known and not (is_id(run) and self._is_damaged(f"runs/{day_of(run)}/{run}")):
                self._check.add(_place(history, made), f"found the run {run}, which is not in the store")
        for part in step.parts:
            said = Said(f"{name} has as a part", part.dataset_id, part.dataset, part.version, part.manifest)
            self._check_reference(said, alone=alone)
        try:
            derivation = read_derivation(step)
        except FormatError as error:
            self._check.add(_place(history, made), error.message)
            return
        if derivation is not None:
            origin = derivation.source
            said = Said(f"{name} was derived from", origin.dataset, origin.name, origin.version, origin.manifest)
            self._check_reference(said, alone=alone)

    def _check_reference(self, said: Said, *, runs: Sequence[str] = (), alone: bool = False) -> None:
        """`alone` is what comes without the datasets that it refers to."""
        check, history, where = self._check, self._history(said.dataset), f"datasets/{said.dataset}"
        if history is None:
            if not (alone or self._is_damaged(where)):
                check.notes.append(f"{said}, of a dataset that is not in the store")
            return
        contents = [made.manifest for made in history.versions if str(made.version) == said.version]
        if history.name != said.name:
            check.add(where, f"found the name {history.name}, but {said}", runs)
        elif contents and said.manifest not in contents:
            check.add(where, f"found {said.version} of {' and '.join(contents)}, but {said} of {said.manifest}", runs)
        elif not contents and self._came_in(said.dataset):
            check.notes.append(f"{said}, which did not come with an archive")
        elif not contents and not self._is_damaged(where):
            check.add(where, f"found no version {said.version}, but {said}", runs)

    def _is_damaged(self, place: str) -> bool:
        """Whether a loss there is named already."""
        return any(f"{damage.where}/".startswith(f"{place}/") for damage in self._check.damage)

    def _history(self, identifier: str) -> History | None:
        if identifier not in self._histories:
            self._histories[identifier] = load_history(self._check.store, identifier)
        return self._histories[identifier]

    def _came_in(self, identifier: str) -> bool:
        return any(act.kind == IMPORT for _, act in dataset_acts(self._check.store, identifier))

    @cached_property
    def _expired(self) -> set[str]:
        return expired_objects(self._check.store)


def _place(history: History, made: Made) -> str:
    return f"datasets/{history.id}/steps/{made.stated.step.number}/{made.stated.act}{SUFFIX}"


def _some(entries: Sequence[ManifestEntry]) -> str:
    first = entries[0].path
    return f"{first} and {len(entries) - 1} more files are" if len(entries) > 1 else f"{first} is"
