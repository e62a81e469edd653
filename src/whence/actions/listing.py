"""Listing runs: which ones, in which order. The index says which, the records what they are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import msgspec

from ..errors import FormatError, UnresolvedError
from ..index.interface import Index
from ..records.record import Record
from ..rules.matching import matches
from ..rules.query import All, Compare, Exists, Field, In, Not, Query, parse_field
from ..rules.query_value import Value
from ..store.layout import Store
from .view import IndexedActs, view_run


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

    @property
    def whole(self) -> Query:
        """All of it as one query."""
        parts = [self.query] if self.query != All() else []
        if self.statuses:
            values = tuple(Value(text=status) for status in self.statuses)
            parts.append(In(field=Field(path=("status",)), values=values))
        if self.original:
            parts.append(Not(part=Exists(field=_RERUN_OF)))
        if self.reruns_of is not None:
            parts.append(Compare(field=_RERUN_OF, operator="=", value=Value(text=self.reruns_of)))
        return All(parts=tuple(parts))


_RERUN_OF = Field(path=("rerun_of",))


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """By the first value of a field; the newest first, where there is no field, and among equals."""

    path: Sequence[str] = ()
    falling: bool = False


def read_order(text: str) -> Order:
    """The order that a word means: a field, or `-` and a field for the largest first. Raises QueryError."""
    return Order(path=parse_field(text.removeprefix("-")).path, falling=text.startswith("-"))


def as_builtins(record: Record) -> dict[str, Any]:
    """The record as a query sees it: what its JSON would hold."""
    return msgspec.to_builtins(record)


def records(
    store: Store,
    index: Index,
    choice: Choice,
    *,
    order: Order | None = None,
    limit: int | None = None,
    clock: Callable[[], int],
    faulty: Callable[[str], None] = lambda fault: None,
) -> Iterator[Record]:
    """The chosen records in their order, each read when it is reached: so a run that ended meanwhile has ended, and is
    left out if it is none of the chosen any more. `faulty` is told what is not as it was written."""
    order = order or Order()
    runs = index.runs(choice.whole, sort=order.path, falling=order.falling, limit=limit)
    acts = IndexedActs(store, index)
    for run_id in runs:
        try:
            view = view_run(store, run_id, now_ns=clock(), acts=acts)
        except UnresolvedError:
            continue  # Somebody removes it.
        except FormatError as error:
            faulty(f"run {run_id} cannot be read: {error.message}")  # It was whole when the index read it.
            continue
        if choice.includes(view.record):
            for fault in view.faults[:1]:
                faulty(f"run {run_id}: {fault}")
            yield view.record
