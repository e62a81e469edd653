"""`whence restore`: the exact code tree of a run."""

from __future__ import annotations

from collections.abc import Sequence

from ..actions.references import resolve_run
from ..actions.restore import Restored, patch, restore
from ..errors import UsageError
from .arguments import REFERENCE, CommandParser, Place
from .code_text import outside_text
from .output import counted, json_document, line, printable, raw, size_text


def parser() -> CommandParser:
    parser = CommandParser(
        "restore",
        "Write the exact code tree of a run into a new or empty folder, uncommitted and untracked files included. No"
        " other folder is touched.",
        examples=("whence restore @ ../as-it-ran", "whence restore baseline --patch | git apply"),
    )
    parser.add_argument("run", metavar="RUN", help=REFERENCE)
    parser.add_argument("dir", nargs="?", metavar="DIR", help="a folder that is empty or not there yet")
    parser.add_argument("--patch", action="store_true", help="print the difference to the commit, and write nothing")
    parser.add_argument(
        "--plan", action="store_true", help="say what would be written, and write nothing; needs no DIR"
    )
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    if options.patch == (options.dir is not None) and not (options.plan and not options.patch):
        raise UsageError("expected DIR, or --patch without one", hint="whence restore RUN DIR")
    place = Place()
    run = resolve_run(place.store, options.run)
    environ = place.setting.environ
    if options.patch:
        found = patch(place.store, run, environ)
        json_document(_patch_as_json(run, found)) if options.json else raw(found)
        return 0
    dest = None if options.dir is None else (place.setting.cwd / options.dir).resolve()
    restored = restore(place.store, run, dest, environ, plan=options.plan)
    if options.json:
        json_document(_as_json(run, restored))
    else:
        _print(options.run, restored, plan=options.plan)
    return 0


def _patch_as_json(run: str, found: bytes) -> dict[str, object]:
    """The patch as text, or where its files hold bytes that are none, in Base64."""
    try:
        return {"id": run, "encoding": "utf-8", "patch": found.decode()}
    except UnicodeDecodeError:
        return {"id": run, "encoding": "base64", "patch": found}


def _as_json(run: str, restored: Restored) -> dict[str, object]:
    return {
        "id": run,
        "path": None if restored.path is None else str(restored.path),
        "code": {
            "tree": restored.tree,
            "files_left_out": list(restored.left_out),
            "outside_snapshot": list(restored.outside),
        },
        "files": restored.files,
    }


def _print(run: str, restored: Restored, *, plan: bool) -> None:
    done = "would hold" if plan else "holds"
    files = counted(restored.files, "file", "files")
    line(f"{printable(str(restored.path or 'the folder'))}: {done} {files}, tree {restored.tree}")
    for left in restored.left_out:
        line(f"left out: {printable(left.path)} ({size_text(left.size)}): {printable(left.because)}")
    for source in restored.outside:
        line(f"ran too: {printable(source.path)} ({printable(outside_text(source))})")
    if any(source.kept for source in restored.outside):
        line(f"what ran too and is kept: whence get {printable(run)}:PATH DEST")
