"""Which event may follow in which state: the table of docs/format.md, section 3, and nothing else.

A state is `absent`, `created`, `running`, `ended` or `sealed`. `run.ended` carries one of the final statuses, and
which of them it may carry depends on the state too.
"""

from __future__ import annotations

from typing import Literal

from ..records.run import TERMINAL

State = Literal["absent", "created", "running", "ended", "sealed"]

_MOVES: dict[tuple[State, str], State] = {
    ("absent", "run.created"): "created",
    ("created", "run.started"): "running",
    ("created", "run.ended"): "ended",
    ("running", "run.ended"): "ended",
    ("ended", "run.sealed"): "sealed",
}

_OPEN: frozenset[State] = frozenset({"created", "running", "ended"})
"""States in which facts may be stated."""

_ENDS: dict[State, frozenset[str]] = {
    "created": TERMINAL - {"succeeded"},
    "running": TERMINAL,
}


def after(state: State, kind: str, status: str | None = None) -> State | None:
    """The state after an event, or nothing if the table refuses it; `status` is that of a `run.ended`."""
    if kind == "run.ended" and status not in _ENDS.get(state, frozenset()):
        return None
    if (state, kind) in _MOVES:
        return _MOVES[state, kind]
    if kind.startswith("run."):
        return None
    if kind == "journal.continued":
        return None if state == "sealed" else state
    return state if state in _OPEN else None
