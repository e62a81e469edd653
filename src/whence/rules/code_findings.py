"""What a reviewer would miss of a run's code: its snapshot, what ran beside it, what was edited meanwhile."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from ..records.code import CELLS, CELLS_AT_LAUNCH, Code, LeftOut, OutsideSource, Repository
from ..records.record import Record
from ..records.run import TERMINAL
from .finding import Finding, Found, captured_late, fix_for, named, why_missing
from .fold import SOURCES_CHANGED
from .git_objects import EMPTY_TREE


def code_findings(record: Record) -> Found:
    code = record.code
    if code is None:
        because = why_missing(record, "code") or "no code was captured"
        yield Finding(level="missing", what="code", because=because, fix="run it from the folder of its code")
        return
    yield from _snapshot(code, record)
    yield from _entry(code)
    if code.tree is not None or code.id is not None:
        yield from captured_late("code", code.when)
    ran = {source.path for source in code.outside_snapshot}
    if all(one.by == "cells" for one in code.observed_by) and code.tree is not None and record.status in TERMINAL:
        yield _nobody_looked()
    for source in code.outside_snapshot:
        if source.path not in (CELLS, CELLS_AT_LAUNCH):
            yield _outside(source)
    yield from _cells(code, record)
    yield from _edited(record, ran)
    for other in code.repositories:
        if other.dirty:
            yield _neighbour(other)
    for left in code.files_left_out:
        if left.path in ran or _needs_nobody(left, record):
            continue
        yield Finding(
            level="weak",
            what=f"code.files_left_out.{named(left.path)}",
            because=left.because,
            fix=_left_out_fix(left),
        )
    for declared in code.declared:
        if declared.checked == "differs":
            yield Finding(
                level="weak",
                what=f"code.declared.{declared.name}",
                because=f"says {declared.value}, and {declared.observed or 'something else'} was observed",
                fix="hand in the right value, or none",
            )


def _cells(code: Code, record: Record) -> Found:
    """What the kernel of a notebook executed: the file need not hold it, whatever its digest."""
    kept = {source.path for source in code.outside_snapshot if source.kept}
    lost = {source.path: source.because for source in code.outside_snapshot if not source.kept}
    if CELLS in kept:
        because = f"the kernel may have executed other code than the notebook holds; what it did is kept as {CELLS}"
        yield Finding(level="remark", what="code.cells", because=because, fix=f"whence get RUN:'{CELLS}' gives it back")
    elif CELLS_AT_LAUNCH in kept:
        because = "what the kernel executed after the launch was not kept"
        yield Finding(level="weak", what="code.cells", because=because, fix=_CELLS_FIX)
    elif CELLS in lost or CELLS_AT_LAUNCH in lost:
        because = lost.get(CELLS) or lost.get(CELLS_AT_LAUNCH) or "nothing says why"
        yield Finding(
            level="missing",
            what="code.cells",
            because=f"what the kernel executed was not kept: {because}",
            fix="move secrets into environment variables, and run the cells again",
        )
    elif (why := why_missing(record, "code.cells")) or (code.entry is not None and code.entry.kind == "notebook"):
        because = f"what the kernel executed was not kept: {why or 'nothing in the store shows which code ran'}"
        yield Finding(level="missing", what="code.cells", because=because, fix=_CELLS_FIX)


_CELLS_FIX = "run all cells of the notebook again, in a kernel with a history, to the end of the run"


def _nobody_looked() -> Finding:
    because = "nobody looked at what code was loaded: some may be missing from the snapshot"
    fix = "policy observe = auto where it is switched off; or whence.start() in the code"
    return Finding(level="remark", what="code.observed_by", because=because, fix=fix)


def changed_sources(record: Record) -> list[str]:
    """The source files that were edited while the run was going, each once."""
    lists = [anomaly.detail for anomaly in record.anomalies if anomaly.what == SOURCES_CHANGED]
    paths = [path for paths in lists if isinstance(paths, list) for path in cast("list[Any]", paths)]
    return list(dict.fromkeys(map(str, paths)))


def _edited(record: Record, told: Collection[str]) -> Found:
    """Sources that were edited during the run, but for those of which it is `told` what ran. Where all that was opened
    was seen, they ran as the snapshot has them."""
    certain = record.observation.complete
    for path in changed_sources(record):
        if path not in told:
            yield Finding(
                level="remark" if certain else "weak",
                what=f"code.changed.{named(path)}",
                because="was edited or removed while the run was going"
                + ("; what ran is in the snapshot" if certain else ", and nothing shows which bytes ran"),
                fix="edit when nothing runs, and run again" if not certain else "nothing",
            )


def _outside(source: OutsideSource) -> Finding:
    """A source that ran: its bytes are lost, or in doubt, or only not where `restore` puts them."""
    what = f"code.outside_snapshot.{named(source.path)}"
    if not source.kept:
        because = f"ran, is not in the snapshot, and was not kept: {source.because or 'nothing says why'}"
        return Finding(level="missing", what=what, because=because, fix=_outside_fix(source))
    if not source.certain:
        because = "ran, and was changed after the start: the kept bytes may not be those that ran"
        return Finding(level="weak", what=what, because=because, fix="edit when nothing runs, and run again")
    because = "ran, and the code id does not cover it; its bytes are kept"
    return Finding(level="remark", what=what, because=because, fix=_outside_fix(source))


def _neighbour(other: Repository) -> Finding:
    """Another repository that code was loaded from, and that no commit stands for."""
    because = "code of it ran, and it differed from its commit: of it only the files that were loaded are kept"
    return Finding(level="weak", what=f"code.repositories.{other.path}", because=because, fix=f"commit in {other.path}")


def _outside_fix(source: OutsideSource) -> str:
    if source.digest is not None and source.digest.startswith("keyed:"):
        return "move the secret into an environment variable, and the code into the project"
    otherwise = "move it into the project, and out of .gitignore" if source.state != "changed" else "run again"
    return fix_for(source.because or "", _OUTSIDE_FIXES, otherwise)


_OUTSIDE_FIXES = {
    "keep_file_limit": "raise keep_file_limit",
    "keep_limit": "raise keep_limit",
    "no time": "raise seal_within",
    "could not be read": "make it readable for whoever runs it",
    "not there any more": "keep it until the run has ended",
}


def _needs_nobody(left: LeftOut, record: Record) -> bool:
    """Whether nothing is lacking without it: what a command that was seen whole opened of such files stands among its
    inputs, programs and sources, and what it did not open it did not need."""
    known = left.digest is not None and left.digest.startswith("sha256:")
    return known and record.observation.complete


def _left_out_fix(left: LeftOut) -> str:
    """The cure for why a file is not in the snapshot; of the reasons only a secret is told by more than words."""
    if left.digest is not None and left.digest.startswith("keyed:"):
        return "move the secret into an environment variable, or into a file that .gitignore names"
    otherwise = "commit it, raise untracked_limit, or put it into .gitignore if the run does not need it"
    return fix_for(left.because, _LEFT_OUT_FIXES, otherwise)


_LEFT_OUT_FIXES = {
    "could not be read": "make it readable for whoever runs it, or put it into .gitignore if the run does not need it",
    "being written to": "run when nothing writes to it, or put it into .gitignore if it is a result",
    "it is a ": "keep it outside the code's folder, or put it into .gitignore",
}


def _snapshot(code: Code, record: Record) -> Found:
    if code.tree is None and (code.vcs != "image" or code.id is None):
        because = (
            why_missing(record, "code.tree")
            or why_missing(record, "code")
            or "no snapshot was taken: the code cannot be verified or restored"
        )
        yield Finding(
            level="missing", what="code.tree", because=because, fix="whence status says what a run would take"
        )
    elif code.tree == EMPTY_TREE and code.vcs != "package":
        yield _empty(code)
    elif code.stored == "partial":
        dirty = "the folder was dirty, and " if code.dirty else ""
        yield Finding(
            level="weak",
            what="code.stored",
            because=f"{dirty}not every file of the snapshot was stored",
            fix="the record says what was missing: make room in the store, or folders readable, and run again",
        )
    elif code.stored == "pending" and record.seal is not None:
        yield Finding(
            level="weak",
            what="code.stored",
            because="the unchanged files of the snapshot were not stored before the seal",
            fix="whence verify says whether the commit still has them",
        )


def _empty(code: Code) -> Finding:
    """A snapshot of nothing: nothing was there, or nothing of it could be taken."""
    because = "the snapshot holds no file: the code is somewhere else"
    fix = "run it from the folder of its code, or look at .gitignore"
    if code.files_left_out:
        because = "the snapshot holds no file: what is in the folder was left out"
        fix = "see why under code.files_left_out"
    return Finding(level="weak", what="code.tree", because=because, fix=fix)


def _entry(code: Code) -> Found:
    entry = code.entry
    if entry is not None and entry.kind in ("interactive", "stdin"):
        yield Finding(
            level="weak",
            what="code.entry",
            because=f"the code came from {'a terminal' if entry.kind == 'interactive' else 'standard input'}",
            fix="put it into a file, and run that",
        )
