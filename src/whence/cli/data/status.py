"""`whence data status`: what a folder has otherwise than a version."""

from __future__ import annotations

from collections.abc import Sequence

from ...actions.dataset_view import difference_shown, manifest_of
from ...rules.contents import difference
from ...rules.versions import NEWEST
from ...store.dataset_changes import look
from ...store.dataset_references import find_version
from ..arguments import CommandParser, Place
from ..output import json_document, line, say
from .diff import difference_lines, summary_of
from .words import DATASET


def parser() -> CommandParser:
    parser = CommandParser(
        "data status",
        "Compare a folder with a version, file by file; without a version with the newest one: what `data add --delete`"
        " would change. Exit code 1 when they differ.",
        examples=("whence data status cifar data/cifar", "whence data status cifar@2.1.0 data/cifar --json"),
    )
    parser.add_argument("version", metavar="NAME[@VERSION]", help=f"{DATASET}, or a version of it")
    parser.add_argument("folder", metavar="DIR", help="the folder; nothing of it is kept")
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    place = Place()
    word = options.version if "@" in options.version else f"{options.version}@{NEWEST}"
    found = find_version(place.store, word)
    differs = difference(manifest_of(place.store, found), look(place.store, place.setting.cwd / options.folder))
    if options.json:
        json_document(difference_shown(str(found), options.folder, differs))
    else:
        for text in difference_lines(differs):
            line(text)
        say(f"{options.folder}, held against {found}: {summary_of(differs)}")
        if differs.removed and "@" not in options.version:
            say(f"`whence data add {found.history.name} {options.folder}` removes nothing; with --delete it does")
    return 0 if differs.same else 1
