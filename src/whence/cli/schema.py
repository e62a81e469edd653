"""`whence schema`: the JSON Schema of what the store holds."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..actions.schema import document
from ..records.schema import KINDS
from .arguments import CommandParser
from .output import raw


def parser() -> CommandParser:
    parser = CommandParser(
        "schema",
        "Print the JSON Schema of records, events, acts, seals or store.json, generated from the program itself.",
        examples=("whence schema", "whence schema event", "whence schema record > record.schema.json"),
    )
    parser.add_argument("kind", nargs="?", default="record", choices=list(KINDS), metavar="|".join(KINDS))
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    raw(msgspec.json.format(msgspec.json.encode(document(options.kind)), indent=2) + b"\n")
    return 0
