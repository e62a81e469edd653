"""Spools: a run written on a local disk first, when the store is where a stalled server would stop the run.

A spool has the layout of the run's folder. All writers of a run on one host share one, and one forwarder copies it to
the store (`forwarder`). A forwarder that died is replaced by a recorder; what all of them left behind is forwarded by
the forwarder of another run of that store, or by `forward_leftovers`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from ..records.encoding import encode
from ..system.apart import IN_PROGRAM
from ..system.descriptors import high
from ..system.files import make_folders, write_new
from ..system.locks import entered, lock_exclusive, lock_state
from .forwarder import LOCK, Place, forward_leftover, spools_in
from .layout import Store
from .network import FILES, PLACE

Made = TypeVar("Made")

_TRIES = 100
"""So often a spool may be removed at the very moment in which a writer comes; then something is wrong."""

# The first process ends at once: the forwarder is nobody's child, so no `wait` of the user's code ever meets it.
# It keeps no pipe open that the recorder was handed down.
_PROGRAM = """\
import os, sys
if os.fork():
    os._exit(0)
os.setsid()
os.closerange(4, 1 << 16)
os.close(os.open(os.devnull, os.O_RDWR | os.O_SYNC | os.O_NOCTTY))  # It is ours, also without the first process.
sys.path[:] = sys.argv[2:]
from whence.store.forwarder import main
main(sys.argv[1], 3)
"""


class Spool(msgspec.Struct, frozen=True, kw_only=True):
    """The spool of one run on this host."""

    place: Path
    """The spool's own folder."""

    @property
    def folder(self) -> Path:
        """Where the writers put their files; it takes the place of the run's folder in the store."""
        return self.place / FILES

    def ensure_forwarder(self, environ: Mapping[str, str]) -> bool:
        """Start a forwarder unless one is there. Never touches the store; false when none could be started.

        Costs one system call where one is there, else the start of an interpreter (10 ms). Of many processes that
        ask at once, one starts it: the forwarder is given the lock that its starter has taken.
        """
        try:
            lock = high(os.open(self.place / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666))
        except OSError:
            return False
        try:
            return not lock_exclusive(lock) or _spawn(self.place, environ, lock)
        except OSError:
            # No more processes, or no interpreter to be found: the bytes wait as leftovers.
            return False
        finally:
            os.close(lock)

    def is_forwarded(self) -> bool:
        """Whether a forwarder is at work."""
        try:
            return lock_state(self.place / LOCK) == "held"
        except FileNotFoundError:
            return False


def write_in_spool(root: Path, store: Store, run_id: str, create: Callable[[Path], Made]) -> tuple[Spool, Made]:
    """The spool of a run, made if it is not there, and what `create` makes in its folder: a writer's journal.

    A forwarder may be removing the spool at this moment, as everything in it was forwarded: then it is made anew.
    Never touches the store. Raises OSError.
    """
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):
            spool = open_spool(root, store, run_id)
            with entered(spool.place) as there:
                if there:
                    return spool, create(spool.folder)
    raise FileNotFoundError(2, "its spool is removed again and again", str(_folder(root, store, run_id)))


def open_spool(root: Path, store: Store, run_id: str) -> Spool:
    """The spool of a run below a folder on a local disk, made if it is not there. Raises OSError."""
    folder = _folder(root, store, run_id)
    make_folders(folder / FILES)
    if not (folder / PLACE).exists():
        place = Place(folder=str(store.run_folder(run_id).absolute()), run=run_id)
        write_new(folder / PLACE, encode(place) + b"\n")
    return Spool(place=folder)


def forward_leftovers(root: Path, store: Store) -> list[str]:
    """Forward what dead forwarders left for this store; the runs that are complete now.

    May wait as long as the store does. What living writers still write to stays, and what the store does not take.
    """
    return [spool.name for spool in spools_in(root / store.id) if forward_leftover(spool)]


def _folder(root: Path, store: Store, run_id: str) -> Path:
    return root / store.id / run_id


def spooled_runs(root: Path, store: Store) -> list[str]:
    """The runs of this store whose bytes are still on this host alone, at least in part."""
    return [spool.name for spool in spools_in(root / store.id)]


def _spawn(place: Path, environ: Mapping[str, str], lock: int) -> bool:
    """Start a forwarder, whose descriptor 3 is the lock from then on."""
    if not sys.executable:
        return False
    null = [IN_PROGRAM, *((os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (1, 2))]
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-c", _PROGRAM, str(place), *sys.path],
        dict(environ),
        file_actions=[*null, (os.POSIX_SPAWN_DUP2, lock, 3)],
        setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP],
        setsigmask=[],
    )
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
