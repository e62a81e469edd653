"""What the processes around a watched command share, and what each of them holds.

    keeper (reads the ring) - standby - answerer - parent - the command

The standby is made first, so that the answerer is below it and the command below both: a kernel that lets a process
be looked at only by those above it (Yama) then lets either of them. The listener reaches both through sockets before
the command begins; until both have it, it does not begin.
"""

from __future__ import annotations

import mmap
import os
import select
import struct

# `socket` is built upon it, and is milliseconds of classes and enumerations that nothing here needs.
from _socket import CMSG_SPACE, SCM_RIGHTS, SOL_SOCKET, socket, socketpair
from collections.abc import Iterable

from .notifications import shared_page
from .pool import Pool
from .ring import Ring
from .syscalls import Machine

WATCHING = "watching"
UNWATCHED = "unwatched"
ANSWERER_DIED = "answerer died"
STANDBY_DIED = "standby died"
ALONE = "alone"
FAULT = "fault"
HUNG_UP = "hung up"

KNOWN = b"/whence-was-here"
"""What a command's process opens first of all, to see whether it is seen."""

_RIGHTS = struct.Struct("i")


class Post:
    """Made before the processes part. `news` is a pipe for the recorder: lines that begin with a word above. `clones`
    leads to it as well."""

    def __init__(self, machine: Machine, ring: Ring, pool: Pool, clones: socket, news: int) -> None:
        self.machine = machine
        self.ring = ring
        self.pool = pool
        self.news = news
        os.set_blocking(news, False)  # Whoever reads it may be busy; nobody waits for that.
        self.page: mmap.mmap = shared_page()
        """The call that is being answered: all zero when none is."""
        self.listener = -1
        self.answerer = socketpair()
        self.standby = socketpair()
        self.clones = clones

    def say(self, line: str) -> None:
        """Tell the recorder, if it is still there."""
        try:
            os.write(self.news, f"{line[:500]}\n".encode(errors="replace"))
        except OSError:
            return

    def is_read(self) -> bool:
        """Whether the recorder is there, and takes what is put into the pool."""
        if self.pool.closed:
            return False
        poll = select.poll()
        poll.register(self.news, 0)
        return not poll.poll(0)

    def close(self) -> None:
        """In a process that neither watches nor is watched."""
        os.close(self.news)
        for end in (*self.answerer, *self.standby, self.clones):
            end.close()

    def keep_theirs(self) -> None:
        """In the command's parent: give up the ends of those who watch, whose death is told by their being closed."""
        for ours in (self.answerer[0], self.standby[0], self.clones):
            ours.close()

    def hold_only(self, fds: Iterable[int]) -> None:
        """Give up every descriptor but these and what is always needed; 0 to 2 lead nowhere."""
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for fd in range(3):
            os.dup2(null, fd, inheritable=False)
        low = 3
        for fd in sorted({*fds, self.news, self.ring.wake, self.clones.fileno()}):
            os.closerange(low, fd)
            low = fd + 1
        os.closerange(low, os.sysconf("SC_OPEN_MAX"))

    def receive(self, ours: socket) -> bool:
        """Wait for the listener; false when there will be none. Says that it is here."""
        try:
            data, rights, _, _ = ours.recvmsg(1, CMSG_SPACE(_RIGHTS.size))
        except ConnectionResetError:
            return False
        if not data or not rights:
            return False
        self.listener = _RIGHTS.unpack(rights[0][2])[0]
        return True

    def hand_over(self, listener: int) -> bool:
        """From the command's process to both; false when neither is there to take it."""
        pairs = (self.standby, self.answerer)
        for _, theirs in pairs:
            try:
                theirs.sendmsg([b"L"], [(SOL_SOCKET, SCM_RIGHTS, _RIGHTS.pack(listener))])
            except OSError:
                continue  # It is gone; the next lines tell.
        answers = [_is_ready(theirs) for _, theirs in pairs]  # Each is waited for.
        return any(answers)


def _is_ready(theirs: socket) -> bool:
    try:
        return bool(theirs.recv(1))
    except OSError:
        return False
