"""Who makes a call: the process of a thread, its memory, its root and mount namespace, its folders.

What was learned of a thread holds for a tenth of a second: too short for its number to be given to another one, and a
change of root or namespace (which is notified) is waited for. A descriptor of memory belongs to the program that ran
when it was opened, so it is dropped when the process executes another one. When that happens is not told, only that it
will: of a program with threads, others call meanwhile, and the number of one of them is then the new program's.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from .kin import Kin, family_of
from .ours import Ours
from .places import World
from .privileged import capable
from .strangers import Strangers

LASTS = 0.1
"""Seconds."""

MOST = 128
"""Threads that are remembered, each with one descriptor."""

PATH_MAX = 4096
"""Bytes of a path, its end included (linux/limits.h)."""

SHORT = 256
"""Bytes that are read first: few paths are longer."""

PAGE = 4096


class Caller:
    """One thread that is held in a call."""

    __slots__ = ("_memory", "namespace", "ours", "parent", "process", "root", "thread", "until", "world")

    def __init__(self, thread: int, until: float) -> None:
        self.thread = thread
        self.until = until
        self.process, self.parent = family_of(thread)
        self.root = os.readlink(b"/proc/%d/root" % thread)
        self.namespace = os.readlink(b"/proc/%d/ns/mnt" % thread)
        self.ours = False
        """Nothing is told of what it does."""
        self.world: World | None = None
        """Its mounts, once they were needed."""
        self._memory = -1

    def path(self, address: int) -> bytes | None:
        """The bytes up to the zero; nothing where the kernel will not find a path either. Raises PermissionError."""
        left = PAGE - (address & 0xFFF)  # In this page: what comes after it may not be there.
        start = self.read(address, left if left < SHORT else SHORT)
        end = start.find(b"\0")
        if end >= 0:
            return start[:end]
        if left > SHORT:
            start += self.read(address + SHORT, left - SHORT)
        if len(start) == left and b"\0" not in start:
            start += self.read(address + left, PATH_MAX - left)
        end = start.find(b"\0")
        return start[:end] if end >= 0 else None

    def read(self, address: int, count: int) -> bytes:
        """Bytes of its memory, as many as are there. Raises PermissionError, ProcessLookupError."""
        if self._memory < 0:
            self._memory = self._open_memory()
        try:
            found = os.pread(self._memory, count, address)
        except (OSError, OverflowError):
            return b""  # The address is none.
        return found if found or not count else self._read_anew(address, count)

    def _read_anew(self, address: int, count: int) -> bytes:
        """Where the memory is that of the program that ran before."""
        self.close()
        self._memory = self._open_memory()
        try:
            found = os.pread(self._memory, count, address)
        except (OSError, OverflowError):
            return b""
        if not found:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        return found

    def _open_memory(self) -> int:
        return os.open(b"/proc/%d/mem" % self.thread, os.O_RDONLY | os.O_CLOEXEC)

    def folder(self, descriptor: int) -> bytes:
        """Where a descriptor of its leads; -100 is the working folder. Raises OSError."""
        if descriptor == -100:
            return os.readlink(b"/proc/%d/cwd" % self.thread)
        return os.readlink(b"/proc/%d/fd/%d" % (self.thread, descriptor))

    def is_capable(self, capability: int) -> bool:
        """Raises OSError."""
        fd = os.open(b"/proc/%d/status" % self.thread, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return capable(os.read(fd, PAGE), capability)
        finally:
            os.close(fd)

    def close(self) -> None:
        if self._memory >= 0:
            os.close(self._memory)
            self._memory = -1


class Callers:
    """The threads that called lately."""

    def __init__(self, clock: Callable[[], float], kin: Kin, strangers: Strangers) -> None:
        self._clock = clock
        self._kin = kin
        self._strangers = strangers
        self._ours = Ours()
        self._known: dict[int, Caller] = {}
        self._unsettled = 0.0
        self._executing: dict[int, float] = {}
        """By process: until when nothing is remembered of it."""

    def get(self, thread: int, now: float) -> Caller:
        """Raises OSError when it is gone, or may not be looked at."""
        known = self._known.get(thread)
        if known is not None and now < known.until:
            return known
        return self._meet(thread, now)

    def _meet(self, thread: int, now: float) -> Caller:
        self.forget(thread)
        if len(self._known) >= MOST:
            self.forget(next(iter(self._known)))
        caller = Caller(thread, now + LASTS if now >= self._unsettled else now)
        if self._executing and self._is_executing(caller.process, now):
            caller.until = now
        caller.ours = self._ours.has(thread, caller.process, caller.parent)
        self._kin.meet(caller.process, caller.parent, now)
        self._strangers.meet(caller.process, caller.namespace, now)
        self._known[thread] = caller
        return caller

    def said(self, caller: Caller, access: int) -> None:
        """It has said whose it is."""
        caller.ours = self._ours.said(access, caller.thread, caller.process)

    def forget(self, thread: int) -> None:
        known = self._known.pop(thread, None)
        if known is not None:
            known.close()

    def _is_executing(self, process: int, now: float) -> bool:
        until = self._executing.get(process, now)
        if now >= until:
            self._executing.pop(process, None)
        return now < until

    def forget_process(self, executing: Caller) -> None:
        """It is about to execute another program. Where that is not its first thread, which may go on calling, nothing
        is remembered until that has happened."""
        for caller in [one for one in self._known.values() if one.process == executing.process]:
            self.forget(caller.thread)
        self._ours.executes(executing.process)
        if executing.thread != executing.process:
            if len(self._executing) >= MOST:
                self._executing.clear()
            self._executing[executing.process] = self._clock() + LASTS

    def forget_all(self) -> None:
        """Roots and mounts are about to change; until that has happened nothing is remembered."""
        for thread in [*self._known]:
            self.forget(thread)
        self._unsettled = self._clock() + LASTS
