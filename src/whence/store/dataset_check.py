"""Checks datasets: every step as it was made, and what each version names."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence, Set

from ..digests import digest_of
from ..ids import day_of
from ..records.act import Act
from ..rules.chains import step_faults
from ..rules.history import History, Made, Stated, fold_history
from ..system.files import read_regular
from .act_check import check_acts
from .acts import SUFFIX
from .checking import Check
from .dataset_acts import dataset_acts
from .dataset_uses import versions_said_of
from .datasets import KIND, dataset_ids, dataset_names, empty_claims, names_folder, read_steps
from .layout import Store
from .object_check import check_objects
from .version_check import VersionCheck

StepActs = Sequence[tuple[str, str, Act]]
"""What `acts/` has of a dataset's steps: the digest, where it lies, the act."""


def check_datasets(check: Check) -> None:
    """The steps of every dataset, its name, and the manifest and files of each version.

    Objects that are here are held against their digests elsewhere.
    """
    acts = _acts_of_steps(check)
    histories = {
        identifier: _check_history(check, identifier, acts.get(identifier, []))
        for identifier in sorted({*dataset_ids(check.store), *acts})
    }
    versions = VersionCheck(check, check.versions, histories)
    for history in filter(None, histories.values()):
        for made in history.versions:
            versions.check(history, made, {said.run for said in check.versions if said.manifest == made.manifest})
    versions.check_said()


def check_versions(check: Check, versions: Sequence[tuple[History, Made]], *, everything: bool) -> None:
    """The same of some versions, or of `everything`, and every byte of theirs that is here. The damage names versions
    in the place of runs."""
    ids = {history.id for history, _ in versions}
    check_acts(check, lambda subject: subject.dataset is not None and (everything or subject.dataset in ids))
    acts = _acts_of_steps(check)
    chosen = sorted({*dataset_ids(check.store), *acts}) if everything else sorted(ids)
    histories = {identifier: _check_history(check, identifier, acts.get(identifier, [])) for identifier in chosen}
    known = VersionCheck(check, versions_said_of(check.store, histories), histories)
    for history, made in versions:
        name = f"{history.name}@{made.version}"
        for digest in known.check(history, made, {name}):
            check.named.setdefault(digest, set()).add(name)
    known.check_said()
    check_objects(check, everything=False)


def _check_history(check: Check, identifier: str, acts: StepActs) -> History | None:
    faults: list[str] = []
    steps = {stated.act: stated for stated, _ in read_steps(check.store, identifier, faults)}
    dataset_acts(check.store, identifier, faults)
    for fault in faults:
        where, _, what = fault.removeprefix(f"{check.store.path}/").partition(": ")
        check.add(where, what)
    known = {stated.digest for stated in steps.values()}
    absent = _check_acts(check, identifier, known, acts)
    check.notes += [
        f"datasets/{identifier}/steps/{one.step.number}/{one.act}{SUFFIX}: is not in acts/, which lists all acts"
        for one in steps.values()
        if not os.path.lexists(check.store.acts / day_of(one.act) / (one.act + SUFFIX))
    ]
    if not faults:
        _check_chain(check, identifier, steps.values(), absent)
    by_digest = {stated.digest: stated for stated in steps.values()}
    for stated in steps.values():
        for fault in step_faults(stated, by_digest):
            check.add(f"datasets/{identifier}/steps/{stated.step.number}/{stated.act}{SUFFIX}", fault)
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
