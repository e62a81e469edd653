"""`whence show`: one record, grouped as a reviewer reads: from what was run to what is missing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing

from ..actions.makers import resolve_shown
from ..actions.view import view_run, with_expired, with_kin, with_what_was_printed
from ..rules.completeness import findings
from .arguments import REFERENCE, CommandParser, Place
from .output import json_document, line
from .record_page import page

LONG = 40
"""Rows of one list that are printed; `--all` prints the rest, `--json` always has everything."""


def parser() -> CommandParser:
    parser = CommandParser(
        "show",
        "Show one record, grouped as a reviewer reads it; each fact says when it was captured.",
        examples=("whence show @", "whence show baseline --json | jq .metrics", "whence show results/model.json"),
    )
    parser.add_argument(
        "run", nargs="?", default="@", metavar="REF", help=f"{REFERENCE}; or a file that a run made; @ when left out"
    )
    parser.add_argument(
        "--all", action="store_true", help=f"every row of lists longer than {LONG}, every line of a row"
    )
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    place = Place()
    now = time.time_ns()
    run = resolve_shown(place.store, options.run, cwd=place.setting.cwd, now_ns=now)
    view = view_run(place.store, run, now_ns=now)
    with closing(place.index(tells=False)) as index:
        record = with_kin(view.record, index.children(run), index.reruns(run))
    record = with_expired(place.store, record)
    if options.json:
        json_document(record)
    else:
        record = with_what_was_printed(place.store, record)
        found = findings(record, fields=place.policy.fields)
        for text in page(record, view, found, limit=None if options.all else LONG):
            line(text)
    return 0
