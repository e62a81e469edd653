"""The answerer: receives each call that waits, notes what it asks for, and lets it go on.

One thread, no output, nothing that takes long: a command waits meanwhile. What it received stands in a page that the
standby shares; should it be killed, the standby first lets that call go on.
"""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import re
import select
import time
from collections.abc import Callable

from .calls import Arguments, Calls, Record
from .clones import Clones
from .native import Native
from .notifications import (
    CONTINUE,
    NOTHING,
    NOTIFICATION,
    RECEIVE,
    RESPONSE,
    SEND,
    hung_up,
    let_go_on,
    waits,
    wake_in_step,
)
from .post import KNOWN, WATCHING, Post
from .preimages import PreImages
from .ring import INTERRUPTED, SLEEPING, TESTED

LOOK_EVERY = 256
"""Calls between two looks whether the standby is there, which a signal tells as well."""


class Answerer:
    """Answers until nobody is left under the filter. `mind` sees to the standby."""

    def __init__(self, post: Post, native: Native, mind: Callable[[], None]) -> None:
        self._post = post
        clones = Clones(post.pool, post.clones)
        preimages = PreImages(native, post.ring, post.pool, clones, post.is_read)
        self._calls = Calls(native, post.machine, time.monotonic, post.ring, preimages)
        self._mind = mind
        self._turns = 0
        self._told = tells_of_the_end(os.uname().release)

    def begin(self) -> None:
        """Answer from the first call on."""
        gc.disable()
        wake_in_step(self._post.listener)
        self._first()
        self._answer()

    def take_over(self) -> None:
        """Go on in the place of one that died: the call that it had received waits."""
        gc.disable()
        self._mind()  # First: should this call kill us, too, there is somebody to go on.
        id, thread, _, number, architecture, _, *arguments = NOTIFICATION.unpack_from(self._post.page)
        if id:
            self._finish(id, thread, number, architecture, tuple(arguments))
        if not self._post.ring.words[TESTED]:
            self._first()
        self._answer()

    def _finish(self, id: int, thread: int, number: int, architecture: int, arguments: Arguments) -> None:
        """Note a call that the one before us had received and not noted; gone on without that, it is lost."""
        post = self._post
        try:
            if not post.ring.holds(id):
                if not waits(post.listener, id):
                    post.ring.lose()
                elif record := self._calls.record(thread, number, architecture, arguments):
                    self._note(record, id)
        finally:
            let_go_on(post.listener, id)

    def _note(self, record: Record, id: int) -> None:
        """Put what has no path only while its caller waits: of one that was killed nothing can be learned, and its call
        is not done either."""
        if record[3] or waits(self._post.listener, id):
            self._post.ring.put(record, id)

    def _first(self) -> None:
        """The first call of all is the command's process asking whether it is seen."""
        post = self._post
        if not self._receive():
            return
        id, thread, _, number, architecture, _, *arguments = NOTIFICATION.unpack_from(post.page)
        try:
            record = self._calls.record(thread, number, architecture, tuple(arguments))
            if record and record[3].endswith(KNOWN):
                post.ring.words[TESTED] = 1
        finally:
            let_go_on(post.listener, id)
        post.say(WATCHING)

    def _answer(self) -> None:
        page, ring, listener = self._post.page, self._post.ring, self._post.listener
        unpack, pack, ioctl = NOTIFICATION.unpack_from, RESPONSE.pack, fcntl.ioctl
        record_of, put, words = self._calls.record, ring.put, ring.words
        while self._receive():
            id, thread, _, number, architecture, _, a, b, c, d, e, f = unpack(page)
            try:
                record = record_of(thread, number, architecture, (a, b, c, d, e, f))
                if record is not None:
                    if record[3]:
                        put(record, id)
                    else:
                        self._note(record, id)
            finally:
                try:
                    ioctl(listener, SEND, pack(id, 0, 0, CONTINUE))
                except OSError as error:
                    if error.errno != errno.ENOENT:  # The caller was killed.
                        raise
            if words[SLEEPING]:
                ring.wake_reader()

    def _receive(self) -> bool:
        """Wait for a call, which then stands in the page; false when nobody is left to make one."""
        listener, page = self._post.listener, self._post.page
        self._turns += 1
        if not self._turns % LOOK_EVERY:
            self._mind()
        while True:
            page[: len(NOTHING)] = NOTHING
            if not self._told and _wait(listener) & select.POLLHUP:
                return False
            try:
                fcntl.ioctl(listener, RECEIVE, page)
                return True
            except OSError as error:
                if error.errno == errno.ENOENT:
                    if hung_up(listener):
                        return False
                    self._post.ring.words[INTERRUPTED] += 1
                elif error.errno == errno.EINTR:
                    self._mind()
                else:
                    raise


def _wait(listener: int) -> int:
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    try:
        return poll.poll()[0][1]
    except InterruptedError:
        return 0


def tells_of_the_end(release: str) -> bool:
    """Whether a kernel of this release wakes who waits for a call when nobody is left to make one (6.11)."""
    words = re.match(r"(\d+)\.(\d+)", release)
    return words is not None and (int(words[1]), int(words[2])) >= (6, 11)
