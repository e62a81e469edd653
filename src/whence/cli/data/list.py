"""`whence data list`: the datasets of the store."""

from __future__ import annotations

from collections.abc import Sequence

from ...actions.dataset_view import DatasetLine, list_datasets
from ..arguments import CommandParser, Place
from ..output import complain, json_line, line, printable, size_text, table, time_text

HEADINGS = ("name", "release", "newest", "files", "size", "changed (UTC)", "description")


def parser() -> CommandParser:
    return CommandParser(
        "data list",
        "List the datasets of the store by name, each with its current release and its newest version.",
        examples=("whence data list", "whence data list --json | jq -r .name"),
    )


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    faults: list[str] = []
    found = list(list_datasets(Place().store, faults))
    for fault in faults:
        complain(fault, "`whence verify` names all that is damaged")
    if options.json:
        for dataset in found:
            json_line(dataset)
    elif found:
        for text in table(HEADINGS, [_row(dataset) for dataset in found]):
            line(text)
    return 0


def _row(dataset: DatasetLine) -> tuple[str, ...]:
    newest = "-" if dataset.newest == dataset.version else dataset.newest
    several = f" (and {dataset.heads - 1} more)" if dataset.heads > 1 else ""
    return (
        dataset.name,
        dataset.version,
        newest + several,
        str(dataset.files),
        size_text(dataset.size),
        time_text(dataset.changed),
        printable(dataset.description or "-"),
    )
