"""`whence data subset`: the files or rows of a version that are asked for, as a dataset of their own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from ...actions.dataset_derivation import SubsetWish, keeping, make, plan_subset
from ...actions.source_table import measured
from ...errors import UsageError
from ..arguments import CommandParser, Place
from ..speaking import speaker
from .deriving import add_source, tell_derived
from .words import add_reasons, named_version, said


def parser() -> CommandParser:
    parser = CommandParser(
        "data subset",
        "Make a dataset of the files of a version that a query means, of the rows of a table in it, or of the files of"
        " a list. What decides its members is recorded with it. By files every file has `path`, `folder` and `size`.",
        examples=(
            "whence data subset cifar@2.1.0 cats --where \"label = 'cat' and size > 1000\"",
            "whence data subset survey adults --by rows --table answers.csv --where 'age >= 18'",
            "whence data subset cifar@2.1.0 chosen --paths chosen.txt",
        ),
    )
    add_source(parser)
    parser.add_argument("name", metavar="NEWNAME", help="the dataset that is made, or whose next release is")
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--where", metavar="QUERY", help="what is asked for: conditions on columns, see docs/query.md")
    choice.add_argument("--paths", metavar="FILE", help="a list of paths in the dataset, one a line; `-` reads it")
    add_reasons(parser)
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    place = Place()
    found = named_version(place.store, options.version)
    wish = SubsetWish(
        where=options.where,
        paths=None if options.paths is None else _list(place.setting.cwd, options.paths),
        by=options.by,
        table=options.table,
        key=options.key,
    )
    planned = [plan_subset(place.store, found, options.name, wish, measured if options.plan else keeping(place.store))]
    if not options.plan:
        reasons = said(place, options.because, options.description)
        planned = make(place.store, planned, reasons, speaker(place.setting))
    tell_derived(place.store, found, planned, plan=options.plan, as_json=options.json)
    return 0


def _list(cwd: Path, name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return (cwd / name).read_bytes()
    except OSError as error:
        raise UsageError(f"--paths {name}: cannot be read: {error.strerror}") from error
