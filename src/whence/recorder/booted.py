"""What the Python programs of a command told becomes part of the record."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..capture.sources import Loaded
from ..capture.told_configuration import MOST, told_changes, told_configuration, told_files
from ..errors import FormatError
from ..records import events
from ..records.base import Missing
from ..rules.booted import AnyNote, Told, read_note, told
from ..store.held import held_by
from ..store.objects import put_bytes
from .boot_folder import WHAT
from .launch import Launch
from .sources import Sources

BY = "programs"
"""Who saw which sources ran: the interpreters of the command, each at its end."""


def state_told(launch: Launch, files: Sequence[Path], enough: Callable[[], bool]) -> None:
    """State the configuration, what it became, the sources that ran, and the faults of ours inside the programs."""
    found = told((list(_notes(launch, file)) for file in files), launch.recording.command)
    for fault in found.faults:
        _miss(launch, f"{WHAT} ({fault.what})", f"it could not be noted inside the program: {fault.because}")
    if len(found.others) > MOST:
        _miss(launch, f"{WHAT}.others", f"{len(found.others)} programs, more than {MOST}")
    _state_configuration(launch, found)
    if found.sources:
        _state_sources(launch, found, enough)


def _state_sources(launch: Launch, found: Told, enough: Callable[[], bool]) -> None:
    held = None if launch.snapshot is None else held_by(launch.snapshot)
    sources = Sources(
        launch.recording, launch.around.secrets, launch.cwd, lambda: held, environ=launch.around.environ,
        began=held.taken if held else None, by=BY,
    )  # fmt: skip
    loaded = {os.path.realpath(path): module for module, path, *_ in reversed(found.sources)}
    sources.state_told([Loaded(module, path) for path, module in sorted(loaded.items())], enough)


def _miss(launch: Launch, what: str, because: str) -> None:
    launch.recording.state(events.CaptureFailed(missing=Missing(what=what, because=because, when="end")))


def _state_configuration(launch: Launch, found: Told) -> None:
    if found.main is None:
        return
    secrets = launch.around.secrets
    files = told_files(found, secrets)
    for file in files:
        put_bytes(launch.around.store, file.content)
    launch.recording.state(events.ConfigResolved(config=told_configuration(found, files, secrets)))
    if found.main.changed:
        values, origins = told_changes(found.main, secrets)
        launch.recording.state(events.ConfigChanged(when="end", values=values, origins=dict(origins)))


def _notes(launch: Launch, file: Path) -> Iterator[AnyNote]:
    """The notes of a process. What its death cut off in the middle of a line is lost, and said to be."""
    for line in file.read_bytes().splitlines():
        try:
            yield read_note(line, file.name)
        except FormatError as error:
            launch.recording.lost("what a program told", error.message)
