"""What a reviewer would miss in a record: each missing, weak or late fact, why it matters, and its cure.

`findings` judges one record by its own schema and the project's policy, and touches nothing. A run is incomplete when
it has a finding that counts; a `remark` is said beside them and does not. A clean run has no finding, and each fault
has exactly one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, cast

import msgspec

from ..ids import short
from ..records.base import Missing
from ..records.code import Code, LeftOut, OutsideSource, Repository
from ..records.configuration import UNREAD_FORMAT
from ..records.data import Artifact, Input
from ..records.record import Loss, Record
from ..records.run import TERMINAL
from .expected import unseen_outputs
from .fold import SOURCES_CHANGED
from .git_objects import EMPTY_TREE
from .kinds import KINDS

Level = Literal["missing", "weak", "late", "remark"]

SAID = frozenset({"none", "unknown"})
"""`whence tag RUN inputs=none` (or outputs, or unknown) says that there are none to record: then it is a remark."""

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
    "observation",
    "resources",
    "host",
)
"""What many sound runs cannot have: a machine without GPU, a folder without git. Named, and not counted."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One fact that is not as a reviewer needs it."""

    level: Level
    what: str
    """The dotted name in the record, with the item's name: `artifacts.model.pt`."""
    because: str
    fix: str

    @property
    def counts(self) -> bool:
        """Whether it makes the run incomplete."""
        return self.level != "remark"


Found = Iterator[Finding]


def findings(
    record: Record,
    *,
    fields: Mapping[str, Any],
    faults: Sequence[str] = (),
    unread: Sequence[str] = (),
    late: Sequence[str] = (),
) -> list[Finding]:
    """Everything to say about a record; `fields` are the policy's, `faults`, `unread` (acts) and `late` what reading
    the run gave."""
    found = [Finding(level="weak", what="journal", because=fault, fix="whence verify says more") for fault in faults]
    found += [
        Finding(level="weak", what="acts", because=fault, fix="take the file from a copy of the store, or say it again")
        for fault in unread
    ]
    found += [
        Finding(level="late", what=name, because="was written after the seal", fix="keep it apart: it proves nothing")
        for name in late
    ]
    return (
        found + [finding for clause in _clauses(record) for finding in clause(record)] + list(_fields(record, fields))
    )


def _named(name: str) -> str:
    """A name as a part of a dotted one: in quotes, as queries have it, where it begins with a dot (`.env`)."""
    return f'"{name}"' if name.startswith(".") else name


def _clauses(record: Record) -> tuple[Callable[[Record], Found], ...]:
    """A run that never started has only its reason to tell; one that was only created nothing."""
    if record.started is None:
        return (_reason, _seal) if record.status in TERMINAL else ()
    return (
        _end,
        _reason,
        _seal,
        _code,
        _configuration,
        _environment,
        _inputs,
        _artifacts,
        _printed,
        _observation,
        _gaps,
        _losses,
    )


def _end(record: Record) -> Found:
    """An output counts only when the process that makes it has ended."""
    if record.status not in TERMINAL and record.artifacts:
        yield Finding(
            level="weak",
            what="status",
            because=f"is {record.phase or record.status}, and {len(record.artifacts)} outputs are recorded",
            fix="wait for the end of the run, or whence stop",
        )
    elif record.status not in TERMINAL:
        yield Finding(level="remark", what="status", because="the run has not ended", fix="wait for its end")


def _reason(record: Record) -> Found:
    if record.status == "failed" and (record.error is None or not record.error.message.strip()):
        yield Finding(
            level="missing",
            what="error",
            because="the run failed, and nothing says why",
            fix=f"whence cat {short(record.id)}:output shows what it printed; say it with whence note",
        )


def _seal(record: Record) -> Found:
    if record.status in TERMINAL and record.seal is None:
        yield Finding(
            level="weak",
            what="seal",
            because="the run has ended and nothing closes its record",
            fix="whence doctor --close" if record.status == "lost" else "wait for it, or whence doctor --close",
        )


# Code


def _code(record: Record) -> Found:
    code = record.code
    if code is None:
        because = _because(record, "code") or "no code was captured"
        yield Finding(level="missing", what="code", because=because, fix="run it from the folder of its code")
        return
    yield from _snapshot(code, record)
    yield from _entry(code)
    if code.tree is not None or code.id is not None:
        yield from _captured_late("code", code.when)
    ran = {source.path for source in code.outside_snapshot}
    if not code.observed_by and code.tree is not None and record.status in TERMINAL:
        yield _nobody_looked()
    for source in code.outside_snapshot:
        yield _outside(source)
    yield from _edited(record, ran)
    for other in code.repositories:
        if other.dirty:
            yield _neighbour(other)
    for left in code.files_left_out:
        if left.path in ran:
            continue
        yield Finding(
            level="weak",
            what=f"code.files_left_out.{_named(left.path)}",
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
                what=f"code.changed.{_named(path)}",
                because="was edited while the run was going"
                + ("; what ran is in the snapshot" if certain else ", and nothing shows which bytes ran"),
                fix="edit when nothing runs, and run again" if not certain else "nothing",
            )


def _outside(source: OutsideSource) -> Finding:
    """A source that ran: its bytes are lost, or in doubt, or only not where `restore` puts them."""
    what = f"code.outside_snapshot.{_named(source.path)}"
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
    for words, fix in _OUTSIDE_FIXES.items():
        if source.because is not None and words in source.because:
            return fix
    return "move it into the project, and out of .gitignore" if source.state != "changed" else "run again"


_OUTSIDE_FIXES = {
    "keep_file_limit": "raise keep_file_limit",
    "keep_limit": "raise keep_limit",
    "no time": "raise seal_within",
    "could not be read": "make it readable for whoever runs it",
    "not there any more": "keep it until the run has ended",
}


def _left_out_fix(left: LeftOut) -> str:
    """The cure for why a file is not in the snapshot; of the reasons only a secret is told by more than words."""
    if left.digest is not None and left.digest.startswith("keyed:"):
        return "move the secret into an environment variable, or into a file that .gitignore names"
    for words, fix in _LEFT_OUT_FIXES.items():
        if words in left.because:
            return fix
    return "commit it, raise untracked_limit, or put it into .gitignore if the run does not need it"


_LEFT_OUT_FIXES = {
    "could not be read": "make it readable for whoever runs it, or put it into .gitignore if the run does not need it",
    "being written to": "run when nothing writes to it, or put it into .gitignore if it is a result",
    "it is a ": "keep it outside the code's folder, or put it into .gitignore",
}


def _snapshot(code: Code, record: Record) -> Found:
    if code.tree is None and (code.vcs != "image" or code.id is None):
        because = (
            _because(record, "code.tree")
            or _because(record, "code")
            or "no snapshot was taken: the code cannot be verified or restored"
        )
        yield Finding(
            level="missing", what="code.tree", because=because, fix="whence status says what a run would take"
        )
    elif code.tree == EMPTY_TREE and code.vcs != "package":
        yield Finding(
            level="weak",
            what="code.tree",
            because="the snapshot holds no file: the code is somewhere else",
            fix="run it from the folder of its code, or look at .gitignore",
        )
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


def _entry(code: Code) -> Found:
    entry = code.entry
    if entry is not None and entry.kind in ("interactive", "stdin"):
        yield Finding(
            level="weak",
            what="code.entry",
            because=f"the code came from {'a terminal' if entry.kind == 'interactive' else 'standard input'}",
            fix="put it into a file, and run that",
        )


def _captured_late(what: str, when: str) -> Found:
    if when != "launch":
        yield Finding(
            level="late", what=what, because=f"was captured {when}, not at launch", fix="start with whence run"
        )


# Configuration and environment


def _configuration(record: Record) -> Found:
    config = record.config
    if config is None:
        return
    yield from _captured_late("config", config.when)
    for file in config.files:
        if file.error is not None:
            yield Finding(
                level="weak",
                what=f"config.files.{_named(file.path)}",
                because=f"could not be parsed: {file.error}",
                fix="mend the file; its bytes are kept",
            )
        elif file.format == "text":
            yield Finding(
                level="remark",
                what=f"config.files.{_named(file.path)}",
                because=f"{UNREAD_FORMAT}; its bytes are kept",
                fix="say what matters in it with --param K=V",
            )


def _environment(record: Record) -> Found:
    environment = record.environment
    if environment is None or environment.fingerprint is None:
        because = _because(record, "environment") or "the software was not captured"
        yield Finding(level="missing", what="environment", because=because, fix="whence doctor looks for the cause")
        return
    yield from _captured_late("environment", environment.when)
    for lock in filter(None, (environment.lock, *environment.locks)):
        if lock.agrees is False:
            yield Finding(
                level="weak",
                what=f"environment.lock.{lock.path}",
                because="differs from what is installed: " + "; ".join(lock.mismatches[:3] or ["no detail"]),
                fix="install from the lock file, or lock again",
            )


# Data


def _inputs(record: Record) -> Found:
    if not any(item.role == "data" for item in record.inputs) and not absent_inputs(record):
        yield _no_inputs(record)
    for item in record.inputs:
        yield from _input(item)
    seen = [item.name for item in record.inputs if item.how == "observed" and item.role == "data"]
    if seen:
        yield Finding(
            level="remark",
            what="inputs",
            because=f"{len(seen)} were seen to be read, and not declared: {_first(sorted(seen))}",
            fix="whence run --input PATH checks before the start that it is there",
        )


def absent_inputs(record: Record) -> list[Missing]:
    """The inputs that were named and were not there."""
    return [gap for gap in record.missing if gap.what.startswith("inputs.")]


def _no_inputs(record: Record) -> Finding:
    if record.observation.complete:
        because, fix = "the command was watched, and read no data", "nothing, if that is what it does"
        return Finding(level="remark", what="inputs", because=because, fix=fix)
    return _none(record, "inputs", "no input is recorded", "whence run --input PATH, or run.input(PATH)")


def _first(names: Sequence[str], count: int = 3) -> str:
    return ", ".join(names[:count]) + (" …" if len(names) > count else "")


def _none(record: Record, what: str, because: str, fix: str) -> Finding:
    said = record.tags.get(what)
    if said in SAID:
        return Finding(level="remark", what=what, because=f"declared: {said}", fix=fix)
    return Finding(
        level="missing", what=what, because=because, fix=f"{fix}; or whence tag {short(record.id)} {what}=none"
    )


def _input(item: Input) -> Found:
    name = f"inputs.{_named(item.name)}"
    if item.digest is None:
        yield _undigested(item)
    elif item.changed == "yes":
        yield Finding(
            level="weak",
            what=name,
            because="its bytes changed while the run was going",
            fix="run again on data that stands still",
        )
    elif item.how == "observed":
        yield from _observed(item)
    elif item.when in ("end", "later"):
        yield Finding(level="late", what=name, because=f"was stated {item.when}", fix="name it before it is read")
    elif item.opened is False:
        because = "was declared, and the command did not open it"
        yield Finding(level="remark", what=name, because=because, fix="do not declare it, or look whether it is used")


def _undigested(item: Input) -> Finding:
    because = item.because or ("its digest is not known yet" if item.pending else "it has no digest")
    if because.startswith(NOT_DIGESTED):
        fix = "nothing: secrets are not recorded"
        return Finding(level="remark", what=f"inputs.{_named(item.name)}", because=because, fix=fix)
    fix = "keep a local copy, and name that as the input"
    if item.how == "observed":
        fix = "declare it (whence run --input): then it is digested before the command starts"
    return Finding(level="missing", what=f"inputs.{_named(item.name)}", because=because, fix=fix)


NOT_DIGESTED = "not digested: "
"""How the reason begins where a digest would tell of a secret."""


def _observed(item: Input) -> Found:
    name = f"inputs.{_named(item.name)}"
    if item.changed == "unknown" and item.because:
        yield Finding(level="weak", what=name, because=item.because, fix="run again on data that stands still")
    elif item.late:
        because = "lies on another machine, and was looked at after it had been opened"
        fix = "declare it (whence run --input), or copy it to a local disk first"
        yield Finding(level="remark", what=name, because=because, fix=fix)


# Results


def _artifacts(record: Record) -> Found:
    unseen = unseen_outputs(record)
    for output, because in unseen:
        if because is not None:
            yield Finding(
                level="missing",
                what=f"artifacts.{_named(output.name)}",
                because=f"was declared as output, and not captured: {because}",
                fix="run it again: what lies there now may be of another time",
            )
    if not record.artifacts and not unseen:
        yield Finding(
            level="remark",
            what="artifacts",
            because="no output is recorded",
            fix="whence run --output PATH, or run.output(PATH)",
        )
    for artifact in record.artifacts:
        yield from _artifact(artifact)


def _artifact(artifact: Artifact) -> Found:
    name = f"artifacts.{_named(artifact.name)}"
    if artifact.missing:
        yield Finding(
            level="missing",
            what=name,
            because="was declared and never written",
            fix=_unwritten_fix(artifact.path),
        )
    elif artifact.digest is None:
        yield Finding(
            level="missing",
            what=name,
            because=artifact.because or "its digest was never taken",
            fix="raise seal_within",
        )
    elif not artifact.final:
        yield Finding(
            level="weak",
            what=name,
            because=artifact.because or "could still be written to when it was digested",
            fix="end every process that writes it before the run ends",
        )
    elif artifact.kind == "other":
        yield Finding(
            level="weak" if artifact.how == "declared" else "remark",
            what=name,
            because="nothing says what kind of output it is",
            fix="run.output(PATH, kind='model'), or a name that tells",
        )
    elif artifact.when == "later":
        yield Finding(level="remark", what=name, because="was digested after the seal", fix="raise seal_within")


def _unwritten_fix(path: str) -> str:
    word, colon, rest = path.partition(":")
    if colon and rest and "/" not in word:
        return f"{word!r} is no kind of output and was taken as part of the path; kinds are {', '.join(KINDS)}"
    return "write it, or do not declare it"


def _printed(record: Record) -> Found:
    if record.output is not None and record.output.because is not None:
        because = record.output.because
        yield Finding(level="remark", what="output", because=because, fix="whence run -- COMMAND, around the script")


# What was not seen


def _observation(record: Record) -> Found:
    seen = record.observation
    for gap in seen.gaps:
        level: Level = "remark" if seen.mechanism == "declared" else "weak"
        yield Finding(level=level, what="observation", because=gap, fix=_gap_of_sight_fix(gap))
    if not seen.complete and not seen.gaps and seen.mechanism != "declared":
        because = "not everything that the command opened was seen"
        yield Finding(level="weak", what="observation", because=because, fix="declare its inputs and outputs")


def _gap_of_sight_fix(gap: str) -> str:
    for words, fix in _SIGHT_FIXES.items():
        if words in gap:
            return fix
    return "declare what it reads and writes: whence run --input PATH --output PATH"


_SIGHT_FIXES = {
    "outlived": "wait in the command for everything that it starts",
    "container": "start whence run in the container",
    "other nodes": "start whence run on each node: srun whence run -- …",
    "job that it submitted": "start whence run in the job",
    "other host": "start whence run on that host",
    "switched off": "run without policy observe = off",
}


# What the record itself says is missing


def _gaps(record: Record) -> Found:
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
            return what in ("code", "code.tree") and _no_tree(record.code)
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
    "code.commit": "git init && git commit, so that others can name the code",
    "config": "whence run --config FILE with a file that can be read, or --param K=V",
    "inputs": "name an input that is there, before it is read",
    "artifacts": "write it before the run ends, or do not declare it",
}


def _because(record: Record, what: str) -> str | None:
    return next((gap.because for gap in record.missing if gap.what == what), None)


def _losses(record: Record) -> Found:
    for loss in record.losses:
        yield Finding(level="missing", what=loss.what, because=loss.because, fix=_loss_fix(loss))


def _loss_fix(loss: Loss) -> str:
    if loss.what.startswith("metric "):
        return "run.log() takes numbers; say text with run.note(), run.field() or a tag"
    if any(word in loss.because for word in ("No space", "quota")):
        return "free some space; then run again"
    return "mend what the reason names, and run again"


# The project's own fields


def _fields(record: Record, fields: Mapping[str, Any]) -> Found:
    for name, declared in fields.items():
        required = isinstance(declared, Mapping) and cast("Mapping[str, Any]", declared).get("required")
        if required and record.ext.get(name) in (None, ""):
            yield Finding(
                level="missing",
                what=f"ext.{name}",
                because="the project's policy requires it",
                fix=f"run again with --field {name}=VALUE, or say run.field({name!r}, VALUE) in the code",
            )
