"""`whence data list`: the datasets of the store."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import to_builtins

from ...actions.dataset_view import DatasetLine, list_datasets
from ...actions.version_acts import expired_texts
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
    store = Place().store
    found = list(list_datasets(store, faults))
    expired = {dataset.id: expired_texts(store, dataset.id) for dataset in found}
    for fault in faults:
        complain(fault, "`whence verify` names all that is damaged")
    if options.json:
        for dataset in found:
            json_line({**to_builtins(dataset), "expired": expired[dataset.id]})
    elif found:
        for text in table(HEADINGS, [_row(dataset, expired[dataset.id]) for dataset in found]):
            line(text)
    return 0


def _row(dataset: DatasetLine, expired: list[str]) -> tuple[str, ...]:
    newest = "-" if dataset.newest == dataset.version else _marked(dataset.newest, expired)
    several = f" (and {dataset.heads - 1} more)" if dataset.heads > 1 else ""
    return (
        dataset.name,
        "-" if dataset.version is None else _marked(dataset.version, expired),
        newest + several,
        str(dataset.files),
        size_text(dataset.size),
        time_text(dataset.changed),
        printable(dataset.description or "-"),
    )


def _marked(version: str, expired: list[str]) -> str:
    return f"{version} (expired)" if version in expired else version
