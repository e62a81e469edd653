"""`whence data release`: make the newest version of a dataset a release."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import UsageError
from ...store.dataset_references import find_dataset
from ...store.dataset_steps import release
from ..arguments import CommandParser, Place
from ..speaking import speaker
from .words import DATASET, add_reasons, said, tell

LEVELS = ("patch", "minor", "major")


def parser() -> CommandParser:
    parser = CommandParser(
        "data release",
        "Make the newest version of a dataset a release. A release never changes; of two at once one is made.",
        examples=(
            "whence data release patch cifar --because 'three wrong labels corrected'",
            "whence data release major cifar",
        ),
    )
    parser.add_argument("level", choices=LEVELS, help="which number moves: 2.1.0 becomes 2.1.1, 2.2.0 or 3.0.0")
    parser.add_argument("dataset", metavar="NAME", help=DATASET)
    parser.add_argument(
        "--tables",
        action="store_true",
        help="read every table that was not read yet, however large: its schema, and the digest of its rows",
    )
    add_reasons(parser)
    return parser


def _in_order(words: Sequence[str]) -> list[str]:
    """Raises UsageError where the first word is no level: argparse would speak of it by our name for it."""
    first = next((word for word in words if not word.startswith("-")), None)
    if first is not None and first not in LEVELS and not {"-h", "--help"} & set(words):
        raise UsageError(
            f"whence data release: found {first!r}, expected patch, minor or major, and then the dataset",
            hint="for instance `whence data release minor cifar`",
        )
    return list(words)


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(_in_order(words))
    place = Place()
    history = find_dataset(place.store, options.dataset)
    reasons = said(place, options.because, options.description, all_tables=options.tables)
    taken = release(place.store, history.id, options.level, reasons, speaker(place.setting))
    tell(history, taken, reasons, as_json=options.json)
    return 0
