"""Listing runs, newest first: which ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import islice
from typing import Any

import msgspec

from ..errors import FormatError
from ..records.record import Record
from ..rules.matching import matches
from ..rules.query import All, Query
from ..store.layout import Store
from ..store.run_list import run_ids
from .view import KnownActs, view_run


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs."""

    query: Query = msgspec.field(default_factory=All)
    statuses: Collection[str] = ()
    """Any of these; all when empty."""
    original: bool = False
    """Only runs that are no rerun or variant of another."""
    reruns_of: str | None = None

    def includes(self, record: Record) -> bool:
        if self.statuses and record.status not in self.statuses:
            return False
        if self.original and record.rerun_of is not None:
            return False
        if self.reruns_of is not None and record.rerun_of != self.reruns_of:
            return False
        return self.query == All() or matches(self.query, as_builtins(record))


def as_builtins(record: Record) -> dict[str, Any]:
    """The record as a query sees it: what its JSON would hold."""
    return msgspec.to_builtins(record)


def records(
    store: Store,
    choice: Choice,
    *,
    limit: int | None = None,
    clock: Callable[[], int],
    unreadable: Callable[[str, str], None],
    faulty: Callable[[str], None] = lambda fault: None,
) -> Iterator[Record]:
    """The chosen records, newest first; `unreadable` is told the id of a run that cannot be read, and why.

    `faulty` is told what else is not as it was written: an act that cannot be read, a record that was edited.
    """
    return islice(_chosen(store, choice, clock, unreadable, faulty), limit)


def _chosen(
    store: Store,
    choice: Choice,
    clock: Callable[[], int],
    unreadable: Callable[[str, str], None],
    faulty: Callable[[str], None],
) -> Iterator[Record]:
    acts = KnownActs(store)
    for run_id in run_ids(store, newest_first=True):
        try:
            view = view_run(store, run_id, now_ns=clock(), acts=acts)
        except FormatError as error:
            unreadable(run_id, error.message)
            continue
        while acts.faults:
            faulty(acts.faults.pop())
        if choice.includes(view.record):
            for fault in view.faults[:1]:
                faulty(f"run {run_id}: {fault}")
            yield view.record
