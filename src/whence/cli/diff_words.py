"""What a comparison says, in words for people: the page on a terminal and the one in a browser share them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

from ..digests import is_digest
from ..ids import short
from ..records.comparison import (
    Cause,
    ChangedCode,
    CodeChanges,
    Commit,
    Comparison,
    Differing,
    Members,
    Part,
    PartName,
    Side,
    Undecided,
)
from ..records.encoding import encode
from .data.diff import table_line
from .output import command_text, counted, cut, printable, time_text
from .rows import Row

TITLES: dict[PartName, str] = {
    "code": "code",
    "config": "configuration",
    "data": "data",
    "environment": "environment",
    "command": "command",
    "seeds": "seeds",
    "results": "results",
}

LONG = 40
"""Rows of one list that are printed, and the most that `--full` is for."""

PATCH = 400
"""Lines of the code's difference that are printed."""

VALUE = 240
"""Characters of one value that are printed."""


def letter(position: int) -> str:
    """What a run is called on the page: `A`, `B`; `27` beyond the alphabet."""
    return chr(ord("A") + position) if position < 26 else str(position + 1)


def side_text(side: Side) -> str:
    """A run on one line."""
    state = {True: "dirty", False: "clean", None: ""}[side.dirty]
    commit = f"commit {side.commit[:12]} {state}".rstrip() if side.commit else ""
    again = f"{side.relation or 'rerun'} of {short(side.rerun_of)}" if side.rerun_of else ""
    words = (side.name or "", side.status, time_text(side.started or side.created), commit, again)
    return printable("  ".join(filter(None, words)))


def label(what: str) -> str:
    """A dotted name for people: without what the title says already, and without quotes."""
    for head in ("config.values.", "config.seeds.", "config.", "code.", "environment."):
        if what.startswith(head):
            what = what.removeprefix(head)
            break
    head, quote, name = what.partition('"')
    if not quote or not name.endswith('"'):
        return printable(what)
    return printable(f"{head.removesuffix('.')} {name[:-1]}".strip())


def change_text(one: Differing, *, full: bool) -> str:
    """What two runs have, first to second."""
    bound = None if full else VALUE
    match one.change:
        case "added":
            return f"only in B: {_with_origin(one, 1, bound, whole=full)}"
        case "removed":
            return f"only in A: {_with_origin(one, 0, bound, whole=full)}"
        case _:
            return _changed(one, bound) + _beside(one)


def _with_origin(one: Differing, position: int, bound: int | None, *, whole: bool) -> str:
    origin = one.origins[position] if one.origins else None
    return cut(value_text(one.values[position], one.what, whole=whole), bound) + (f" ({origin})" if origin else "")


def look_alike(values: Sequence[Any], what: str = "") -> bool:
    """Whether values that differ would not in print: then all digits of their numbers are told."""
    return len({value_text(value, what) for value in values}) < len({encode(value) for value in values})


def _changed(one: Differing, bound: int | None) -> str:
    first, second = one.values
    if isinstance(first, dict) and isinstance(second, dict):
        return _fields_changed(cast("dict[str, Any]", first), cast("dict[str, Any]", second), bound)
    if one.what != "command" and isinstance(first, list) and isinstance(second, list):
        return _items_changed(cast("list[Any]", first), cast("list[Any]", second), bound)
    whole = bound is None or look_alike(one.values, one.what)
    return " -> ".join(_with_origin(one, position, bound, whole=whole) for position in (0, 1))


PRIMARY = ("last", "digest", "version", "value")
"""Fields that stand for the whole, and are not named."""


def _fields_changed(first: dict[str, Any], second: dict[str, Any], bound: int | None) -> str:
    """The fields that differ; of a metric the last value, where that differs."""
    names = [name for name in dict.fromkeys((*first, *second)) if first.get(name) != second.get(name)]
    if "last" in names:
        names = ["last"]
    told = (_field_changed(name, (first, second), bound) for name in sorted(names, key=lambda one: one not in PRIMARY))
    return "; ".join(told)


def _field_changed(name: str, sides: Sequence[dict[str, Any]], bound: int | None) -> str:
    whole = bound is None or look_alike([side.get(name) for side in sides])
    texts = (cut(value_text(side[name], whole=whole), bound) if name in side else "none" for side in sides)
    return ("" if name in PRIMARY else f"{name} ") + " -> ".join(texts)


def _items_changed(first: list[Any], second: list[Any], bound: int | None) -> str:
    """What only one of the lists has; both, where that is only the order."""
    gone = [f"- {value_text(item)}" for item in first if item not in second]
    come = [f"+ {value_text(item)}" for item in second if item not in first]
    text = ", ".join((*gone, *come)) or f"{value_text(first)} -> {value_text(second)}"
    return cut(text, bound)


def _beside(one: Differing) -> str:
    words = [] if one.relative is None else [f"{one.relative:+.2%}"]
    if one.imported and not any(one.imported):
        words += ["not imported"] if None not in one.imported else []
    return f"  ({', '.join(words)})" if words else ""


def value_text(value: Any, what: str = "", *, whole: bool = False) -> str:
    """A value on one line; digests by their first digits, numbers as `show` prints them unless they are to be whole."""
    match value:
        case float() if not whole:
            return f"{value:.6g}"
        case str():
            return printable(value[: len("sha256:") + 12] + "…" if is_digest(value) else _without_tail(value))
        case dict():
            return _mapping_text(cast("dict[str, Any]", value), whole=whole)
        case list() if what == "command":
            return command_text([str(word) for word in cast("list[Any]", value)])
        case _:
            return printable(encode(value).decode())


def _without_tail(text: str) -> str:
    """Of a git identifier as much as people read."""
    return re.sub(r"^(git-tree:)?([0-9a-f]{12})[0-9a-f]{28}$", r"\1\2…", text)


def _mapping_text(value: dict[str, Any], *, whole: bool = False) -> str:
    words = [value_text(value[name], whole=whole) for name in PRIMARY if name in value]
    words += [f"{name} {value_text(item, whole=whole)}" for name, item in value.items() if name not in PRIMARY]
    return ", ".join(words[:1] if "last" in value else words) or "there"


def unknown_text(one: Undecided) -> str:
    """Why it is not known, of which run."""
    reasons = {because for because in one.because if because}
    if len(reasons) == 1 and None not in one.because:
        return printable(f"not known: {reasons.pop()}")
    told = (f"{letter(position)}: {because}" for position, because in enumerate(one.because) if because)
    return printable(f"not known of {'; '.join(told)}")


def part_rows(part: Part, *, full: bool) -> list[Row]:
    """What two runs have otherwise in a part, and what is not known of it."""
    rows = [Row(label(one.what), change_text(one, full=full)) for one in part.differs]
    return rows + [Row(label(one.what), unknown_text(one)) for one in part.unknown]


def shown_code(compared: Comparison, part: Part) -> CodeChanges | None:
    """What lies between the code, where more than results does."""
    code = compared.code
    if code is None or part.state == "differs":
        return code
    told = code.files_because or any(file.role == "code" for file in code.files or ())
    return code if told else None


def commit_rows(changes: CodeChanges) -> Iterator[Row]:
    """The commits that only one has behind it."""
    if changes.commits_because is not None:
        yield Row("commits", printable(f"not known: {changes.commits_because}"))
    for side, name in (("second", "B"), ("first", "A")):
        for commit in changes.commits or ():
            if commit.side == side:
                yield Row(f"commits of {name}", _commit_text(commit))


def _commit_text(commit: Commit) -> str:
    return f"{commit.id[:12]}  {commit.at[:10]}  {printable(commit.subject)}"


def file_rows(changes: CodeChanges) -> Iterator[Row]:
    """The files that changed."""
    if changes.files_because is not None:
        yield Row("files", printable(f"not known: {changes.files_because}"))
    for file in sorted(changes.files or (), key=lambda file: file.role):
        yield Row("results" if file.role == "result" else "files", _file_text(file))


_MARKS = {"added": "+", "removed": "-", "changed": "~", "renamed": ">"}


def _file_text(file: ChangedCode) -> str:
    words = [f"{_MARKS[file.change]} {printable(file.path)}"]
    words += [f"(was {printable(file.before)})"] if file.before is not None else []
    words += [] if file.kind == "text" else [file.kind]
    if file.outputs_only:
        words += ["only its outputs"]
    elif file.kind == "text" and file.added is not None:
        words += [f"+{file.added} -{file.removed}"]
    words += ["mode changed"] if file.mode_changed else []
    return "  ".join(words)


def member_lines(members: Members) -> Iterator[str]:
    """What differs in a folder, a line each, tables last."""
    if members.because is not None:
        yield f"not known: {printable(members.because)}"
    yield from (f"+ {printable(path)}" for path in members.added)
    yield from (f"~ {printable(file.path)}{'' if file.before != file.after else '  mode'}" for file in members.changed)
    yield from (f"- {printable(path)}" for path in members.removed)
    yield from (table_line(change).strip() for change in members.tables)


def cause_text(cause: Cause) -> str:
    """A cause with the first of what it is of."""
    names = [printable(path) for path in cause.files] or [label(what) for what in cause.what]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    told = f": {', '.join(names[:5])}{more}" if names else ""
    return f"{TITLES[cause.part]}: {printable(cause.because)}{told}"


def same_text(compared: Comparison) -> str:
    """Which parts are the same, and how much that was."""
    told = [
        f"{TITLES[name]} ({counted(part.same, 'fact', 'facts') if part.same else 'none recorded'})"
        for name, part in compared.parts.items()
        if part.state == "same"
    ]
    return ", ".join(told)


def patch_line(text: str, *, full: bool) -> str:
    """A line of a difference, tabs as they are; of a very long one the begin."""
    more = 0 if full else max(0, len(text) - VALUE)
    said = "\t".join(printable(piece) for piece in (text[:VALUE] if more else text).split("\t"))
    return f"{said}… {more} more characters (--full)" if more else said


def bounded(items: Sequence[Any], most: int | None) -> tuple[Sequence[Any], int]:
    """The first, and how many more there are."""
    return (items, 0) if most is None else (items[:most], max(0, len(items) - most))


def patch_lines(changes: CodeChanges, most: int | None) -> tuple[list[str], int]:
    """The first lines of the difference, and how many more there are; without splitting all of a huge one."""
    if not changes.patch:
        return [], 0
    if most is None:
        return changes.patch.removesuffix("\n").split("\n"), 0
    lines = changes.patch.removesuffix("\n").split("\n", most)
    return lines[:most], (lines[most].count("\n") + 1 if len(lines) > most else 0)
