"""`whence data import`: a version out of an archive, the same as where it was exported."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ...actions.dataset_import import ImportedVersion, import_bag
from ...errors import UnresolvedError
from ...wiring import secrets_of
from ..arguments import CommandParser, Place
from ..output import counted, json_document, say
from ..speaking import speaker
from .words import add_reasons, amount, said, say_mended


def parser() -> CommandParser:
    parser = CommandParser(
        "data import",
        "Take a version out of a BagIt bag that `whence data export` wrote: the same dataset, version and manifest as"
        " there, with the steps that led to it. Everything is verified before anything is taken; what is here already"
        " is verified, too, and put right where it was damaged. A bag of another program becomes a new dataset with"
        " --name.",
        examples=(
            "whence data import cifar-2.1.0.tar.gz",
            "whence data import survey.zip --name survey --because 'from the archive'",
        ),
    )
    parser.add_argument("file", metavar="FILE", help="the bag: a folder, a zip, or a tar, compressed or not")
    parser.add_argument(
        "--reference",
        action="store_true",
        help="fetch nothing that the bag names by address; it is fetched, and verified, when it is used",
    )
    parser.add_argument("--name", metavar="NAME", help="make a dataset of this name of a bag that is not of whence")
    add_reasons(parser)
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    _refuse_missing(options.file)
    place = Place(makes=True)
    reasons = said(place, options.because, options.description)
    path = place.setting.cwd / options.file
    done = import_bag(
        place.store,
        path,
        reasons,
        speaker(place.setting),
        name=options.name,
        mask=secrets_of(place.setting, place.policy).mask_text,
        reference=options.reference,
    )
    say_mended()
    if options.json:
        json_document(done)
    else:
        _tell(done)
        if options.because and not done.steps and not done.objects and not options.description:
            say("the reason is kept nowhere, as nothing was taken")
    return 0


def _refuse_missing(file: str) -> None:
    """Before a store is made for nothing. Raises UnresolvedError."""
    if not os.path.exists(file):
        raise UnresolvedError(f"{file}: is not there, expected a bag", hint="see how it is spelled")


def _tell(done: ImportedVersion) -> None:
    version = f"{done.name}@{done.version}"
    if not done.steps and not done.objects:
        say(f"{version}: all of it was here already")
    else:
        steps = counted(done.steps, "step", "steps")
        objects = counted(done.objects, "object", "objects")
        say(f"{version}: {amount(done.files, done.size)}; {steps} and {objects} were not here before")
    if done.fetched:
        say(f"{counted(done.fetched, 'file', 'files')} came from the addresses that the bag names")
    for one in done.referred:
        say(f"{one.path}: is only referred to, at {one.address}: {one.because}")
    for other in done.same_name:
        say(f"another dataset, {other}, is called {done.name}, too: where both have a version, say {done.id}@VERSION")
    if done.heads > 1:
        say(f"{done.name} went on apart here and there: `whence data log {done.name}` shows both")
