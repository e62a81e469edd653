"""`whence index rebuild`: throw the index away, and make it of the records again."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from ...errors import StoreError
from ...wiring import find_index
from ..arguments import CommandParser, Place
from ..output import complain, counted, json_document, line


def parser() -> CommandParser:
    return CommandParser(
        "index rebuild",
        "Throw the index away and make it of the records again. Nothing is lost by it: the index is a copy, is brought"
        " up to date whenever it is asked, and makes itself anew when it is damaged.",
        examples=("whence index rebuild",),
    )


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    place = Place()
    with closing(find_index(place.setting, place.store, say=complain)) as index:
        try:
            fed = index.rebuild()
        except OSError as error:
            raise StoreError(f"{index.path}: cannot be removed: {error.strerror}", hint="remove it yourself") from error
        for run, why in sorted(fed.unreadable.items()):
            complain(f"run {run} cannot be read: {why}", f"`whence verify {run}` names the damage")
        for fault in fed.faults:
            complain(fault)
        where = None if index.path is None else str(index.path)
    if options.json:
        json_document({"runs": fed.read, "unreadable": dict(fed.unreadable), "index": where})
    else:
        line(f"read {counted(fed.read, 'run', 'runs')} into {where or 'a temporary index: none can be kept here'}")
    return 0
