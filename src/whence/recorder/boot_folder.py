"""The folder in which the Python programs of a command tell their configuration.

It is the user's alone, lies on a local disk, and is removed at the end: what is told there is not masked yet.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from ..records import events
from ..records.base import Missing
from ..rules.boot_environment import with_boot
from ..rules.fold import MAIN
from ..rules.interpreters import is_python
from .launch import Launch

SITE = Path(__file__).parent.parent / "boot" / "site"
"""The folder for PYTHONPATH."""

WHAT = "config"
"""The part of the record that is missing where nobody told."""


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
        return sorted(self.path.iterdir())

    def remove(self) -> None:
        """Remove it; a process that outlives the command then tells nothing more. Also a second time."""
        try:
            for file in self.files():
                file.unlink(missing_ok=True)
            self.path.rmdir()
        except OSError:
            return  # Gone, or a process has just told something more.


def make_boot_folder(launch: Launch) -> BootFolder | None:
    """Make it, unless policy says no, or this is a rank beside the first, which tells the same."""
    around, recording = launch.around, launch.recording
    if "off" in (around.policy.observe_python, around.policy.values.get("observe")) or recording.writer != MAIN:
        return None
    path = Path(around.environ.get("TMPDIR") or "/tmp") / f"whence-{recording.id}"
    because = _hindrance()
    try:
        if because is None:
            path.mkdir(mode=0o700)
            return BootFolder(path=path)
    except OSError as error:
        because = f"{path}: {error.strerror}"
    recording.state(events.CaptureFailed(missing=Missing(what=WHAT, because=f"programs cannot tell it: {because}")))
    return None


def _hindrance() -> str | None:
    if os.pathsep in str(SITE):
        return f"{SITE}: PYTHONPATH cannot hold a folder with {os.pathsep!r} in its name"
    return None if (SITE / "sitecustomize.py").is_file() else f"{SITE}: not installed as a folder"


def hear(launch: Launch, folder: BootFolder, enough: Callable[[], bool]) -> None:
    """State what was told, and remove the folder."""
    try:
        files = folder.files()
        if any(file.stat().st_size for file in files):
            from .booted import state_told  # Twelve structs, which a command that tells nothing does not pay for.

            state_told(launch, files, enough)
        elif not files and is_python(Path(launch.request.program or "").name):
            because = "the interpreter was started with -I, -E or -S, is older than 3.8, or got another environment"
            launch.recording.state(events.CaptureFailed(missing=Missing(what=WHAT, because=because, when="end")))
    finally:
        folder.remove()
