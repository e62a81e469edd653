"""Checks that what the store holds is what was written, and names exactly what is not and who depends on it.

One changed byte is one finding: of a file that holds others (a seal, a journal line) only the culprit is named, and
what follows from it is left out. What came after a seal is late, not damage; a torn tail is a note.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ..errors import FormatError
from ..ids import created_at, day_of, is_id
from ..records.checked import is_sound
from ..records.encoding import decode
from ..records.place import Place
from ..system.files import read_regular
from .act_check import check_acts
from .archives import archive_files, archived_runs
from .checking import Check
from .code_check import check_code
from .damage import Damage
from .dataset_check import check_datasets
from .layout import GUARD, MARK, Store, lacks_guard
from .object_check import check_objects
from .run_check import check_run
from .run_list import misplaced_runs, run_folders


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found."""

    damage: tuple[Damage, ...]
    late: tuple[str, ...]
    """Files, or parts of files, that came after a seal."""
    notes: tuple[str, ...]
    """Normal after a crash: torn tails, folders of runs that never came to be, runs without a seal."""
    runs: int
    objects: int
    acts: int


def check_store(store: Store, runs: Sequence[str] | None = None, *, environ: Mapping[str, str] | None = None) -> Report:
    """Re-hash and hold everything against everything; with `runs` only these, their objects and the acts about them.

    `environ` is for git, which checks `code.git`; without it the code is not checked. Costs a read of all bytes.
    """
    check = Check(store)
    if runs is None:
        _check_mark(check)
        if lacks_guard(store.path):
            check.notes.append(
                f"{GUARD}: not there: `git clean -fdx` would remove the store; the next run puts it back"
            )
        _check_archives(check)
        for day, run in misplaced_runs(store):
            check.add(f"runs/{day}/{run}", f"found a run of another day, expected it in runs/{day_of(run)}", [run])
    for run in run_folders(store, newest_first=False) if runs is None else runs:
        try:
            check_run(check, run)
        except (OSError, FormatError) as error:
            check.add(f"runs/{day_of(run)}/{run}", f"cannot be read: {error}", [run])
    check_objects(check, everything=runs is None)
    check_acts(check, lambda subject: runs is None or subject.run in runs)
    if runs is None:
        check_datasets(check)
    if environ is not None:
        check.damage += check_code(store, environ, check.codes, everything=runs is None)
    return Report(
        damage=tuple(check.damage),
        late=tuple(check.late),
        notes=tuple(check.notes),
        runs=check.runs,
        objects=check.objects,
        acts=check.acts,
    )


def _check_mark(check: Check) -> None:
    """The format was seen when the store was opened; identity and time are held by the file's own check, or where an
    older version wrote none by each other."""
    data = read_regular(check.store.path / MARK)
    place = decode(data, Place, where=MARK)
    if place.check is None and _agree(place):
        return
    if not is_sound(data):
        what = f"found the id {place.id}, created {place.created}, which does not hold its own check"
        check.add(MARK, f"{what}; take the file from a copy of the store")


def _agree(place: Place) -> bool:
    """Whether the id carries the time that is said, to the millisecond."""
    try:
        created = created_at(place.id) if is_id(place.id) else None
    except (ValueError, OverflowError):
        return False  # a time after the year 9999
    return created is not None and place.created.startswith(created.strftime("%Y-%m-%dT%H:%M:%S.%f")[:23])


def _check_archives(check: Check) -> None:
    for archive in archive_files(check.store):
        try:
            archived_runs(archive)
        except FormatError as error:
            where = str(archive.relative_to(check.store.path))
            check.add(where, error.message.removeprefix(f"{archive}: "))
