"""`whence diff`: only what runs have otherwise, in the order in which a reviewer asks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import cast

from ..actions.diff import diff, find_compared
from ..records.comparison import PartName
from ..rules.difference import PARTS
from .arguments import REFERENCE, CommandParser, Place
from .output import json_document, line


def parser() -> CommandParser:
    parser = CommandParser(
        "diff",
        "Show only what two runs have otherwise: code, configuration, data, environment, command, seeds, results. Of"
        " more than two a table of what varies. What a run does not tell is said, and never taken for the same.",
        examples=(
            "whence diff @~1 @",
            "whence diff baseline @ --explain",
            "whence diff old/model.json new/model.json --only code --only config",
            "whence diff @~1 @ --html > difference.html",
        ),
    )
    parser.add_argument("first", metavar="A", help=f"{REFERENCE}; or a file that a run made")
    parser.add_argument("second", metavar="B", help="the run to compare with it")
    parser.add_argument("others", nargs="*", metavar="REF", help="more runs: a column for each")
    parser.add_argument(
        "--only",
        action="append",
        choices=PARTS,
        metavar="PART",
        help=f"only this part: {', '.join(PARTS)}; may be repeated",
    )
    parser.add_argument("--explain", action="store_true", help="rank what may have made the results of two runs differ")
    parser.add_argument("--html", action="store_true", help="one page for a browser on stdout, whole in itself")
    parser.add_argument("--full", action="store_true", help="every row, line and character; --json always has them")
    parser.add_argument(
        "--exit-code",
        action="store_true",
        help="exit with 1 unless all that is compared is known to be the same, or it is one and the same run: so what a"
        " run does not tell makes it 1, too (in a container often the image's digest); --only leaves parts out",
    )
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    if options.json and options.html:
        parser().error("argument --html: not allowed with argument --json")
    place, now = Place(), time.time_ns()
    texts = [options.first, options.second, *options.others]
    runs = find_compared(place.store, texts, cwd=place.setting.cwd, now_ns=now)
    parts = cast("list[PartName]", options.only or list(PARTS))
    compared = diff(place.store, runs, place.setting.environ, now_ns=now, parts=parts, explained=options.explain)
    if options.json:
        json_document(compared)
    else:
        from .diff_html import html_page
        from .diff_page import page

        for text in (html_page if options.html else page)(compared, full=options.full):
            line(text)
    is_same = compared.same is True or len(set(runs)) == 1
    return 1 if options.exit_code and not is_same else 0
