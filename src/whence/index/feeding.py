"""Finds out what an index does not have yet, and reads it: no writer leaves a mark, the folders themselves tell.

Of each folder of a day the index keeps (mtime, ctime) and when it was listed. One is listed again when they differ, or
when it had changed within two seconds of its listing: what came in the same tick of the file system's clock would not
show. Runs without a seal, and what cannot be read, are read at each question; sealed runs once, and again for an act
about them. A folder's row is written after all that was found in it, so whoever is interrupted begins there again.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol

import msgspec

from ..errors import FormatError, UnresolvedError
from ..ids import day_of
from ..store.acts import act_days, acts_of_day
from ..store.archives import ARCHIVE, runs_in
from ..store.layout import Store
from ..store.run_files import listed
from ..store.run_list import DAY, runs_of_day, was_begun
from .entry import Contents, Entry, entry_of, folders_in
from .interface import Fed
from .reading import Said, read_contents, read_run, read_said

RACY = 2_000_000_000
"""Nanoseconds between the last change of a folder and its listing, below which it is listed again."""

BATCH = 200
"""Runs that are written at once: what a person interrupts is not lost, and who waits to write waits no longer."""


MANY = 2000
"""Runs that take some seconds to read."""


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """A folder, or the archive of a month, as it was when it was listed."""

    mtime: int
    ctime: int
    listed: int


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """A folder that is no run to be asked for: unreadable, or one that never came to be, without a reason."""

    id: str
    why: str | None


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What is written into the index at once."""

    entries: Sequence[Entry] = ()
    unread: Sequence[Unread] = ()
    gone: Sequence[str] = ()
    acts: Sequence[Said] = ()
    acts_gone: Sequence[str] = ()
    contents: Sequence[Contents] = ()
    stamps: Mapping[str, Stamp] = {}
    stamps_gone: Sequence[str] = ()


class Copy(Protocol):
    """What feeding needs of a back-end."""

    def stamps(self) -> dict[str, Stamp]:
        """Every folder that was listed: `runs/2026-11-21`, `runs/2026-10.zip`, `acts/2026-11-21`."""
        ...

    def known_runs(self, day: str) -> set[str]:
        """The runs of a day, also those that cannot be read."""
        ...

    def open_runs(self) -> list[str]:
        """Runs that are read at each question."""
        ...

    def known_acts(self, day: str) -> set[str]:
        """The acts of a day, also those that cannot be read."""
        ...

    def open_acts(self) -> list[str]:
        """Acts that could not be read."""
        ...

    def acts_about(self, runs: Collection[str]) -> dict[str, list[str]]:
        """The acts about each of these runs."""
        ...

    def unknown_folders(self, digests: Collection[str]) -> list[str]:
        """Which of these manifests are not known."""
        ...

    def missing_folders(self) -> list[str]:
        """The manifests of dataset versions that were never looked for, and all that were looked for in vain."""
        ...

    def put(self, batch: Batch) -> None:
        """Write it in one transaction.

        Several may feed at once, each from what it read. So an entry that is not sealed never takes the place of one
        that is; a run becomes open, and is read again, when an act about it comes or goes, and when an entry was made
        without an act about it that is known meanwhile.
        """
        ...


def feed(
    store: Store, copy: Copy, *, say: Callable[[str], None] = lambda _: None, clock: Callable[[], int] = time.time_ns
) -> Fed:
    """Bring the copy up to date; `say` is told when that takes a while."""
    before = copy.stamps()
    acts = _changed_acts(store, copy, before)
    runs = _changed_runs(store, copy, before)
    said = [read_said(store, act) for act in acts.new]
    if said or acts.gone:
        copy.put(Batch(acts=said, acts_gone=sorted(acts.gone)))
    wanted = sorted({*runs.new, *copy.open_runs()} - runs.gone)
    if len(wanted) >= MANY:
        say(f"reading {len(wanted)} runs into the index, which is done once")
    read, unreadable = _feed_runs(store, copy, wanted, clock)
    stamps = acts.stamps | runs.stamps
    last = Batch(
        gone=sorted(runs.gone),
        contents=[read_contents(store, digest) for digest in copy.missing_folders()],
        stamps={name: stamp for name, stamp in stamps.items() if stamp != before.get(name)},
        stamps_gone=sorted(set(before) - set(stamps)),
    )
    if last != Batch():
        copy.put(last)
    faults = [one.fault for one in said if one.fault is not None]
    return Fed(read=read, gone=len(runs.gone), unreadable=unreadable, faults=faults)


def _feed_runs(store: Store, copy: Copy, runs: Sequence[str], clock: Callable[[], int]) -> tuple[int, dict[str, str]]:
    """How many were read, and why others could not be."""
    unreadable: dict[str, str] = {}
    read = 0
    for some in _batched(runs, BATCH):
        entries, unread = _read(store, copy, some, clock())
        folders = {digest for entry in entries for digest in folders_in(entry)}
        contents = [read_contents(store, digest) for digest in copy.unknown_folders(folders)]
        copy.put(Batch(entries=entries, unread=unread, contents=contents))
        read += len(entries)
        unreadable |= {one.id: one.why for one in unread if one.why is not None}
    return read, unreadable


def _batched(runs: Sequence[str], size: int) -> Iterator[list[str]]:
    rest = iter(runs)
    while some := list(islice(rest, size)):
        yield some


def _read(store: Store, copy: Copy, runs: Sequence[str], now_ns: int) -> tuple[list[Entry], list[Unread]]:
    acts = copy.acts_about(runs)
    entries: list[Entry] = []
    unread: list[Unread] = []
    for run in runs:
        try:
            if was_begun(store, run):
                known = acts.get(run, [])
                entries.append(entry_of(read_run(store, run, known, now_ns), known))
            else:
                unread.append(Unread(id=run, why=None))
        except FormatError as error:
            unread.append(Unread(id=run, why=error.message))
        except UnresolvedError:
            unread.append(Unread(id=run, why=None))  # It was removed meanwhile: the next listing says so.
    return entries, unread


class _Changes(msgspec.Struct, kw_only=True):
    """What the listings say."""

    new: list[str] = []
    gone: set[str] = set()
    stamps: dict[str, Stamp] = {}
    """Of every folder that is there."""


def _changed_runs(store: Store, copy: Copy, before: Mapping[str, Stamp]) -> _Changes:
    changes = _Changes()
    names = listed(store.runs)
    months = {match[1]: match[0] for name in names if (match := re.fullmatch(ARCHIVE, name))}
    days = {name for name in names if re.fullmatch(DAY, name)}
    changed = {
        name for name in (*days, *months.values()) if _look(f"{store.runs}/{name}", f"runs/{name}", before, changes)
    }
    lost = {name.removeprefix("runs/") for name in before if name.startswith("runs/") and name not in changes.stamps}
    touched = changed | lost
    archived = {month: set(runs_in(store.runs / name)) for month, name in months.items() if _touches(month, touched)}
    for day in sorted(_days_of(touched, days)):
        here = set(runs_of_day(store, day)) if day in days else set[str]()
        here |= {run for run in archived.get(day[:7], ()) if day_of(run) == day}
        known = copy.known_runs(day)
        changes.new += here - known
        changes.gone |= known - here
    return changes


def _touches(month: str, changed: Collection[str]) -> bool:
    return any(name.startswith(month) for name in changed)


def _days_of(touched: Collection[str], days: Collection[str]) -> set[str]:
    """The days whose runs have to be compared: for an archive every day of its month."""
    months = {name.removesuffix(".zip") for name in touched if name.endswith(".zip")}
    every = {f"{month}-{day:02}" for month in months for day in range(1, 32)}
    return {name for name in touched if re.fullmatch(DAY, name)} | every


def _changed_acts(store: Store, copy: Copy, before: Mapping[str, Stamp]) -> _Changes:
    changes = _Changes(new=copy.open_acts())
    days = set(act_days(store))
    root = os.fspath(store.acts)
    changed = {day for day in days if _look(f"{root}/{day}", f"acts/{day}", before, changes)}
    lost = {name.removeprefix("acts/") for name in before if name.startswith("acts/") and name not in changes.stamps}
    for day in sorted(changed | lost):
        here, known = set(acts_of_day(store, day)), copy.known_acts(day)
        changes.new += sorted(here - known)
        changes.gone |= known - here
    changes.new = [act for act in changes.new if act not in changes.gone]
    return changes


def _look(path: str, name: str, before: Mapping[str, Stamp], changes: _Changes) -> bool:
    """Note the folder as it is now; whether it has to be listed."""
    now = time.time_ns()
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return False
    known = before.get(name)
    same = known is not None and (known.mtime, known.ctime) == (found.st_mtime_ns, found.st_ctime_ns)
    settled = known is not None and known.listed - max(known.mtime, known.ctime) > RACY
    if known is not None and same and settled:
        changes.stamps[name] = known
        return False
    changes.stamps[name] = Stamp(mtime=found.st_mtime_ns, ctime=found.st_ctime_ns, listed=now)
    return True
