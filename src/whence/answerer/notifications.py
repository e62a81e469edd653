"""The listener's protocol (include/uapi/linux/seccomp.h): receive a call that waits, let it go on, hear the end."""

from __future__ import annotations

import errno
import fcntl
import mmap
import select
import struct

RECEIVE = 0xC0502100  # SECCOMP_IOCTL_NOTIF_RECV
SEND = 0xC0182101  # SECCOMP_IOCTL_NOTIF_SEND
ID_VALID = 0x40082102  # SECCOMP_IOCTL_NOTIF_ID_VALID
SET_FLAGS = 0x40082104  # SECCOMP_IOCTL_NOTIF_SET_FLAGS
SYNC_WAKE_UP = 1  # SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
CONTINUE = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE

NOTIFICATION = struct.Struct("QIIiIQ6Q")
"""id, thread, flags, then `struct seccomp_data`: number, architecture, instruction pointer, six arguments."""
RESPONSE = struct.Struct("QqiI")
"""id, value, error, flags."""

NOTHING = bytes(NOTIFICATION.size)
PAGE = 4096
"""`fcntl.ioctl` hands the kernel a buffer of more than 1024 bytes itself, and a copy of a smaller one: what is received
must stand in memory that a successor shares, at once."""


def shared_page() -> mmap.mmap:
    return mmap.mmap(-1, PAGE)


def wake_in_step(listener: int) -> None:
    """Have caller and answerer take turns on one processor, where the kernel can (6.6): a third of the time."""
    try:
        fcntl.ioctl(listener, SET_FLAGS, SYNC_WAKE_UP)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


def let_go_on(listener: int, id: int) -> bool:
    """Let a call go on as if nobody had looked; false when it is no longer there to go on."""
    try:
        fcntl.ioctl(listener, SEND, RESPONSE.pack(id, 0, 0, CONTINUE))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINPROGRESS):
            return False
        raise
    return True


def waits(listener: int, id: int) -> bool:
    """Whether this call is still held: nobody let it go on, and its caller was not killed."""
    try:
        fcntl.ioctl(listener, ID_VALID, struct.pack("Q", id))
    except OSError as error:
        if error.errno == errno.ENOENT:
            return False
        raise
    return True


def hung_up(listener: int) -> bool:
    """Whether nobody is left under the filter."""
    poll = select.poll()
    poll.register(listener, 0)
    return any(events & select.POLLHUP for _, events in poll.poll(0))
