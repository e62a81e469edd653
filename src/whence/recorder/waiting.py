"""Bytes of pre-images that wait to be digested, in memory that the answerer shares (`answerer/pool.py`): on no disk.

Of what looks like a secret not even the digest is taken.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from ..answerer.pool import Place, Pool
from ..answerer.preimages import OP
from ..digests import digest_of
from ..records.data import NOT_DIGESTED
from ..rules.secret_files import HEAD, file_is_secret

Record = tuple[Any, ...]

LOST = "it was read too late"


class Reader:
    """The recorder's side of a pool, from which several threads may read."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting: dict[int, None] = {}
        """The positions of what was not read yet, the first one first."""
        self._last = 0
        """Behind what lay furthest of that which was read."""
        self._lock = threading.Lock()

    def taken(self, record: Record) -> Record:
        """A record of the stream; of a pre-image with the bytes themselves instead of their place. All records come
        here, in their order."""
        if record[3] != OP or record[11] is None:
            return record
        place: Place = record[11]
        with self._lock:
            self._waiting[place[0]] = None
        return *record[:11], Waiting(self, record[4], place)

    def read(self, place: Place) -> memoryview | None:
        return self._pool.read(place)

    def give_back(self, place: Place) -> None:
        """It was read. What lies before others that were not is written over no sooner than they."""
        self._pool.clear(place)
        with self._lock:
            del self._waiting[place[0]]
            self._last = max(self._last, self._pool.end(place))
            self._pool.pass_to(next(iter(self._waiting), self._last))

    def close(self) -> None:
        """The last records are taken now: what is put after that would stay."""
        self._pool.close()


class Waiting:
    """The bytes of one file, until they are digested."""

    def __init__(self, pool: Reader, path: bytes, place: Place) -> None:
        self._pool = pool
        self._path = path
        self._place = place
        self._told: tuple[str, str] | None = None

    def told(self) -> tuple[str, str]:
        """The digest, or why there is none. Asked for the first time, it gives the memory back."""
        if self._told is None:
            self._told = self._digest()
        return self._told

    def drop(self) -> None:
        """Nobody will ask: the memory is given back."""
        if self._told is None:
            self._told = "", LOST
            self._pool.give_back(self._place)

    def _digest(self) -> tuple[str, str]:
        content = self._pool.read(self._place)
        try:
            if content is None:
                return "", LOST
            secret = file_is_secret(os.fsdecode(self._path), content[:HEAD].tobytes())
            return ("", NOT_DIGESTED + secret) if secret else (digest_of(content), "")
        finally:
            self._pool.give_back(self._place)


def drop(record: Record) -> None:
    """A record that nobody will read."""
    if record[3] == OP and isinstance(record[11], Waiting):
        record[11].drop()


def for_another(record: Record) -> Record:
    """A record for a keeper that does not share the pool: the digest is taken now."""
    if record[3] != OP or record[11] is None:
        return record
    digest, because = record[11].told()
    return *record[:9], because, None, digest
