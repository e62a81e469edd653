"""`whence cat`: a part of a record, as bytes."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Sequence

from ..actions.follow import follow_output
from ..actions.parts import DOCUMENTS, PARTS, read_part
from ..actions.references import resolve_run
from ..errors import UsageError
from .arguments import CommandParser, Place
from .output import flush, json_document, raw, say


def parser() -> CommandParser:
    parser = CommandParser(
        "cat",
        "Print a part of a record: the lock file, the configuration, the environment, the journals (log), the whole"
        " record, what the command printed (output), or any output or file of the run by its name.",
        examples=(
            "whence cat @:output",
            "whence cat @:output -f",
            "whence cat baseline:lock > uv.lock",
            "whence cat @:config | jq .values",
            "whence cat @:log | jq -r .kind",
        ),
    )
    parser.add_argument("part", metavar="RUN:PART", help=f"PART: {', '.join(PARTS)}, or the name of an output or file")
    parser.add_argument("--follow", "-f", action="store_true", help="output only: go on until the run has ended")
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    reference, colon, part = options.part.partition(":")
    if not reference or not colon or not part:
        raise UsageError(f"{options.part}: expected RUN:PART", hint=f"for instance @:output; parts: {', '.join(PARTS)}")
    if options.follow and part != "output":
        raise UsageError(f"--follow: expected the part `output`, found {part!r}")
    if options.follow and options.json:
        raise UsageError("--follow and --json: expected one of them", hint="what follows is printed as it comes")
    place = Place()
    run = resolve_run(place.store, reference)
    if options.follow:
        for chunk in follow_output(place.store, run, sleep=time.sleep, say=say, target=_target()):
            raw(chunk)
            flush()
        return 0
    chunks = read_part(place.store, run, part, now_ns=time.time_ns(), environ=place.setting.environ)
    if options.json:
        content = b"".join(chunks)
        said = (
            {"value": json.loads(content)} if part in DOCUMENTS else {"text": content.decode(errors="surrogateescape")}
        )
        json_document({"id": run, "part": part, **said})
        return 0
    for chunk in chunks:
        raw(chunk)
    return 0


def _target() -> tuple[int, int] | None:
    """The regular file that standard output is; nothing for a pipe or a terminal."""
    try:
        found = os.fstat(1)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None
