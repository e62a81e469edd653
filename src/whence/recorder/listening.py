"""Observation by a seccomp filter: what the answerer puts into a ring, and what was not seen."""

from __future__ import annotations

import os
import signal
import time
from _socket import AF_UNIX, SOCK_SEQPACKET, socketpair
from collections.abc import Mapping
from pathlib import Path

from ..answerer import post as words
from ..answerer.filter import Unwatched, go_under
from ..answerer.native import Native
from ..answerer.pool import Pool
from ..answerer.post import Post
from ..answerer.privileged import TRACE, capable, needs_privileges
from ..answerer.ring import Ring
from ..answerer.standby import part
from ..answerer.syscalls import MACHINES
from .inner_runs import OUTLIVED, InnerRuns, NoInnerRuns
from .observing import PASSED_BY, SETTLE, VARIABLE, Observation, Observer, Watch, Watched, inherited
from .waiting import Reader

PAUSE = 0.05
"""Seconds between two looks into the ring while the command opens files; then the recorder sleeps until woken."""


class Listening(Watch):
    """By the records that the answerer puts into a ring."""

    def __init__(self, observer: Observer) -> None:
        """Raises OSError, and ImportError where this Python was built without ctypes."""
        self._machine = os.uname().machine
        # Here, and not where it is needed: who is killed between the forks below leaves the command unstarted.
        self._native = Native(MACHINES[self._machine])
        ring = Ring()
        self._inner_runs: InnerRuns | NoInnerRuns = InnerRuns(ring, self._drain)
        self._news, theirs = os.pipe()
        self._clones, send = socketpair(AF_UNIX, SOCK_SEQPACKET)
        pool = Pool()
        self._post = Post(MACHINES[self._machine], ring, pool, send, theirs)
        self._start(observer, ring)
        self._preimages = Reader(pool, self._clones)

    def _start(self, observer: Observer, ring: Ring) -> None:
        self._observer = observer
        self._ring = ring
        self._preimages: Reader | None = None
        self._look_at = 0.0
        self._rest = b""
        self._watching = False
        self._unwatched = ""
        self._hung_up = False
        self._gaps: list[str] = []
        for record in inherited():
            self._ring.put(record)

    @property
    def environ(self) -> dict[str, str]:
        return {VARIABLE: self._inner_runs.name} if self._inner_runs.name else {}

    # In the process that becomes standby, answerer, and the command's parent.

    def part(self) -> Watched | None:
        """Returns in the parent only; nothing when no process could be made."""
        self._inner_runs.close()
        self._clones.close()
        try:
            part(self._post, self._native, reap=_only_those_above_may_look())
        except OSError as error:
            self._post.say(f"{words.UNWATCHED} the processes that watch could not be made: {error}")
            self._post.close()
            return None
        self._post.keep_theirs()
        return Listened(self._post, self._native, self._machine, self._observer.program)

    # In the keeper.

    def begin(self) -> None:
        """After the forks: give up what only the others hold."""
        self._post.close()

    def close(self) -> None:
        """In the front, which has no part in it."""
        self._inner_runs.close()
        self._clones.close()
        self._post.close()
        os.close(self._news)
        os.close(self._ring.wake)

    def interest(self) -> list[int]:
        """Descriptors to poll for reading."""
        return [*self._interest(), *self._inner_runs.interest()]

    def _interest(self) -> list[int]:
        asleep = self._look_at == float("inf")
        return [fd for fd in (self._news, self._ring.wake if asleep else -1) if fd >= 0]

    def next(self, ended_at: float | None) -> float:
        """When to look without being woken."""
        waits = ended_at is not None and not self.settled(ended_at)
        return min(self._look_at, ended_at + SETTLE) if waits and ended_at is not None else self._look_at

    def turn(self, ready: Mapping[int, int]) -> None:
        if self._news >= 0 and ready.get(self._news):
            self._hear()
        self._inner_runs.turn(ready)  # Before the records: who has gone by now has no claim to them.
        if ready.get(self._ring.wake) or time.monotonic() >= self._look_at:
            self._look()

    def settled(self, ended_at: float) -> bool:
        """Whether nobody is left to be watched; past the time, somebody stays who outlived the command."""
        return self._news < 0 or self._hung_up or time.monotonic() >= ended_at + SETTLE

    def finish(self) -> None:
        """The command has ended: take what is left, and tell the observer what was seen and what was not."""
        if self._preimages is not None:
            self._preimages.close()
        self._drain()
        self._inner_runs.close()
        self._observer.ended(self._outcome())

    def passed_by(self) -> None:
        self._unwatched = self._unwatched or PASSED_BY

    def _drain(self) -> None:
        while self._look():
            continue

    def _look(self) -> bool:
        taken = self._ring.take()
        if taken:
            if self._preimages is not None:
                taken = [*map(self._preimages.taken, taken)]
            self._observer.take(self._inner_runs.sort(taken))
            self._look_at = time.monotonic() + PAUSE
        else:
            self._look_at = float("inf") if self._ring.sleep() else 0.0
        return bool(taken)

    def _hear(self) -> None:
        data = os.read(self._news, 4096)
        if not data:
            os.close(self._news)
            self._news = -1
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._heard(line.decode(errors="replace"))

    def _heard(self, line: str) -> None:
        if line == words.WATCHING:
            self._watching = True
        elif line == words.HUNG_UP:
            self._hung_up = True
        elif line.startswith(words.UNWATCHED):
            self._unwatched = line.removeprefix(words.UNWATCHED).strip()
        elif line not in self._gaps:
            self._gaps.append(line)
            self._inner_runs.say(line)

    def _outcome(self) -> Observation:
        lost = self._ring.lost
        gaps = [*self._gaps]
        if lost:
            gaps.append(f"calls that were not noted: {lost}")
        if self._unwatched or not self._watching:
            because = self._unwatched or f"{self._left()} before the command began"
            return Observation(mechanism="none", because=because, seen=self._ring.seen, lost=lost, gaps=gaps)
        if not self._hung_up:
            gaps.append(self._left())
        choice = self._observer.choice
        return Observation(
            mechanism=choice.mechanism,
            because=choice.because,
            seen=self._ring.seen,
            lost=lost,
            interrupted=self._ring.interrupted,
            gaps=gaps,
        )

    def _left(self) -> str:
        """Why it is not known that nobody is left."""
        return "the processes that watch were killed" if self._news < 0 else OUTLIVED


class Listened(Watched):
    """The way under the filter."""

    def __init__(self, post: Post, native: Native, machine: str, program: str | None) -> None:
        self._post = post
        self._native = native
        self._machine = machine
        self._program = program

    def go_under(self) -> bool:
        """In the process that becomes the command; false when it has to be made anew, and not watched."""
        try:
            go_under(self._post, self._native, self._machine, needs_privileges(self._program or ""))
        except Unwatched as reason:
            self._post.say(f"{words.UNWATCHED} {reason}")
            return not reason.spoiled
        finally:
            # Drops one that is pending, from writing to who was killed: the command must not find it.
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        return True


def _only_those_above_may_look() -> bool:
    """Yama's rule (ptrace_scope), from which CAP_SYS_PTRACE frees."""
    scope = _text("/proc/sys/kernel/yama/ptrace_scope").strip()
    return scope not in (b"", b"0") and not capable(_text("/proc/self/status"), TRACE)


def _text(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""
