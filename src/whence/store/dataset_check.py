"""Checks datasets: every step as it was made, and what each version names."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence, Set

from ..digests import digest_of
from ..errors import FormatError, UnresolvedError
from ..ids import day_of
from ..records.act import Act
from ..rules.history import Made, Stated, fold_history
from ..system.files import read_regular
from .acts import SUFFIX
from .checking import Check
from .datasets import KIND, dataset_ids, dataset_names, empty_claims, names_folder, read_steps
from .layout import Store
from .manifests import read_manifest
from .objects import has


def check_datasets(check: Check) -> None:
    """The steps of every dataset, its name, and the manifest of each version.

    Bytes that are not here may lie where they were added from (`--reference`): these are noted. Objects that are here
    are held against their digests elsewhere.
    """
    acts = _acts_of_steps(check)
    for identifier in sorted({*dataset_ids(check.store), *acts}):
        faults: list[str] = []
        steps = {stated.act: stated for stated, _ in read_steps(check.store, identifier, faults)}
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
        if history is None:
            if not faults and not absent:
                check.add(f"datasets/{identifier}", "found no first step, expected the one that made the dataset")
            continue
        _check_names(check, identifier, next(stated for stated in steps.values() if stated.step.number == 0))
        for made in history.versions:
            _check_version(check, f"{history.name}@{made.version}", made)


def _acts_of_steps(check: Check) -> dict[str, list[tuple[str, str, Act]]]:
    """Dataset -> (digest, where it lies in `acts/`, act) of each step."""
    found: dict[str, list[tuple[str, str, Act]]] = {}
    for digest, (where, act) in check.dataset_acts.items():
        if act.kind == KIND:
            found.setdefault(str(act.subject.dataset), []).append((digest, where, act))
    return found


def _check_acts(check: Check, identifier: str, known: Set[str], acts: Sequence[tuple[str, str, Act]]) -> set[str]:
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


def _check_version(check: Check, name: str, made: Made) -> None:
    try:
        manifest = read_manifest(check.store, made.manifest)
    except UnresolvedError:
        check.add(f"objects of {name}", f"not there, expected its manifest {made.manifest}")
        return
    except FormatError as error:
        check.add(f"manifest of {name}", error.message)
        return
    absent = [entry.path for entry in manifest if entry.digest is not None and not has(check.store, entry.digest)]
    if absent:
        check.notes.append(f"{name}: {_some(absent)} not in the store: added by reference, or removed")


def _some(paths: list[str]) -> str:
    return f"{paths[0]} and {len(paths) - 1} more files are" if len(paths) > 1 else f"{paths[0]} is"
