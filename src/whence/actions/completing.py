"""Digests that were not done before the seal: whoever comes later takes them, while the file is still what it was.

An act says the digest; the sealed files stay as they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ..errors import FormatError, StoreError
from ..records.data import Kind, Stat
from ..records.seal import Seal
from ..store.layout import Store
from ..store.run_list import run_ids
from ..store.runs import load_run
from ..store.speaker import Speaker
from ..system.files import hash_file, stat_identity
from .annotate import state_digests
from .view import view_record


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """An output without a digest."""

    run: str
    name: str
    path: Path
    form: Kind
    stat: Stat | None

    @property
    def obstacle(self) -> str | None:
        """Why its digest cannot be taken any more; nothing when it can."""
        if self.form != "file":
            return "it is a folder, and nothing shows whether the files in it are the same"
        try:
            same = stat_identity(os.stat(self.path)) == self.stat
        except OSError as error:
            return f"{self.path}: {error.strerror}"
        return None if same else f"{self.path} has changed since"


def waiting(store: Store, run_id: str, seal: Seal | None, now_ns: int) -> Iterator[Waiting]:
    """The outputs whose digest was left out of the seal, and is not there yet."""
    if seal is None or not seal.pending:
        return
    record = view_record(store, run_id, now_ns=now_ns)
    pending = {item.name: item for item in seal.pending}
    for artifact in record.artifacts:
        if artifact.digest is None and (item := pending.get(artifact.name)):
            path = Path(record.cwd or "/") / item.path
            yield Waiting(run=run_id, name=item.name, path=path, form=artifact.form, stat=item.stat)


def complete_digests(store: Store, speaker: Speaker) -> None:
    """Take every digest that can be taken, and state it. Raises StoreError for a store that cannot be written."""
    for run_id in run_ids(store, newest_first=False):
        try:
            seal = load_run(store, run_id).seal
        except FormatError:
            continue  # `verify` names it.
        found = [_measured(item) for item in waiting(store, run_id, seal, speaker.clock()) if item.obstacle is None]
        artifacts = [item for item in found if item is not None]
        if artifacts:
            state_digests(store, run_id, artifacts, speaker=speaker)


def _measured(item: Waiting) -> dict[str, str | int] | None:
    """What the act says of a file; nothing when it changed while it was read."""
    try:
        hashed = hash_file(item.path)
    except OSError as error:
        raise StoreError(f"{item.path}: cannot be read: {error.strerror}") from error
    if hashed.changed or hashed.stat != item.stat:
        return None
    return {"name": item.name, "digest": hashed.digest, "size": hashed.size}
