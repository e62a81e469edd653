"""A row of the table of several runs: what each of them has, as short as it can be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..records.comparison import Differing
from ..rules.plain import as_mapping
from .diff_words import PRIMARY, look_alike, value_text

_SHORT = 12
"""Characters that all cells begin with and that are left in them."""

_ENDS = "/ ,"
"""Behind one of these a text can be cut."""


def row_cells(one: Differing, runs: int, *, full: bool) -> list[str]:
    """A cell for each run, `-` for one that has none; what all begin with is told as `…` unless all is to be told."""
    present = [position for position in range(runs) if position not in one.absent]
    texts = _texts([one.values[position] for position in present], one, full=full)
    told = dict(zip(present, texts if full else _without_begin(texts), strict=True))
    return [told.get(position, "-") for position in range(runs)]


def _texts(values: Sequence[Any], one: Differing, *, full: bool) -> list[str]:
    """Of versions their names, where these tell them apart; of other objects the first field that varies."""
    if (versions := _versions(values)) is not None:
        return versions
    if not all(isinstance(value, dict) for value in values):
        return _told(values, one.what, full=full)
    fields = [as_mapping(value) for value in values]
    names = dict.fromkeys(name for said in fields for name in said)
    varies = [name for name in names if one.absent or len({str(said.get(name)) for said in fields}) > 1]
    first = next((name for name in PRIMARY if name in varies and all(name in said for said in fields)), None)
    if first is not None:
        return _told([said[first] for said in fields], one.what, full=full)
    return _told([{name: said[name] for name in varies if name in said} for said in fields], one.what, full=full)


def _versions(values: Sequence[Any]) -> list[str] | None:
    fields = [as_mapping(value) for value in values]
    if not all(said.get("dataset") and said.get("version") for said in fields):
        return None
    texts = [f"{said['dataset']}@{said['version']}" for said in fields]
    return texts if len(set(texts)) == len({str(said) for said in fields}) else None


def _told(values: Sequence[Any], what: str, *, full: bool) -> list[str]:
    whole = full or look_alike(values, what)
    return [value_text(value, what, whole=whole) for value in values]


def _without_begin(texts: Sequence[str]) -> Sequence[str]:
    if len(set(texts)) < 2:
        return texts
    first, last = min(texts), max(texts)  # What these two begin with, all do.
    alike = next((at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))
    end = max(first.rfind(character, 0, alike) for character in _ENDS) + 1
    return texts if end <= _SHORT else [f"…{text[end:]}" for text in texts]
