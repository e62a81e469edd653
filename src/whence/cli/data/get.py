"""`whence data get`: write a version into a folder, verified."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...actions.dataset_metadata import write_metadata
from ...errors import UsageError
from ...store.dataset_references import Found
from ...store.explaining import explained
from ...store.materialize import Wish, materialize
from ...store.origins import origins_of
from ..arguments import CommandParser, Place
from ..output import json_document, say
from .words import VERSION, amount, named_version


def parser() -> CommandParser:
    parser = CommandParser(
        "data get",
        "Make a folder exactly what a version holds. Every file appears whole and is verified; what is there and right"
        " stays, and nothing that the store does not hold is lost. Can be called again after a kill.",
        examples=("whence data get cifar@2.1.0 data/cifar", "whence data get cifar@2.1.0 data/cifar --verify"),
    )
    parser.add_argument("version", metavar="NAME[@VERSION]", help=VERSION)
    parser.add_argument("folder", metavar="DIR", help="the folder; made if it is not there")
    parser.add_argument("--verify", action="store_true", help="read every file that is there, not only its times")
    parser.add_argument(
        "--replace", action="store_true", help="let go of files that are in the way and of which the store holds a copy"
    )
    parser.add_argument(
        "--link",
        action="store_true",
        help="links to the store where that can be: who writes to one, as root or after chmod, damages the store",
    )
    parser.add_argument(
        "--metadata-only",
        action="store_true",
        help="no file of it: its manifest and what `data show --json` says, as manifest.json and version.json",
    )
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    place = Place()
    found = named_version(place.store, options.version)
    if options.metadata_only:
        return _get_metadata(place, found, options)
    origins = origins_of(place.store, found)
    wish = Wish(verify=options.verify, replace=options.replace, link=options.link, origins=origins)
    with explained(place.store, found):
        done = materialize(place.store, found.made.manifest, place.setting.cwd / options.folder, wish)
    if options.json:
        json_document(
            {
                "id": found.history.id,
                "name": found.history.name,
                "version": str(found.made.version),
                "manifest": done.manifest,
                "path": str(done.path),
                "files": done.files,
                "size": done.size,
                "written": done.written,
                "removed": done.removed,
            }
        )
    else:
        removed = f"; {done.removed} removed" if done.removed else ""
        say(f"{options.folder}: {found}, {amount(done.files, done.size)}, {done.written} written{removed}")
    return 0


def _get_metadata(place: Place, found: Found, options: Any) -> int:
    if options.verify or options.replace or options.link:
        raise UsageError("found --metadata-only and another option, expected one", hint="it writes no file of the data")
    written = write_metadata(place.store, found, place.setting.cwd / options.folder)
    if options.json:
        json_document(
            {
                "id": found.history.id,
                "name": found.history.name,
                "version": str(found.made.version),
                "manifest": found.made.manifest,
                "path": str(place.setting.cwd / options.folder),
                "written": len(written),
            }
        )
    else:
        say(f"{options.folder}: {found}, its metadata alone, {len(written)} files written")
    return 0
