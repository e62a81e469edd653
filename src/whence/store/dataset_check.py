"""Checks datasets: every step as it was made, and what each version names."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence, Set

from ..digests import digest_of
from ..errors import FormatError, UnresolvedError
from ..ids import day_of
from ..records.act import Act
from ..rules.history import History, Made, Stated, fold_history
from ..rules.named_objects import named_objects
from ..system.files import read_regular
from .acts import SUFFIX
from .bulk import Bulk
from .checking import Check
from .dataset_acts import dataset_acts
from .datasets import KIND, dataset_ids, dataset_names, empty_claims, names_folder, read_steps
from .layout import Store
from .manifests import read_manifest
from .object_check import check_objects
from .objects import has
from .tombstones import IMPORT, tombstone_of
from .version_bytes import missing_entries

StepActs = Sequence[tuple[str, str, Act]]
"""What `acts/` has of a dataset's steps: the digest, where it lies, the act."""


def check_datasets(check: Check) -> None:
    """The steps of every dataset, its name, and the manifest of each version.

    Bytes that are not here may lie where they were added from (`--reference`): these are noted. Objects that are here
    are held against their digests elsewhere.
    """
    known, acts = Bulk(check.store), _acts_of_steps(check)
    for identifier in sorted({*dataset_ids(check.store), *acts}):
        history = _check_history(check, identifier, acts)
        if history is not None:
            for made in history.versions:
                _check_version(check, known, history, made)


def check_versions(check: Check, versions: Sequence[tuple[History, Made]], *, everything: bool) -> None:
    """The same of some versions, or of `everything`, and every byte of theirs that is here. The damage names versions
    in the place of runs."""
    known = Bulk(check.store)
    for identifier in dataset_ids(check.store) if everything else {history.id: None for history, _ in versions}:
        _check_history(check, identifier, {})
    for history, made in versions:
        for digest in _check_version(check, known, history, made):
            check.named.setdefault(digest, set()).add(f"{history.name}@{made.version}")
    check_objects(check, everything=False)


def _check_history(check: Check, identifier: str, acts: Mapping[str, StepActs]) -> History | None:
    faults: list[str] = []
    steps = {stated.act: stated for stated, _ in read_steps(check.store, identifier, faults)}
    dataset_acts(check.store, identifier, faults)
    for fault in faults:
        where, _, what = fault.removeprefix(f"{check.store.path}/").partition(": ")
        check.add(where, what)
    known = {stated.digest for stated in steps.values()}
    absent = _check_acts(check, identifier, known, acts.get(identifier, []))
    check.notes += [
        f"datasets/{identifier}/steps/{one.step.number}/{one.act}{SUFFIX}: is not in acts/, which lists all acts"
        for one in steps.values()
        if not os.path.lexists(check.store.acts / day_of(one.act) / (one.act + SUFFIX))
    ]
    if not faults:
        _check_chain(check, identifier, steps.values(), absent)
    history = fold_history(identifier, steps.values())
    if history is not None:
        _check_names(check, identifier, next(stated for stated in steps.values() if stated.step.number == 0))
    elif not faults and not absent:
        check.add(f"datasets/{identifier}", "found no first step, expected the one that made the dataset")
    return history


def _acts_of_steps(check: Check) -> dict[str, list[tuple[str, str, Act]]]:
    """Dataset -> (digest, where it lies in `acts/`, act) of each step."""
    found: dict[str, list[tuple[str, str, Act]]] = {}
    for digest, (where, act) in check.dataset_acts.items():
        if act.kind == KIND:
            found.setdefault(str(act.subject.dataset), []).append((digest, where, act))
    return found


def _check_acts(check: Check, identifier: str, known: Set[str], acts: StepActs) -> set[str]:
    """What `acts/` has of the steps, and `steps/` must have; the digests of those that are not there."""
    absent: set[str] = set()
    for digest, where, act in acts:
        place = f"datasets/{identifier}/steps/{act.body.get('number')}/{act.id}{SUFFIX}"
        try:
            found = digest_of(read_regular(check.store.path / place))
        except FileNotFoundError:
            absent.add(digest)
            made = f"the step of version {act.body.get('version')} of {act.body.get('name')}"
            check.add(place, f"not there, expected {made}; copy it from {where}")
        except OSError:
            absent.add(digest)  # It is named already.
        else:
            if found != digest and found in known:
                check.add(place, f"found {found}, expected {digest}, as it is in {where}")
    return absent


def _check_chain(check: Check, identifier: str, steps: Collection[Stated], absent: Set[str]) -> None:
    """Every step but the first follows another, and every number has one. Removed with its act, the newest step leaves
    no trace but its folder."""
    known = {stated.digest for stated in steps} | absent
    lost = {(stated.step.number - 1, prior): stated for stated in steps for prior in stated.prior if prior not in known}
    for (number, prior), stated in sorted(lost.items()):
        follows = f"{stated.step.version} of {stated.step.name} follows it"
        check.add(f"datasets/{identifier}/steps/{number}", f"not there, expected the step {prior}: {follows}")
    if not lost and not absent:
        for number in empty_claims(check.store, identifier):
            check.add(f"datasets/{identifier}/steps/{number}", "found no step in it, expected one: it was removed")


def _check_names(check: Check, identifier: str, first: Stated) -> None:
    """The claim of the dataset's name: a copy of its first step, under that name and no other."""
    store, file = check.store, f"{identifier}{SUFFIX}"
    expected = f"expected {first.digest}, the first step of {first.step.name}"
    for name in sorted({first.step.name, *(name for name in dataset_names(store) if _claims(store, name, file))}):
        place = f"datasets/names/{name}/{file}"
        try:
            found = digest_of(read_regular(store.path / place))
        except FileNotFoundError:
            check.add(place, f"not there, {expected}; copy it from datasets/{identifier}/steps/0/{first.act}{SUFFIX}")
        except OSError as error:
            check.add(place, f"cannot be read: {error.strerror}, {expected}")
        else:
            if found != first.digest or name != first.step.name:
                check.add(place, f"found {found}, {expected}")


def _claims(store: Store, name: str, file: str) -> bool:
    return os.path.lexists(names_folder(store) / name / file)


def _check_version(check: Check, known: Bulk, history: History, made: Made) -> set[str]:
    """What it names: its manifest, and all in it."""
    name = f"{history.name}@{made.version}"
    try:
        manifest = read_manifest(check.store, made.manifest)
    except UnresolvedError:
        if any(act.kind == IMPORT for _, act in dataset_acts(check.store, history.id)):
            check.notes.append(f"{name}: its files are not known here: an archive of a later version was imported")
            return set()
        check.add(f"objects of {name}", f"not there, expected its manifest {made.manifest}")
        return set()
    except FormatError as error:
        check.add(f"manifest of {name}", error.message)
        return {made.manifest}
    named = named_objects(made.stated.step)
    if not all(has(check.store, digest) for digest in named):
        check.notes.append(f"{name}: what its step names beside its files is not all in the store")
    absent = [entry.path for entry in missing_entries(check.store, manifest, known)]
    if absent:
        tombstone = tombstone_of(check.store, history.id, str(made.version), made.manifest)
        why = tombstone or "added by reference, or removed"
        check.notes.append(f"{name}: {_some(absent)} not in the store: {why}")
    return {made.manifest, *named, *(entry.digest for entry in manifest if entry.digest is not None)}


def _some(paths: list[str]) -> str:
    return f"{paths[0]} and {len(paths) - 1} more files are" if len(paths) > 1 else f"{paths[0]} is"
