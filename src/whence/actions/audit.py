"""Auditing runs: what a reviewer would miss in each. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ..errors import FormatError
from ..records.record import Record
from ..rules.completeness import findings
from ..rules.finding import Finding
from ..rules.query import All, parse
from ..store.layout import Store
from ..store.run_list import run_ids
from .listing import Choice
from .makers import resolve_shown
from .view import KnownActs, view_run, with_expired


class Audited(msgspec.Struct, frozen=True, kw_only=True):
    """A run and what was found."""

    run: str
    record: Record | None
    """Nothing when the run cannot be read."""
    findings: Sequence[Finding]

    @property
    def complete(self) -> bool:
        return not any(finding.counts for finding in self.findings)


def audit(
    store: Store, words: Sequence[str], *, fields: Mapping[str, Any], cwd: Path, now_ns: int
) -> Iterator[Audited]:
    """The runs that the words name: none is the whole store, one word without an operator a reference, else a query."""
    if len(words) == 1 and not is_query(words[0]):
        run = resolve_shown(store, words[0], cwd=cwd, now_ns=now_ns)
        yield _audited(store, run, fields, now_ns, KnownActs(store), Choice()) or Audited(
            run=run, record=None, findings=()
        )
        return
    choice = Choice(query=parse(" ".join(words)) if words else All())
    acts = KnownActs(store)
    for run in run_ids(store, newest_first=True):
        audited = _audited(store, run, fields, now_ns, acts, choice)
        if audited is not None:
            yield audited


def is_query(word: str) -> bool:
    """Whether a word is meant as a query: it has an operator or a blank. Names with those are named by their id."""
    return any(sign in word for sign in "=<>~ (") and not word.startswith("@~")


def _audited(
    store: Store, run: str, fields: Mapping[str, Any], now_ns: int, acts: KnownActs, choice: Choice
) -> Audited | None:
    """The run with its findings; nothing when it is not one of the chosen."""
    try:
        view = view_run(store, run, now_ns=now_ns, acts=acts)
    except FormatError as error:
        fault = Finding(level="missing", what="record", because=error.message, fix=error.hint or "whence verify")
        return Audited(run=run, record=None, findings=[fault])
    if not choice.includes(view.record):
        return None
    record = with_expired(store, view.record)
    return Audited(
        run=run,
        record=record,
        findings=findings(record, fields=fields, faults=view.faults, unread=view.unread, late=view.late),
    )
