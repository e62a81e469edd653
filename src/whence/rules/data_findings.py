"""What a reviewer would miss of what a run read and made: inputs, outputs, and what it printed."""

from __future__ import annotations

from collections.abc import Sequence

from ..ids import short
from ..records.base import Missing
from ..records.data import NOT_DIGESTED, Artifact, Input
from ..records.record import Record
from .expected import unseen_outputs
from .finding import Finding, Found, named
from .kinds import KINDS

SAID = frozenset({"none", "unknown"})
"""`whence tag RUN inputs=none` (or outputs, or unknown) says that there are none to record: then it is a remark."""


def input_findings(record: Record) -> Found:
    if not any(item.role == "data" for item in record.inputs) and not absent_inputs(record):
        yield _no_inputs(record)
    rewritten = {(one.path, one.digest_before) for one in record.artifacts if one.role == "changed"}
    for item in record.inputs:
        yield from _input(item, rewritten=(item.path, item.digest) in rewritten)
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


def _input(item: Input, *, rewritten: bool) -> Found:
    """`rewritten`: the run itself wrote over it, and what it was and what it became are both recorded."""
    name = f"inputs.{named(item.name)}"
    if item.how == "observed" and item.when == "during":
        return  # That the observation has no end is said once.
    if item.digest is None:
        yield _undigested(item)
    elif item.changed == "yes" and rewritten:
        because = "the run itself wrote over it; what it was before and after is recorded"
        yield Finding(level="remark", what=name, because=because, fix="nothing, if that is what it does")
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
        return Finding(level="remark", what=f"inputs.{named(item.name)}", because=because, fix=fix)
    fix = "keep a local copy, and name that as the input"
    if item.how == "observed":
        fix = "declare it (whence run --input): then it is digested before the command starts"
    return Finding(level="missing", what=f"inputs.{named(item.name)}", because=because, fix=fix)


def _observed(item: Input) -> Found:
    name = f"inputs.{named(item.name)}"
    if item.changed == "unknown" and item.because:
        yield Finding(level="weak", what=name, because=item.because, fix="run again on data that stands still")
    elif item.late:
        because = "lies on another machine, and was looked at after it had been opened"
        fix = "declare it (whence run --input), or copy it to a local disk first"
        yield Finding(level="remark", what=name, because=because, fix=fix)


def result_findings(record: Record) -> Found:
    unseen = unseen_outputs(record)
    for output, because in unseen:
        if because is not None:
            yield Finding(
                level="missing",
                what=f"artifacts.{named(output.name)}",
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
    said = {item.path for item in record.inputs}
    for artifact in record.artifacts:
        yield from _artifact(artifact)
        if artifact.role == "changed" and artifact.path not in said:
            yield from _before(artifact)


def _before(artifact: Artifact) -> Found:
    """Of what the run wrote into, and did not read."""
    because = artifact.before_because
    if because and not because.startswith(NOT_DIGESTED):
        yield Finding(
            level="remark",
            what=f"artifacts.{named(artifact.name)}",
            because=f"what was there before it was changed in place is not known: {because}",
            fix="declare it (whence run --input): then it is digested before the command starts",
        )


def _artifact(artifact: Artifact) -> Found:
    name = f"artifacts.{named(artifact.name)}"
    if artifact.how == "observed" and artifact.when == "during":
        return
    if artifact.missing:
        yield Finding(
            level="missing",
            what=name,
            because="was declared and never written",
            fix=_unwritten_fix(artifact.path),
        )
    elif artifact.digest is None and (artifact.because or "").startswith(NOT_DIGESTED):
        fix = "nothing: secrets are not recorded; --output declares what is none"
        yield Finding(level="remark", what=name, because=artifact.because or "", fix=fix)
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
    elif artifact.version is not None and not artifact.kept:
        yield Finding(
            level="weak",
            what=name,
            because=f"the bytes of {artifact.dataset}@{artifact.version} were removed: {artifact.because}",
            fix="whence data import FILE, of an archive of it",
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


def output_findings(record: Record) -> Found:
    if record.output is not None and record.output.because is not None:
        because = record.output.because
        yield Finding(level="remark", what="output", because=because, fix="whence run -- COMMAND, around the script")
