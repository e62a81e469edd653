"""`whence data describe`: say what a dataset is, without a change of it."""

from __future__ import annotations

from collections.abc import Sequence

from ...actions.dataset_view import dataset_line
from ...store.dataset_acts import describe
from ...store.dataset_references import find_dataset
from ..arguments import CommandParser, Place
from ..output import json_document, say
from ..speaking import speaker
from .words import DATASET, said


def parser() -> CommandParser:
    parser = CommandParser(
        "data describe",
        "Say what a dataset is, in place of what was said before. No version is made.",
        examples=("whence data describe cifar 'ten classes, without the duplicates of 2024'",),
    )
    parser.add_argument("dataset", metavar="NAME", help=DATASET)
    parser.add_argument("description", metavar="TEXT", help="what it is, from now on")
    parser.add_argument("--because", metavar="TEXT", help="why, in a sentence; stays with the description")
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    place = Place()
    history = find_dataset(place.store, options.dataset)
    reasons = said(place, options.because, options.description)
    changed = describe(place.store, history, reasons.description, reasons.why, speaker(place.setting))
    if options.json:
        json_document(dataset_line(find_dataset(place.store, history.id)))
    else:
        say(f"{history.name}: {'described anew' if changed else 'that is its description already'}")
    return 0
