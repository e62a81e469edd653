"""Inputs and outputs that the code itself names while it runs: stated at once, and looked at again at the end.

A small file is digested while the call lasts, so that what is stated is what was there; anything larger follows at
the end of the run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ..capture.inputs import InputDigest, declare
from ..capture.outputs import Expected, OutputDigest
from ..capture.places import Mounts
from ..errors import RefusedError, UsageError
from ..records import events
from ..records.base import Missing
from ..records.data import Artifact, ArtifactKind
from ..rules.secrets import Secrets
from ..store.results import add_results
from .keeping import Keeping
from .outputs import kept, state_failed
from .recording import Recording

AT_ONCE = 16 << 20
"""Bytes: a larger output is digested after the run, not while its code waits."""

PATIENCE = 0.1
"""Seconds that naming an input may take for its digest; the rest of it follows at the end."""


class Lists(Protocol):
    """What is owed at the end: that of a launch, or of a guest's own."""

    inputs: list[InputDigest]
    outputs: list[Expected]
    stated: list[OutputDigest]


class Given:
    """What one process names. Not for several threads at once."""

    def __init__(self, recording: Recording, owed: Lists, *, secrets: Secrets, cwd: Path) -> None:
        self._recording = recording
        self._owed = owed
        self._secrets = secrets
        self._cwd = str(cwd)
        self._keeping = Keeping.of(recording.store, recording.policy, "keep_outputs")
        self._inputs = Keeping.of(recording.store, recording.policy, "keep_inputs")
        self._absent: set[str] = set()
        """What was named and is not there, each stated once."""

    def input(self, spec: str, name: str | None) -> str | None:
        """State an input; why it could not be, if so: a missing one is a fact, too."""
        try:
            found = declare(spec, cwd=self._cwd, name=name, mounts=Mounts(None), mask_url=self._secrets.mask_url)
        except (RefusedError, UsageError) as refusal:
            because = refusal.message.removeprefix(f"input {spec}: ")
            if spec not in self._absent:
                self._absent.add(spec)
                missing = Missing(what=f"inputs.{name or spec}", because=because, when="during")
                self._recording.state(events.CaptureFailed(missing=missing))
            return because
        for item in found:
            one = InputDigest(item, when="during")
            until = time.monotonic() + PATIENCE
            one.advance(lambda until=until: time.monotonic() >= until)
            self._keep(one)
            self._recording.state(events.InputDeclared(input=one.input))
            self._owed.inputs.append(one)
        return None

    def output(self, spec: str, name: str | None, kind: ArtifactKind | None) -> None:
        """State an output that is there; one that is not is expected at the end."""
        expected = Expected(spec, cwd=self._cwd, name=name, kind=kind, written=True)
        outputs = expected.produced(when="during")
        if not all(_small(output) for output in outputs):
            self._expect(expected)
            return
        for output in outputs:
            output.advance()
            self._state(kept(output, self._keeping))
            self._owed.stated.append(output)
        if self._keeping.failed:
            self._keeping.failed.clear()
            self._expect(expected)

    def expect(self, spec: str) -> None:
        """An output that is still to be written."""
        self._expect(Expected(spec, cwd=self._cwd))

    def _expect(self, expected: Expected) -> None:
        self._recording.state(events.OutputDeclared(output=expected.declared("during")))
        self._owed.outputs.append(expected)

    def settle(self, enough: Callable[[], bool]) -> None:
        """The end of a guest: what was owed is digested, and said again where it changed. (Main's end is `closing`.)"""
        for one in self._owed.inputs:
            if one.pending and one.advance(enough):
                self._keep(one)
                self._recording.state(one.digested("end"))
            self._recording.state(one.check("end", enough))
        changed = [output for output in self._owed.stated if output.still_same() is False]
        outputs = [Expected(o.found.path, cwd=self._cwd, name=o.found.name, kind=o.kind, written=True) for o in changed]
        found: list[str] = []
        for expected in outputs + self._owed.outputs:
            for output in expected.produced():
                output.advance(enough)
                found += [] if output.missing else [output.found.path]
                self._state(kept(output, self._keeping))
        state_failed(self._recording, self._keeping)
        written = [output.found.path for output in self._owed.stated] + found
        add_results(self._recording.store, Path(self._cwd), written)
        self._owed.inputs.clear()
        self._owed.outputs.clear()
        self._owed.stated.clear()

    def _keep(self, one: InputDigest) -> None:
        if self._inputs.copy:
            one.keep(self._inputs.keep)

    def _state(self, artifact: Artifact) -> None:
        self._recording.state(events.ArtifactProduced(artifact=artifact))


def _small(output: OutputDigest) -> bool:
    found = output.found
    return found.stat is not None and found.kind in ("file", "link") and found.stat.st_size <= AT_ONCE
