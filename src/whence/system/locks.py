"""Locks that say whether a writer lives: an exclusive `flock`, dropped by the kernel with the last descriptor.

A reader only tries a shared lock for an instant and never leaves one behind. On a network file system `flock` may be
kept on each client alone or not at all; whoever asks must know what the file system promises (`mounts`).
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

LockState = Literal["held", "free", "unsupported"]

_REFUSED = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL, errno.EBADF}
_TRIES = 40


def lock_exclusive(fd: int) -> bool:
    """Take the writer's lock without waiting; false where it is held by another or locks do not work.

    A reader's probe holds a shared lock for some microseconds, so a refusal is tried again for 40 ms.
    """
    for _ in range(_TRIES):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.001)
        except OSError as error:
            if error.errno in _REFUSED:
                return False
            raise
        else:
            return True
    return False


@contextmanager
def held(folder: Path, *, seconds: float | None = None, between: Callable[[], None] = lambda: None) -> Generator[bool]:
    """Wait for a folder's own lock and hold it; go on without one (false) where locks do not work.

    `between` is called while it is waited for, and may raise. Raises TimeoutError when the lock was not to be had in so
    many seconds.
    """
    with _opened(folder) as fd:
        yield _wait(fd, folder, seconds, between)


def _wait(fd: int, folder: Path, seconds: float | None, between: Callable[[], None]) -> bool:
    until = None if seconds is None else time.monotonic() + seconds
    while True:
        between()
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if until is not None and time.monotonic() >= until:
                raise TimeoutError(errno.ETIMEDOUT, "another process holds its lock", os.fspath(folder)) from None
            time.sleep(0.02)
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
            return False
        else:
            return True


@contextmanager
def entered(folder: Path) -> Generator[bool]:
    """Hold a folder's own lock together with others who enter it; whether it still lies at its path.

    It is waited for while one process has it alone (`alone`). Raises FileNotFoundError.
    """
    with _opened(folder) as fd:
        try:
            fcntl.flock(fd, fcntl.LOCK_SH)
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
        yield _lies_at(folder, fd)


@contextmanager
def alone(folder: Path) -> Generator[bool]:
    """Hold a folder's own lock alone; false, after a moment, when somebody else has entered it."""
    with _opened(folder) as fd:
        yield lock_exclusive(fd) and _lies_at(folder, fd)


@contextmanager
def _opened(folder: Path) -> Generator[int]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _lies_at(folder: Path, fd: int) -> bool:
    try:
        return os.path.samestat(os.stat(folder), os.fstat(fd))
    except FileNotFoundError:
        return False


def lock_state(path: Path | str) -> LockState:
    """Whether some process holds the writer's lock. Raises OSError when the file cannot be opened."""
    # A pipe that lies in its place is not waited for.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return "held"
    except OSError as error:
        if error.errno in _REFUSED:
            return "unsupported"
        raise
    else:
        return "free"
    finally:
        # Closing the only descriptor of this opening drops the lock with it.
        os.close(fd)
