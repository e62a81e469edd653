"""The folder in which the Python programs of a command tell their configuration.

It is the user's alone, lies on a local disk, and is removed at the end: what is told there is not masked yet. Who made
it holds a lock on it; where everything was killed, the user's next run removes it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..records import events
from ..records.base import Missing
from ..rules.boot_environment import with_boot
from ..rules.fold import MAIN
from ..rules.interpreters import is_python
from ..system.locks import lock_exclusive, lock_state
from .launch import Launch

if TYPE_CHECKING:
    from .booted import Telling

SITE = Path(__file__).parent.parent / "boot" / "site"
"""The folder for PYTHONPATH."""

SUFFIX = ".jsonl"
"""Of the files that programs write there."""

POINTS = "points"
"""A link to the run's folder, for metric points of trackers."""

WHAT = "config"
"""The part of the record that is missing where nobody told."""


SETTLED = 60.0
"""Seconds after which a folder that nobody holds was left behind, and is not one that is just being made."""


SMALL = 256 << 10
"""Bytes of all that was told, up to which each look at it states it anew; beyond, only when it has doubled."""


class BootFolder(msgspec.Struct, frozen=True, kw_only=True):
    """The folder of one command."""

    path: Path

    @property
    def ours(self) -> tuple[str, ...]:
        """What the programs are seen to open because of it."""
        return os.path.realpath(self.path), os.path.realpath(SITE.parent)

    def environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The environment of a command that is to tell."""
        return with_boot(environ, str(SITE), str(self.path))

    def files(self) -> list[Path]:
        """One for each interpreter that was started, and those forked from it that told something; by name."""
        return sorted(file for file in self.path.iterdir() if file.suffix == SUFFIX)

    def remove(self) -> None:
        """Remove it; a process that outlives the command then tells nothing more. Also a second time."""
        _remove(self.path)


def _remove(folder: Path) -> None:
    try:
        for file in folder.iterdir():
            file.unlink(missing_ok=True)
        folder.rmdir()
    except OSError:
        return  # Gone, or a process has just told something more.


def make_boot_folder(launch: Launch, *, opens: bool = False) -> BootFolder | None:
    """Make it, unless policy says no, or this is a rank beside the first, which tells the same.

    `opens`: programs are to tell there what they open, and so those of a rank are.
    """
    around, recording = launch.around, launch.recording
    if "off" in (around.policy.observe_python, around.policy.values.get("observe")):
        return None
    if recording.writer != MAIN and not opens:
        return None
    place = Path(os.path.abspath(around.environ.get("TMPDIR") or "/tmp")) / f"whence-boot-{os.getuid()}"
    because = _hindrance()
    try:
        if because is None:
            _enter(place)
            path = place / recording.id
            path.mkdir(mode=0o700)
            (path / POINTS).symlink_to(recording.folder)
            _hold(path)
            return BootFolder(path=path)
    except OSError as error:
        because = f"{place}: {error.strerror}"
    recording.state(events.CaptureFailed(missing=Missing(what=WHAT, because=f"programs cannot tell it: {because}")))
    return None


def _enter(place: Path) -> None:
    """The folder of all of this user's runs, without what killed ones left. Raises OSError: it is not ours alone."""
    place.mkdir(mode=0o700, exist_ok=True)
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(1, "expected a folder that is this user's alone")
    before = time.time() - SETTLED
    for left in place.iterdir():
        with contextlib.suppress(FileNotFoundError):  # Another run has ended meanwhile.
            if left.lstat().st_mtime < before and lock_state(left) == "free":
                _remove(left)


def _hold(folder: Path) -> None:
    """Until the last of the processes around the command has ended."""
    lock_exclusive(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))


def _hindrance() -> str | None:
    if os.pathsep in str(SITE):
        return f"{SITE}: PYTHONPATH cannot hold a folder with {os.pathsep!r} in its name"
    return None if (SITE / "sitecustomize.py").is_file() else f"{SITE}: not installed as a folder"


class Hearing:
    """What the programs of one command tell: heard now and then while they run, and at the end."""

    def __init__(self, launch: Launch, folder: BootFolder) -> None:
        self._launch = launch
        self._folder = folder
        self._telling: Telling | None = None
        self._heard = 0

    def listen(self) -> None:
        """State what is new; costs a stat a file where nothing is. What grows is not read again for every line."""
        try:
            sizes = {file: file.stat().st_size for file in self._folder.files()}
        except OSError:
            return  # The end says that the folder is gone.
        size = sum(sizes.values())
        if size != self._heard and (size <= SMALL or size >= 2 * self._heard):
            self._heard = size
            self._told().so_far([file for file, length in sizes.items() if length])

    def finish(self, enough: Callable[[], bool]) -> None:
        """State all that was told, and remove the folder."""
        try:
            files = self._folder.files()
            if any(file.stat().st_size for file in files):
                self._told().finish(files, enough)
            elif not files and is_python(Path(self._launch.request.program or "").name):
                because = "the interpreter was started with -I, -E or -S, is older than 3.8, or got another environment"
                missing = Missing(what=WHAT, because=because, when="end")
                self._launch.recording.state(events.CaptureFailed(missing=missing))
        finally:
            self._folder.remove()

    def _told(self) -> Telling:
        if self._telling is None:
            from .booted import Telling  # Twelve structs, which a command that tells nothing does not pay for.

            self._telling = Telling(self._launch)
        return self._telling
