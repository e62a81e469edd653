"""`whence data nest`: make a version of another dataset a folder of a dataset."""

from __future__ import annotations

from collections.abc import Sequence

from ...store.dataset_changes import folder_of
from ...store.dataset_references import find_dataset
from ...store.dataset_steps import nest
from ..arguments import CommandParser, Place
from ..speaking import speaker
from .words import DATASET, VERSION, add_reasons, named_version, said, tell, warn_expired


def parser() -> CommandParser:
    parser = CommandParser(
        "data nest",
        "Make a version of another dataset a folder of this one: a developing version, which freezes that version. No"
        " bytes are copied. Given again with a newer one, that takes its place.",
        examples=("whence data nest study cohort@1.2.0", "whence data nest study cohort@1.2.0 --as raw/cohort"),
    )
    parser.add_argument("dataset", metavar="NAME", help=DATASET)
    parser.add_argument("part", metavar="PART[@VERSION]", help=VERSION)
    parser.add_argument("--as", dest="below", metavar="FOLDER", help="its folder; without: the name of the part")
    add_reasons(parser)
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    place = Place()
    history = find_dataset(place.store, options.dataset)
    child = named_version(place.store, options.part)
    folder = folder_of(options.below or child.history.name)
    reasons = said(place, options.because, options.description)
    taken = nest(place.store, history.id, child, folder, reasons, speaker(place.setting))
    tell(history, taken, reasons, as_json=options.json)
    warn_expired(place.store, taken)
    return 0
