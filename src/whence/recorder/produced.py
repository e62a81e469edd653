"""Datasets that a run produces: what it wrote becomes the newest version, with the run as its producer."""

from __future__ import annotations

import os
from pathlib import Path

from ..capture.host import capture_user
from ..records import events
from ..records.act import Actor
from ..records.base import When
from ..records.data import Artifact
from ..store.dataset_changes import gather
from ..store.dataset_steps import Said, produce
from ..store.dataset_tables import Describe
from ..store.dropping import adding
from ..store.manifests import put_manifest
from ..store.speaker import Speaker
from .recording import Recording


def state_dataset(
    recording: Recording, cwd: Path, name: str, path: str, when: When, describe: Describe | None = None
) -> str:
    """Make the version and state it as what the run produced; its text. `describe` says what its tables are. Raises
    WhenceError."""
    with adding(recording.store):
        entries = gather(recording.store, cwd, [path])
        version = produce(
            recording.store, name, entries, Said(run=recording.id, describe=describe), _speaker(recording)
        )
    step = version.made.stated.step
    artifact = Artifact(
        when=when,
        name=name,
        path=path,
        kind="dataset",
        form="folder" if (cwd / path).is_dir() else "file",
        digest=put_manifest(recording.store, entries),
        size=step.size,
        files=step.files,
        kept=True,
        dataset=version.history.name,
        dataset_id=version.history.id,
        version=step.version,
    )
    recording.state(events.ArtifactProduced(artifact=artifact))
    return step.version


def _speaker(recording: Recording) -> Speaker:
    by = Actor(user=capture_user().name, host=os.uname().nodename)
    return Speaker(by=by, clock=recording.now, random=os.urandom)
