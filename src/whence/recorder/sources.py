"""What one process saw of the source files that ran in it, stated when its block, or itself, ends.

Files whose bytes the snapshot does not hold are kept as objects, as far as policy and room allow and they hold no
secret. Nothing is imported and no module is asked for anything; a file that is known and kept is not read again.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..capture.sources import Installation, Loaded, installation, loaded_sources
from ..errors import WhenceError
from ..records import events
from ..records.base import Missing
from ..records.code import OutsideSource
from ..rules.secrets import Secrets
from ..store.held import Held, State
from .cells import state_cells
from .neighbours import Neighbours
from .recording import Recording

if TYPE_CHECKING:
    from .source_keeping import KeptSource

BY = "modules"

MOST = 1000
"""Files that one statement lists; of more the number is said."""

TICK = 10_000_000
"""Nanoseconds: the coarsest clock that a Linux kernel stamps files with."""

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/"


class Sources:
    """The source files of this process, in one run."""

    def __init__(
        self,
        recording: Recording,
        secrets: Secrets,
        cwd: Path,
        held: Callable[[], Held | None],
        *,
        environ: Mapping[str, str],
        launched: frozenset[str] = frozenset(),
        began: int | None = None,
        by: str = BY,
    ) -> None:
        """`held` finds the run's snapshot; `launched` names the modules that were loaded when it was taken."""
        self._by = by
        self._recording = recording
        self._secrets = secrets
        self._cwd = os.fspath(cwd)
        self._held = held
        self._environ = environ
        self._neighbours = Neighbours(secrets, environ)
        self._launched = launched
        self._began = time.time_ns() if began is None else began
        self._known: set[str] = set()
        self._stated: set[tuple[str, str | None]] = set()
        self._looked = False

    def forked(self, recording: Recording) -> Sources:
        """Those of a forked child, which has its parent's modules."""
        return Sources(
            recording, self._secrets, Path(self._cwd), self._held, environ=self._environ, launched=self._launched,
            began=self._began,
        )  # fmt: skip

    def state(self, enough: Callable[[], bool]) -> None:
        """State what has been loaded since the last look; the first time also that there was nothing to list.

        A snapshot or store that cannot be read is a loss.
        """
        try:
            self._look(enough)
            state_cells(self._recording, self._secrets, "end")
        except (OSError, WhenceError) as error:
            self._known.clear()
            self._recording.lost("the look at sources that ran", str(error))

    def _look(self, enough: Callable[[], bool]) -> None:
        held = self._held()
        loaded = list(loaded_sources(sys.modules.copy(), _installation(held), cwd=self._cwd, known=self._known))
        self._say(loaded, held, enough)

    def state_told(self, loaded: Sequence[Loaded], enough: Callable[[], bool]) -> None:
        """State what other processes told to have loaded. Raises OSError, WhenceError."""
        self._say(loaded, self._held(), enough)

    def _say(self, loaded: Sequence[Loaded], held: Held | None, enough: Callable[[], bool]) -> None:
        found = self._outside(loaded, held)
        if found:
            self._keep(found, held, enough)
        elif not self._looked:
            self._recording.state(events.CodeObserved(when="end", by=self._by))
        self._looked = True

    def _keep(self, found: Sequence[tuple[Loaded, State]], held: Held | None, enough: Callable[[], bool]) -> None:
        from .source_keeping import SourceKeeping  # Most runs have nothing to keep.

        recording, part = self._recording, held.root if held else self._cwd
        keeper = SourceKeeping.of(recording.store, recording.policy, self._secrets, part, enough)
        sources = [self._source(one, state, held, keeper.keep) for one, state in found[:MOST]]
        elsewhere = [one.path for one, state in found if state == "elsewhere"]
        repositories, gaps = self._neighbours.identify(elsewhere, enough)
        new = [source for source in sources if self._is_new(source)]
        recording.state(events.CodeObserved(when="end", by=self._by, sources=new, repositories=repositories))
        for gap in gaps:
            recording.state(events.CaptureFailed(missing=gap))
        if len(found) > MOST:
            because = f"{len(found) - MOST} more source files ran that the snapshot does not hold"
            missing = Missing(what="code.outside_snapshot", because=because, when="end")
            recording.state(events.CaptureFailed(missing=missing))
        keeper.finish()

    def _is_new(self, source: OutsideSource) -> bool:
        key = source.path, source.digest
        new = key not in self._stated
        self._stated.add(key)
        return new

    def _outside(self, loaded: Sequence[Loaded], held: Held | None) -> list[tuple[Loaded, State]]:
        """Those that the snapshot does not hold as they ran."""
        if held is None:
            return [(one, "absent") for one in loaded]
        states = held.states([one.path for one in loaded])
        # What was loaded before the snapshot was taken ran with its bytes, whatever was written to the file since.
        return [
            (one, states[one.path])
            for one in loaded
            if states[one.path] != "same" and not (states[one.path] == "changed" and one.module in self._launched)
        ]

    def _source(
        self, one: Loaded, state: State, held: Held | None, keep: Callable[[str, str], KeptSource]
    ) -> OutsideSource:
        relative = held.relative(one.path) if held else None
        source = keep(one.path, relative or one.path)
        return OutsideSource(
            path=self._secrets.mask_text(relative or one.path),
            state="absent" if state == "same" else state,
            module=one.module,
            digest=source.digest,
            size=source.size,
            kept=source.kept,
            certain=source.changed is not None and source.changed + TICK <= self._began,
            because=source.because,
        )


def _installation(held: Held | None) -> Installation:
    """What the environment describes of this interpreter; and ourselves, unless we are the project."""
    found = installation(
        {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix},
        os.path.dirname(os.__file__),
        sys.path,
        sys.platlibdir,
    )
    ours = held is not None and held.relative(_OURS) is not None
    return found if ours else Installation((*found.folders, _OURS))
