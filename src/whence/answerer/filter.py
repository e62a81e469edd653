"""Put this process, and all that comes of it, under the filter, and prove that its calls are seen."""

from __future__ import annotations

import errno
import os

from .native import SET_NO_NEW_PRIVILEGES, Native
from .post import KNOWN, Post
from .program import FOLDER, NEW_LISTENER, program
from .ring import TESTED

SPEC_ALLOW = 1 << 2
WAIT_KILLABLE_RECV = 1 << 5
FLAGS = NEW_LISTENER | SPEC_ALLOW | WAIT_KILLABLE_RECV

_REASONS = {
    errno.EBUSY: "another program watches this one already (a listener is set)",
    errno.EINVAL: "this kernel does not have the filter that is needed",
    errno.ENOSYS: "this kernel has no seccomp",
    errno.EPERM: "seccomp is forbidden here",
    errno.EACCES: "seccomp is forbidden here",
}


class Unwatched(Exception):
    """The command cannot be watched; the message says why."""

    def __init__(self, because: str, *, spoiled: bool = False) -> None:
        super().__init__(because)
        self.spoiled = spoiled
        """This process is under a filter that nobody answers: it cannot become the command any more."""


def why_not(native: Native, code: bytes) -> str:
    """Why no listener can be had here, found by trying it in a process of its own. Raises OSError: there is no room
    for one."""
    pid = os.fork()
    if pid == 0:
        try:
            native.prctl(SET_NO_NEW_PRIVILEGES, 1)
            native.set_filter(code, FLAGS)
            os._exit(0)
        except OSError as error:
            os._exit(error.errno or errno.EINVAL)
        finally:
            os._exit(errno.EINVAL)
    number = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return "" if number == 0 else reason(number)


def reason(number: int) -> str:
    """What an error of the call means."""
    return _REASONS.get(number) or os.strerror(number if number > 0 else errno.EINVAL)


def go_under(post: Post, native: Native, machine: str, privileged: str) -> None:
    """In the process that becomes the command, right before it does. Raises Unwatched.

    `privileged` says why privileges must not be given up, if so: without CAP_SYS_ADMIN a filter costs them.
    """
    code = program(post.machine, FOLDER[machine])
    try:
        listener = _set(native, code, privileged)
    except OSError as error:
        raise Unwatched(reason(error.errno or 0)) from error
    try:
        if not post.hand_over(listener):
            raise Unwatched("the processes that watch were killed", spoiled=True)
    finally:
        os.close(listener)
    if not _is_seen(post):
        raise Unwatched("a known call was not seen", spoiled=True)


def _set(native: Native, code: bytes, privileged: str) -> int:
    try:
        return native.set_filter(code, FLAGS)
    except OSError as error:
        if error.errno != errno.EACCES:
            raise
    if privileged:
        raise Unwatched(privileged)
    native.prctl(SET_NO_NEW_PRIVILEGES, 1)
    return native.set_filter(code, FLAGS)


def _is_seen(post: Post) -> bool:
    try:
        os.close(os.open(KNOWN, os.O_RDONLY))
    except OSError:
        return bool(post.ring.words[TESTED])
    return False
