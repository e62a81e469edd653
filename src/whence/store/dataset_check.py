"""Checks datasets: every step as it was made, and what each version names."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import FormatError, UnresolvedError
from ..rules.history import History, Made
from .bulk import Bulk
from .checking import Check
from .dataset_acts import dataset_acts
from .datasets import dataset_ids, load_history
from .manifests import read_manifest
from .object_check import check_objects
from .tombstones import IMPORT, tombstone_of
from .version_bytes import missing_entries


def check_datasets(check: Check) -> None:
    """The steps of every dataset, and the manifest of each version. Bytes that are not here may lie where they were
    added from (`--reference`): these are noted. Objects that are here are held against their digests elsewhere."""
    known = Bulk(check.store)
    for identifier in dataset_ids(check.store):
        history = _check_history(check, identifier)
        if history is not None:
            for made in history.versions:
                _check_version(check, known, history, made)


def check_versions(check: Check, versions: Sequence[tuple[History, Made]], *, everything: bool) -> None:
    """The same of some versions, or of `everything`, and every byte of theirs that is here. The damage names versions
    in the place of runs."""
    known = Bulk(check.store)
    for identifier in dataset_ids(check.store) if everything else {history.id: None for history, _ in versions}:
        _check_history(check, identifier)
    for history, made in versions:
        for digest in _check_version(check, known, history, made):
            check.named.setdefault(digest, set()).add(f"{history.name}@{made.version}")
    check_objects(check, everything=False)


def _check_history(check: Check, identifier: str) -> History | None:
    faults: list[str] = []
    history = load_history(check.store, identifier, faults)
    dataset_acts(check.store, identifier, faults)
    for fault in faults:
        where, _, what = fault.removeprefix(f"{check.store.path}/").partition(": ")
        check.add(where, what)
    if history is None:
        check.add(f"datasets/{identifier}", "found no first step, expected the one that made the dataset")
    return history


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
    absent = [entry.path for entry in missing_entries(check.store, manifest, known)]
    if absent:
        tombstone = tombstone_of(check.store, history.id, str(made.version), made.manifest)
        why = tombstone or "added by reference, or removed"
        check.notes.append(f"{name}: {_some(absent)} not in the store: {why}")
    return {made.manifest, *(entry.digest for entry in manifest if entry.digest is not None)}


def _some(paths: list[str]) -> str:
    return f"{paths[0]} and {len(paths) - 1} more files are" if len(paths) > 1 else f"{paths[0]} is"
