"""`whence data add`: add files to a dataset, or replace them."""

from __future__ import annotations

from collections.abc import Sequence

from ...store.dataset_changes import addition, mirrored
from ...store.dataset_references import find_dataset
from ...store.dataset_steps import change
from ...store.dropping import adding
from ...store.restoring import restore
from ..arguments import CommandParser, Place
from ..output import say
from ..speaking import speaker
from .sources import add_sources, gathered, read_source
from .words import DATASET, add_reasons, said, tell, warn_expired


def parser() -> CommandParser:
    parser = CommandParser(
        "data add",
        "Add files to a dataset, or put them in place of those of their names. That makes a developing version; every"
        " version before stays what it was. What the dataset holds already is neither read nor copied again.",
        examples=(
            "whence data add cifar data/cifar --because '200 more pictures'",
            "whence data add cifar labels.csv --as meta",
            "whence data add cifar data/cifar --delete",
            "whence data add old --sql 'SELECT * FROM people WHERE age > :a' --from sqlite:///p.db --parameter a=65",
        ),
    )
    parser.add_argument("dataset", metavar="NAME", help=DATASET)
    add_sources(parser)
    parser.add_argument(
        "--delete",
        action="store_true",
        help="of one folder: also remove what it has no more; the dataset, or its folder FOLDER, is then what it is",
    )
    add_reasons(parser)
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_intermixed_args(list(words))
    source = read_source(options)
    place = Place()
    history = find_dataset(place.store, options.dataset)
    author = speaker(place.setting)
    with adding(place.store):
        mirror = mirrored(place.setting.cwd, options.paths, options.below) if options.delete else None
        taking = gathered(place, history.name, source, author, history)
        entries = taking.entries
        reasons = said(place, options.because, options.description, taking.parameters, all_tables=options.tables)
        taken = change(place.store, history.id, "add", addition(entries, mirror=mirror), reasons, author, added=entries)
        restored = restore(place.store, history.id, author)
    for version in restored:
        say(f"{history.name}@{version}: had expired, and has all its bytes again")
    tell(history, taken, reasons, as_json=options.json)
    warn_expired(place.store, taken)
    return 0
