"""`whence data remove`: take files out of a dataset; the versions before still have them."""

from __future__ import annotations

from collections.abc import Sequence

from ...store.dataset_changes import removal
from ...store.dataset_references import find_dataset
from ...store.dataset_steps import change
from ..arguments import CommandParser, Place
from ..speaking import speaker
from .words import DATASET, add_reasons, said, tell, warn_expired


def parser() -> CommandParser:
    parser = CommandParser(
        "data remove",
        "Take files out of a dataset. That makes a developing version; every version before still has them.",
        examples=(
            "whence data remove cifar train/0007.png --because 'a duplicate'",
            "whence data remove cifar 'raw/*.tmp'",
        ),
    )
    parser.add_argument("dataset", metavar="NAME", help=DATASET)
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file, folder or pattern in the dataset")
    add_reasons(parser)
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    place = Place()
    history = find_dataset(place.store, options.dataset)
    reasons = said(place, options.because, options.description)
    edit = removal(history.name, options.paths)
    taken = change(place.store, history.id, "remove", edit, reasons, speaker(place.setting))
    tell(history, taken, reasons, as_json=options.json)
    warn_expired(place.store, taken)
    return 0
