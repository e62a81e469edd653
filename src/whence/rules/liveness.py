"""What a reader may say of a run that has no seal yet: decided from evidence, never from hope.

A lock that is held proves life; a lock that is free proves death where locks are known to work. Without locks, a
process is known by boot, namespace, number and start time together. All else is silence: a suspended job, a
breakpoint or a closed laptop is not a death, so silence is only called one after a day, and labelled.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ..records.record import Record
from ..records.run import TERMINAL, Status

SILENT_AFTER = 180.0
"""Seconds without a sign of life, three missed touches, after which a run is called silent."""

UNLOCKED_LOST_AFTER = 300.0
"""Seconds of silence after which a free lock is believed on a network file system that shares locks."""

LOST_AFTER = 86400.0
"""Seconds of silence after which a run is called lost without proof."""

Phase = Literal["finishing", "unsupervised", "silent"]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of a run's main writer. Nothing means: could not be seen."""

    lock: Literal["held", "free", "unsupported"]
    lock_decides: bool
    """A free lock proves that the writer is gone: a local disk of this host, or a file that this boot wrote."""
    shared_locks: bool = False
    """A network file system that shows locks of other hosts, sooner or later."""
    writer: bool | None = None
    """Whether the recorder's process is there; only known on its host, in its boot and its pid namespace."""
    command: bool | None = None
    """Likewise the command's."""
    silence: float | None = None
    """Seconds since the journal was last written or touched, by the clock of the file system's server."""
    launched: bool = False
    """Everything that is stated before the start of the command is there: it may have been started."""
    where: str = "its host"
    """The name of the writer's host."""


class Liveness(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader says."""

    status: Status
    phase: Phase | None
    evidence: str
    proven: bool
    """The writer is proven dead: any process may close the run."""


_NEVER = frozenset({"refused", "not_found", "not_executable", "never_started"})
"""Errors of commands of which nothing was executed."""


def is_launched(record: Record) -> bool:
    """Whether all is stated that precedes the command's start: its configuration, or why there is none, is the last of
    what every launch captures."""
    return record.config is not None or any(one.what == "config" for one in record.missing)


def may_have_started(record: Record) -> bool:
    """Whether a run that is over may have started, though nobody could state it."""
    never = record.error is not None and record.error.type in _NEVER
    cut_off = record.closed_by is not None or record.status == "lost"
    return record.started is None and cut_off and not never and is_launched(record)


def is_last_sign(record: Record) -> bool:
    """Whether `ended` is only the last sign of life of its recorder: nobody saw the end, and the command may have gone
    on for long."""
    return record.ended is not None and record.closed_by is not None and record.status == "lost" and not record.error


def decide(status: Status, evidence: Evidence) -> Liveness:
    """The live status of a run without a seal; `status` is that of the fold."""
    proof = _proof(evidence)
    if status in TERMINAL:
        return _ended(status, proof)
    if proof:
        return _after_death(status, evidence, proof)
    if _alive(evidence):
        return _living(status, evidence)
    return _unknown(status, evidence)


def _ended(status: Status, proof: str | None) -> Liveness:
    rest = f"; {proof}, before the seal: `whence doctor --close` sets it" if proof else ""
    return Liveness(status=status, phase="finishing", evidence=f"ended, not sealed yet{rest}", proven=bool(proof))


def _proof(evidence: Evidence) -> str | None:
    """What proves that the recorder is dead; nothing if nothing does."""
    if evidence.lock == "held" or evidence.writer:
        return None
    if evidence.writer is False:
        return "the recorder's process is gone"
    if evidence.lock == "free" and evidence.lock_decides:
        return "the recorder holds no lock on its journal any more"
    return None


def _alive(evidence: Evidence) -> bool:
    return evidence.lock == "held" or evidence.writer is True


def _after_death(status: Status, evidence: Evidence, proof: str) -> Liveness:
    if evidence.command:
        text = f"{proof}, but the command's process still runs"
        return Liveness(status="running", phase="unsupervised", evidence=text, proven=False)
    return Liveness(status="lost", phase=None, evidence=proof + _start(status, evidence), proven=True)


def _start(status: Status, evidence: Evidence) -> str:
    if status != "created":
        return ""
    return "; whether the command was started is not known" if evidence.launched else ", before the command was started"


def _living(status: Status, evidence: Evidence) -> Liveness:
    if evidence.lock == "free" and evidence.command:
        # The process is there and its recorder is not: it was replaced by exec, or the forwarder of a spool died.
        text = "the process still runs, but nothing holds its journal"
        return Liveness(status=status, phase="unsupervised", evidence=text, proven=False)
    sign = "the recorder holds its lock" if evidence.lock == "held" else "the recorder's process is there"
    if evidence.silence is not None and evidence.silence >= SILENT_AFTER:
        text = f"silent for {span(evidence.silence)}, but {sign}: suspended, or its disk does not answer"
        return Liveness(status=status, phase="silent", evidence=text, proven=False)
    return Liveness(status=status, phase=None, evidence=sign, proven=False)


def _unknown(status: Status, evidence: Evidence) -> Liveness:
    """No lock and no process that could be asked: only the journal's age speaks."""
    if evidence.silence is None:
        text = f"unproven: ask on {evidence.where}; the store's clock cannot be read from here"
        return Liveness(status=status, phase="silent", evidence=text, proven=False)
    if evidence.lock == "free" and evidence.shared_locks and evidence.silence >= UNLOCKED_LOST_AFTER:
        # Not a proof: a spool's forwarder may be dead and the run alive, so nobody closes the run for this.
        text = f"unproven: no lock on its journal and silent for {span(evidence.silence)}; ask on {evidence.where}"
        return Liveness(status="lost", phase=None, evidence=text, proven=False)
    if evidence.silence >= LOST_AFTER:
        text = f"unproven: silent for {span(evidence.silence)}, more than a day; ask on {evidence.where}"
        return Liveness(status="lost", phase=None, evidence=text, proven=False)
    if evidence.silence >= SILENT_AFTER:
        text = f"silent for {span(evidence.silence)}; unproven, ask on {evidence.where}"
        return Liveness(status=status, phase="silent", evidence=text, proven=False)
    text = f"last sign of life {span(evidence.silence)} ago on {evidence.where}"
    return Liveness(status=status, phase=None, evidence=text, proven=False)


def span(seconds: float | None) -> str:
    """A length of time in one unit, for people: `12 min`."""
    if seconds is None:
        return "an unknown time"
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} s"
