"""Who needs what a version holds: other versions, and runs. Answers are read from records, steps and manifests."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from ..errors import FormatError, StoreError, UnresolvedError
from ..records.record import Record
from ..rules.history import History, Made
from .datasets import dataset_ids, load_history
from .kept import kept_objects
from .layout import Store
from .manifests import read_manifest
from .run_list import open_run, run_ids
from .runs import load_run


class RunUse(msgspec.Struct, frozen=True, kw_only=True):
    """A run that pinned a version."""

    run: str
    name: str | None
    status: str
    created: str | None
    version: str
    """`NAME@VERSION`, as its record says."""


class RunMade(msgspec.Struct, frozen=True, kw_only=True):
    """A run that has a version as what it produced."""

    run: str
    name: str | None
    version: str
    """`NAME@VERSION`, as its record says."""


class VersionUse(msgspec.Struct, frozen=True, kw_only=True):
    """A version that has some of the objects that were asked for."""

    id: str
    name: str
    version: str
    objects: int
    size: int

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


def all_versions(store: Store) -> Iterator[tuple[History, Made]]:
    """Every version of every dataset, the oldest dataset first."""
    for identifier in dataset_ids(store):
        history = load_history(store, identifier)
        if history is not None:
            yield from ((history, made) for made in history.versions)


def versions_with(store: Store, digests: Collection[str]) -> Iterator[tuple[VersionUse, Made, frozenset[str]]]:
    """Each version that has any of these objects, with those that it has. One whose manifest is not here is passed
    over. Raises FormatError for a damaged manifest."""
    for history, made in all_versions(store):
        try:
            entries = read_manifest(store, made.manifest)
        except UnresolvedError:
            continue
        has = {entry.digest: entry.size for entry in entries if entry.digest is not None and entry.digest in digests}
        if has:
            use = VersionUse(
                id=history.id, name=history.name, version=str(made.version), objects=len(has), size=sum(has.values())
            )
            yield use, made, frozenset(has)


def runs_that_pinned(store: Store, manifests: Collection[str]) -> list[RunUse]:
    """The runs that pinned content, by the digests of its manifests, and were not refused; the newest first.

    Costs a read of every record, and of the journals of runs that are not sealed.
    """
    found: list[RunUse] = []
    for record in _records_that_name(store, manifests):
        for item in record.inputs:
            if item.how == "pinned" and item.digest in manifests and (item.materialized or record.started):
                version = f"{item.dataset}@{item.version}"
                found.append(
                    RunUse(
                        run=record.id, name=record.name, status=record.status, created=record.created, version=version
                    )
                )  # fmt: skip
                break
    return found


def runs_that_made(store: Store, manifests: Collection[str]) -> list[RunMade]:
    """The runs that have content as a version that they produced. Costs what `runs_that_pinned` does."""
    return [
        RunMade(run=record.id, name=record.name, version=f"{artifact.dataset}@{artifact.version}")
        for record in _records_that_name(store, manifests)
        for artifact in record.artifacts
        if artifact.dataset is not None and artifact.digest in manifests
    ]


class VersionSaid(msgspec.Struct, frozen=True, kw_only=True):
    """What a record says that it pinned or made."""

    run: str
    did: str
    dataset: str
    """Its identifier."""
    name: str
    version: str
    manifest: str


def versions_said(record: Record) -> Iterator[VersionSaid]:
    """The versions that a run pinned, or that what it made became."""
    said = [("pinned", item) for item in record.inputs if item.how == "pinned"]
    for did, item in (*said, *(("made", artifact) for artifact in record.artifacts)):
        if item.dataset_id and item.dataset and item.version and item.digest:
            yield VersionSaid(
                run=record.id,
                did=did,
                dataset=item.dataset_id,
                name=item.dataset,
                version=item.version,
                manifest=item.digest,
            )


def versions_said_of(store: Store, identifiers: Collection[str]) -> list[VersionSaid]:
    """What runs say of these datasets. Costs what `runs_that_pinned` does."""
    records = _records_that_name(store, identifiers)
    return [said for record in records for said in versions_said(record) if said.dataset in identifiers]


def _records_that_name(store: Store, manifests: Collection[str]) -> Iterator[Record]:
    """Those that can be read: `verify` names what is damaged."""
    wanted = [manifest.encode() for manifest in manifests]
    for run in run_ids(store):
        try:
            if _names_any(store, run, wanted):
                yield load_run(store, run).record
        except (FormatError, UnresolvedError, OSError):
            continue


def _names_any(store: Store, run: str, wanted: Collection[bytes]) -> bool:
    """Whether its record, or a journal, has one of these digests in it."""
    files = open_run(store, run)
    names = files.names()
    read = ["record.json"] if "record.json" in names else [name for name in names if name.endswith(".jsonl")]
    return any(digest in data for name in read for data in [files.read(name)] for digest in wanted)


class RunNeeds(msgspec.Struct, frozen=True, kw_only=True):
    """Objects that a run keeps for itself, whatever becomes of the versions that it pinned or made."""

    run: str
    name: str | None
    objects: frozenset[str]


def needs_of_runs(store: Store, digests: Collection[str]) -> Iterator[RunNeeds]:
    """Each run that keeps any of these objects. Raises StoreError for a run of which that cannot be told."""
    for run in run_ids(store):
        try:
            record = load_run(store, run).record
        except FormatError as error:
            if _is_empty(store, run):
                continue
            raise StoreError(
                f"run {run}: cannot be read, so what it needs is not known: {error.message}",
                hint="`whence verify` names all that is damaged; nothing was removed",
            ) from error
        has = frozenset(digest for digest in kept_objects(store, _itself(record)) if digest in digests)
        if has:
            yield RunNeeds(run=run, name=record.name, objects=has)


def _itself(record: Record) -> Record:
    """Without what it has as versions of datasets: these have a life of their own."""
    return msgspec.structs.replace(
        record,
        inputs=[item for item in record.inputs if item.how != "pinned"],
        artifacts=[item for item in record.artifacts if item.dataset is None],
    )


def _is_empty(store: Store, run: str) -> bool:
    """Whether it never came to be: its writer died before its first write."""
    files = open_run(store, run)
    return not any(files.size(name) for name in files.names())
