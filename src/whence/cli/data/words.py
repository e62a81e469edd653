"""What the verbs share: how versions are named and told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import to_builtins
from msgspec.structs import replace

from ...actions.dataset_tables import describer
from ...actions.dataset_view import PickLine, gone_parts, version_line
from ...rules.history import History
from ...rules.versions import NEWEST, role_of
from ...store.dataset_references import Found, find_version
from ...store.dataset_steps import Said, Taken, said_masked
from ...store.layout import Store
from ...store.objects import take_mended
from ...store.version_bytes import expired_entries, named
from ...wiring import secrets_of
from ..arguments import CommandParser, Place
from ..output import complain, counted, json_document, printable, say, size_text, time_text

DATASET = "a dataset, by its name or id"

VERSION = "a version, NAME@2.1.0 or NAME@newest; without a version the current release"


def add_reasons(parser: CommandParser) -> None:
    """The options that say why, and what the dataset is."""
    parser.add_argument("--because", metavar="TEXT", help="why, in a sentence; stays with what is made")
    parser.add_argument("--description", metavar="TEXT", help="what the dataset is, from now on")


def named_version(store: Store, text: str) -> Found:
    """The version that a word names; where it names none, it is said which one is taken."""
    found = find_version(store, text)
    if found.floating:
        version, role = found.made.version, role_of(found.made.version)
        newest = text.endswith(f"@{NEWEST}")
        say(f"{text}: {version} is {role}" if newest else f"{text}: no fixed version was named; {version} is {role}")
    return found


def said(
    place: Place,
    because: str | None,
    description: str | None,
    parameters: Mapping[str, Any] | None = None,
    *,
    all_tables: bool = False,
) -> Said:
    """What is said with a step, and by whom its tables are described."""
    masked = said_masked(secrets_of(place.setting, place.policy), because, description)
    describe = describer(place.store, everything=all_tables)
    return replace(masked, parameters=dict(parameters or {}), describe=describe)


def tell(history: History, taken: Taken | None, reasons: Said, *, as_json: bool) -> None:
    """The version that was made, or the newest one where nothing changes: on stdout, or in a sentence on stderr."""
    say_mended()
    made = history.head if taken is None else taken.made
    if as_json:
        json_document({**to_builtins(version_line(history, made)), "made": taken is not None})
    elif taken is None:
        say(f"{history.name}@{made.version}: nothing changes, so no version was made{_rest(history, reasons)}")
    else:
        step = made.stated.step
        changes = ((step.added, "added"), (step.changed, "changed"), (step.removed, "removed"))
        counts = ", ".join(f"{count} {word}" for count, word in changes if count)
        say(f"{step.name}@{step.version}: {amount(step.files, step.size)}{f' ({counts})' if counts else ''}")
    for part in gone_parts(taken) if taken is not None else ():
        say(f"{part.folder}/ is not {part.dataset}@{part.version} as a part any more: what is in it was changed")


def _rest(history: History, reasons: Said) -> str:
    """What became of the words where no version was made; `history` is the one before."""
    if reasons.description not in (None, history.description):
        return "; its description is the new one"
    return ", and the reason is kept nowhere" if reasons.why else ""


def say_mended() -> None:
    """What was found damaged in the store on the way, and is sound now."""
    for sentence in take_mended():
        say(sentence)


def warn_expired(store: Store, taken: Taken | None) -> None:
    """What of a version that was made has no bytes any more."""
    if taken is None:
        return
    found = Found(history=taken.history, made=taken.made, floating=False)
    gone = expired_entries(store, found)
    if gone:
        complain(
            f"{found}: the bytes of {named(gone)} expired, so no run can have this version",
            "`whence data remove` goes on without them; `whence data import FILE` of an archive brings them back",
        )


def amount(files: int, size: int) -> str:
    """`12 files, 3.4 MiB`."""
    return f"{counted(files, 'file', 'files')}, {size_text(size)}"


def pick_lines(picks: Iterable[PickLine]) -> Iterator[str]:
    """What was said of a version that others competed with."""
    for one in picks:
        what = {"newest": "as the newest version", "version": "as this version", "name": "for the name"}[one.question]
        did = "picked" if one.meant else "another picked"
        void = "" if one.stands else " (does not count: another took its place, or contradicts it)"
        who = one.by.name or one.by.user or "somebody"
        why = f": {one.why}" if one.why else ""
        yield printable(f"{did} {what} {time_text(one.at)} by {who}{why}{void}")
