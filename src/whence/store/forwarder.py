"""Forwards a spool to the store: new bytes of each growing file, then the files that appear whole, the seal last.

It runs as a process of its own, so that a store that stalls stalls nobody else. The copy in the store is always a
prefix of the spool's file, and is written by position: to forward the same bytes twice changes nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from ..digests import digest_of
from ..errors import FormatError
from ..records.base import Struct
from ..records.encoding import decode
from ..system.files import TEMPORARY, make_folders, sync_folder, write_new, write_whole
from ..system.locks import lock_exclusive, lock_state
from .journal import POINTS_SUFFIX, SUFFIX
from .printed import LOG, join_logs
from .seal import RECORD, SEAL, read_seal

PLACE = "place.json"
LOCK = "lock"
FILES = "files"
"""Inside a spool's folder: what stands in for the run's folder. Beside it are the place and the forwarder's lock."""

_WHOLE = frozenset({RECORD, SEAL})

INTERVAL = 1.0
"""Seconds between two rounds."""

LONGEST_PAUSE = 30.0
"""Seconds between two attempts when the store does not take the bytes."""

GIVE_UP = 86400.0
"""Seconds without success after which a forwarder leaves the spool of dead writers to the next process."""

_CHUNK = 1 << 20


class Place(Struct, frozen=True, kw_only=True):
    """`place.json`: where the run's folder in the store is."""

    folder: str
    run: str


def forward_until_done(spool: Path, *, interval: float = INTERVAL) -> None:
    """Forward until every writer is gone and every byte is in the store; then the spool is removed.

    Returns at once when another process forwards this spool.
    """
    lock = os.open(spool / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        if lock_exclusive(lock):
            _rounds(Forwarding(spool), interval)
    finally:
        os.close(lock)


def _rounds(forwarding: Forwarding, interval: float) -> None:
    pause, since = interval, time.monotonic()
    try:
        while True:
            writers = forwarding.has_writers()
            try:
                if not writers:
                    forwarding.join_logs()
                forwarding.forward()
                if not writers and forwarding.remove():
                    return
                pause, since = interval, time.monotonic()
            except OSError:
                # The store is full, gone or read-only; the spool has everything and the next round tries again.
                if not writers and time.monotonic() - since > GIVE_UP:
                    return
                pause = min(pause * 2, LONGEST_PAUSE)
            time.sleep(pause)
    finally:
        forwarding.close()


class Forwarding:
    """One spool on its way to the store. Holds the lock of each journal's copy while the journal's writer lives."""

    def __init__(self, spool: Path) -> None:
        self.spool = spool
        self.files = spool / FILES
        place = decode((spool / PLACE).read_bytes(), Place, where=str(spool / PLACE))
        self.folder = Path(place.folder)
        self._copies: dict[str, int] = {}
        self._touched: dict[str, int] = {}

    def has_writers(self) -> bool:
        """Whether a process still holds a journal of the spool."""
        return any(lock_state(self.files / name) == "held" for name in self._names() if _is_journal(name))

    def forward(self) -> None:
        """Bring the store up to date. Raises OSError when the store does not take it; then nothing there is wrong."""
        make_folders(self.folder)
        # The seal is looked for first: what it lists is complete by then.
        sealed = (self.files / SEAL).exists()
        for name in self._names():
            if name not in _WHOLE:
                self._append(name)
        if (self.files / RECORD).exists():
            write_new(self.folder / RECORD, (self.files / RECORD).read_bytes(), sync=True)
        if sealed:
            self._seal()

    def join_logs(self) -> None:
        """Join what killed writers printed last to the head; the copy in the store, if there is one, begins anew."""
        join_logs(self.files)
        for name in self._names():
            if name.endswith(LOG) and not _begins((self.files / name), self.folder / name):
                self._close_copy(name)
                write_whole(self.folder / name, (self.files / name).read_bytes(), sync=True)

    def _close_copy(self, name: str) -> None:
        if name in self._copies:
            os.close(self._copies.pop(name))

    def _names(self) -> list[str]:
        names = (name for name in os.listdir(self.files) if not name.startswith(TEMPORARY))
        return sorted(name for name in names if (self.files / name).is_file())

    def _append(self, name: str) -> None:
        source = os.open(self.files / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            copy = self._copy(name)
            for position, data in _new_bytes(source, os.fstat(copy).st_size):
                _write_at(copy, data, position)
            self._touch(name, copy, os.fstat(source).st_mtime_ns)
        finally:
            os.close(source)

    def _copy(self, name: str) -> int:
        """The open copy in the store; of a journal it is locked, which tells readers that the writer lives."""
        if name not in self._copies:
            fd = os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            self._copies[name] = fd
            if _is_journal(name):
                lock_exclusive(fd)
        return self._copies[name]

    def _touch(self, name: str, copy: int, changed: int) -> None:
        """Pass on a sign of life, in the server's own time."""
        if self._touched.get(name) != changed:
            os.utime(copy)
            self._touched[name] = changed

    def _seal(self) -> None:
        """Everything that the seal lists is made sure of, and then the seal itself."""
        data = (self.files / SEAL).read_bytes()
        for file in read_seal(data, str(self.files / SEAL)).files:
            here = self.folder / file.name
            if digest_of(here.read_bytes()[: file.length]) != file.digest:
                write_whole(here, (self.files / file.name).read_bytes(), sync=True)
        for fd in self._copies.values():
            os.fsync(fd)
        sync_folder(self.folder)
        write_new(self.folder / SEAL, data, sync=True)

    def remove(self) -> bool:
        """Remove the spool, whose bytes are all in the store; false when a new writer came meanwhile."""
        if self.has_writers() or not self._is_complete():
            return False
        for name in os.listdir(self.files):
            (self.files / name).unlink()
        self.files.rmdir()
        for name in (PLACE, LOCK):
            (self.spool / name).unlink(missing_ok=True)
        self.spool.rmdir()
        return True

    def _is_complete(self) -> bool:
        """Whether the store has as much of every file as the spool; one that was written meanwhile has not."""
        return all((self.folder / name).stat().st_size >= (self.files / name).stat().st_size for name in self._names())

    def close(self) -> None:
        """Give up the locks in the store."""
        while self._copies:
            os.close(self._copies.popitem()[1])


def _begins(whole: Path, copy: Path) -> bool:
    """Whether the copy, or none yet, is the beginning of the file."""
    return not copy.exists() or whole.read_bytes().startswith(copy.read_bytes())


def _is_journal(name: str) -> bool:
    return name.endswith(SUFFIX) and not name.endswith(POINTS_SUFFIX)


def _new_bytes(source: int, start: int) -> Iterator[tuple[int, bytes]]:
    while data := os.pread(source, _CHUNK, start):
        yield start, data
        start += len(data)


def _write_at(fd: int, data: bytes, position: int) -> None:
    left = memoryview(data)
    while left:
        written = os.pwrite(fd, left, position)
        left, position = left[written:], position + written


def main(spool: str) -> None:
    """The forwarder's process: ends by itself; says nothing to anybody."""
    try:
        forward_until_done(Path(spool))
    except (FileNotFoundError, FormatError):
        # Another forwarder finished and removed it first.
        return
