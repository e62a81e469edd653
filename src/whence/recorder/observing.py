"""The recorder's side of observation: the records as they come, and what was not seen.

What watches one command is a `Watch`, one class and one module a mechanism, which only a command that it watches loads.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from .choosing import VIA_OUTER, Choice

if TYPE_CHECKING:
    from .outer_run import OuterRun

SETTLE = 0.25
"""Seconds after the command's end in which all that it started is expected to be gone."""

PASSED_BY = "the processes that were to start the command were killed; it was started again, unwatched"

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
    interrupted: int = 0
    """Calls that a signal interrupted before they were seen."""
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

    def passed_by(self) -> None:
        """The command was started anew by a process that nobody watches, but for what it tells by itself."""


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
    from .listening import Listening

    return Listening(observer)


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
