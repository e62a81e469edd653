"""`whence data derive`: derive a dataset again, from the current release of its source, or to check a version."""

from __future__ import annotations

from collections.abc import Sequence

from ...actions.dataset_derivation import Planned, check, get_derivation, keeping, make, plan_again
from ...actions.dataset_view import difference_shown
from ...actions.source_table import measured
from ...records.derivation import Split
from ...rules.versions import role_of
from ...store.dataset_references import Found, find_version
from ...store.layout import Store
from ..arguments import CommandParser, Place
from ..output import json_document, line, say
from ..speaking import speaker
from .deriving import tell_derived
from .diff import difference_lines, summary_of
from .words import VERSION, add_reasons, said


def parser() -> CommandParser:
    parser = CommandParser(
        "data derive",
        "Derive a dataset again, as `data split` or `data subset` has done it, from the current release of its source:"
        " its next release. With --check compute the members of a version anew from the version that it came of, and"
        " compare; exit code 1 when they differ.",
        examples=("whence data derive cifar-train@0.1.0 --check", "whence data derive cifar-train --plan"),
    )
    parser.add_argument("version", metavar="NAME[@VERSION]", help=VERSION)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="only compare, from the version that is recorded")
    choice.add_argument("--plan", action="store_true", help="say what would be made, and write nothing")
    add_reasons(parser)
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    place = Place()
    found = find_version(place.store, options.version)
    if options.check:
        return _check(place.store, found, as_json=options.json)
    source, planned = plan_again(place.store, found, measured if options.plan else keeping(place.store))
    say(f"{found}: derived again from {source}, {role_of(source.made.version)}")
    made = [planned]
    if not options.plan:
        made = make(place.store, made, said(place, options.because, options.description), speaker(place.setting))
    tell_derived(place.store, source, made, plan=options.plan, as_json=options.json)
    _warn_of_others(made[0])
    return 0


def _warn_of_others(made: Planned) -> None:
    """Parts of two versions may have an element in common."""
    derivation = made.derivation
    if isinstance(derivation, Split) and made.changes and len(derivation.parts) > 1:
        others = ", ".join(part.name for part in derivation.parts if part.name != derivation.part)
        say(f"it is one part of a split: derive the others ({others}) again, too, so that nothing is in two of them")


def _check(store: Store, found: Found, *, as_json: bool) -> int:
    differs = check(store, found)
    origin = get_derivation(found).source
    source = f"{origin.name}@{origin.version}"
    if as_json:
        json_document(difference_shown(str(found), f"derived from {source}", differs))
    else:
        for text in difference_lines(differs):
            line(text)
        say(f"{found}, derived again from {source}: {'equal' if differs.same else summary_of(differs)}")
    return 0 if differs.same else 1
