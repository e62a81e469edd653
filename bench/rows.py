"""One line of the results, and how figures are written out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One line of the results; `figures` are written out, by the name of the tool."""

    what: str
    unit: str
    budget: str
    figures: dict[str, str] = field(default_factory=dict)
    table: str = ""
    """The table that it stands in, where that is not the first."""


class Failed(Exception):
    """A tool did not do the work; its figure is `failed`."""


def figure(measure: Callable[[], str]) -> str:
    try:
        return measure()
    except Failed as failure:
        print(failure, flush=True)
        return "failed"


def ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f}" if seconds < 0.1 else f"{seconds * 1000:.0f}"


def ratio(value: float, floor: float) -> str:
    return f"x{value / floor:.2f}" if floor > 0.0005 else ""
