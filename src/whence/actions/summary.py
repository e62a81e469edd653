"""The one line that a run is in a list."""

from __future__ import annotations

from typing import Any

from ..records.record import Record


def summary(record: Record) -> dict[str, Any]:
    """A line of `log --json`, and what `run --record-json` writes: keys and places are those of the record."""
    code, environment = record.code, record.environment
    return {
        "id": record.id,
        "name": record.name,
        "status": record.status,
        "phase": record.phase,
        "outcome": record.outcome,
        "standing": record.standing,
        "as_of": record.as_of,
        "created": record.created,
        "started": record.started,
        "ended": record.ended,
        "duration": record.duration,
        "command": record.command,
        "cwd": record.cwd,
        "exit_code": record.exit_code,
        "signal": record.signal,
        "error": {"type": record.error.type, "message": record.error.message} if record.error else None,
        "tags": record.tags,
        "code": {"id": code.id, "commit": code.commit, "tree": code.tree, "dirty": code.dirty} if code else None,
        "environment": {"fingerprint": environment.fingerprint, "hardware_class": environment.hardware_class}
        if environment
        else None,
        "metrics": {name: {"last": metric.last, "step": metric.step} for name, metric in record.metrics.items()},
        "parent": record.parent,
        "rerun_of": record.rerun_of,
        "relation": record.relation,
        "seal": record.seal,
    }
