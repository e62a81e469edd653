"""What the Python programs of a command told becomes part of the record."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..capture.imported import distributions_of, edited_distributions
from ..capture.sources import Loaded
from ..capture.told_configuration import MOST, told_changes, told_configuration, told_files
from ..errors import FormatError
from ..records import events
from ..records.base import Missing, When
from ..records.configuration import Configuration
from ..rules.booted import AnyNote, Told, read_note, told
from ..store.held import held_by
from ..store.objects import put_bytes
from .boot_folder import WHAT
from .launch import Launch
from .sources import Sources

NAMED = 5
"""Files that a statement of what is missing names."""

BY = "programs"
"""Who saw which sources ran: the interpreters of the command, each at its end."""


class Telling:
    """What the programs of one command have told, as far as it is stated."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._config: Configuration | None = None
        self._changes: dict[str, Any] = {}

    def so_far(self, files: Sequence[Path]) -> None:
        """State the configuration while the programs run; a line that is being written is not there yet."""
        notes = [[note for line in _whole_lines(file) if (note := _read(line, file))] for file in files]
        self._state_configuration(told(notes, self._launch.recording.command), "during")

    def finish(self, files: Sequence[Path], enough: Callable[[], bool]) -> None:
        """State the configuration, what it became, the sources that ran, and the faults of ours in the programs."""
        launch = self._launch
        found = told((list(_notes(launch, file)) for file in files), launch.recording.command)
        for fault in found.faults:
            _miss(launch, f"{WHAT} ({fault.what})", f"it could not be noted inside the program: {fault.because}")
        if len(found.others) > MOST:
            _miss(launch, f"{WHAT}.others", f"{len(found.others)} programs, more than {MOST}")
        self._state_configuration(found, "end")
        if found.sources:
            _state_sources(launch, found, enough)
        if found.installed:
            _state_imported(launch, found)
        if found.fetched:
            _state_fetched(launch, found)

    def _state_configuration(self, found: Told, when: When) -> None:
        if found.main is None:
            return
        launch, secrets = self._launch, self._launch.around.secrets
        files = told_files(found, secrets)
        config = told_configuration(found, files, secrets)
        if config != self._config:
            for file in files:
                put_bytes(launch.around.store, file.content)
            launch.recording.state(events.ConfigResolved(config=config))
            self._config, self._changes = config, {}
        values, origins = told_changes(found.main, secrets)
        if values != self._changes:
            launch.recording.state(events.ConfigChanged(when=when, values=values, origins=dict(origins)))
            self._changes = values


def _whole_lines(file: Path) -> list[bytes]:
    return file.read_bytes().rpartition(b"\n")[0].splitlines()


def _read(line: bytes, file: Path) -> AnyNote | None:
    try:
        return read_note(line, file.name)
    except FormatError:
        return None  # The end says so.


def _state_sources(launch: Launch, found: Told, enough: Callable[[], bool]) -> None:
    held = None if launch.snapshot is None else held_by(launch.snapshot)
    sources = Sources(
        launch.recording, launch.around.secrets, launch.cwd, lambda: held, environ=launch.around.environ,
        began=held.taken if held else None, by=BY,
    )  # fmt: skip
    loaded = {os.path.realpath(path): module for module, path, *_ in reversed(found.sources)}
    sources.state_told([Loaded(module, path) for path, module in sorted(loaded.items())], enough)


def _state_imported(launch: Launch, found: Told) -> None:
    """Those of site-packages by what they list, those that are edited in place by the modules that they provide."""
    belonging = distributions_of(sorted({file for one in found.installed for file in one.files}))
    edited = edited_distributions([(module, path) for module, path, *_ in found.sources], launch.edited)
    if belonging.unknown:
        named = ", ".join(belonging.unknown[:NAMED])
        _miss(launch, "environment.imported", f"no distribution lists {len(belonging.unknown)} imported files: {named}")
    launch.recording.state(
        events.EnvironmentObserved(
            when="end",
            by=BY,
            imported=sorted({*belonging.distributions, *edited}, key=lambda one: (one.name, one.version)),
            libraries={name: word for one in reversed(found.installed) for name, word in one.libraries.items()},
        )
    )


def _state_fetched(launch: Launch, found: Told) -> None:
    from ..rules.fetched import fetched_inputs  # With `urllib.parse`.

    secrets = launch.around.secrets
    inputs = fetched_inputs(found.fetched, secrets.mask_pair, secrets.mask_text)
    for one in inputs[:MOST]:
        launch.recording.state(events.InputObserved(input=one))
    if len(inputs) > MOST:
        _miss(launch, "inputs", f"{len(inputs) - MOST} more addresses were read over the network")


def _miss(launch: Launch, what: str, because: str) -> None:
    launch.recording.state(events.CaptureFailed(missing=Missing(what=what, because=because, when="end")))


def _notes(launch: Launch, file: Path) -> Iterator[AnyNote]:
    """The notes of a process. What its death cut off in the middle of a line is lost, and said to be."""
    for line in file.read_bytes().splitlines():
        try:
            yield read_note(line, file.name)
        except FormatError as error:
            launch.recording.lost("what a program told", error.message)
