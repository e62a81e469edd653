"""Which files of a snapshot are of a program: by the table of classes, and by what was started."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..records.comparison import ChangedCode
from ..records.record import Record
from .classes import Classes, Place


def changed_files(files: Sequence[ChangedCode], records: Sequence[Record]) -> tuple[list[str], list[str]]:
    """The paths that changed, without results: those that are, or may be, of a program, and the others."""
    paths: tuple[list[str], list[str]] = ([], [])
    started = {"/" + path.removeprefix("./").lstrip("/") for path in _started(records)}
    roots = [record.code.root for record in records if record.code is not None and record.code.root is not None]
    classes = Classes(Place(root=roots[0] if roots else "/"))
    for file in files:
        if file.role == "code" and not file.outputs_only:
            is_program = _is_program(file, classes, roots[0] if roots else "", started)
            paths[0 if is_program else 1].append(file.path)
    return paths


def _started(records: Sequence[Record]) -> Iterator[str]:
    """Paths of what ran, as they were named and where links led."""
    for record in records:
        if record.code is not None and record.code.entry is not None and record.code.entry.path is not None:
            yield record.code.entry.path
        for program in record.programs:
            yield from filter(None, (program.path, program.target))


def _is_program(file: ChangedCode, classes: Classes, root: str, started: set[str]) -> bool:
    """A link and a nested repository may lead to one; so may a file that was renamed from one."""
    if file.kind in ("link", "repository", "notebook"):
        return True
    for path in filter(None, (file.path, file.before)):
        if classes.of(f"{root}/{path}") in ("code", "library"):
            return True
        if any(one.endswith("/" + path) for one in started):
            return True
    return False
