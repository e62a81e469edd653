"""Every (state, event) pair and every ordered pair of statuses, held against the table of docs/format.md."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from whence.records.events import KINDS
from whence.records.run import TERMINAL
from whence.rules import lifecycle

FORMAT = Path(__file__).parents[2] / "docs" / "format.md"
STATES = ("absent", "created", "running", "ended", "sealed")
STATUSES = ("created", "running", *sorted(TERMINAL))


def published() -> dict[tuple[str, str], str]:
    """The table as docs/format.md prints it: (state, column) -> cell."""
    rows = [line for line in FORMAT.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    start = next(i for i, row in enumerate(rows) if row.startswith("| state | `run.created`"))
    columns = [cell.strip(" `") for cell in rows[start].strip("|").split("|")][1:]
    table: dict[tuple[str, str], str] = {}
    for row in rows[start + 1 : start + 1 + len(STATES)]:
        state, *cells = (cell.strip() for cell in row.strip("|").split("|"))
        table |= {(state, column): cell for column, cell in zip(columns, cells, strict=True)}
    return table


@pytest.mark.parametrize(("state", "kind"), list(product(STATES, KINDS)))
def test_every_state_and_event_is_allowed_or_refused_as_the_format_says(state: str, kind: str) -> None:
    cell = published()[state, kind if kind.startswith("run.") else "any other"]
    if kind == "journal.continued":
        cell = "refused" if state == "sealed" else "allowed"
    statuses = sorted(TERMINAL) if kind == "run.ended" else [None]
    for status in statuses:
        then = lifecycle.after(state, kind, status)  # type: ignore[arg-type]
        if cell == "refused":
            assert then is None
        elif cell == "allowed":
            assert then == state
        elif kind == "run.ended":
            listed = set(re.findall(r"\w+", cell.removeprefix("-> ")))
            assert then == ("ended" if status in listed else None)
        else:
            assert then == cell.removeprefix("-> ")


ALLOWED = {("created", "running")} | {
    (before, then)
    for before in ("created", "running")
    for then in TERMINAL
    if (before, then) != ("created", "succeeded")
}


def may_become(before: str, then: str) -> bool:
    """Whether some event leads from one status to the other."""
    state = before if before in ("created", "running") else "ended"
    kind = {"created": "run.created", "running": "run.started"}.get(then, "run.ended")
    return lifecycle.after(state, kind, then) is not None  # type: ignore[arg-type]


@pytest.mark.scenario("H1")
@pytest.mark.parametrize(("before", "then"), [p for p in product(STATUSES, STATUSES) if p[0] != p[1]])
def test_each_of_the_42_ordered_pairs_of_statuses_is_allowed_or_refused(before: str, then: str) -> None:
    assert may_become(before, then) == ((before, then) in ALLOWED)


def test_ten_transitions_are_possible_and_none_leaves_a_final_status() -> None:
    assert len(ALLOWED) == 10
    assert not {before for before, _ in ALLOWED} & TERMINAL


def test_an_end_without_a_status_is_refused() -> None:
    assert lifecycle.after("running", "run.ended", None) is None
