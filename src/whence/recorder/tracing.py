"""Observation by strace: the trace as it grows, and what it says about files that were looked at afterwards.

What strace tells has happened already, so a file is looked at late. It is the one that was opened only if its status
had not changed since before the call: what was written, or moved there, in between has a later time of change, which no
program can set. Of any other the record says that it is not known.
"""

from __future__ import annotations

import mmap
import os
import signal
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ..answerer.filter import Unwatched
from ..answerer.native import Native
from ..answerer.post import UNWATCHED
from ..answerer.syscalls import MACHINES
from ..answerer.tracer import BEGIN, ENDED, GONE, Tracer
from ..capture.observed import look
from ..rules import seen as calls
from ..rules.seen import Identity
from ..rules.strace import NAMES, Did, Trace
from .choosing import find_strace, stops_every_call
from .observing import PASSED_BY, SETTLE, Observation, Observer, Records, Watch, Watched, inherited
from .sources import TICK

PAUSE = 0.05
"""Seconds between two looks at a trace that grows."""

SLOW = 10.0
"""Seconds after the command's end in which strace must have ended as well, unless somebody outlived the command."""

IDLE = 0.5
"""Seconds between two looks at one that does not."""

CHUNK = 1 << 20
"""Bytes that are read at a time, and given back to the machine then."""

GONE_BEFORE = "it was gone before it was looked at"
A_LINK = Identity(0, 0, stat.S_IFLNK, 0, 0, 0)
"""Of a link that is gone no more is known than that."""
CHANGED_BEFORE = "it was changed, or put there, before it was looked at"


class Tracing(Watch):
    """One command's observation by strace."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._machine = os.uname().machine
        self._native = Native(MACHINES[self._machine])
        self._log = os.memfd_create("whence-trace", os.MFD_CLOEXEC)
        self._news, theirs = os.pipe()
        os.set_blocking(theirs, False)
        self._tracer = Tracer(
            find_strace() or "strace", NAMES, self._machine, log=self._log, news=theirs, every=stops_every_call()
        )
        self._trace = Trace(os.getcwdb(), BEGIN, _folder_of)
        self._read = 0
        self._given_back = 0
        self._rest = b""
        self._seen = 0
        self._look_at = 0.0
        self._said: list[str] = []
        self._heard = b""
        self._inherited = inherited()
        self._day = time.time() - time.monotonic()

    # In the process that becomes the command's parent.

    def part(self) -> Traced | None:
        """Start the process that keeps strace; nothing when it could not be made."""
        try:
            self._tracer.part()
        except OSError as error:
            self._tracer.say(f"{UNWATCHED} the process that traces could not be made: {error}")
            self._tracer.close()
            return None
        return Traced(self._tracer, self._native)

    # In the keeper.

    def begin(self) -> None:
        self._tracer.close()
        self._take(self._inherited)

    def close(self) -> None:
        """In the front."""
        self._tracer.close()
        os.close(self._news)
        os.close(self._log)

    def interest(self) -> list[int]:
        return [self._news] if self._news >= 0 else []

    def next(self, ended_at: float | None) -> float:
        waits = ended_at is not None and not self.settled(ended_at)
        return min(self._look_at, time.monotonic() + PAUSE) if waits else self._look_at

    def turn(self, ready: Mapping[int, int]) -> None:
        if self._news >= 0 and ready.get(self._news):
            self._hear()
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + (PAUSE if self._look() else IDLE)

    def settled(self, ended_at: float) -> bool:
        """Who is alive past the time has outlived the command; where nobody is, strace still has to say so."""
        now = time.monotonic()
        if self._news < 0 or now < ended_at + SETTLE or now >= ended_at + SLOW:
            return self._news < 0 or now >= ended_at + SLOW
        return any(has_not_ended(thread) for thread in self._trace.threads)

    def passed_by(self) -> None:
        self._said.append(f"{UNWATCHED} {PASSED_BY}")

    def finish(self) -> None:
        while self._look():
            continue
        self._observer.ended(self._outcome())

    def _hear(self) -> None:
        data = os.read(self._news, 4096)
        if not data:
            os.close(self._news)
            self._news = -1
        *lines, self._heard = (self._heard + data).split(b"\n")
        self._said += [line.decode(errors="replace") for line in lines]

    def _look(self) -> bool:
        data = os.pread(self._log, CHUNK, self._read)
        if not data:
            return False
        self._read += len(data)
        self._give_back()
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._take([record for line in lines for record in self._records(line.decode("latin-1"))])
        return True

    def _give_back(self) -> None:
        """The memory of what was read."""
        until = self._read - self._read % mmap.ALLOCATIONGRANULARITY
        if until - self._given_back < CHUNK:
            return
        with suppress(OSError), mmap.mmap(self._log, until - self._given_back, offset=self._given_back) as part:
            part.madvise(mmap.MADV_REMOVE)
        self._given_back = until

    def _take(self, records: list[tuple[object, ...]]) -> None:
        if records:
            numbered: Records = [(self._seen + at, *record) for at, record in enumerate(records)]
            self._seen += len(records)
            self._observer.take(numbered)

    def _records(self, line: str) -> list[tuple[object, ...]]:
        did = self._trace.take(line)
        return [] if did is None else [self._record(did, *one) for one in found(did)]

    def _record(self, did: Did, op: str, there: Identity | None, because: str) -> tuple[object, ...]:
        identity = None
        if there is not None:
            identity = (there.device, there.inode, there.mode, there.size, there.mtime, there.ctime)
        return (
            did.at - self._day,
            did.pid,
            op,
            did.path,
            did.other,
            did.flags,
            identity,
            True,
            because,
            None,
            did.real,
            b"",
        )

    def _outcome(self) -> Observation:
        unwatched = [line.removeprefix(UNWATCHED).strip() for line in self._said if line.startswith(UNWATCHED)]
        if unwatched or not self._trace.begun:
            because = unwatched[0] if unwatched else "the process that traces was killed before the command began"
            return Observation(mechanism="none", because=because, seen=self._seen)
        return Observation(
            mechanism="strace", because=self._observer.choice.because, seen=self._seen, gaps=[*self._gaps()]
        )

    def _gaps(self) -> list[str]:
        gaps = [*self._trace.gaps]
        killed = [line for line in self._said if line.startswith(GONE)]
        if killed:
            gaps.append(f"strace was killed ({killed[0].rpartition(' ')[2]}): what was opened after that was not seen")
        elif ENDED not in self._said:
            gaps.append(
                "the process that keeps strace was killed" if self._news < 0 else "descendants outlived the command"
            )
        return gaps


class Traced(Watched):
    """The way under strace."""

    def __init__(self, tracer: Tracer, native: Native) -> None:
        self._tracer = tracer
        self._native = native

    def go_under(self) -> bool:
        try:
            self._tracer.go_under(self._native)
        except Unwatched as reason:
            self._tracer.say(f"{UNWATCHED} {reason}")
            return not reason.spoiled
        finally:
            # Drops one that is pending, from writing to who was killed: the command must not find it.
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        return True


Found = tuple[str, Identity | None, str]
"""What a record says beside the call: the op, what was there, and why that is not known."""


def found(did: Did) -> list[Found]:
    """One record for a call, or two; what it says of the file is found by looking now."""
    if did.op in ("connect", "io_uring", "handle", "mount", "unmount"):
        return [(did.op, None, "")]
    if did.is_link:
        return [(did.op, A_LINK, "")]
    if did.op == "unlink":
        return [("unlink", None, GONE_BEFORE)]
    if did.op in ("rename", "link"):
        there = look(did.other, follow=False)
        return [(did.op, there, "" if there else GONE_BEFORE)]
    there = look(did.real or did.path)
    if did.op == "execute":
        return [(did.op, there, "" if there else GONE_BEFORE)]
    if there is not None and not there.is_file:
        return [(did.op, there, "")]
    return _opened(did, there)


def _opened(did: Did, there: Identity | None) -> list[Found]:
    if did.op == "create":
        return [("create", None, "")]
    if there is not None and there.ctime + TICK <= did.at * 1e9:
        return [(did.op, there, "")]
    unknown = CHANGED_BEFORE if there else GONE_BEFORE
    if did.op == "read" and not did.flags & calls.CREATE:
        return [("read", None, unknown)]
    # Written since, or made by this very call: what was there before is not known, only that one which does not create
    # had found something.
    found_it = there is not None and not did.flags & calls.CREATE
    wrote: list[Found] = [("create", None, unknown if found_it else "")]
    return [("read", None, unknown), *wrote] if did.op == "update" and not did.flags & calls.CREATE else wrote


def has_not_ended(thread: int) -> bool:
    try:
        return Path(f"/proc/{thread}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


def _folder_of(thread: int) -> bytes | None:
    try:
        return os.readlink(b"/proc/%d/cwd" % thread)
    except OSError:
        return None
