"""Forwards a spool to the store: new bytes of each growing file, then the files that appear whole, the seal last.

It runs as a process of its own, so that a store that stalls stalls nobody else. The copy in the store is always a
prefix of the spool's file, and is written by position: to forward the same bytes twice changes nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..digests import digest_of
from ..errors import FormatError
from ..ids import is_id
from ..records.base import Struct
from ..records.encoding import decode
from ..rules.fold import MAIN
from ..system.files import TEMPORARY, make_folders, read_regular, sync_folder, temporary_name, write_new, write_whole
from ..system.locks import alone, lock_exclusive, lock_state
from .journal import POINTS_SUFFIX, SUFFIX
from .network import FILES, PLACE
from .printed import LOG, join_logs
from .run_files import RECORD, SEAL
from .seal import read_seal

LOCK = "lock"

_WHOLE = frozenset({RECORD, SEAL})

INTERVAL = 1.0
"""Seconds between two rounds."""

LONGEST_PAUSE = 30.0
"""Seconds between two attempts when the store does not take the bytes."""

GIVE_UP = 86400.0
"""Seconds without success after which a forwarder leaves the spool of dead writers to the next process."""

LEFTOVERS = 60.0
"""Seconds between two looks for spools of the same store that nobody forwards."""

_CHUNK = 1 << 20


class Place(Struct, frozen=True, kw_only=True):
    """`place.json`: where the run's folder in the store is."""

    folder: str
    run: str


def spools_in(folder: Path) -> list[Path]:
    """The spools of one store on this host, and nothing where there is none."""
    try:
        return [folder / name for name in sorted(os.listdir(folder)) if is_id(name)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def forward_until_done(spool: Path, lock: int | None = None, *, interval: float = INTERVAL) -> None:
    """Forward until every writer is gone and every byte is in the store; then the spool is removed.

    `lock` is the descriptor of a lock that is held already. Without it: returns at once when another process forwards
    this spool. What others left behind for this store is forwarded beside it.
    """
    held = _take(spool) if lock is None else lock
    if held is None:
        return
    try:
        _rounds(Forwarding(spool), interval)
    finally:
        os.close(held)
    _forward_leftovers_beside(spool)


def forward_leftover(spool: Path) -> bool:
    """One round for a spool without a forwarder; whether it was the last one, and the spool is gone."""
    try:
        held = _take(spool)
        if held is None:
            return False
        try:
            return _forward_once(Forwarding(spool))
        finally:
            os.close(held)
    except (OSError, FormatError):
        # Removed by another process meanwhile, or the store does not take it: whoever comes next tries again.
        return False


def _forward_once(forwarding: Forwarding) -> bool:
    try:
        forwarding.forward()
        return forwarding.remove()
    finally:
        forwarding.close()


def _take(spool: Path) -> int | None:
    """The forwarder's lock of a spool; nothing when another process has it. Raises OSError."""
    lock = os.open(spool / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    if lock_exclusive(lock):
        return lock
    os.close(lock)
    return None


def _rounds(forwarding: Forwarding, interval: float) -> None:
    pause, since = interval, time.monotonic()
    leftovers_at = since
    try:
        while forwarding.files.is_dir():
            try:
                forwarding.forward()
                if forwarding.remove():
                    return
                pause, since = interval, time.monotonic()
                if since >= leftovers_at:
                    _forward_leftovers_beside(forwarding.spool)
                    leftovers_at = since + LEFTOVERS
            except OSError:
                # The store is full, gone or read-only; the spool has everything and the next round tries again.
                if time.monotonic() - since > GIVE_UP and not forwarding.has_writers():
                    return
                pause = min(pause * 2, LONGEST_PAUSE)
            time.sleep(pause)
    finally:
        forwarding.close()


def _forward_leftovers_beside(own: Path) -> None:
    for spool in spools_in(own.parent):
        if spool != own:
            forward_leftover(spool)
    for name in os.listdir(own.parent):
        if name.startswith(TEMPORARY):
            # A forwarder was killed while it removed this one: everything in it is in the store.
            with suppress(FileNotFoundError):
                _remove_tree(own.parent / name)


class Forwarding:
    """One spool on its way to the store. Holds the lock of each journal's copy while the journal's writer lives."""

    def __init__(self, spool: Path) -> None:
        self.spool = spool
        self.files = spool / FILES
        place = decode((spool / PLACE).read_bytes(), Place, where=str(spool / PLACE))
        self.folder = Path(place.folder)
        self._copies: dict[str, int] = {}
        self._touched: dict[str, int] = {}
        self._complete: set[str] = set()
        """Journals whose writers are gone, and which are in the store."""

    def has_writers(self) -> bool:
        """Whether a process still holds a journal of the spool."""
        return any(self._is_held(name) for name in self._names() if _is_journal(name))

    def _is_held(self, journal: str) -> bool:
        return lock_state(self.files / journal) == "held"

    def forward(self) -> None:
        """Bring the store up to date. Raises OSError when the store does not take it; then nothing there is wrong."""
        make_folders(self.folder)
        # Looked for first: what the seal lists, and what a writer that is gone has written, is complete by then.
        sealed = (self.files / SEAL).exists()
        gone = {name for name in self._names() if self._is_left(name)}
        for name in self._names():
            if name not in _WHOLE and name not in self._complete:
                self._append(name)
        self._join_logs(gone)
        if sealed and not (self.folder / SEAL).exists():
            self._seal()
        for name in gone - self._complete:
            # From now on readers may know that the writer is gone: the store has all that it wrote.
            self._close_copy(name)
            self._complete.add(name)

    def _is_left(self, name: str) -> bool:
        """Whether the writer of a journal is gone. It locked it before its first line: one without any may be new."""
        return _is_journal(name) and (self.files / name).stat().st_size > 0 and not self._is_held(name)

    def _join_logs(self, gone: set[str]) -> None:
        """Join what killed writers printed last to the head; the copy in the store, if there is one, begins anew."""
        for name in self._names():
            if name.endswith(LOG) and _journal_of(name) in gone:
                join_logs(self.files, name)
                if not _begins(self.files / name, self.folder / name):
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
        """The open copy in the store; of a journal it is locked, which tells readers that its writer lives, or that
        not everything is there yet."""
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
        """The record, everything that the seal lists, and then the seal itself.

        What writers on other hosts wrote is not in this spool: it was in the store when the seal was made.
        """
        write_new(self.folder / RECORD, (self.files / RECORD).read_bytes(), sync=True)
        data = (self.files / SEAL).read_bytes()
        for file in read_seal(data, str(self.files / SEAL)).files:
            here = self.folder / file.name
            ours = (self.files / file.name).exists()
            if ours and digest_of(read_regular(here)[: file.length]) != file.digest:
                self._close_copy(file.name)
                write_whole(here, (self.files / file.name).read_bytes(), sync=True)
        for fd in self._copies.values():
            os.fsync(fd)
        sync_folder(self.folder)
        write_new(self.folder / SEAL, data, sync=True)

    def remove(self) -> bool:
        """Remove the spool, whose bytes are all in the store; false while there is a writer, or when one came."""
        if self.has_writers():
            return False
        sizes = self._sizes()
        if any((self.folder / name).stat().st_size < size for name, size in sizes.items()):
            return False
        with alone(self.spool) as is_alone:
            # A writer that came meanwhile has made its journal: nobody can make one now.
            if not is_alone or self.has_writers() or self._sizes() != sizes:
                return False
            gone = Path(temporary_name(self.spool.parent))
            self.spool.rename(gone)
        _remove_tree(gone)
        return True

    def _sizes(self) -> dict[str, int]:
        return {name: (self.files / name).stat().st_size for name in self._names()}

    def close(self) -> None:
        """Give up the locks in the store."""
        while self._copies:
            os.close(self._copies.popitem()[1])


def _remove_tree(spool: Path) -> None:
    for folder in (spool / FILES, spool):
        if folder.is_dir():
            for name in os.listdir(folder):
                (folder / name).unlink()
            folder.rmdir()


def _journal_of(log: str) -> str:
    """The journal of the writer of a log: `rank-3.jsonl` for `rank-3.output.log`."""
    return (log.removesuffix(LOG).removesuffix(".") or MAIN) + SUFFIX


def _begins(whole: Path, copy: Path) -> bool:
    """Whether the copy, or none yet, is the beginning of the file."""
    return not copy.exists() or whole.read_bytes().startswith(read_regular(copy))


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


def main(spool: str, lock: int) -> None:
    """The forwarder's process: ends by itself; says nothing to anybody."""
    with suppress(FileNotFoundError, FormatError):
        # Another forwarder finished and removed it first.
        forward_until_done(Path(spool), lock)
