"""Reads from the store what an index holds: runs with the acts about them, manifests, packages, versions."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from ..errors import FormatError, UnresolvedError
from ..records.act import Act
from ..records.dataset import Step
from ..records.encoding import convert
from ..records.record import Record
from ..rules.acts import with_acts
from ..store.acts import act_path, acts_in, read_one
from ..store.datasets import KIND
from ..store.layout import Store
from ..store.manifests import read_manifest
from ..store.runs import load_run
from .entry import Contents
from .interface import DatasetVersion


def read_run(store: Store, run: str, acts: Collection[str], now_ns: int) -> Record:
    """The run as it stands now: `acts` names the acts about it that the store has; those that only its folder carries
    count, too. Raises FormatError, UnresolvedError."""
    record = load_run(store, run).record
    files = [act_path(store, act) for act in acts]
    said = [act for _, act in acts_in(store, run, files)]
    return with_acts(record, said, now_ns)


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What an index keeps of an act."""

    id: str
    run: str | None = None
    """Which run it is about."""
    version: DatasetVersion | None = None
    """The dataset version that it made."""
    fault: str | None = None
    """Why it cannot be read; then it is tried again."""


def read_said(store: Store, act: str) -> Said:
    """What an act is about."""
    found = read_one(act_path(store, act))
    if isinstance(found, str):
        return Said(id=act, fault=found)
    return Said(id=act, run=found.subject.run, version=_version(found))


def _version(act: Act) -> DatasetVersion | None:
    if act.kind != KIND or act.subject.dataset is None:
        return None
    try:
        step = convert(act.body, Step)
    except FormatError:
        return None
    return DatasetVersion(
        dataset_id=act.subject.dataset,
        name=step.name,
        version=step.version,
        manifest=step.manifest,
        base=step.base,
        run=step.run,
        parts={part.folder: part.manifest for part in step.parts},
    )


def read_contents(store: Store, manifest: str) -> Contents:
    """What is in a folder; nothing where its manifest is not there, or is none."""
    try:
        entries = read_manifest(store, manifest)
    except (FormatError, UnresolvedError, OSError):
        return Contents(digest=manifest, members=None)
    members = tuple(
        (entry.path, entry.digest, entry.size) for entry in entries if entry.kind == "file" and entry.digest is not None
    )
    return Contents(digest=manifest, members=members)
