"""Journals: files of hash-chained lines, one writer each (docs/format.md, section 3).

A writer appends each event with one write and never appends to a file that it did not create. When a write fails or
comes back short, that file is closed for ever and the writer goes on in `<writer>-2.jsonl`.
"""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from ..digests import digest_of
from ..errors import FormatError, StoreError
from ..handlers import let_pass
from ..records.encoding import decode, encode, timestamp
from ..records.events import KINDS, VERSION, Envelope, Event, JournalContinued
from ..records.seal import JournalEnd
from ..system.descriptors import Owned, high
from ..system.files import sync_folder
from ..system.locks import lock_exclusive
from ..system.turns import Turns

SUFFIX = ".jsonl"
POINTS_SUFFIX = ".points.jsonl"

JOURNAL_RANK = 3
"""Of its turns: asked for in the midst of those of a recording and of a session."""


class JournalLost(StoreError):
    """Events could not be written anywhere; the next `append` tries again, with its own."""

    def __init__(self, message: str, *, events: Sequence[Event] = ()) -> None:
        super().__init__(message)
        self.events = tuple(events)
        """Those that are lost: also ones that a signal handler, or another thread, handed in meanwhile."""


class _Trying(msgspec.Struct, frozen=True):
    """A line that is being written."""

    event: Event
    end: JournalEnd
    start: int
    """The length of the file before it."""
    length: int


def journal_order(names: Iterable[str], suffix: str = SUFFIX) -> list[str]:
    """The journals among the names in the order of the fold: main, its continuations by number, then the others.

    `rank-3.jsonl` is a continuation only where there is a `rank.jsonl`. With `POINTS_SUFFIX` it orders points.
    """
    stems = {
        name.removesuffix(suffix)
        for name in names
        if name.endswith(suffix) and (suffix == POINTS_SUFFIX or not name.endswith(POINTS_SUFFIX)) and "/" not in name
    }
    return [stem + suffix for stem in sorted(stems, key=lambda stem: _place(stem, stems))]


def writer_of(name: str, names: Iterable[str]) -> str:
    """The writer of a journal among the journals of a run: `main` for `main-2.jsonl`."""
    suffix = POINTS_SUFFIX if name.endswith(POINTS_SUFFIX) else SUFFIX
    return _split(name.removesuffix(suffix), {other.removesuffix(suffix) for other in names})[0]


def _place(stem: str, stems: set[str]) -> tuple[bool, str, int]:
    writer, number = _split(stem, stems)
    return writer != "main", writer, number


def _split(stem: str, stems: set[str]) -> tuple[str, int]:
    writer, _, number = stem.rpartition("-")
    if number.isdecimal() and (writer in stems or writer == "main"):
        return writer, int(number)
    return stem, 1


class JournalWriter:
    """The one process that appends to a journal, from any of its threads, and from handlers of its signals.

    It holds an exclusive lock on its first file for as long as it lives. A forked child does not inherit the writer:
    its copy is closed, and using it there is a RuntimeError; `give_to_child` hands it over instead.
    """

    def __init__(self, folder: Path, writer: str, clock: Callable[[], int], file: Owned) -> None:
        self._folder = folder
        self._writer = writer
        self._clock = clock
        self._name = writer + SUFFIX
        self._files = [file]
        """The last one is written to; earlier ones keep their locks."""
        self._good = True
        """Whether the last file may be written to."""
        self._ends: dict[str, JournalEnd] = {}
        self._number = 1
        self._reason = ""
        self._pid = os.getpid()
        self._giving = False
        self._named = False
        """Whether the folder's name has been flushed."""
        self._length = 0
        """Bytes of whole lines in the last file."""
        self._trying: _Trying | None = None
        """Left standing where a signal handler's exception cut a write off: the file then says how far it came."""
        self._turns = Turns[Event](self._append_all, rank=JOURNAL_RANK)
        _OPEN.add(self)

    @classmethod
    def create(cls, folder: Path, writer: str, clock: Callable[[], int]) -> JournalWriter:
        """Start `<writer>.jsonl` in an existing folder; `clock` gives Unix nanoseconds.

        Raises OSError, also when the file is there: no two writers share a name.
        """
        return cls(folder, writer, clock, _create(folder / (writer + SUFFIX)))

    @property
    def writer(self) -> str:
        """The writer's name: `main`, `rank-3`."""
        return self._writer

    @property
    def path(self) -> Path:
        """The file that is being written."""
        return self._folder / self._name

    @property
    def last(self) -> JournalEnd | None:
        """The last line that was written whole; nothing before the first."""
        return next(reversed(self._ends.values()), None)

    @property
    def ends(self) -> tuple[JournalEnd, ...]:
        """The last line of each file of this writer, in order."""
        return tuple(self._ends.values())

    def append(self, event: Event) -> None:
        """Write one event with one write. Raises JournalLost when it could be written nowhere.

        From a signal handler or finalizer in the midst of another `append` of the thread: that one writes it.
        """
        self._check_process()
        self._turns.take(event)

    def _append_all(self, waiting: deque[Event]) -> None:
        self._look_at_cut_off(waiting)
        lost: list[Event] = []
        because = ""
        while waiting:
            self._check_process()
            try:
                self._append(waiting[0])
                self._done(waiting)
            except Exception as error:
                let_pass(error)
                event = waiting.popleft()
                if not isinstance(error, JournalLost | OSError):
                    raise  # An event that cannot be written as JSON.
                because = str(error)
                lost.append(event)
        if lost:
            raise JournalLost(because, events=lost)

    def _append(self, event: Event) -> None:
        if self._good and self._write(event):
            return
        if not self._ends and self._writer == "main":
            # A run exists by the first line of main.jsonl; there is nothing to continue.
            raise JournalLost(f"{self.path}: {self._reason}")
        self._continue(event)

    def sync(self) -> None:
        """Flush what was written to the disk, and the first time the names of the folders that lead there.

        Raises OSError.
        """
        self._check_process()
        for file in [*self._files]:
            if file.is_ours:
                os.fsync(file.fd)
        if not self._named:
            for folder in (self._folder, *self._folder.parents[:2]):
                sync_folder(folder)
            self._named = True

    def touch(self) -> None:
        """Renew the file's time: a sign of life for readers who cannot see the lock. Never raises OSError."""
        if self._pid != os.getpid():
            return
        try:
            for file in (self._files[0], self._files[-1]):
                if file.is_ours:
                    os.utime(file.fd)
        except OSError as error:
            let_pass(error)
            # The file system is gone or full; the next append will tell.
            return

    def close(self) -> None:
        """Drop the lock; the journal stays as it is. A second time does nothing."""
        if self._pid != os.getpid():
            return
        try:
            self._turns.take()  # What a handler's exception has left there.
        except JournalLost:
            pass  # Nobody is left to be told.
        finally:
            self._drop()

    def release(self) -> None:
        """Close this process's copies of the descriptors and leave the lock to the other side of a fork."""
        self._giving = False
        self._drop()

    def give_to_child(self) -> None:
        """The child of the next fork becomes the writer, lock included; this process then calls `release`.

        Until then it can still write: a fork may fail.
        """
        self._giving = True

    def forked(self) -> None:
        """In the child of a fork: the writer from now on if it was given away, else closed here."""
        if self._giving:
            self._giving, self._pid = False, os.getpid()
        else:
            # A lock lives as long as any copy of its descriptor: a child must not keep a dead run alive.
            self._drop()

    def _drop(self) -> None:
        self._good = False
        while self._files:
            self._files.pop().close()

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            raise RuntimeError(f"{self.path}: its writer is process {self._pid}, not {os.getpid()}")
        if not self._files:
            raise RuntimeError(f"{self.path} is closed")

    def _write(self, event: Event) -> bool:
        """Append to the current file; false when that file can take no more."""
        file = self._files[-1]
        if not file.is_ours:
            self._good, self._reason = False, "the program closed its descriptor"
            return False
        end = self._ends.get(self._name)
        previous = end or self.last
        seq = end.seq + 1 if end else 0
        line = _line(event, seq, timestamp(self._clock()), previous.digest if previous else None)
        made = JournalEnd(name=self._name, seq=seq, digest=digest_of(line[:-1]))
        self._trying = _Trying(event, made, self._length, len(line))
        try:
            written = os.write(file.fd, line)
            if written < len(line):
                self._reason = f"short write, {written} of {len(line)} bytes"
        except OSError as error:
            let_pass(error)
            written, self._reason = -1, error.strerror or str(error)
        self._good = written == len(line)
        if self._good:
            self._wrote(self._trying)
        else:
            self._trying = None
        return self._good

    def _wrote(self, line: _Trying) -> None:
        """The line is in the file, whole. A second time changes nothing."""
        # Inserted anew, so that the last one written is the last in order.
        self._ends.pop(line.end.name, None)
        self._ends[line.end.name] = line.end
        self._length = line.start + line.length

    def _done(self, waiting: deque[Event]) -> None:
        """What was written waits no longer."""
        if self._trying is not None and waiting and waiting[0] is self._trying.event:
            waiting.popleft()
        self._trying = None

    def _look_at_cut_off(self, waiting: deque[Event]) -> None:
        """Where a handler's exception cut a write off, the file says whether the line is there: none comes twice."""
        line = self._trying
        if line is None:
            return
        length = os.fstat(self._files[-1].fd).st_size if self._files and self._files[-1].is_ours else -1
        if length == line.start + line.length:
            self._wrote(line)
            self._done(waiting)
        elif length != line.start:
            self._good, self._reason = False, "a write was cut off"
        self._trying = None

    def _continue(self, event: Event) -> None:
        reason, last, before = self._reason, self.last, self._name
        self._number += 1
        name = f"{self._writer}-{self._number}{SUFFIX}"
        self._lock_again()
        try:
            self._files.append(_create(self._folder / name))
        except OSError as error:
            let_pass(error)
            self._number -= 1
            raise JournalLost(f"{self._folder / name}: {error.strerror}; {self.path}: {reason}") from error
        self._name, self._length = name, 0
        continued = JournalContinued(
            previous=last.name if last else before,
            last=last.seq if last else None,
            digest=last.digest if last else None,
            because=reason,
        )
        if not self._write(continued):
            self._withdraw(name, before)
            fault, self._reason = self._reason, reason
            raise JournalLost(f"{self._folder / name}: {fault}")
        self._good = True
        if not self._write(event):
            raise JournalLost(f"{self.path}: {self._reason}")

    def _lock_again(self) -> None:
        """Whether the run goes on is told by the lock of its first file; the program may have closed it."""
        if not self._files[0].is_ours:
            path = self._folder / (self._writer + SUFFIX)
            try:
                fd = high(os.open(path, os.O_WRONLY | os.O_CLOEXEC))
            except OSError:
                return  # Then the continuation cannot be made either.
            lock_exclusive(fd)
            self._files[0] = Owned(fd, path)

    def _withdraw(self, name: str, before: str) -> None:
        """Take back a continuation that never got a whole line: nothing of the record is in it."""
        self._files.pop().close()
        self._name = before
        self._number -= 1
        try:
            os.unlink(self._folder / name)
        except OSError:
            # It stays as an empty journal, which readers skip; its number is used up.
            self._number += 1


def _create(path: Path) -> Owned:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    fd = high(fd)
    lock_exclusive(fd)
    return Owned(fd, path)


def _line(event: Event, seq: int, at: str, previous: str | None) -> bytes:
    """The envelope's fields, then the event's, as one object on one line."""
    kind = str(type(event).__struct_config__.tag)
    body = encode(event)
    fields = body[len('{"kind":""') + len(kind) : -1]
    prev = f'"{previous}"' if previous else "null"
    return f'{{"v":{VERSION},"seq":{seq},"at":"{at}","kind":"{kind}","prev":{prev}'.encode() + fields + b"}\n"


_OPEN: weakref.WeakSet[JournalWriter] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for writer in list(_OPEN):
        writer.forked()


os.register_at_fork(after_in_child=_after_fork_in_child)


class Line(msgspec.Struct, frozen=True):
    """One line of a journal that carries an envelope."""

    envelope: Envelope
    event: Event | None
    """Nothing for a kind that this version does not know, or one with a fault (then it is in `faults`)."""
    digest: str
    """Of the bytes without the newline."""
    raw: bytes


class JournalText(msgspec.Struct, frozen=True):
    """A journal as it was read."""

    name: str
    lines: tuple[Line, ...]
    torn: int
    """Bytes of a torn tail after the last whole line: normal after a power loss."""
    faults: tuple[str, ...]
    """Each `<name>:<line>: …`: what the line is and what was expected."""


def whole_length(data: bytes) -> int:
    """The length up to the end of the last whole line: what lies beyond is a torn tail."""
    return data.rstrip(b"\0").rfind(b"\n") + 1


def read_journal(data: bytes, name: str) -> JournalText:
    """Read a journal; nothing in the bytes makes it raise. A line with a fault is reported and does not stop it."""
    length = whole_length(data)
    lines: list[Line] = []
    faults: list[str] = []
    previous: Line | None = None
    for number, raw in enumerate(data[:length].split(b"\n")[:-1], 1):
        line = _read_line(raw, f"{name}:{number}", faults)
        if line is None:
            continue
        faults += _chain_faults(line, previous, f"{name}:{number}", number)
        lines.append(line)
        previous = line
    return JournalText(name, tuple(lines), len(data) - length, tuple(faults))


def last_line(data: bytes, name: str) -> JournalEnd | None:
    """The last line that carries an envelope, as `read_journal` would find it, without reading those before."""
    for raw in reversed(data[: whole_length(data)].split(b"\n")[:-1]):
        try:
            return JournalEnd(name=name, seq=decode(raw, Envelope).seq, digest=digest_of(raw))
        except FormatError:
            continue
    return None


def _read_line(raw: bytes, where: str, faults: list[str]) -> Line | None:
    try:
        envelope = decode(raw, Envelope, where=where)
    except FormatError as error:
        faults.append(error.message)
        return None
    event: Event | None = None
    if envelope.v != VERSION:
        faults.append(f"{where}: found version {envelope.v}, expected {VERSION}: written by a newer whence")
    elif kind := KINDS.get(envelope.kind):
        try:
            event = decode(raw, kind, where=where)
        except FormatError as error:
            faults.append(error.message)
    return Line(envelope, event, digest_of(raw), raw)


BROKEN_LINK = "the line before was changed"
"""How a fault ends that a line tells of the one before it."""


def _chain_faults(line: Line, before: Line | None, where: str, number: int) -> list[str]:
    found = line.envelope
    seq = before.envelope.seq + 1 if before else 0
    if found.seq != seq:
        return [f"{where}: found seq {found.seq}, expected {seq}: a line was dropped, added or moved"]
    if before is None:
        return _first_faults(line, where) if number == 1 else []
    if found.prev != before.digest:
        return [f"{where}: found prev {found.prev}, expected {before.digest}: {BROKEN_LINK}"]
    return []


def _first_faults(line: Line, where: str) -> list[str]:
    expected = line.event.digest if isinstance(line.event, JournalContinued) else None
    if line.envelope.prev != expected:
        return [f"{where}: found prev {line.envelope.prev}, expected {expected or 'null'}"]
    return []
