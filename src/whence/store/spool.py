"""Spools: a run written on a local disk first, when the store is where a stalled server would stop the run.

A spool has the layout of the run's folder. A forwarder copies it to the store (`forwarder`); one that died is
replaced by the recorder, and what both left behind is forwarded by whoever comes next (`forward_leftovers`).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ..errors import FormatError
from ..ids import is_id
from ..records.encoding import encode
from ..system.files import make_folders, write_new
from ..system.locks import lock_state
from .forwarder import FILES, LOCK, PLACE, Forwarding, Place, forward_until_done
from .layout import Store

# The first process ends at once: the forwarder is nobody's child, so no `wait` of the user's code ever meets it.
_PROGRAM = """\
import os, sys
if os.fork():
    os._exit(0)
os.setsid()
sys.path[:] = sys.argv[2:]
from whence.store.forwarder import main
main(sys.argv[1])
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

        Costs one system call where one is there, else the start of an interpreter (10 ms).
        """
        if self.is_forwarded():
            return True
        try:
            return _spawn(self.place, environ)
        except OSError:
            # No more processes, or no interpreter to be found: the bytes wait as leftovers.
            return False

    def is_forwarded(self) -> bool:
        """Whether a forwarder is at work."""
        try:
            return lock_state(self.place / LOCK) == "held"
        except FileNotFoundError:
            return False


def open_spool(root: Path, store: Store, run_id: str) -> Spool:
    """The spool of a run below a folder on a local disk, made if it is not there. Raises OSError."""
    folder = _folder(root, store, run_id)
    make_folders(folder / FILES)
    place = Place(folder=str(store.run_folder(run_id).absolute()), run=run_id)
    write_new(folder / PLACE, encode(place) + b"\n")
    return Spool(place=folder)


def forward_leftovers(root: Path, store: Store) -> list[str]:
    """Forward what dead writers and forwarders left for this store; the runs that are complete now.

    May wait as long as the store does. Spools that are in use, or whose bytes the store does not take, stay.
    """
    done: list[str] = []
    for run_id in spooled_runs(root, store):
        spool = _folder(root, store, run_id)
        if _forward_leftover(spool):
            done.append(run_id)
    return done


def _forward_leftover(spool: Path) -> bool:
    try:
        forwarding = Forwarding(spool)
        if forwarding.has_writers() or Spool(place=spool).is_forwarded():
            return False
        forwarding.forward()
        forwarding.close()
        forward_until_done(spool)
    except (OSError, FormatError):
        return False
    return not spool.exists()


def _folder(root: Path, store: Store, run_id: str) -> Path:
    return root / store.id / run_id


def spooled_runs(root: Path, store: Store) -> list[str]:
    """The runs of this store whose bytes are still on this host alone, at least in part."""
    try:
        return sorted(name for name in os.listdir(root / store.id) if is_id(name))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _spawn(place: Path, environ: Mapping[str, str]) -> bool:
    if not sys.executable:
        return False
    null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)]
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-c", _PROGRAM, str(place), *sys.path],
        dict(environ),
        file_actions=null,
        setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP],
        setsigmask=[],
    )
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
