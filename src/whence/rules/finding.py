"""One fact of a record that is not as a reviewer needs it, and the words that its clauses share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from ..records.record import Record

Level = Literal["missing", "weak", "late", "remark"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One fact that is not as a reviewer needs it."""

    level: Level
    what: str
    """The dotted name in the record, with the item's name: `artifacts.model.pt`."""
    because: str
    fix: str

    @property
    def counts(self) -> bool:
        """Whether it makes the run incomplete."""
        return self.level != "remark"


Found = Iterator[Finding]


def named(name: str) -> str:
    """A name as a part of a dotted one: in quotes, as queries have it, where it begins with a dot (`.env`)."""
    return f'"{name}"' if name.startswith(".") else name


def fix_for(because: str, fixes: Mapping[str, str], otherwise: str) -> str:
    """The cure that goes with the first of some words that stands in the reason."""
    return next((fix for words, fix in fixes.items() if words in because), otherwise)


def captured_late(what: str, when: str) -> Found:
    """A fact that says itself that it was not captured at launch."""
    if when != "launch":
        yield Finding(
            level="late", what=what, because=f"was captured {when}, not at launch", fix="start with whence run"
        )


def why_missing(record: Record, what: str) -> str | None:
    """The reason that the record itself gives for the lack of a fact; none where it names none."""
    return next((gap.because for gap in record.missing if gap.what == what), None)
