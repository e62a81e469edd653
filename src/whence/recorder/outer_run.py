"""The run around this one: it watches all that its command starts, so it tells us what our own command does.

A watched command's environment names a socket of the keeper of its run (`inner_runs`). Who records an inner run says so
there first of all, and is left out of what the outer run sees from then on. The process above our command hands over a
ring, into which the outer keeper puts what the command and all that comes of it do; that process adopts the orphans
below it, so that each process of the command stands below it as long as it lives.
"""

from __future__ import annotations

import array
import contextlib
import os
import signal
import socket
import struct
import time
from collections.abc import Mapping
from typing import NamedTuple

from ..answerer import post as words
from ..answerer.native import SET_SUBREAPER, Native
from ..answerer.post import KNOWN
from ..answerer.ring import Ring, shareable_memory
from ..answerer.syscalls import MACHINES
from .inner_runs import APART, COMMAND, ENDED, LEFT, OURS, OUTLIVED, OVER, SEEN, YES, NoInnerRuns
from .listening import Listening
from .observing import SETTLE, VARIABLE, Observer, Watched

PATIENCE = 10.0
"""Seconds that we wait for the outer keeper, which is a busy process, before we go on without it."""

LOOK = 0.005
"""Seconds between two looks whether something of the command is left."""

_CREDENTIALS = struct.Struct("3i")


class OuterRun(NamedTuple):
    """A run that answers."""

    name: str
    ours: socket.socket
    """As long as it is open, we are known to record."""

    def announce(self) -> OuterRun | None:
        """From another process that records."""
        return find_outer_run({VARIABLE: self.name})

    def apart(self) -> Apart | None:
        """From the process above a command that only the outer run watches."""
        connection = _connected(self.name)
        if connection is None or not _asked(connection, APART):
            self.withdraw()
            return None
        return Apart(connection)

    def withdraw(self) -> None:
        """It did not hear whose the command is, and must not take it for one of those who record."""
        with contextlib.suppress(OSError):
            self.ours.shutdown(socket.SHUT_RDWR)


def find_outer_run(environ: Mapping[str, str]) -> OuterRun | None:
    """The run that this process is watched by, if it answers and does see us: the name may have come further than its
    eyes, into a job of a batch system. It is told that we record."""
    name = environ.get(VARIABLE)
    connection = _connected(name) if name else None
    if not name or connection is None or not _asked(connection, OURS):
        return None
    _known_call()
    return OuterRun(name, connection) if _asked(connection, SEEN) else None


def _known_call() -> None:
    try:
        os.close(os.open(KNOWN, os.O_RDONLY))
    except OSError:
        return  # Nothing is there.


def _connected(name: str) -> socket.socket | None:
    try:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.settimeout(PATIENCE)
        connection.connect("\0" + name)
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except (OSError, AttributeError, ValueError):
        return None
    return connection if _CREDENTIALS.unpack(credentials)[1] in (os.getuid(), 0) else None


def _asked(connection: socket.socket, word: bytes, fds: tuple[int, ...] = ()) -> bool:
    """Say something, and whether the answer is yes."""
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    try:
        connection.sendmsg([word], rights, socket.MSG_NOSIGNAL)
        return connection.recv(64) == YES
    except OSError:
        return False


class ViaOuter(Listening):
    """What the outer keeper tells of our command."""

    def __init__(self, observer: Observer, outer: OuterRun) -> None:
        """Raises OSError, and ImportError where this Python was built without ctypes."""
        self._outer = outer
        self._memory = shareable_memory()
        self._news, self._theirs = os.pipe()
        self._native = Native(MACHINES[os.uname().machine])
        self._inner_runs = NoInnerRuns()  # A run inside ours asks the outermost one, as we do.
        self._stays = ""
        """Why it is not known that nobody is left, once the outer keeper said so."""
        self._start(observer, Ring(memory=self._memory))

    def part(self) -> WatchedByOuter | None:
        connection = _connected(self._outer.name)
        if connection is None or not _asked(connection, COMMAND, (self._memory, self._ring.wake, self._theirs)):
            _say(self._theirs, f"{words.UNWATCHED} the run around this one does not answer")
            self._outer.withdraw()
            self._give_up()
            return None
        self._native.prctl(SET_SUBREAPER, 1)
        self._give_up(but_news=True)
        return WatchedByOuter(connection, self._theirs)

    def begin(self) -> None:
        self._give_up()
        announced = self._outer.announce()
        if announced is not None:
            self._outer = announced

    def close(self) -> None:
        self._give_up()
        os.close(self._news)
        os.close(self._ring.wake)

    def _give_up(self, *, but_news: bool = False) -> None:
        os.close(self._memory)
        if not but_news:
            os.close(self._theirs)

    def next(self, ended_at: float | None) -> float:
        waits = ended_at is not None and not self.settled(ended_at)
        return min(self._look_at, ended_at + PATIENCE) if waits and ended_at is not None else self._look_at

    def settled(self, ended_at: float) -> bool:
        told = self._news < 0 or self._hung_up or bool(self._stays)
        return told or time.monotonic() >= ended_at + PATIENCE

    def _heard(self, line: str) -> None:
        if line in (OUTLIVED, LEFT):
            self._stays = line
        else:
            super()._heard(line)

    def _left(self) -> str:
        return self._stays or "the run around this one, which watched it, ended first or was killed"


class Apart(Watched):
    """In the parent of a command that we do not watch."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    @property
    def keeps(self) -> list[int]:
        return [self._connection.fileno()]

    def go_under(self) -> bool:
        return True


class WatchedByOuter(Apart):
    """In the command's parent, and in the process that becomes the command."""

    def __init__(self, connection: socket.socket, news: int) -> None:
        super().__init__(connection)
        self._news = news

    @property
    def adopts(self) -> bool:
        return True

    def go_under(self) -> bool:
        """It is under the filter already; whether it is known as ours is seen by a known call."""
        _known_call()
        if not _asked(self._connection, SEEN):
            _say(self._news, f"{words.UNWATCHED} the run around this one does not see it")
        # Drops one that is pending, from writing to who was killed: the command must not find it.
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        return True

    def ended(self) -> None:
        """The command has ended: see its orphans to their end, and say that nothing is left."""
        until = time.monotonic() + SETTLE
        while _collect(os.WNOHANG):
            if time.monotonic() >= until:
                self._say(ENDED)
                while _collect(0):
                    continue
                break
            time.sleep(LOOK)
        self._say(OVER)

    def _say(self, word: bytes) -> None:
        try:
            self._connection.send(word, socket.MSG_NOSIGNAL)
        except OSError:
            return  # The outer keeper is gone.


def _collect(options: int) -> bool:
    """Collect a child that has ended; false when there is none any more."""
    try:
        os.waitpid(-1, options)
    except ChildProcessError:
        return False
    return True


def _say(news: int, line: str) -> None:
    try:
        os.write(news, f"{line}\n".encode())
    except OSError:
        return  # The keeper is gone.
