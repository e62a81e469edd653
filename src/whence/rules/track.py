"""What is known of one file of a run, and what became of it, from what the run did and what is there at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from .seen import Identity

Fate = Literal["read", "written", "again", "changed", "temporary", "removed", "untouched"]
"""What became of a file: `again` was written and then read by the run itself, `changed` was there before and is another
now, `temporary` was made by the run and is gone, `removed` was there before and is gone."""

READ, CREATED, OVERWRITTEN, OPENED_TO_WRITE, READ_AGAIN, GONE, DIFFERED, LATE, UNKNOWN, CAME, ARRIVED, MOVED = (
    1 << n for n in range(12)
)
# CAME: what lies there is a file from outside, moved or linked to this name by the run. ARRIVED: it has this name by a
# rename or link. MOVED: it was made by the run, which then gave it another name.


class Track(msgspec.Struct, gc=False):
    """What is known of one file."""

    marks: int = 0
    before: Identity | None = None
    """When the run first touched it; nothing when it was not there, or could not be looked at."""
    opened: Identity | None = None
    """When the run first read what it had not written itself."""
    named: bytes | None = None
    """As the program named it, where links were on the way."""
    because: str = ""
    arrived: tuple[int, Identity | None] | None = None
    """What the marks were, and what lay there, right before the last rename or link to this name."""

    @property
    def written(self) -> bool:
        return bool(self.marks & (CREATED | OVERWRITTEN))


class FileUse(msgspec.Struct, frozen=True, gc=False):
    """One file at the end."""

    path: bytes
    """As the program named it first."""
    fate: Fate
    before: Identity | None
    opened: Identity | None
    """What was there right before it was opened to be read."""
    now: Identity | None
    read: bool
    """It was read before the run wrote to it: it came from outside."""
    differed: bool = False
    """It was another file, or had been edited, when it was opened once more."""
    again: bool = False
    """It was read after the run wrote to it: what was read may be the run's own."""
    late: bool = False
    because: str = ""


def judge_arrival(track: Track, now: Identity | None) -> None:
    """Take back a rename to this name that was not done: at the end nothing lies there that it could have brought."""
    if not track.marks & ARRIVED or track.arrived is None:
        return
    marks, replaced = track.arrived
    if now is None and not track.marks & GONE:
        track.marks = marks
    elif now is not None and replaced is not None and replaced.key == now.key:
        track.marks = (track.marks & ~(CREATED | OVERWRITTEN | ARRIVED | CAME)) | marks


def judge_name(track: Track, found: Identity | None, now: Callable[[bytes], Identity | None]) -> None:
    """A name that does not lead to the file any more, as links have changed, says nothing to a reader."""
    if track.named is not None and found is not None:
        named = now(track.named)
        if named is None or named.key != found.key:
            track.named = None


def join(track: Track, other: Track) -> None:
    """What was read under another name of a written file: what was there before, or the run's own bytes."""
    if not other.marks & READ:
        return
    if track.before is None or other.opened is None or track.before.key != other.opened.key:
        track.marks |= READ_AGAIN
    elif not track.marks & READ:
        track.marks |= READ
        track.opened = other.opened


def has_changed(track: Track, now: Identity) -> bool:
    """Whether it is another file, or has another content, than before the run first touched it."""
    return track.before is None or not track.before.same_content(now)


def use_of(path: bytes, track: Track, now: Identity | None) -> FileUse:
    return FileUse(
        path=track.named or path,
        fate=_fate(track, now),
        before=track.before,
        opened=track.opened,
        now=track.opened if now == track.opened else now,  # Kept once: there may be very many.
        read=bool(track.marks & READ),
        differed=bool(track.marks & DIFFERED),
        again=bool(track.marks & READ_AGAIN),
        late=bool(track.marks & LATE),
        because=track.because,
    )


def _fate(track: Track, now: Identity | None) -> Fate:
    """What became of it, from what the run did and what is there at the end."""
    marks = track.marks
    if now is None and marks & CREATED:
        return "temporary"
    if now is None and marks & GONE:
        return "removed"
    if now is not None and (track.written or marks & OPENED_TO_WRITE) and has_changed(track, now):
        if track.before is not None and (marks & READ or not marks & OVERWRITTEN) and track.before.size:
            return "changed"
        return "again" if marks & READ_AGAIN else "written"
    if marks & (READ | UNKNOWN):
        return "read"
    return "untouched"


def by_key(written: list[tuple[bytes, Track]], there: dict[bytes, Identity | None]) -> dict[tuple[int, int], Track]:
    """The files that the run wrote, by what they are at the end; without those that came from outside."""
    own: dict[tuple[int, int], Track] = {}
    for path, track in written:
        now = there[path]
        if now is not None and not track.marks & CAME and has_changed(track, now):
            own.setdefault(now.key, track)
    return own
