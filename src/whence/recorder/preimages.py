"""What files held before a command wrote over them, as far as the answerer has kept it."""

from __future__ import annotations

from typing import Any

from ..capture.hashing import Measured
from ..capture.observed import stat_of
from ..rules.observation import MOST
from ..rules.seen import Identity
from .waiting import Waiting


class PreImages:
    """What is known of the files of one command."""

    def __init__(self) -> None:
        self._digests: dict[Identity, str] = {}
        self._reasons: dict[Identity, str] = {}

    def take(self, record: tuple[Any, ...]) -> None:
        """Add one record of a pre-image."""
        found, because, kept = record[7], record[9], record[11]
        digest, because = kept.told() if isinstance(kept, Waiting) else (kept or "", because)
        if len(self._digests) + len(self._reasons) < MOST:
            known = self._digests if digest else self._reasons
            known[Identity(*found)] = digest or because

    def measured(self, found: Identity) -> Measured | None:
        """The digest of what had that identity, if its bytes were kept."""
        digest = self._digests.get(found)
        return None if digest is None else Measured(digest=digest, size=found.size, stat=stat_of(found), began=0)

    def because(self, found: Identity) -> str | None:
        """Why they were not."""
        return self._reasons.get(found)
