"""Pre-images: what a file held right before the first open, or truncation, that may write over it.

The caller is held, so the bytes are still there; they are copied into memory that the recorder shares, which digests
them beside the run, or, of a large file, cloned where its file system can (`clones`). That is done only on file systems
of this machine that hold files at rest: reading from any other may wait for somebody, or do something. Where it is not
done, that is told with the reason.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import TypeVar

from .clones import Clones, Unclonable
from .native import Native
from .places import LOCAL_MAGIC, Elsewhere, Identity, World, identity
from .pool import Place, Pool
from .ring import Ring

OP = "preimage"

LARGEST = 1 << 20
"""Bytes of a file that are copied, in a quarter of a millisecond."""

MOST = 10_000
"""Files of which it is remembered that nothing is to be done any more, and as many paths."""

NOT_AT_REST = "it lies on a file system that holds no files at rest"
CHANGED = "it was changed by somebody else while it was copied"
NO_ROOM = "too many others waited to be digested"

T = TypeVar("T")


class PreImages:
    """Puts one record `preimage` before the first record of a call that may write over a file: with the identity of
    the file, and where its bytes wait in the pool, or why they do not.

    Files that the run made need none. Both sets only save work: what is forgotten is copied once more, under another
    identity.
    """

    def __init__(self, native: Native, ring: Ring, pool: Pool, clones: Clones, is_read: Callable[[], bool]) -> None:
        """`is_read`: whether somebody is there to digest them."""
        self._native = native
        self._ring = ring
        self._pool = pool
        self._clones = clones
        self._is_read = is_read
        self._done: set[tuple[int, int]] = set()
        self._made: set[bytes] = set()

    def made(self, path: bytes) -> None:
        """The run makes a file there, where nothing is."""
        _remember(self._made, path)

    def before_write(self, process: int, world: World, path: bytes, there: Identity | None, now: float) -> None:
        """A call that may write over what is there is held."""
        if there is None or not there[3] or not stat.S_ISREG(there[2]):
            return
        if there[:2] in self._done or path in self._made or not self._is_read():
            return
        _remember(self._done, there[:2])
        self._tell(process, world, path, there, now)

    def _tell(self, process: int, world: World, path: bytes, there: Identity, now: float) -> None:
        kept, because = self._kept(world, path, there, now)
        if isinstance(kept, tuple):
            self._pool.put(kept)
        put = self._ring.put((now, process, OP, path, b"", 0, there, False, because, None, kept))
        if isinstance(kept, tuple) and not put:
            self._pool.take_back(kept)

    def _kept(self, world: World, path: bytes, there: Identity, now: float) -> tuple[Place | int | None, str]:
        """Where the bytes wait now, or the number of their clone, or why they do not."""
        try:
            named = world.place(path, now)
            try:
                return self._keep(world, path, named, there, now)
            finally:
                os.close(named)
        except OSError as error:
            return None, f"it could not be read: {error.strerror}"
        except Elsewhere as elsewhere:
            return None, str(elsewhere)

    def _keep(
        self, world: World, path: bytes, named: int, there: Identity, now: float
    ) -> tuple[Place | int | None, str]:
        if self._native.kind_of(named) not in LOCAL_MAGIC:
            return None, NOT_AT_REST
        if identity(os.fstat(named)) != there:
            return None, CHANGED
        fd = _open_to_read(named)
        try:
            return self._copy(fd, there) if there[3] <= LARGEST else self._clone(world, path, fd, there, now)
        finally:
            os.close(fd)

    def _copy(self, fd: int, there: Identity) -> tuple[Place | None, str]:
        try:
            place = self._pool.copy(fd, there[3])
        except EOFError:
            return None, CHANGED
        if place is None:
            return None, NO_ROOM
        return (place, "") if identity(os.fstat(fd)) == there else (None, CHANGED)

    def _clone(self, world: World, path: bytes, fd: int, there: Identity, now: float) -> tuple[int | None, str]:
        large = f"it has {there[3]} bytes, more than are copied ({LARGEST}), and "
        try:
            return self._clones.send(world, path, fd, there, now), ""
        except OSError as error:
            return None, f"{large}it could not be cloned: {error.strerror}"
        except (Unclonable, Elsewhere) as because:
            return None, f"{large}{because}"


def _remember(known: set[T], one: T) -> None:
    if len(known) >= MOST:
        known.clear()
    known.add(one)


def _open_to_read(named: int) -> int:
    """Without moving its time of access, where we may. A lease that somebody has on it is not waited for."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    path = b"/proc/self/fd/%d" % named
    try:
        return os.open(path, flags | os.O_NOATIME)
    except PermissionError:
        return os.open(path, flags)
