"""`whence get`: content out of the store, verified."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from ..actions.content import Content, find_content
from ..actions.fetching import Written, fetch, make_folder, read_content
from ..errors import UsageError
from .arguments import CommandParser, Place
from .output import json_document, raw, say


def parser() -> CommandParser:
    parser = CommandParser(
        "get",
        "Write an output, a kept input or an object to a file. The bytes are verified, and other bytes are never"
        " overwritten.",
        examples=(
            "whence get @:model.json",
            "whence get baseline:plot.svg figures/",
            "whence get sha256:… copy.bin",
            "whence get @:metrics.csv - | head",
        ),
    )
    parser.add_argument("reference", metavar="REF", help="RUN:NAME (output, input or config file) or sha256:…")
    parser.add_argument(
        "dest",
        nargs="?",
        metavar="DEST",
        help="a new file, or a folder if it is one or ends in /; - is stdout; without"
        " it, a file of its own name in the folder where you are",
    )
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    if options.json and options.dest == "-":
        raise UsageError("--json and -: both mean stdout", hint="name a file for the bytes")
    place = Place()
    cwd = place.setting.cwd
    content = find_content(place.store, options.reference, cwd=cwd, now_ns=time.time_ns())
    if options.dest == "-":
        read = read_content(place.store, content, place.setting.environ)
        raw(read.data)
        if read.snapshot is not None:
            say(f"{options.reference}: {content.digest}{_OUT_OF.format(read.snapshot)}")
        return 0
    written = fetch(place.store, content, _target(content, options.dest, cwd), place.setting.environ)
    if options.json:
        json_document({"path": str(written.path), "digest": written.digest, "already": written.already})
    else:
        say(_sentence(written))
    return 0


def _target(content: Content, dest: str | None, cwd: Path) -> Path:
    """Where the bytes go: DEST, or below it when it is a folder or ends as one; a folder so named is made."""
    name = Path(content.name).name
    if dest is None or not (dest.endswith("/") or (cwd / dest).is_dir()):
        return cwd / (dest or name)
    make_folder(cwd / dest)
    return cwd / dest / name


_OUT_OF = ", out of the snapshot of run {}: where it lay it is gone, or has changed"


def _sentence(written: Written) -> str:
    if written.already:
        return f"{written.path}: holds these bytes already ({written.digest})"
    if written.snapshot is not None:
        return f"{written.path}: {written.digest}{_OUT_OF.format(written.snapshot)}"
    origin = f", copied from {written.origin}, which still holds these bytes" if written.origin else ""
    return f"{written.path}: {written.digest}{origin}"
