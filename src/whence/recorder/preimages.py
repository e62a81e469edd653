"""What files held before a command wrote over them, as far as the answerer has kept it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..capture.hashing import Measured
from ..capture.observed import stat_of
from ..rules.observation import MOST
from ..rules.seen import Identity
from .waiting import Clone, Waiting


class PreImages:
    """What is known of the files of one command."""

    def __init__(self) -> None:
        self._digests: dict[Identity, str] = {}
        self._reasons: dict[Identity, str] = {}
        self._clones: dict[Identity, Clone] = {}

    def take(self, record: tuple[Any, ...]) -> Clone | None:
        """Add one record of a pre-image; what takes longer to digest is given, to be digested elsewhere."""
        found, because, kept = Identity(*record[7]), record[9], record[11]
        if isinstance(kept, Clone):
            self._clones[found] = kept
            return kept
        self._know(found, *(kept.told() if isinstance(kept, Waiting) else (kept or "", because)))
        return None

    def _know(self, found: Identity, digest: str, because: str) -> None:
        if len(self._digests) + len(self._reasons) < MOST:
            known = self._digests if digest else self._reasons
            known[found] = digest or because

    def finish(self, enough: Callable[[], bool]) -> None:
        """Digest what is left, as far as there is time."""
        for found, clone in self._clones.items():
            if not clone.advance(enough):
                clone.drop()
            self._know(found, *clone.told())
        self._clones.clear()

    def measured(self, found: Identity) -> Measured | None:
        """The digest of what had that identity, if its bytes were kept."""
        digest = self._digests.get(found)
        return None if digest is None else Measured(digest=digest, size=found.size, stat=stat_of(found), began=0)

    def because(self, found: Identity) -> str | None:
        """Why they were not."""
        return self._reasons.get(found)
