"""`whence tag`: put tags on a run, or take them off."""

from __future__ import annotations

from collections.abc import Sequence

from ..actions.annotate import read_tags, set_tags
from ..actions.references import resolve_run
from ..wiring import secrets_of
from .arguments import REFERENCE, CommandParser, Place
from .speaking import speaker, tell


def parser() -> CommandParser:
    parser = CommandParser(
        "tag",
        "Put tags on a run or take them off. The last word on a key wins; what was said before stays in the store.",
        examples=("whence tag @ paper figure=3", "whence tag baseline --remove paper", "whence log 'tags.figure = 3'"),
    )
    parser.add_argument("run", metavar="RUN", help=REFERENCE)
    parser.add_argument(
        "tags", nargs="*", metavar="KEY[=VALUE]", help="a tag to put on, or to change; several may be named"
    )
    parser.add_argument(
        "--remove", action="append", default=[], metavar="KEY", help="take a tag off; may be given again"
    )
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_intermixed_args(list(words))
    place = Place()
    run = resolve_run(place.store, options.run)
    act = set_tags(
        place.store,
        run,
        read_tags(options.tags),
        remove=options.remove,
        secrets=secrets_of(place.setting, place.policy),
        speaker=speaker(place.setting),
    )
    tell(act, f"{'tagged' if options.tags else 'untagged'} {run}", as_json=options.json)
    return 0
