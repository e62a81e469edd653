"""What a watched command has read and written so far, stated while it runs: it is there when the recorder is cut off.

The end of the observation says all of it again, better, and takes its place.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..capture.observed import ObservedFile
from ..capture.outputs import OutputDigest, found_output
from ..records.data import Artifact, Input
from ..records.events import ObservationSoFar
from ..rules.folders import is_at_or_below
from ..rules.seen import Identity
from ..rules.track import FileUse
from .masking import why_secret, without_digest

if TYPE_CHECKING:
    from .observed import Observed

MOST = 1_000
"""Files that are named before the end, of those read and of those written."""

_READ = "it was not looked at again: the run goes on, or its recorder was cut off"
_WRITTEN = "it was not digested: the run goes on, or its recorder was cut off"


class SoFar:
    """One command's files, in the order in which they were first seen."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed
        self._launch = observed.launch
        self._read: dict[bytes, Identity] = {}
        """Those that are still to be stated with their digest."""
        self._written: dict[bytes, None] = {}
        """Those that are still to be stated."""
        self._named: set[bytes] = set()
        self._room = {"read": MOST, "written": MOST}

    def read(self, path: bytes, opened: Identity) -> None:
        """A file of data was read for the first time."""
        if self._take_room("read"):
            self._read[path] = opened

    def written(self, path: bytes) -> None:
        """A file was created, emptied, or got this name."""
        if path not in self._named and path not in self._written and self._take_room("written"):
            self._written[path] = None

    def _take_room(self, what: str) -> bool:
        self._room[what] -= 1
        return self._room[what] >= 0

    def state(self) -> None:
        """What is new since the last time; a digest that was not there yet follows."""
        inputs, artifacts = list(self._inputs()), list(self._artifacts())
        if inputs or artifacts:
            self._launch.recording.state(ObservationSoFar(inputs=inputs, artifacts=artifacts))

    def _inputs(self) -> Iterator[Input]:
        launch = self._launch
        declared = self._observed.declared() if self._read else frozenset[str]()
        for path, opened in list(self._read.items()):
            if is_at_or_below(os.path.realpath(os.fsdecode(path)), declared):
                del self._read[path]
                continue
            measured = self._observed.measured(opened)
            if measured is not None:
                del self._read[path]
            elif path in self._named:
                continue
            self._named.add(path)
            use = FileUse(path=path, fate="read", before=opened, opened=opened, now=opened, read=True)
            one = ObservedFile(use, "data", cache=self._observed.cache, measured=measured)
            stated = one.input(cwd=os.fspath(launch.cwd), mounts=launch.mounts, when="during")
            stated = replace(stated, changed="unknown", because=stated.because or _READ)
            secret = why_secret(one.path, "data", launch.around.secrets)
            yield stated if secret is None else without_digest(stated, secret)

    def _artifacts(self) -> Iterator[Artifact]:
        for path in list(self._written):
            found = found_output(os.fsdecode(path), cwd=os.fspath(self._launch.cwd))
            if found is None or found.stat is None or found.kind != "file":
                continue  # Not there, or not any more: it may come.
            del self._written[path]
            self._named.add(path)
            artifact = OutputDigest(found, how="observed", when="during").artifact(because=_WRITTEN)
            yield replace(artifact, final=False)
