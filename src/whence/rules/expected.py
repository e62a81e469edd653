"""Outputs that were declared, and what became of them when nobody lived to look at them."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from ..records.data import ExpectedOutput
from ..records.record import Record

Unseen = tuple[ExpectedOutput, str | None]
"""A declared output of which nothing else is recorded, and why not; nothing while the run may still look at it."""


def unseen_outputs(record: Record) -> list[Unseen]:
    """Those of a run that started. What lies at such a path now may be of a later time: nobody takes its digest."""
    if record.started is None:
        return []
    because = _because(record)
    return [(output, because) for output in record.expected_outputs if not _is_seen(output, record)]


def _is_seen(output: ExpectedOutput, record: Record) -> bool:
    return any(
        output.name == artifact.name or output.path == artifact.path or fnmatchcase(artifact.path, output.path)
        for artifact in record.artifacts
    )


def is_expected(path: str, outputs: Iterable[ExpectedOutput]) -> bool:
    """Whether one of the declared outputs is this path, a folder above it, or a pattern that has it."""
    return any(
        path == output.path or path.startswith(output.path.rstrip("/") + "/") or fnmatchcase(path, output.path)
        for output in outputs
    )


def _because(record: Record) -> str | None:
    if record.status == "lost":
        return "the run was lost before it was looked at"
    if record.closed_by is not None:
        return "the recorder was killed before it was looked at"
    return "nothing was stated of it before the seal" if record.seal is not None else None
