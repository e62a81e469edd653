"""Which runs a store holds, and the files of each: in folders by day, or in the archive of a month."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..errors import FormatError, UnresolvedError
from ..ids import day_of, is_id
from .archives import ARCHIVE, ArchivedFiles, archived_runs, runs_in
from .layout import Store
from .run_files import FolderFiles, RunFiles, came_to_be, listed

DAY = r"\d{4}-\d{2}-\d{2}"


def run_ids(store: Store, newest_first: bool = True) -> Iterator[str]:
    """The identifier of every run in order of creation; each day is listed when it is reached.

    A folder in which no first line was ever written is no run, and is left out.
    """
    return (run for run in run_folders(store, newest_first) if was_begun(store, run))


def was_begun(store: Store, run_id: str) -> bool:
    """Whether there is a run in the folder: its first line was written."""
    folder = store.run_folder(run_id)
    try:
        return not folder.is_dir() or came_to_be(FolderFiles(folder))
    except OSError:
        return True  # Who reads it says what is wrong.


def run_folders(store: Store, newest_first: bool = True) -> Iterator[str]:
    """As `run_ids`, with those in which no first line was ever written."""
    names = listed(store.runs)
    months = {match[1]: match[0] for name in names if (match := re.fullmatch(ARCHIVE, name))}
    days = [name for name in names if re.fullmatch(DAY, name)]
    for month in sorted(set(months) | {day[:7] for day in days}, reverse=newest_first):
        found = set(runs_in(store.runs / months[month])) if month in months else set[str]()
        for day in sorted({d for d in days if d[:7] == month} | {day_of(run) for run in found}, reverse=newest_first):
            here = {run for run in found if day_of(run) == day}
            here.update(_of_day(store, day)[0])
            yield from sorted(here, reverse=newest_first)


def misplaced_runs(store: Store) -> list[tuple[str, str]]:
    """(day folder, run) of each folder that lies under another day than its own: no reader looks there for it."""
    days = sorted(name for name in listed(store.runs) if re.fullmatch(DAY, name))
    return [(day, run) for day in days for run in _of_day(store, day)[1]]


def runs_of_day(store: Store, day: str) -> list[str]:
    """The runs in a day's folder, in order; those of an archive are not among them."""
    return _of_day(store, day)[0]


def _of_day(store: Store, day: str) -> tuple[list[str], list[str]]:
    """The runs in a day's folder: those of the day, and others."""
    names = sorted(name for name in listed(store.runs / day) if is_id(name))
    # Identifiers sort by time: with the first and the last all are of the day.
    if not names or day_of(names[0]) == day_of(names[-1]) == day:
        return names, []
    return [name for name in names if day_of(name) == day], [name for name in names if day_of(name) != day]


def open_run(store: Store, run_id: str) -> RunFiles:
    """The files of a run. Raises UnresolvedError when the store does not hold it."""
    folder = store.run_folder(run_id)
    if folder.is_dir():
        return FolderFiles(folder)
    archive = store.runs / f"{day_of(run_id)[:7]}.zip"
    if archive.is_file() and (members := runs_in(archive).get(run_id)):
        return ArchivedFiles(archive, members)
    raise UnresolvedError(f"{store.path}: holds no run {run_id}", hint="`whence log` lists the runs")


def holds_run(store: Store, run_id: str) -> bool:
    """Whether the run is there. One that could lie in a damaged archive is not called missing."""
    if store.run_folder(run_id).is_dir():
        return True
    archive = store.runs / f"{day_of(run_id)[:7]}.zip"
    try:
        return archive.exists() and run_id in archived_runs(archive)
    except FormatError:
        return True
