"""Checks datasets: every step as it was made, and what each version names."""

from __future__ import annotations

from ..errors import FormatError, UnresolvedError
from ..rules.history import History, Made
from .bulk import Bulk
from .checking import Check
from .dataset_acts import dataset_acts
from .datasets import dataset_ids, load_history
from .manifests import read_manifest
from .tombstones import tombstone_of
from .version_bytes import missing_entries


def check_datasets(check: Check) -> None:
    """The steps of every dataset, and the manifest of each version. Bytes that are not here may lie where they were
    added from (`--reference`): these are noted. Objects that are here are held against their digests elsewhere."""
    known = Bulk(check.store)
    for identifier in dataset_ids(check.store):
        faults: list[str] = []
        history = load_history(check.store, identifier, faults)
        acts = [act for _, act in dataset_acts(check.store, identifier, faults)]
        for fault in faults:
            where, _, what = fault.removeprefix(f"{check.store.path}/").partition(": ")
            check.add(where, what)
        if history is None:
            check.add(f"datasets/{identifier}", "found no first step, expected the one that made the dataset")
            continue
        imported = any(act.kind == "import" for act in acts)
        for made in history.versions:
            _check_version(check, known, history, made, imported=imported)


def _check_version(check: Check, known: Bulk, history: History, made: Made, *, imported: bool) -> None:
    name = f"{history.name}@{made.version}"
    try:
        manifest = read_manifest(check.store, made.manifest)
    except UnresolvedError:
        if imported:
            check.notes.append(f"{name}: its files are not known here: an archive of a later version was imported")
            return
        check.add(f"objects of {name}", f"not there, expected its manifest {made.manifest}")
        return
    except FormatError as error:
        check.add(f"manifest of {name}", error.message)
        return
    absent = [entry.path for entry in missing_entries(check.store, manifest, known)]
    if absent:
        tombstone = tombstone_of(check.store, history.id, str(made.version), made.manifest)
        why = tombstone or "added by reference, or removed"
        check.notes.append(f"{name}: {_some(absent)} not in the store: {why}")


def _some(paths: list[str]) -> str:
    return f"{paths[0]} and {len(paths) - 1} more files are" if len(paths) > 1 else f"{paths[0]} is"
