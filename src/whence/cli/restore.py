"""`whence restore`: the exact code tree of a run."""

from __future__ import annotations

from collections.abc import Sequence

from ..actions.references import resolve_run
from ..actions.restore import Patch, Restored, patch, restore
from ..errors import UsageError
from .arguments import REFERENCE, CommandParser, Place
from .code_text import outside_text
from .output import counted, json_document, line, printable, raw, say, size_text


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
        json_document(_patch_as_json(run, found)) if options.json else raw(found.content)
        _say_what_is_not_in(found, options.run)
        return 0
    dest = None if options.dir is None else (place.setting.cwd / options.dir).resolve()
    restored = restore(place.store, run, dest, environ, plan=options.plan)
    if options.json:
        json_document(_as_json(run, restored))
    else:
        _print(options.run, restored, plan=options.plan)
    return 0


def _patch_as_json(run: str, found: Patch) -> dict[str, object]:
    """The patch as text, or where its files hold bytes that are none, in Base64."""
    lacks = {
        "files_left_out": list(found.left_out),
        "nested": list(found.nested),
        "outside_snapshot": list(found.outside),
    }
    try:
        return {"id": run, "encoding": "utf-8", "patch": found.content.decode(), "lacks": lacks}
    except UnicodeDecodeError:
        return {"id": run, "encoding": "base64", "patch": found.content, "lacks": lacks}


def _say_what_is_not_in(found: Patch, run: str) -> None:
    """On stderr: the patch goes on to `git apply`."""
    for dirty in found.nested:
        what = "its commit or its files differ" if dirty.state == "submodule" else (dirty.change or dirty.state)
        say(f"not in the patch, of a nested repository: {dirty.path}: {what}")
    for left in found.left_out:
        say(f"not in the patch: {left.path} ({size_text(left.size)}): {left.because}")
    for source in found.outside:
        say(f"not in the patch, ran too: {source.path} ({outside_text(source)})")
    if found.nested:
        say(f"whence restore {run} DIR writes the files of nested repositories as they were")


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
