"""What a record says of itself that it lacks: what was not seen, not captured, and lost."""

from __future__ import annotations

from ..records.code import Code
from ..records.record import Loss, Record
from .finding import Finding, Found, Level, fix_for

MAY_LACK = (
    "environment.accelerators",
    "environment.container",
    "environment.scheduler",
    "environment.modules",
    "environment.lock",
    "environment.drivers",
    "environment.hardware",
    "environment.os",
    "environment.settings",
    "code.describe",
    "code.version",
    "code.url",
    "code.remotes",
    "code.pushed",
    "code.commit",
    "code.branch",
    "code.id",
    "code.safe_directory",
    "observation",
    "resources",
    "host",
)
"""What many sound runs cannot have: a machine without GPU, a folder without git. Named, and not counted."""


def sight_findings(record: Record) -> Found:
    seen = record.observation
    for gap in seen.gaps:
        level: Level = "remark" if seen.mechanism == "declared" else "weak"
        yield Finding(level=level, what="observation", because=gap, fix=fix_for(gap, _SIGHT_FIXES, _DECLARE))
    if seen.interrupted:
        yield Finding(
            level="remark",
            what="observation",
            because=f"calls that a signal interrupted before they were seen: {seen.interrupted}; where a program"
            " handles signals without SA_RESTART (Perl), opens failed with EINTR",
            fix="whence run --observe strace, or observe = off, where the program does not try again",
        )
    if not seen.complete and not seen.gaps and seen.mechanism != "declared":
        because = "not everything that the command opened was seen"
        yield Finding(level="weak", what="observation", because=because, fix="declare its inputs and outputs")


_DECLARE = "declare what it reads and writes: whence run --input PATH --output PATH"

_SIGHT_FIXES = {
    "has not been said": "wait for the end of the run, or run it again",
    "outlived": "wait in the command for everything that it starts",
    "container": "start whence run in the container",
    "other nodes": "start whence run on each node: srun whence run -- …",
    "job that it submitted": "start whence run in the job",
    "other host": "start whence run on that host",
    "switched off": "run without policy observe = off",
}


def gap_findings(record: Record) -> Found:
    for gap in record.missing:
        if gap.what.split(".")[0] in _SAID_ELSEWHERE and _told(record, gap.what):
            continue
        level: Level = "remark" if _may_lack(gap.what) else "missing"
        yield Finding(level=level, what=gap.what, because=gap.because, fix=_gap_fix(gap.what))


_SAID_ELSEWHERE = frozenset({"code", "environment", "inputs", "input", "artifacts", "artifact", "output"})


def _told(record: Record, what: str) -> bool:
    """Whether a clause above has told of this already: a fault has one finding."""
    part, _, name = what.partition(".")
    match part:
        case "code":
            return what == "code.cells" or (what in ("code", "code.tree") and _no_tree(record.code))
        case "environment":
            return not name and (record.environment is None or record.environment.fingerprint is None)
        case "inputs" | "input":
            return any(name in (item.name, item.path) and item.digest is None for item in record.inputs)
        case _:
            return any(name in (item.name, item.path) and item.digest is None for item in record.artifacts)


def _no_tree(code: Code | None) -> bool:
    return code is None or code.tree is None


def _may_lack(what: str) -> bool:
    return any(what == known or what.startswith(known + ".") for known in MAY_LACK)


def _gap_fix(what: str) -> str:
    """The cure of the longest name above this one."""
    names = what.split(".")
    above = (".".join(names[:count]) for count in range(len(names), 0, -1))
    return next((_FIXES[name] for name in above if name in _FIXES), "mend what the reason names, and run again")


_FIXES: dict[str, str] = {
    "environment": "mend what the reason names (whence doctor checks the installation), and run again",
    "environment.lock": "lock the environment (uv lock, pip freeze), and commit the file",
    "environment.accelerators": "nothing on a machine that has none; else whence doctor looks for the cause",
    "environment.container": "hand in WHENCE_IMAGE_NAME and WHENCE_IMAGE_DIGEST",
    "code": "mend what the reason names (whence status says what a run would record), and run again",
    "code.outside_snapshot": "install what is not the project's own code; then run again",
    "code.repositories": "git status there must answer in good time; then run again",
    "code.safe_directory": "git config --global --add safe.directory FOLDER lets git itself read it",
    "code.commit": "git init && git commit, so that others can name the code",
    "config": "whence run --config FILE with a file that can be read, or --param K=V",
    "inputs": "name an input that is there, before it is read",
    "artifacts": "write it before the run ends, or do not declare it",
}


def loss_findings(record: Record) -> Found:
    for loss in record.losses:
        yield Finding(level="missing", what=loss.what, because=loss.because, fix=_loss_fix(loss))


def _loss_fix(loss: Loss) -> str:
    if any(word in loss.because for word in ("No space", "quota", "short write")):
        return "free some space; then run again"
    if loss.what.startswith("metric ") and loss.what != "metric points":
        return "run.log() takes numbers; say text with run.note(), run.field() or a tag"
    return "mend what the reason names, and run again"
