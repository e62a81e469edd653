"""The recorder's side of observation: the records as they come, and what was not seen.

What watches one command is a `Watch`, one class a mechanism; the one of this module listens to a seccomp filter.
"""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from ..answerer import post as words
from ..answerer.filter import Unwatched, go_under
from ..answerer.native import Native
from ..answerer.post import Post
from ..answerer.privileged import TRACE, capable, needs_privileges
from ..answerer.ring import Ring
from ..answerer.standby import part
from ..answerer.syscalls import MACHINES
from .choosing import VIA_OUTER, Choice
from .inner_runs import OUTLIVED, InnerRuns, NoInnerRuns

if TYPE_CHECKING:
    from .outer_run import OuterRun

PAUSE = 0.05
"""Seconds between two looks into the ring while the command opens files; then the recorder sleeps until woken."""

SETTLE = 0.25
"""Seconds after the command's end in which all that it started is expected to be gone."""

VARIABLE = "WHENCE_WATCH"
"""Names, in a watched command's environment, where a run inside it asks to be told what its own command does."""

Records = list[tuple[Any, ...]]


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it."""

    mechanism: str
    because: str = ""
    """Why there was none."""
    seen: int = 0
    lost: int = 0
    gaps: list[str] = []


class Observer(msgspec.Struct, frozen=True, kw_only=True):
    """Who is interested. Both are called in the keeper: `take` with records in their order, `ended` once at the end."""

    choice: Choice
    take: Callable[[Records], None]
    ended: Callable[[Observation], None]
    program: str | None = None
    """The file that will be executed."""
    told_in: Path | None = None
    """The folder in which the Python programs of the command tell, if there is one."""
    outer: OuterRun | None = None
    """The run around this one, if it watches."""


# What every mechanism has.


class Watch(Protocol):
    """One command's observation, from before the forks. The keeper calls `turn` after each poll."""

    @property
    def environ(self) -> dict[str, str]:
        """What the command's environment needs, so that runs inside it find us."""
        return {}

    def part(self) -> Watched | None:
        """In the process that becomes the command's parent: make those that watch; nothing when that failed."""
        ...

    def begin(self) -> None:
        """In the keeper, after the forks: give up what only the others hold."""
        ...

    def close(self) -> None:
        """In the front, which has no part in it."""
        ...

    def interest(self) -> list[int]:
        """Descriptors to poll for reading."""
        ...

    def next(self, ended_at: float | None) -> float:
        """When to look without being woken."""
        ...

    def turn(self, ready: Mapping[int, int]) -> None: ...

    def settled(self, ended_at: float) -> bool:
        """Whether nobody is left to be watched; past the time, somebody stays who outlived the command."""
        ...

    def finish(self) -> None:
        """The command has ended: take what is left, and tell the observer what was seen and what was not."""
        ...


class Watched(Protocol):
    """What the command's parent, and the process that becomes the command, need."""

    def go_under(self) -> bool:
        """In the process that becomes the command; false when it has to be made anew, and not watched."""
        ...

    @property
    def keeps(self) -> list[int]:
        """Descriptors that the parent needs until the end."""
        return []

    @property
    def adopts(self) -> bool:
        """Whether orphans of the command come to the parent, and are its own to collect."""
        return False

    def ended(self) -> None:
        """The command has ended: who watches sees by itself when nobody is left, unless it is told here."""


def watch(observer: Observer) -> Watch:
    """Get ready for the mechanism that was chosen. Raises OSError, ImportError where this Python lacks ctypes."""
    if observer.choice.mechanism == "strace":
        from .tracing import Tracing

        return Tracing(observer)
    if observer.choice.mechanism == "python":
        from .hooked import Hooked

        return Hooked(observer)
    if observer.choice.mechanism == VIA_OUTER and observer.outer is not None:
        from .outer_run import ViaOuter

        return ViaOuter(observer, observer.outer)
    return Listening(observer)


# Listening to a filter.


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
        self._post = Post(MACHINES[self._machine], ring, theirs)
        self._start(observer, ring)

    def _start(self, observer: Observer, ring: Ring) -> None:
        self._observer = observer
        self._ring = ring
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
        self._drain()
        self._inner_runs.close()
        self._observer.ended(self._outcome())

    def _drain(self) -> None:
        while self._look():
            continue

    def _look(self) -> bool:
        taken = self._ring.take()
        if taken:
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
            mechanism=choice.mechanism, because=choice.because, seen=self._ring.seen, lost=lost, gaps=gaps
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


def inherited() -> list[tuple[Any, ...]]:
    """A record of each regular file that the shell opened for the command: `command < file`, `command > file`."""
    records: list[tuple[Any, ...]] = []
    now = time.monotonic()
    for name in sorted(os.listdir("/proc/self/fd"), key=int):
        try:
            found = os.fstat(int(name))
            if stat.S_ISREG(found.st_mode) and found.st_nlink and os.get_inheritable(int(name)):
                flags = fcntl.fcntl(int(name), fcntl.F_GETFL)
                records.append(_inherited(now, os.readlink(f"/proc/self/fd/{name}".encode()), flags, found))
        except OSError:
            continue  # The descriptor of the listing itself.
    return records


def _inherited(now: float, path: bytes, flags: int, found: os.stat_result) -> tuple[Any, ...]:
    op = {os.O_RDONLY: "read", os.O_WRONLY: "write"}.get(flags & os.O_ACCMODE, "update")
    identity = (found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return now, 0, op, path, b"", flags, identity, False, ""


def _only_those_above_may_look() -> bool:
    """Yama's rule (ptrace_scope), from which CAP_SYS_PTRACE frees."""
    scope = _text("/proc/sys/kernel/yama/ptrace_scope").strip()
    return scope not in (b"", b"0") and not capable(_text("/proc/self/status"), TRACE)


def _text(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""
