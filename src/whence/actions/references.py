"""What a word on the command line means: a run, something in a run, content by its digest, or a file.

Precedence for runs: `@` and `@~N` (the latest, and those before it), `@NAME` and `@NAME~N` (likewise among the runs
of that name), a full id, an exact name, a unique end of an id of at least four characters, a unique part of as many of
its last eight, which `log` shows. The head of an id is a clock, and no reference. A file in the current folder comes
last: what is no run is tried as `./NAME`.
What matches nothing or several things raises UnresolvedError with the candidates.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import msgspec

from ..digests import is_digest
from ..errors import FormatError, UnresolvedError, UsageError
from ..ids import SHORTEST_TAIL, created_at, is_id, short
from ..records.encoding import decode
from ..store.layout import Store
from ..store.run_files import RECORD, RunFiles
from ..store.run_list import open_run, run_ids
from ..system.files import open_regular

CANDIDATES = 20
"""The most candidates that an error lists."""

_LATEST = re.compile(r"@([^~]*)(?:~(\d{1,9}))?")
_TAIL = re.compile(r"[0-9a-f-]+")


class RunReference(msgspec.Struct, frozen=True, kw_only=True):
    run: str


class PartReference(msgspec.Struct, frozen=True, kw_only=True):
    """`RUN:name`: an artifact, an input or a part of a record."""

    run: str
    name: str


class ContentReference(msgspec.Struct, frozen=True, kw_only=True):
    """`sha256:…`."""

    digest: str


class PathReference(msgspec.Struct, frozen=True, kw_only=True):
    """A file, meant by the bytes that it has now."""

    path: Path


Reference = RunReference | PartReference | ContentReference | PathReference


def resolve(store: Store, text: str, *, cwd: Path) -> Reference:
    """What the word means. Raises UnresolvedError when it is nothing, or several things."""
    if text.startswith("sha256:"):
        return ContentReference(digest=_digest(text))
    if _is_path(text) and ((cwd / text).exists() or not find_runs(store, text)):
        return PathReference(path=_existing(cwd / text, text))
    run, colon, name = text.partition(":")
    if colon and find_runs(store, text) == []:
        if not name or not run:
            raise UsageError(f"{text}: expected RUN:NAME", hint="for instance @:model.pt")
        return PartReference(run=resolve_run(store, run), name=name)
    may_be_file = bool(text) and not colon and not text.startswith("@")
    if may_be_file and _is_file(cwd / text) and not find_runs(store, text):
        return PathReference(path=cwd / text)
    return RunReference(run=resolve_run(store, text, tried=f"./{text}" if may_be_file else None))


def _digest(text: str) -> str:
    if not is_digest(text):
        raise UsageError(f"{text}: expected sha256: and 64 hexadecimal digits, found {len(text) - 7}")
    return text


def _is_path(text: str) -> bool:
    """`dir/model.pt`, `./model.pt`, `/data/x`; and not `RUN:dir/model.pt`."""
    return "/" in text.partition(":")[0]


def _is_file(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # A word that no file can have for a name.
        return False


def _existing(path: Path, text: str) -> Path:
    if not path.exists():
        raise UnresolvedError(f"{text}: no such file or folder", hint="RUN:NAME names an output of a run")
    return path


def resolve_run(store: Store, text: str, *, tried: str | None = None) -> str:
    """The id of the run that the word names; `tried` is the file that it was taken for in vain."""
    found = find_runs(store, text)
    if len(found) == 1:
        return found[0]
    if found:
        raise UnresolvedError(
            f"{text}: {len(found)} runs match, expected one",
            candidates=tuple(described(store, run) for run in found[:CANDIDATES]),
            hint=f"@{text} is the latest of that name"
            if name_of(store, found[0]) == text
            else "give more of the end of the id, which `whence log` shows, or the whole id",
        )
    raise UnresolvedError(
        f"{text}: no such run in {store.path}" + (f", and no file {tried}" if tried else ""),
        candidates=_near(store, text),
        hint=_unknown(store, text),
    )


def _unknown(store: Store, text: str) -> str:
    """What helps whoever named no run."""
    if len(text) >= SHORTEST_TAIL and any(run.startswith(text) for run in run_ids(store, newest_first=True)):
        return (
            "ids begin with a clock, so that runs share it: name a run by the end of its id, which `whence log` shows"
        )
    if _TAIL.fullmatch(text) and len(text) < SHORTEST_TAIL:
        return f"of an id it takes at least {SHORTEST_TAIL} characters, from those that `whence log` shows"
    return "`whence log` lists the runs"


def find_runs(store: Store, text: str) -> list[str]:
    """Every run that the word could name, by the first rule that finds any; newest first."""
    if latest := _LATEST.fullmatch(text):
        runs = _named(store, latest[1]) if latest[1] else run_ids(store, newest_first=True)
        back = int(latest[2] or 0)
        return list(islice(runs, back, back + 1))
    if is_id(text):
        return [run for run in run_ids(store, newest_first=True) if run == text]
    return list(_named(store, text)) or _ending(store, text) or _in_the_end(store, text)


def _named(store: Store, name: str) -> Iterator[str]:
    return (run for run in run_ids(store, newest_first=True) if name_of(store, run) == name)


def _ending(store: Store, tail: str) -> list[str]:
    if len(tail) < SHORTEST_TAIL or not _TAIL.fullmatch(tail):
        return []
    return [run for run in run_ids(store, newest_first=True) if run.endswith(tail)]


def _in_the_end(store: Store, part: str) -> list[str]:
    """By any part of what people are shown, as git's users are used to."""
    if len(part) < SHORTEST_TAIL or not _TAIL.fullmatch(part):
        return []
    return [run for run in run_ids(store, newest_first=True) if part in short(run)]


def _near(store: Store, text: str) -> tuple[str, ...]:
    """Runs with a name like the word, for the error."""
    names = {name: run for run in run_ids(store, newest_first=False) if (name := name_of(store, run))}
    return tuple(described(store, names[name]) for name in difflib.get_close_matches(text, names, n=3))


def described(store: Store, run: str) -> str:
    """A candidate on one line."""
    created = _created(store, run)
    words = " ".join(created.command) if created else ""
    name = f"{created.name}  " if created and created.name else ""
    return f"{run}  {created_at(run):%Y-%m-%d %H:%M:%S}  {name}{words}"


def name_of(store: Store, run: str) -> str | None:
    """The name that a run was given at its launch; nothing when it has none or cannot be read."""
    created = _created(store, run)
    return created.name if created else None


class _Named(msgspec.Struct, frozen=True):
    """What a run is found by."""

    id: str
    command: list[str]
    name: str | None = None


def _created(store: Store, run: str) -> _Named | None:
    files = open_run(store, run)
    # With the journal damaged the record still says it.
    found = _named_in(lambda: _first_line(files)) or _named_in(lambda: files.read(RECORD))
    # A folder that is a copy of another run's does not answer to that run's name.
    return found if found is not None and found.id == run else None


def _named_in(read: Callable[[], bytes]) -> _Named | None:
    try:
        return decode(read(), _Named)
    except (OSError, FormatError):
        return None


def _first_line(files: RunFiles) -> bytes:
    path = files.path("main.jsonl")
    if path is None:
        return files.read("main.jsonl").split(b"\n", 1)[0]
    with os.fdopen(open_regular(path), "rb") as journal:
        return journal.readline()
