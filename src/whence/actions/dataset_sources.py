"""What `data create` and `data add` take: files and folders, here or by their addresses, or rows that are frozen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from ..errors import WhenceError
from ..records.source import Files, Place
from ..rules.history import History
from ..rules.secrets import Secrets
from ..rules.table_addresses import is_table_address
from ..store.dataset_changes import gather, place_of
from ..store.layout import Store
from ..store.speaker import Speaker
from ..system.remote_files import is_url
from .frozen_rows import gather_query, gather_table
from .remote_sources import gather_remote
from .source import Gathered, Source, check_source, knowing


def gather_source(
    store: Store,
    cwd: Path,
    name: str,
    source: Source,
    secrets: Secrets,
    speaker: Speaker,
    history: History | None = None,
) -> Gathered:
    """Bring what the source is into the store; `name` is the dataset's, and `history` what it had before. Raises
    UsageError, SourceError, StoreError, LibraryError."""
    try:
        return _gather(store, cwd, name, source, secrets, speaker, history)
    except WhenceError as error:
        # Whoever was asked may repeat in its words what it was told.
        error.message = knowing(secrets, source).mask_text(error.message)
        error.args = (error.message,)
        raise


def _gather(
    store: Store,
    cwd: Path,
    name: str,
    source: Source,
    secrets: Secrets,
    speaker: Speaker,
    history: History | None,
) -> Gathered:
    check_source(source)
    if source.sql is not None:
        return gather_query(store, cwd, name, source, secrets, speaker.clock())
    if any(map(is_table_address, source.paths)):
        return gather_table(store, cwd, source, secrets, speaker.clock(), history)
    if any(map(is_url, source.paths)):
        return gather_remote(store, source, secrets, speaker.clock(), history)
    left: list[str] = []
    entries = gather(store, cwd, source.paths, below=source.below, keep=not source.reference, left_out=left)
    said = _referred(cwd, source, secrets, speaker) if source.reference else {}
    return Gathered(entries=entries, parameters=said, left_out=left)


def _referred(cwd: Path, source: Source, secrets: Secrets, speaker: Speaker) -> dict[str, Any]:
    """Where the files lie, for the step."""
    alone = len(source.paths) == 1
    places = [
        Place(path=place_of(cwd / path, source.below, alone=alone), location=os.path.realpath(cwd / path))
        for path in source.paths
    ]
    return secrets.mask_values(msgspec.to_builtins(Files(reference=True, host=speaker.by.host, places=places)))
