"""The processes that answer: the answerer, and one that stands by in case it is killed.

Each sees to the other: the standby waits for the answerer's end, lets the call go on that it had received, and becomes
the answerer; the answerer makes a new standby when there is none. Both stay, in sessions of their own and with every
signal blocked, until nobody is left under the filter, also after the command has ended.
"""

from __future__ import annotations

import gc
import os
import select
import signal
from collections.abc import Callable
from typing import NoReturn

from .answer import Answerer
from .native import SET_DEATH_SIGNAL, SET_SUBREAPER, Native
from .notifications import hung_up
from .post import ALONE, ANSWERER_DIED, FAULT, HUNG_UP, STANDBY_DIED, Post

CALL = signal.SIGUSR1
"""Sent by the kernel when the standby above us dies; it only interrupts."""


def part(post: Post, native: Native, *, reap: bool) -> None:
    """Become standby, answerer and what is to come below them; returns in that last one only. Raises OSError.

    `reap`: orphans of the command stay below us, or this kernel would not let us look at them.
    """
    standby = os.getpid()
    answerer = os.fork()
    if answerer:
        _serve(post, native, lambda: _stand_by_first(post, native, answerer, reap=reap))
    rest = os.fork()
    if rest:
        _serve(post, native, lambda: _answer_first(post, native, standby, reap=reap))


def _stand_by_first(post: Post, native: Native, answerer: int, *, reap: bool) -> None:
    os.setsid()
    ours = post.standby[0]
    there = os.pidfd_open(answerer)
    post.hold_only([ours.fileno(), there])
    os.chdir("/")
    if reap:
        native.prctl(SET_SUBREAPER, 1)
    if post.receive(ours):
        ours.send(b"!")
        ours.close()
        _stand_by(post, native, there)


def _answer_first(post: Post, native: Native, standby: int, *, reap: bool) -> None:
    os.setsid()
    ours = post.answerer[0]
    post.hold_only([ours.fileno()])
    os.chdir("/")
    if reap:
        native.prctl(SET_SUBREAPER, 1)
    if not post.receive(ours):
        return
    guard = Guard(post, native, above=standby)
    ours.send(b"!")
    ours.close()
    guard.mind()  # It may have died before the kernel was asked to tell.
    Answerer(post, native, guard.mind).begin()
    post.say(HUNG_UP)


def _stand_by(post: Post, native: Native, there: int) -> None:
    """Wait for the end of the answerer, which is over where there is nothing to wait for; then take its place."""
    if there >= 0:
        poll = select.poll()
        poll.register(there, select.POLLIN)
        poll.poll()
        os.close(there)
    if hung_up(post.listener):
        return
    post.say(ANSWERER_DIED)
    guard = Guard(post, native, above=0)
    Answerer(post, native, guard.mind).take_over()
    post.say(HUNG_UP)


class Born(BaseException):
    """This process is a new standby: leave all that it was in the middle of as the answerer."""

    def __init__(self, answerer: int) -> None:
        super().__init__()
        self.answerer = answerer


class Guard:
    """The answerer's eye on its standby: the process above it, at first, later one below."""

    def __init__(self, post: Post, native: Native, *, above: int) -> None:
        self._post = post
        self._native = native
        self._above = above
        self._below = 0
        for number in (CALL, signal.SIGCHLD):
            signal.signal(number, _nothing)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {CALL, signal.SIGCHLD})
        if above:
            native.prctl(SET_DEATH_SIGNAL, CALL)

    def mind(self) -> None:
        """Reap what has ended below us; if the standby is gone, make another one."""
        self._reap()
        if self._above and os.getppid() != self._above:
            self._above = 0
            self._post.say(STANDBY_DIED)
        if not self._above and not self._below:
            self._renew()

    def _reap(self) -> None:
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._below:
                self._below = 0
                self._post.say(STANDBY_DIED)

    def _renew(self) -> None:
        """Raises Born in the new process."""
        us = os.getpid()
        try:
            self._below = os.fork()
        except OSError as error:
            self._post.say(f"{ALONE} {error.strerror}")
            return
        if self._below == 0:
            raise Born(us)


def _stand_by_below(post: Post, native: Native, answerer: int) -> None:
    gc.collect()
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    os.setsid()
    try:
        there = os.pidfd_open(answerer)
    except ProcessLookupError:
        there = -1
    post.hold_only([post.listener, there] if there >= 0 else [post.listener])
    _stand_by(post, native, there if os.getppid() == answerer else -1)


def _nothing(number: int, frame: object) -> None:
    """Interrupts what waits."""


def _serve(post: Post, native: Native, work: Callable[[], None]) -> NoReturn:
    """Do this, and what comes of it, and nothing else; a fault of ours is told, and another process goes on."""
    following: Callable[[], None] | None = work
    try:
        while following:
            following = _next(post, native, following)
    except Exception as fault:
        post.say(f"{FAULT} {type(fault).__name__}: {fault}")
        raise
    finally:
        os._exit(0)


def _next(post: Post, native: Native, work: Callable[[], None]) -> Callable[[], None] | None:
    try:
        work()
    except Born as born:
        answerer = born.answerer
        return lambda: _stand_by_below(post, native, answerer)
    return None
