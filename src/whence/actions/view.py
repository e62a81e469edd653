"""One run as it stands now: its record with the acts about it folded in.

`record.json` and the journals never hold what acts decide; here they meet, and `as_of` says when.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..index.interface import Index, Kin
from ..records.act import Act
from ..records.data import Artifact
from ..records.record import Record
from ..records.result import Output
from ..rules.acts import with_acts
from ..store.acts import act_path, acts_about, acts_in, all_acts
from ..store.layout import Store
from ..store.run_list import open_run
from ..store.runs import load_run
from ..store.tombstones import tombstone_of


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A run for a reader."""

    record: Record
    faults: Sequence[str] = ()
    """What the fold could not read, or refused."""
    unread: Sequence[str] = ()
    """Acts that cannot be read, or are not as they were made."""
    late: Sequence[str] = ()
    """What stands in the folder beyond the seal; not part of the record."""
    acts: Sequence[Act] = ()


class KnownActs:
    """Every act of the store by its run, read at the first question and once: what a listing needs."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_run: dict[str, list[Act]] | None = None
        self.faults: list[str] = []
        """Acts that cannot be read, after the first question."""

    def about(self, run_id: str, faults: list[str]) -> list[Act]:
        """The acts about a run, also those that only its folder carries (it was copied from another store).

        `faults` is told of those that the folder carries and that cannot be read.
        """
        if self._by_run is None:
            self._by_run = {}
            for _, act in all_acts(self._store, self.faults):
                if act.subject.run is not None:
                    self._by_run.setdefault(act.subject.run, []).append(act)
        known = self._by_run.get(run_id, [])
        if len(known) < _carried(self._store, run_id):
            return [act for _, act in acts_about(self._store, run_id, faults)]
        return known


class IndexedActs:
    """The acts about a run as an index names them: what a listing of a few runs of many needs."""

    def __init__(self, store: Store, index: Index) -> None:
        self._store = store
        self._index = index

    def about(self, run_id: str, faults: list[str]) -> list[Act]:
        """The acts about a run, also those that only its folder carries; `faults` is told of those that cannot be
        read."""
        files = [act_path(self._store, act) for act in self._index.acts(run_id)]
        return [act for _, act in acts_in(self._store, run_id, files, faults)]


def _carried(store: Store, run_id: str) -> int:
    return sum(name.startswith("acts/") for name in open_run(store, run_id).names())


def view_run(store: Store, run_id: str, *, now_ns: int, acts: KnownActs | IndexedActs | None = None) -> View:
    """The run as it stands: what `show` prints. Raises FormatError, UnresolvedError."""
    loaded = load_run(store, run_id)
    unread: list[str] = []
    said = acts.about(run_id, unread) if acts else [act for _, act in acts_about(store, run_id, unread)]
    record = with_acts(loaded.record, said, now_ns)
    return View(record=record, faults=loaded.faults, unread=unread, late=loaded.late, acts=said)


def view_record(store: Store, run_id: str, *, now_ns: int, acts: KnownActs | IndexedActs | None = None) -> Record:
    """The record alone."""
    return view_run(store, run_id, now_ns=now_ns, acts=acts).record


def with_what_was_printed(store: Store, record: Record) -> Record:
    """The record with the size of its output log, where nothing is stated: it goes on, or another closed it."""
    files = open_run(store, record.id)
    if record.output is not None or "output.log" not in files.names():
        return record
    size = files.size("output.log")
    return msgspec.structs.replace(record, output=Output(when="during", bytes=size, kept=size))


def with_expired(store: Store, record: Record) -> Record:
    """The record with what became of the versions that the run made: of one that expired the bytes are not kept."""
    return msgspec.structs.replace(record, artifacts=[_expired(store, artifact) for artifact in record.artifacts])


def _expired(store: Store, artifact: Artifact) -> Artifact:
    if artifact.dataset_id is None or artifact.version is None or artifact.digest is None:
        return artifact
    tombstone = tombstone_of(store, artifact.dataset_id, artifact.version, artifact.digest)
    if tombstone is None:
        return artifact
    return msgspec.structs.replace(artifact, kept=False, because=f"{tombstone} (act {tombstone.act.id})")


def with_kin(record: Record, children: Sequence[Kin], reruns: Sequence[Kin]) -> Record:
    """The record with the runs that point at it, the oldest first."""
    return msgspec.structs.replace(
        record,
        children=[kin.run for kin in children],
        siblings=[{"id": kin.run, "relation": kin.relation, "status": kin.status} for kin in reruns],
    )
