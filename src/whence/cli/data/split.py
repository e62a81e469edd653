"""`whence data split`: divide a version into parts, each a dataset of its own."""

from __future__ import annotations

from collections.abc import Sequence

from ...actions.dataset_derivation import SplitWish, keeping, make, plan_split
from ...actions.source_table import measured
from ...errors import UsageError
from ...records.derivation import REST, PartTake
from ..arguments import CommandParser, Place
from ..speaking import speaker
from .deriving import add_source, tell_derived, whole_number
from .words import add_reasons, named_version, said


def parser() -> CommandParser:
    parser = CommandParser(
        "data split",
        "Divide a version into parts that have nothing in common. Each becomes a dataset of its own, NAME-PART, and"
        " records what decides its members: the version, the algorithm, the seed and all that is said here. The same"
        " words give the same members on every machine, for ever.",
        examples=(
            "whence data split cifar@2.1.0 --into train=0.8 --into test",
            "whence data split cifar@2.1.0 --into train=0.8 --into test=0.2 --stratify folder --seed 7",
            "whence data split scans --into train=3/4 --into test --table patients.csv --key file --group patient",
            "whence data split survey@1.0.0 --by rows --table answers.csv --into pilot=200 --into main --plan",
        ),
    )
    add_source(parser)
    parser.add_argument(
        "--into",
        dest="parts",
        action="append",
        metavar="PART[=N]",
        default=[],
        help="a part and how much it takes: a fraction of all (0.8, 80%%, 4/5) or a whole number of elements; one part"
        " without a number takes the rest",
    )
    parser.add_argument(
        "--name",
        dest="names",
        action="append",
        metavar="PART=DATASET",
        default=[],
        help="the dataset of a part, instead of NAME-PART",
    )
    parser.add_argument("--seed", type=whole_number, default=0, metavar="N", help="another one is another split (0)")
    parser.add_argument(
        "--stratify",
        metavar="COLUMN",
        help="a column of the table, `folder` or `path`: each part has its share of each",
    )
    parser.add_argument("--group", metavar="COLUMN", help="likewise: what has one value of it stays in one part")
    parser.add_argument(
        "--missing",
        choices=("error", "drop", "include"),
        default="error",
        help="elements without a value: refuse (default), leave them out, or take them as they are",
    )
    add_reasons(parser)
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    place = Place()
    found = named_version(place.store, options.version)
    wish = SplitWish(
        parts=[_part(text) for text in options.parts],
        names=dict(_named(text) for text in options.names),
        seed=options.seed,
        by=options.by,
        table=options.table,
        key=options.key,
        stratify=options.stratify,
        group=options.group,
        missing=options.missing,
    )
    planned = plan_split(place.store, found, wish, measured if options.plan else keeping(place.store))
    if not options.plan:
        reasons = said(place, options.because, options.description)
        planned = make(place.store, planned, reasons, speaker(place.setting))
    tell_derived(place.store, found, planned, plan=options.plan, as_json=options.json)
    return 0


def _part(text: str) -> PartTake:
    name, equals, take = text.partition("=")
    if not name:
        raise UsageError(f"--into {text}: found no name of a part", hint="for instance --into train=0.8")
    return PartTake(name=name, take=take if equals else REST)


def _named(text: str) -> tuple[str, str]:
    part, _, name = text.partition("=")
    if not name:
        raise UsageError(f"--name {text}: expected PART=DATASET", hint="for instance --name train=cifar-fit")
    return part, name
