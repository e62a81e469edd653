"""Pre-images that wait to be digested: bytes in memory that the answerer shares (`answerer/pool.py`), or files without
a name that it has sent (`answerer/clones.py`).

Of what looks like a secret not even the digest is taken.
"""

from __future__ import annotations

import os
import threading
from _socket import CMSG_LEN, MSG_DONTWAIT, socket
from collections.abc import Callable
from typing import Any

from ..answerer.clones import NUMBER, RIGHT
from ..answerer.pool import Place, Pool
from ..answerer.preimages import OP
from ..digests import digest_of, sha256
from ..records.data import NOT_DIGESTED
from ..rules.secret_files import HEAD, file_is_secret

Record = tuple[Any, ...]

LOST = "it was read too late"
NO_TIME = "there was no time to digest it"
FOR_INNER = "it is too large to be digested for a run inside another one"

CHUNK = 1 << 20


class Reader:
    """The recorder's side, on which several threads may read."""

    def __init__(self, pool: Pool, clones: socket) -> None:
        self._pool = pool
        self._sent = clones
        self._waiting: dict[int, None] = {}
        """The positions of what was not read yet, the first one first."""
        self._last = 0
        """Behind what lay furthest of that which was read."""
        self._clones: dict[int, int] = {}
        """Descriptors of clones, by their numbers: those that have come, and those that are being read."""
        self._claimed = 0
        """The last number of which a record told."""
        self._lock = threading.Lock()

    def taken(self, record: Record) -> Record:
        """A record of the stream; of a pre-image with the bytes themselves instead of their place. All records come
        here, in their order."""
        if record[3] != OP or record[11] is None:
            return record
        path, kept = record[4], record[11]
        with self._lock:
            if isinstance(kept, int):
                return *record[:11], self._claim(path, kept)
            self._waiting[kept[0]] = None
        return *record[:11], Waiting(self, path, kept)

    def read(self, place: Place) -> memoryview | None:
        return self._pool.read(place)

    def give_back(self, place: Place) -> None:
        """It was read. What lies before others that were not is written over no sooner than they."""
        self._pool.clear(place)
        with self._lock:
            del self._waiting[place[0]]
            self._last = max(self._last, self._pool.end(place))
            self._pool.pass_to(next(iter(self._waiting), self._last))

    def _claim(self, path: bytes, number: int) -> Clone:
        self._receive()
        for lost in [one for one in self._clones if self._claimed < one < number]:
            os.close(self._clones.pop(lost))  # Who sent it was killed before it could tell.
        self._claimed = number
        return Clone(self, path, number, self._clones.get(number, -1))

    def _receive(self) -> None:
        while True:
            try:
                data, rights, _, _ = self._sent.recvmsg(NUMBER.size, CMSG_LEN(RIGHT.size), MSG_DONTWAIT)
            except OSError:
                return
            if not data:
                return
            if rights:
                self._clones[NUMBER.unpack(data)[0]] = RIGHT.unpack(rights[0][2])[0]

    def close_clone(self, number: int) -> None:
        with self._lock:
            fd = self._clones.pop(number, -1)
            if fd >= 0:
                os.close(fd)
            self._pool.pass_clones(min([one - 1 for one in self._clones], default=self._claimed))

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
            because = _why_not(self._path, content[:HEAD].tobytes())
            return ("", because) if because else (digest_of(content), "")
        finally:
            self._pool.give_back(self._place)


class Clone:
    """A large file, digested in pieces."""

    def __init__(self, reader: Reader, path: bytes, number: int, fd: int) -> None:
        self._reader = reader
        self._path = path
        self._number = number
        self._fd = fd
        self._done = 0
        self._running = sha256()
        self._told: tuple[str, str] | None = None if fd >= 0 else ("", LOST)

    def advance(self, enough: Callable[[], bool]) -> bool:
        """Digest until it is done (True) or `enough` says so; a later call goes on from there."""
        while self._told is None:
            try:
                self._step()
            except OSError as error:
                self._end("", f"it could not be read: {error.strerror}")
            if self._told is None and enough():
                return False
        return True

    def _step(self) -> None:
        data = os.pread(self._fd, CHUNK, self._done)
        because = _why_not(self._path, data[:HEAD]) if self._done == 0 else ""
        if because or not data:
            self._end("" if because else "sha256:" + self._running.hexdigest(), because)
        else:
            self._running.update(data)
            self._done += len(data)

    def told(self) -> tuple[str, str]:
        """The digest, or why there is none."""
        return self._told or ("", NO_TIME)

    def drop(self) -> None:
        """Nobody will ask, or there is no time: the file is gone then."""
        if self._told is None:
            self._end("", NO_TIME)

    def _end(self, digest: str, because: str) -> None:
        self._told = digest, because
        self._reader.close_clone(self._number)


def _why_not(path: bytes, head: bytes) -> str:
    """Why no digest may be taken of what begins so, if it must not."""
    secret = file_is_secret(os.fsdecode(path), head)
    return NOT_DIGESTED + secret if secret else ""


def drop(record: Record) -> None:
    """A record that nobody will read."""
    if record[3] == OP and isinstance(record[11], Waiting | Clone):
        record[11].drop()


def for_another(record: Record) -> Record:
    """A record for a keeper that shares neither: the digest is taken now, of what is small."""
    if record[3] != OP or record[11] is None:
        return record
    digest, because = record[11].told() if isinstance(record[11], Waiting) else ("", FOR_INNER)
    return *record[:9], because, None, digest
