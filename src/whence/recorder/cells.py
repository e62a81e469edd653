"""What an IPython shell executed, kept as an object: at the launch as far as it went, and at the end all of it."""

from __future__ import annotations

import sys
from typing import Literal

from ..capture.cells import executed_cells, is_shell
from ..digests import digest_of
from ..records import events
from ..records.base import Missing
from ..records.code import CELLS, CELLS_AT_LAUNCH, OutsideSource
from ..rules.secrets import Secrets
from ..store.objects import sync_objects
from .keeping import Keeping
from .recording import Recording


def state_cells(recording: Recording, secrets: Secrets, when: Literal["launch", "end"]) -> None:
    """State the cells, if there is a shell; those that may hold a secret are left out. Raises OSError."""
    if not is_shell(sys.modules):
        return
    cells = executed_cells(sys.modules)
    if cells is None:
        because = "IPython has no history of what it executed"
        recording.state(events.CaptureFailed(missing=Missing(what="code.cells", because=because, when=when)))
        return
    source = _kept(recording, secrets, cells, when)
    recording.state(events.CodeObserved(when=when, by="cells", sources=[source]))


def _kept(recording: Recording, secrets: Secrets, cells: bytes, when: Literal["launch", "end"]) -> OutsideSource:
    path = CELLS_AT_LAUNCH if when == "launch" else CELLS
    secret = secrets.file_is_secret("cells.py", cells)
    if secret is not None:
        digest, because = secrets.keyed(cells), secret
    else:
        digest, because = digest_of(cells), Keeping.of_sources(recording.store, recording.policy).keep_bytes(cells)
    if because is None:
        sync_objects(recording.store, [digest])
    return OutsideSource(
        path=path, state="absent", digest=digest, size=len(cells), kept=because is None, certain=True,
        because=because, when=when,
    )  # fmt: skip
