"""What acts say about a run, folded into its record: `record.json` and the journals never hold what acts decide."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import msgspec

from ..records.act import Act
from ..records.data import Artifact
from ..records.encoding import timestamp
from ..records.record import Record
from ..records.result import Note

INTERPRETED: frozenset[str] = frozenset({"note", "tag", "digest"})
"""The kinds of acts that this version folds; of others it shows that they are there."""


def with_acts(record: Record, acts: Iterable[Act], now_ns: int) -> Record:
    """The record with what acts said, the older first."""
    known = sorted(acts, key=lambda act: (act.at, act.id))
    for act in known:
        record = _fold(record, act)
    return msgspec.structs.replace(
        record,
        # A later version's act may retire a run: what we cannot read we do not vouch for.
        standing="active" if all(act.kind in INTERPRETED for act in known) else None,
        as_of=timestamp(now_ns),
    )


def _fold(record: Record, act: Act) -> Record:
    match act.kind:
        case "note":
            return msgspec.structs.replace(record, notes=[*record.notes, _note(act)])
        case "tag":
            return msgspec.structs.replace(record, tags=_tags(record.tags, act.body))
        case "digest":
            return msgspec.structs.replace(record, artifacts=_digested(record.artifacts, act.body))
        case _:
            return record


def _note(act: Act) -> Note:
    return Note(text=str(act.body.get("text", "")), at=act.at, by=act.by.name or act.by.user, act=act.id)


def _tags(tags: dict[str, str], body: dict[str, Any]) -> dict[str, str]:
    gone = set(cast("list[str]", body.get("unset") or []))
    kept = {key: value for key, value in tags.items() if key not in gone}
    return kept | {key: str(value) for key, value in cast("dict[str, Any]", body.get("set") or {}).items()}


def _digested(artifacts: list[Artifact], body: dict[str, Any]) -> list[Artifact]:
    """An act completes a digest that was pending at the seal; it never changes one that was there."""
    said = {item["name"]: item for item in cast("list[dict[str, Any]]", body.get("artifacts") or []) if "name" in item}
    return [
        msgspec.structs.replace(artifact, digest=said[artifact.name].get("digest"), when="later", because=None)
        if artifact.digest is None and artifact.name in said
        else artifact
        for artifact in artifacts
    ]
