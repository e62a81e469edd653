"""`whence data diff`: what two versions have otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...actions.dataset_view import difference_shown, manifest_of, tables_of
from ...records.data import ManifestEntry
from ...records.tables import TableChange
from ...rules.contents import Difference, difference
from ...rules.table_difference import table_changes
from ..arguments import CommandParser, Place
from ..output import json_document, line, printable, say, size_text
from .words import VERSION, named_version


def parser() -> CommandParser:
    parser = CommandParser(
        "data diff",
        "Compare two versions, of one dataset or of two, file by file. Exit code 1 when they differ.",
        examples=("whence data diff cifar@2.0.0 cifar@2.1.0", "whence data diff cifar@2.1.0 cifar-clean --json"),
    )
    parser.add_argument("first", metavar="A", help=VERSION)
    parser.add_argument("second", metavar="B", help=VERSION)
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    store = Place().store
    first, second = named_version(store, options.first), named_version(store, options.second)
    differs = difference(manifest_of(store, first), manifest_of(store, second))
    tables = table_changes(tables_of(store, first.made), tables_of(store, second.made))
    if options.json:
        json_document(difference_shown(str(first), str(second), differs, tables))
    else:
        for text in [*difference_lines(differs), *map(table_line, tables)]:
            line(text)
        say(f"{first} and {second}: {summary_of(differs)}")
    return 0 if differs.same else 1


def difference_lines(differs: Difference) -> Iterator[str]:
    """A line for each file that differs."""
    yield from (f"+ {printable(entry.path)}  {size_text(entry.size)}" for entry in differs.added)
    yield from (f"~ {printable(after.path)}  {_change(before, after)}" for before, after in differs.changed)
    yield from (f"- {printable(entry.path)}  {size_text(entry.size)}" for entry in differs.removed)


def table_line(change: TableChange) -> str:
    """What of a table differs, on a line of its own."""
    words = [f"+ {column.name} ({column.type})" for column in change.added]
    words += [f"- {column.name} ({column.type})" for column in change.removed]
    words += [f"~ {column.name} ({column.before}, then {column.after})" for column in change.retyped]
    if change.same_rows:
        words.append("the same rows, written otherwise")
    elif change.rows_before != change.rows_after:
        words.append(f"{change.rows_before} rows, then {change.rows_after}")
    else:
        words.append(f"{change.rows_after} rows, with other values")
    where = change.path if change.name is None else f"{change.path} {change.name}"
    return f"  {printable(where)}: {printable(', '.join(words))}"


def _change(before: ManifestEntry, after: ManifestEntry) -> str:
    if before.digest == after.digest and before.kind == after.kind:
        return f"mode {before.mode:o}, then {after.mode:o}"
    was, now = size_text(before.size), size_text(after.size)
    return f"{was}, other bytes" if was == now else f"{was}, then {now}"


def summary_of(differs: Difference) -> str:
    """`2 added, 1 removed`, or that nothing differs."""
    parts = ((differs.added, "added"), (differs.changed, "changed"), (differs.removed, "removed"))
    return ", ".join(f"{len(found)} {word}" for found, word in parts if found) or "the same content"
