"""The order of runs by a field: numbers before texts, runs without a value last, the newest first among equals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from .matching import Thing, look_up

T = TypeVar("T")


def ordered(
    items: Iterable[T], record_of: Callable[[T], Mapping[str, Any]], path: Sequence[str], *, falling: bool = False
) -> list[T]:
    """The items by the first value that the field has in the record of each; they come the newest first."""
    ranked = [(_rank(path, record_of(item)), item) for item in items]
    there = [(rank, item) for rank, item in ranked if rank is not None]
    there.sort(key=lambda pair: pair[0], reverse=falling)
    return [item for _, item in there] + [item for rank, item in ranked if rank is None]


def _rank(path: Sequence[str], record: Mapping[str, Any]) -> tuple[bool, float, str] | None:
    value = next(look_up(path, record), None)
    if value is None or isinstance(value, Thing):
        return None
    return (False, value, "") if isinstance(value, int | float) else (True, 0.0, str(value))
