"""What a reviewer would miss in a record: each missing, weak or late fact, why it matters, and its cure.

`findings` judges one record by its own schema and the project's policy, and touches nothing. A run is incomplete when
it has a finding that counts; a `remark` is said beside them and does not. A clean run has no finding, and each fault
has exactly one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from ..ids import short
from ..records.configuration import UNREAD_FORMAT, Contested
from ..records.encoding import encode
from ..records.record import Record
from ..records.run import TERMINAL
from .code_findings import code_findings
from .data_findings import input_findings, output_findings, result_findings
from .finding import Finding, Found, captured_late, named, why_missing
from .gap_findings import gap_findings, loss_findings, sight_findings
from .liveness import is_last_sign, may_have_started


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


def _clauses(record: Record) -> tuple[Callable[[Record], Found], ...]:
    """A run that never started has only its reason to tell; one that was only created nothing."""
    if record.started is None and not may_have_started(record):
        return (_reason, _seal) if record.status in TERMINAL else ()
    return (
        _end,
        _reason,
        _seal,
        code_findings,
        _configuration,
        _environment,
        input_findings,
        result_findings,
        output_findings,
        sight_findings,
        gap_findings,
        loss_findings,
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
    if is_last_sign(record):
        yield Finding(
            level="weak",
            what="end",
            because=f"when and how the command ended is not known; {record.ended} is the last sign of its recorder",
            fix="run it again",
        )
    if record.closed_by is not None:
        yield Finding(
            level="weak",
            what="closed_by",
            because=f"its recorder was cut off: what it had not stated by then is lost ({record.closed_by.evidence})",
            fix="run it again",
        )


# Configuration and environment


def _configuration(record: Record) -> Found:
    config = record.config
    if config is None:
        return
    yield from captured_late("config", config.when)
    for one in config.contested:
        yield _contested(one)
    for file in config.files:
        if file.error is not None:
            yield Finding(
                level="weak",
                what=f"config.files.{named(file.path)}",
                because=f"could not be parsed: {file.error}",
                fix="mend the file; its bytes are kept",
            )
        elif file.format == "text":
            yield Finding(
                level="remark",
                what=f"config.files.{named(file.path)}",
                because=f"{UNREAD_FORMAT}; its bytes are kept",
                fix="say what matters in it with --param K=V",
            )


def _contested(one: Contested) -> Finding:
    """Of a default of nothing it is likely that the program fills it in later."""
    if one.by == "program":
        because = f"the program resolved another value than was declared: {_text(one.value)} ({one.origin})"
    else:
        because = f"another value was declared than the program resolved: {_text(one.value)} ({one.origin})"
    return Finding(
        level="remark" if one.value is None and one.by == "program" else "weak",
        what=f"config.{named(one.name)}",
        because=because,
        fix="hand the program what is declared, or declare what it uses",
    )


def _text(value: Any) -> str:
    return encode(value).decode()


def _environment(record: Record) -> Found:
    environment = record.environment
    if environment is None or environment.fingerprint is None:
        because = why_missing(record, "environment") or "the software was not captured"
        yield Finding(level="missing", what="environment", because=because, fix="whence doctor looks for the cause")
        return
    if environment.when == "end":
        yield Finding(
            level="late",
            what="environment",
            because="was captured at the end: which Python the command runs was not known before",
            fix="activate its environment before `whence run`, or start Python itself with it",
        )
    else:
        yield from captured_late("environment", environment.when)
    for lock in filter(None, (environment.lock, *environment.locks)):
        if lock.agrees is False:
            yield Finding(
                level="weak",
                what=f"environment.lock.{lock.path}",
                because="differs from what is installed: " + "; ".join(lock.mismatches[:3] or ["no detail"]),
                fix="install from the lock file, or lock again",
            )


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
