"""Runs inside the command that we watch: the kernel lets nobody else watch there, so we hand on to each what is its.

Lives in the keeper. Who records an inner run connects to a socket without a name in the file system, which is named in
the command's environment. By the kernel's word on its number we then know: of the processes that stand below one that
said `OURS` that they record and are no part of any command, and of those below one that said `COMMAND` whose they are
(below one that said `APART`: nobody's but ours). A command's records are put into a ring that the inner run made and
sent, as the answerer puts ours.
"""

from __future__ import annotations

import contextlib
import os
import struct

# `socket` is loaded where somebody connects: milliseconds of classes and enumerations.
from _socket import AF_UNIX, CMSG_SPACE, MSG_NOSIGNAL, SO_PEERCRED, SOCK_SEQPACKET, SOL_SOCKET, socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..answerer import kin
from ..answerer.post import HUNG_UP, KNOWN, WATCHING
from ..answerer.ring import KIN, Ring, is_whole
from .waiting import drop, for_another

OURS, COMMAND, APART = b"ours", b"command", b"apart"
SEEN, ENDED, OVER = b"seen?", b"ended", b"over"
"""What is said to us. `COMMAND` comes with a ring's memory, its wake, and a pipe for news; `SEEN` asks whether the
known call was seen; `ENDED`: the command has ended and left something behind; `OVER`: nothing of it is left."""

YES, NO = b"y", b"n"

OUTLIVED = "descendants outlived the command"
LEFT = "the process above the command was killed: what started after that was not told"

MOST = 1000
"""Inner runs at a time, and twice so many who record them."""

_PEER = struct.Struct("3i")
_RIGHTS = struct.Struct("3i")

Records = list[tuple[Any, ...]]


class Inner:
    """One command of an inner run."""

    def __init__(self, ring: Ring, news: int) -> None:
        self.ring = ring
        self._news = news
        os.set_blocking(news, False)

    def put(self, record: tuple[Any, ...]) -> None:
        self.ring.put(record)

    def say(self, line: str) -> None:
        try:
            os.write(self._news, f"{line[:500]}\n".encode(errors="replace"))
        except OSError:
            return  # It is gone.

    def close(self) -> None:
        """Its recorder hears that we are gone."""
        os.close(self._news)
        os.close(self.ring.wake)


class Member:
    """One process that has connected."""

    def __init__(self, connection: socket, process: int) -> None:
        self.connection = connection
        self.process = process
        self.role = b""
        """Which of the first three words it said."""
        self.inner: Inner | None = None
        """Whom what stands below a `COMMAND` concerns."""

    def answer(self, word: bytes) -> None:
        with contextlib.suppress(OSError):
            self.connection.send(word, MSG_NOSIGNAL)


class InnerRuns:
    """All of them. `drain` takes everything that is in our own ring."""

    def __init__(self, ring: Ring, drain: Callable[[], None]) -> None:
        """Raises OSError."""
        self._ring = ring
        self._drain = drain
        self._lost = 0
        self._asked = 0
        self._members: dict[int, Member] = {}
        self._heads: dict[int, Member] = {}
        """By process: those that have said what they are."""
        self._tested: set[Inner | int] = set()
        """Commands, and those who record, whose known call was seen."""
        self._of: dict[int, tuple[Inner, ...] | None] = {}
        """By process: whose it is, the innermost first; nothing for one that records."""
        self._server = socket(AF_UNIX, SOCK_SEQPACKET)
        self.name = f"whence-{os.getpid()}-{os.urandom(8).hex()}"
        self._server.bind("\0" + self.name)
        self._server.listen(64)
        self._server.setblocking(False)

    # The keeper's loop.

    def interest(self) -> list[int]:
        return [self._server.fileno(), *self._members]

    def turn(self, ready: Mapping[int, int]) -> None:
        for fd in [fd for fd in self._members if ready.get(fd)]:
            self._hear(fd, self._members[fd])
        if ready.get(self._server.fileno()):
            self._welcome()

    def say(self, line: str) -> None:
        """What is to be known of our own watching is true of theirs."""
        for inner in self._inners():
            inner.say(line)

    def close(self) -> None:
        for fd in [*self._members]:
            self._drop(fd)
        self._server.close()

    # Who is there.

    def _welcome(self) -> None:
        try:
            connection = _accepted(self._server)
        except (OSError, ImportError):
            return  # It has gone again; or there is no descriptor left to load what accepts.
        process, user, _ = _PEER.unpack(connection.getsockopt(SOL_SOCKET, SO_PEERCRED, _PEER.size))
        if process <= 0 or user not in (os.getuid(), 0) or len(self._members) >= 3 * MOST:
            connection.close()
            return
        connection.setblocking(False)
        self._members[connection.fileno()] = Member(connection, process)

    def _hear(self, fd: int, member: Member) -> None:
        try:
            data, rights, _, _ = member.connection.recvmsg(64, CMSG_SPACE(_RIGHTS.size))
        except BlockingIOError:
            return
        except OSError:
            data, rights = b"", []
        fds = [n for _, _, part in rights for (n,) in struct.iter_unpack("i", part[: len(part) & ~3])]
        if data in (OURS, COMMAND, APART) and not member.role:
            inner = _received(fds) if data == COMMAND else None
            if inner is not None or data != COMMAND:
                member.role, member.inner = data, inner
                self._join(member)
            member.answer(YES if member.role else NO)
        else:
            _close(fds)
            self._tell(fd, member, data)

    def _join(self, member: Member) -> None:
        self._drain()  # What it did before is told of it as of any program.
        if not self._heads:
            self._asked += 1
            self._ring.words[KIN] = self._asked
            self._lost = self._ring.lost
        self._heads[member.process] = member
        self._of.pop(member.process, None)

    def _tell(self, fd: int, member: Member, word: bytes) -> None:
        """Whatever is asked, it is asked about all that has happened."""
        self._drain()
        inner = member.inner
        if word == SEEN:
            seen = (inner or member.process) in self._tested
            if seen and inner:
                inner.say(WATCHING)
            member.answer(YES if seen else NO)
        elif word == ENDED and inner:
            inner.say(OUTLIVED)
        else:
            if inner:
                inner.say(HUNG_UP if word == OVER else LEFT)
            self._drop(fd)

    def _drop(self, fd: int) -> None:
        member = self._members.pop(fd)
        member.connection.close()
        if not member.role:
            return
        self._heads.pop(member.process, None)
        self._tested -= {member.process, member.inner}
        if member.inner:
            self._forget(member.inner)
            member.inner.close()
        if not self._heads:
            self._ring.words[KIN] = 0
            self._of.clear()

    def _forget(self, inner: Inner) -> None:
        for process, inners in self._of.items():
            if inners and inner in inners:
                self._of[process] = tuple(one for one in inners if one is not inner)

    # What is whose.

    def sort(self, records: Records) -> Records:
        """Hand each record on to whom it concerns; those that are left concern us."""
        if not self._heads:
            return [record for record in records if record[3] != kin.OP] if self._asked else records
        self._hand_on_losses()
        ours = [record for record in records if self._concerns_us(record)]
        for inner in self._inners():
            inner.ring.wake_whoever_reads()
        return ours

    def _concerns_us(self, record: tuple[Any, ...]) -> bool:
        process, op, path = record[2], record[3], record[4]
        if op == kin.OP:
            self._of[process] = self._whose([process, *map(int, path.split())])
            return False
        inners = self._of[process] if process in self._of else self._whose([process])
        if path.endswith(KNOWN):
            self._tested.add(inners[0] if inners else process)
        if inners is None:
            drop(record)
            return False
        for inner in inners:
            self._put(inner, for_another(record)[1:])
        return True

    def _whose(self, line: Sequence[int]) -> tuple[Inner, ...] | None:
        """Of a process and those above it. Above a command stand those who record it; they do not count."""
        inners: list[Inner] = []
        of_a_command = False
        for head in filter(None, map(self._heads.get, line)):
            if head.role != OURS and head.process != line[0]:
                of_a_command = True
                inners += [head.inner] if head.inner else []
            elif not of_a_command:
                return None
        return tuple(inners)

    def _put(self, inner: Inner, record: tuple[Any, ...]) -> None:
        try:
            inner.put(record)
        except (IndexError, ValueError, struct.error):
            self._forget(inner)  # It has written into the words that are ours.

    def _hand_on_losses(self) -> None:
        """What we lost may have been anybody's."""
        lost, self._lost = self._ring.lost - self._lost, self._ring.lost
        if lost:
            for inner in self._inners():
                inner.ring.lose(lost)

    def _inners(self) -> list[Inner]:
        return [head.inner for head in self._heads.values() if head.inner is not None]


class NoInnerRuns:
    """Of a run that is itself inside another one: those inside it ask that one."""

    name = ""

    def interest(self) -> list[int]:
        return []

    def turn(self, ready: Mapping[int, int]) -> None:
        return

    def say(self, line: str) -> None:
        return

    def sort(self, records: Records) -> Records:
        return records

    def close(self) -> None:
        return


def _accepted(server: socket) -> socket:
    """Whoever waits to be let in. Raises OSError, ImportError."""
    from socket import fromfd

    with fromfd(server.fileno(), AF_UNIX, SOCK_SEQPACKET) as ours:
        return ours.accept()[0]


def _received(fds: list[int]) -> Inner | None:
    """What an inner run sent: memory for a ring, its wake, a pipe."""
    if len(fds) != 3 or not is_whole(fds[0]):
        _close(fds)
        return None
    memory, wake, news = fds
    ring = Ring(memory=memory, wake=wake)
    os.close(memory)
    return Inner(ring, news)


def _close(fds: Iterable[int]) -> None:
    for fd in fds:
        os.close(fd)
