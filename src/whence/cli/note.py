"""`whence note`: say something about a run."""

from __future__ import annotations

from collections.abc import Sequence

from ..actions.annotate import add_note
from ..actions.references import resolve_run
from ..wiring import secrets_of
from .arguments import REFERENCE, CommandParser, Place
from .speaking import speaker, tell


def parser() -> CommandParser:
    parser = CommandParser(
        "note",
        "Say something about a run, while it goes on or years later. The note is added; the record is not changed.",
        examples=("whence note @ 'the plot uses the wrong units'", "whence note baseline warm-up was off"),
    )
    parser.add_argument("run", metavar="RUN", help=REFERENCE)
    parser.add_argument("text", nargs="+", metavar="TEXT", help="what to say, in one word or several")
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    place = Place()
    run = resolve_run(place.store, options.run)
    act = add_note(
        place.store,
        run,
        " ".join(options.text),
        secrets=secrets_of(place.setting, place.policy),
        speaker=speaker(place.setting),
    )
    tell(act, f"noted on {run}", as_json=options.json)
    return 0
