"""`whence data create`: make a dataset."""

from __future__ import annotations

from collections.abc import Sequence

from ...rules.dataset_names import check_dataset_name
from ...store.dataset_steps import check_new_name, create
from ...store.dropping import adding
from ..arguments import CommandParser, Place
from ..speaking import speaker
from .sources import add_sources, gathered, read_source
from .words import add_reasons, said, tell


def parser() -> CommandParser:
    parser = CommandParser(
        "data create",
        "Make a dataset of files and folders, of the rows of a query, or of a snapshot of a table. Their bytes are"
        " copied into the store; the first version, 0.1.0, is a release. Of one folder the content is taken, several"
        " paths keep their names.",
        examples=(
            "whence data create cifar data/cifar --description 'the ten classes'",
            "whence data create labels labels.csv classes.txt",
            "whence data create scans /mnt/scans --reference",
            "whence data create events 'delta:///lake/events?version=12'",
            "whence data create visits --sql 'SELECT * FROM visits' --from postgresql://clinic/records",
        ),
    )
    parser.add_argument("name", metavar="NAME", help="letters, digits, `.`, `_` and `-`")
    add_sources(parser)
    add_reasons(parser)
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_intermixed_args(list(words))
    source = read_source(options)
    check_dataset_name(options.name)
    place = Place(makes=True)
    check_new_name(place.store, options.name)
    author = speaker(place.setting)
    with adding(place.store):
        taking = gathered(place, options.name, source, author)
        reasons = said(place, options.because, options.description, taking.parameters, all_tables=options.tables)
        taken = create(place.store, options.name, taking.entries, reasons, author)
    tell(taken.history, taken, reasons, as_json=options.json)
    return 0
