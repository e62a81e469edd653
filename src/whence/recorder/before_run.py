"""What a file was before the run wrote over it: the snapshot has the bytes of those that it holds."""

from __future__ import annotations

import os

from ..capture.hashing import Measured
from ..capture.observed import stat_of
from ..digests import digest_of
from ..errors import WhenceError
from ..rules.seen import Identity
from ..store.held import held_by
from ..store.trees import Trees
from .launch import Launch
from .sources import TICK

MOST = 100
"""Files that are asked for: each is a question to git."""


class BeforeRun:
    """The snapshot of one run, asked at its end, when all of it is stored."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._left = MOST
        self._known: dict[tuple[str, Identity], Measured | None] = {}

    def measured(self, path: str, found: Identity | None) -> Measured | None:
        """The digest of what the run found at a path, if nothing had touched it since the snapshot; else nothing."""
        if found is None:
            return None
        if (path, found) not in self._known:
            self._known[path, found] = self._measure(path, found)
        return self._known[path, found]

    def _measure(self, path: str, found: Identity) -> Measured | None:
        snapshot, code = self._launch.snapshot, self._launch.code
        if snapshot is None or code is None or code.tree is None or found.ctime + TICK > snapshot.taken:
            return None
        held = held_by(snapshot)
        relative = held.relative(os.path.realpath(path))
        if relative is None or self._left <= 0 or not held.find([relative]):
            return None
        self._left -= 1
        try:
            content = Trees(self._launch.around.store, self._launch.around.environ).read(code.tree, relative)
        except (WhenceError, OSError):
            return None
        return Measured(digest=digest_of(content), size=len(content), stat=stat_of(found), began=0)
