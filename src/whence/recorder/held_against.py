"""What was declared or pinned, held against what the command was seen to open: bytes that were put back before the end
are those of the end, and not what was read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from msgspec.structs import replace

from ..capture.hashing import Measured
from ..capture.inputs import TOUCHED
from ..capture.observed import stat_of
from ..records.data import Stat
from ..records.events import InputChecked
from ..rules.seen import Identity
from ..rules.track import FileUse

UNKNOWN = "it was written to before it was opened; what it was then is not known"

OWN = "the run itself wrote there or moved it; what it read there after that may be its own"


class Opened(Protocol):
    """What an observation tells about files that were opened."""

    @property
    def saw_all(self) -> bool: ...
    def opened_at(self, path: str) -> Mapping[str, FileUse]:
        """By their paths below the path; the path itself is the empty one."""
        ...

    def read_own(self, path: str) -> bool:
        """Whether the run read something there after it had written to it, or moved a folder there or away."""
        ...

    def measured(self, opened: Identity | None) -> Measured | None: ...


def file_as_opened(checked: InputChecked, stat: Stat, digest: str, path: str, observed: Opened) -> InputChecked:
    """A file that was declared: whether what was opened is what was digested."""

    def expected(_: str, use: FileUse) -> bool:
        return use.opened is not None and stat_of(use.opened) == stat

    found = _otherwise(observed, path, lambda _: digest, expected)
    return _with(checked, found, observed)


def folder_as_opened(
    checked: InputChecked, digests: Mapping[str, str | None], path: str, observed: Opened
) -> InputChecked:
    """A folder that was pinned or declared, whose files have these digests: likewise for each that was opened.

    What is at the end as it was at its open is what the check at the end has judged.
    """

    def expected(_: str, use: FileUse) -> bool:
        return use.opened is not None and use.now is not None and use.opened.same_content(use.now)

    found = _otherwise(observed, path, digests.get, expected)
    return _with(checked, found, observed)


def _otherwise(
    observed: Opened,
    path: str,
    digest: Callable[[str], str | None],
    expected: Callable[[str, FileUse], bool],
) -> tuple[str, str | None] | None:
    """Why something that was opened is not, or may not be, what was recorded, with its digest where that is known."""
    doubts: list[tuple[str, str | None]] = []
    for below, use in sorted(observed.opened_at(path).items()):
        doubts += _doubts(below, use, observed, digest(below), expected(below, use))
    doubts += [(OWN, None)] if observed.read_own(path) else []
    return next((doubt for doubt in doubts if doubt[1] is not None), doubts[0] if doubts else None)


def _doubts(
    below: str, use: FileUse, observed: Opened, digest: str | None, stands: bool
) -> Iterator[tuple[str, str | None]]:
    name = f"{below!r}: " if below else ""
    if stands and not use.differed:
        return
    known = observed.measured(use.opened)
    if known is not None and known.digest != digest:
        yield f"{name}it was {known.digest} when it was opened", known.digest
    elif known is None or use.differed:
        yield f"{name}{UNKNOWN}", None


def _with(checked: InputChecked, found: tuple[str, str | None] | None, observed: Opened) -> InputChecked:
    if found is None:
        # Nobody read what stood there in between.
        touched = checked.because == TOUCHED and observed.saw_all
        return replace(checked, changed="no", because=None) if touched else checked
    because, digest = found
    if digest is not None:
        return replace(checked, changed="yes", digest_after=digest, because=because)
    return checked if checked.changed == "yes" else replace(checked, changed="unknown", because=because)
