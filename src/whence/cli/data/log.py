"""`whence data log`: the versions of a dataset, ascending, with who made them, when and why."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import to_builtins

from ...actions.dataset_view import VersionLine, story_of, version_lines
from ...ids import short
from ...rules.transforms import transform_text
from ...store.dataset_references import find_dataset
from ..arguments import CommandParser, Place
from ..output import json_line, line, printable, size_text, table, time_text
from .words import DATASET, pick_lines

HEADINGS = ("version", "made (UTC)", "by", "what", "files", "size", "run", "why")


def parser() -> CommandParser:
    parser = CommandParser(
        "data log",
        "List the versions of a dataset, the oldest first: what was done, by whom, why and from which run; below it"
        " what was picked after a merge, and what the runs that made them said of the rows.",
        examples=("whence data log cifar", "whence data log cifar --json | jq -r 'select(.released) | .version'"),
    )
    parser.add_argument("dataset", metavar="NAME", help=DATASET)
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    store = Place().store
    versions = list(version_lines(find_dataset(store, options.dataset)))
    if options.json:
        for version in versions:
            json_line({**to_builtins(version), "transforms": to_builtins(story_of(store, version))})
        return 0
    for text in table(HEADINGS, [_row(version) for version in versions]):
        line(text)
    for version in versions:
        for text in pick_lines(version.picks):
            line(f"{version.version}  {version.manifest[:15]}  {text}")
        for step in story_of(store, version):
            line(printable(f"{version.version}  {transform_text(step)}"))
    return 0


def _row(version: VersionLine) -> tuple[str, ...]:
    changes = ((version.added, "+"), (version.changed, "~"), (version.removed, "-"))
    signs = "".join(f" {sign}{count}" for count, sign in changes if count)
    who = version.by.name or version.by.user or "-"
    return (
        version.version,
        time_text(version.at),
        printable(who),
        version.operation + signs,
        str(version.files),
        size_text(version.size),
        short(version.run) if version.run else "-",
        printable(version.why or "-"),
    )
