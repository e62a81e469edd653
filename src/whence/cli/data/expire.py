"""`whence data expire`: remove the bytes of versions, and say what that means first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isinf
from time import time

from ...actions.dataset_expiry import ExpiryPlan, expire, old_versions, plan_expiry
from ...errors import UsageError
from ...store.dataset_references import Found, find_version
from ..arguments import CommandParser, Place
from ..output import counted, json_document, line, printable, say, size_text, time_text
from ..speaking import speaker
from .words import amount, said


def parser() -> CommandParser:
    parser = CommandParser(
        "data expire",
        "Remove the bytes of versions that nothing else needs: what another version has, or a run keeps for itself,"
        " stays. The manifest and the history stay, with a tombstone that says who removed what, when and why. First it"
        " is shown what would go, and which runs could not be repeated any more. Importing an archive undoes it.",
        examples=(
            "whence data expire cifar@1.0.0 --plan",
            "whence data expire --old --plan",
            "whence data expire cifar@1.0.0 cifar@1.0.0.post1.dev1 --because 'superseded, archived as cifar-1.0.0.tar'",
        ),
    )
    parser.add_argument("versions", nargs="*", metavar="NAME@VERSION", help="a version, named exactly")
    parser.add_argument(
        "--old",
        action="store_true",
        help="the developing versions that no run pinned, and that are older than `retention` of the policy says",
    )
    parser.add_argument("--because", metavar="TEXT", help="why, in a sentence; stays in the tombstone")
    parser.add_argument("--plan", action="store_true", help="show what would happen, and do nothing")
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    place = Place()
    found = _meant(place, options.versions, old=options.old)
    because = said(place, options.because, None).why
    if options.old and because is None:
        because = f"older than retention = {place.policy.retention:g} s"
    if options.old and not found:
        say(_none_old(place.policy.retention))
    if options.plan:
        plan = plan_expiry(place.store, found)
        if options.json:
            json_document(plan)
        else:
            for text in _lines(plan):
                line(text)
        return 0
    if not options.json:
        for text in _lines(plan_expiry(place.store, found)):
            say(text)
    done = expire(place.store, found, because, speaker(place.setting))
    if options.json:
        json_document(done)
        return 0
    for folder in done.left:
        say(f"{folder}: holds what is of no version, and stays: remove it when nobody needs that")
    say(f"removed {counted(done.plan.objects, 'object', 'objects')}, {size_text(done.freed)}")
    return 0


def _none_old(retention: float) -> str:
    if isinf(retention):
        return (
            'nothing is ever too old: policy `retention` is "forever"; for instance retention = "90 d" in whence.toml'
        )
    return f"no developing version could go that no run pinned and that is older than retention = {retention:g} s"


def _meant(place: Place, versions: Sequence[str], *, old: bool) -> list[Found]:
    """Raises UsageError, also where nothing is named."""
    if old == bool(versions):
        raise UsageError("expected versions, or --old", hint="for instance whence data expire cifar@1.0.0 --plan")
    if old:
        return old_versions(place.store, place.policy.retention, time())
    return [_named(place, word) for word in versions]


def _named(place: Place, word: str) -> Found:
    """The version; one that is not named must not go because it is the current one today. Raises UsageError."""
    found = find_version(place.store, word)
    if found.floating:
        raise UsageError(f"{word}: expected a version", hint=f"for instance {found}")
    return found


def _lines(plan: ExpiryPlan) -> Iterator[str]:
    for target in plan.versions:
        again = f"; expired already (act {target.expired})" if target.expired else ""
        yield f"{target.name}@{target.version}  {amount(target.files, target.size)}{again}"
        goes = counted(target.objects, "object goes", "objects go")
        stays = ": nothing would go, so it does not expire" if target.stays else ""
        yield f"  {goes}, {size_text(target.freed)}; {target.kept} stay{stays}"
    for use in plan.kept_by_versions:
        yield f"kept      {counted(use.objects, 'object', 'objects')}, {size_text(use.size)}, by {use}"
    for holds in plan.kept_by_runs:
        yield f"kept      {counted(holds.objects, 'object', 'objects')}, {size_text(holds.size)}, by run {holds.run}"
    for run in plan.unreproducible if plan.objects else ():
        named = f" ({printable(run.name)})" if run.name else ""
        when = f"{run.status}  {time_text(run.created)}"
        yield f"run       {run.run}{named}  {when}  pinned {run.version}: cannot be repeated"
    for made in plan.losing:
        named = f" ({printable(made.name)})" if made.name else ""
        yield f"run       {made.run}{named}  made {made.version}: its result would be gone"
    for version in plan.underivable:
        yield f"derived   {version}: can be neither checked nor derived again"
    for folder in plan.laid_out if plan.objects else ():
        yield f"laid out  {printable(folder)}"
