"""What a run says of itself, fact by fact: what two runs are compared by.

A fact has the dotted name that it has in the record and a plain value. What a run does not tell stands beside, with
the reason: it is never taken for the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from ..records.configuration import Origin
from ..records.record import Record
from .finding import why_missing
from .not_compared import is_compared


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a run says."""

    value: Any
    seen: bool = False
    """It was observed: where a run has none, it may be that nobody saw it."""
    origin: Origin | None = None
    imported: bool | None = None
    """Of a package."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a run, by dotted names."""

    known: dict[str, Fact] = {}
    unknown: dict[str, str] = {}
    """Why the run does not tell; a name stands for all that lies below it."""
    gaps: dict[str, str] = {}
    """Below which names there may be more that was not seen, and why."""


Known = Iterator[tuple[str, Fact]]
Unknown = Iterator[tuple[str, str]]


def facts(record: Record, known: Known, unknown: Unknown, gaps: Unknown, heads: Iterable[str]) -> Facts:
    """The part of a record whose names begin with one of the heads."""
    reasons = dict(unknown)
    for name, because in _missing(record, tuple(heads)):
        reasons.setdefault(name, because)
    return Facts(known=_by_name(known), unknown=reasons, gaps=dict(gaps))


def _by_name(known: Known) -> dict[str, Fact]:
    """Two of one name get numbers."""
    found: dict[str, Fact] = {}
    for name, fact in known:
        number, free = 1, name
        while free in found:
            number += 1
            free = f"{name}#{number}"
        found[free] = fact
    return found


def _missing(record: Record, heads: tuple[str, ...]) -> Unknown:
    """What the record itself says that it lacks, of what is compared; not what the machine has none of."""
    for gap in record.missing:
        head, _, rest = gap.what.partition(".")
        what = f"{head}.{quoted(rest.strip(_QUOTE))}" if head in _NAMED and rest else gap.what
        if head in heads and is_compared(what) and not gap.because.startswith(_NONE_THERE):
            yield what, gap.because


_QUOTE = '"'
_NAMED = ("inputs", "artifacts")
"""Of these a name is all that comes behind the first dot."""

_NONE_THERE = "not available:"


def quoted(name: str) -> str:
    """A name as a part of a dotted one."""
    plain = name and not any(character in '. "\\' for character in name)
    return name if plain else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def fields(at: str, value: object, *names: str) -> Known:
    """Each field of a struct that says something as a fact."""
    for name in names:
        said = getattr(value, name)
        if said is not None:
            yield f"{at}{name}", Fact(value=msgspec.to_builtins(said))


def items(at: str, values: Mapping[str, Any]) -> Known:
    """Each item of a mapping as a fact."""
    return ((f"{at}.{quoted(name)}", Fact(value=value)) for name, value in values.items())


def some(**values: Any) -> dict[str, Any]:
    """The values that say something."""
    return {name: msgspec.to_builtins(value) for name, value in values.items() if value not in (None, "", [], {})}


def chosen(value: object, *names: str) -> dict[str, Any]:
    """Fields of a struct that say something."""
    return some(**{name: getattr(value, name) for name in names})


def because_of(record: Record, what: str, otherwise: str) -> str:
    """Why a fact is missing: as the record says, or in these words."""
    return why_missing(record, what) or otherwise


def unseen(record: Record) -> str | None:
    """Why there may be more than what was seen; nothing where all of it was."""
    observation = record.observation
    if observation.complete:
        return None
    if observation.mechanism == "declared":
        return "nothing was watched: " + (observation.because or "only what was declared is known")
    more = f" (and {len(observation.gaps) - 1} more)" if len(observation.gaps) > 1 else ""
    return f"{observation.gaps[0]}{more}" if observation.gaps else "not all of it was seen"
