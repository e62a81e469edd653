"""What the verbs share that derive a dataset: their options, and how what they make is told."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from ...actions.dataset_derivation import Planned, derived_line, rows_without_file
from ...store.dataset_references import Found
from ...store.layout import Store
from ..arguments import CommandParser
from ..output import counted, json_document, printable, say, size_text
from .words import VERSION


def add_source(parser: CommandParser) -> None:
    """The options that say what is derived from, and what its elements are."""
    parser.add_argument("version", metavar="NAME[@VERSION]", help=VERSION)
    parser.add_argument(
        "--by",
        choices=("files", "rows"),
        default="files",
        help="what the elements are: the files (default), or the rows of a table",
    )
    parser.add_argument(
        "--table", metavar="PATH", help="the table in the dataset that the columns or rows are of; not needed for one"
    )
    parser.add_argument("--key", metavar="COLUMN", help="by files: the column of the table with their paths (`path`)")
    parser.add_argument("--plan", action="store_true", help="say what would be made, and write nothing")


def tell_derived(store: Store, found: Found, planned: Sequence[Planned], *, plan: bool, as_json: bool) -> None:
    """What was made or would be, on stdout as JSON or in a sentence each on stderr."""
    strays = rows_without_file(store, planned[0].derivation)
    if as_json:
        json_document({**_as_json(found, planned, plan), "rows_without_file": strays})
        return
    for one in planned:
        say(_sentence(one, plan))
    if strays:
        table = printable(planned[0].derivation.table or "")
        rows = counted(strays, "row is", "rows are")
        say(f"{table}: {rows} about no file of {found}, and left out")


def _as_json(found: Found, planned: Sequence[Planned], plan: bool) -> dict[str, Any]:
    source = {"id": found.history.id, "name": found.history.name, "version": str(found.made.version)}
    return {"source": source, "plan": plan, "derived": [derived_line(one) for one in planned]}


def _sentence(planned: Planned, plan: bool) -> str:
    shown = derived_line(planned)
    what = (
        counted(shown.elements, "file", "files")
        if planned.derivation.by == "files"
        else counted(shown.elements, "row", "rows")
    )
    if planned.derivation.by == "files" and shown.files > shown.elements:
        what += f" and {printable(planned.derivation.table or 'a table')}"
    would = "would be made: " if plan else ""
    if not shown.changes:
        return f"{printable(shown.name)}@{shown.version}: nothing changes, so no version was made"
    return f"{would}{printable(shown.name)}@{shown.version}: {what}, {size_text(shown.size)}"


def whole_number(text: str) -> int:
    """The words of an option that is any whole number. Raises what argparse turns into our message."""
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise argparse.ArgumentTypeError(f"{text}: expected a whole number of at most 18 digits")
    return int(text)
