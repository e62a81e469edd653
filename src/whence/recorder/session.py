"""A session: one process's side of a run, and what is said there.

It is main's, made by a launch, or a guest's, with a journal of its own beside main's.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..capture.configuration import resolve
from ..capture.inputs import InputDigest
from ..capture.outputs import Expected, OutputDigest
from ..errors import WhenceError
from ..records import events
from ..records.data import ArtifactKind
from ..records.transform import Transform
from ..rules.dataset_names import check_dataset_name
from ..rules.fields import check, read_fields
from ..rules.plain import to_plain
from ..rules.products import no_version
from ..rules.secrets import Secrets
from ..store.results import add_results
from ..system.apart import apart
from ..system.turns import Turns
from .beside import Beside
from .given import Given
from .launch import Launch
from .measures import NoNumber, count_of, measured_step, measures
from .outcome import Ending
from .recording import Recording
from .sources import Sources

if TYPE_CHECKING:
    from ..store.dataset_tables import Describe
    from ..store.layout import Store
    from .pins import Pinned


class Owed(msgspec.Struct, kw_only=True):
    """What a guest has named and will look at again at its end."""

    inputs: list[InputDigest] = []
    pins: list[Pinned] = []
    outputs: list[Expected] = []
    stated: list[OutputDigest] = []


def _do_all(waiting: deque[Callable[[], None]]) -> None:
    with apart:
        while waiting:
            waiting.popleft()()


def _without_names(values: Any, step: Any) -> str:
    """`log("loss", 0.5)`, as it is in other tools, told as it is here."""
    name, value = repr(values)[:60] if isinstance(values, str) else '"loss"', 0.5 if step is None else repr(step)[:60]
    found = repr(values)[:60] if isinstance(values, str | int | float) else f"a {type(values).__name__}"
    return f"log() was given {found}, expected values by name: run.log({{{name}: {value}}})"


class Session:
    """One process's side of a run."""

    def __init__(
        self,
        recording: Recording,
        secrets: Secrets,
        cwd: Path,
        say: Callable[[str], None],
        sources: Sources,
        launched: Launch | None = None,
        describe: Callable[[Store, bool], Describe] | None = None,
    ) -> None:
        self.recording = recording
        self.secrets = secrets
        self.say = say
        self.sources = sources
        self.launched = launched
        self.describe = describe
        self.beside: Beside | None = None
        self._has_measured = False
        self.told_end = False
        """Whether a guest has said how its process, or its last block, ended."""
        self.cwd = cwd
        self.pid = os.getpid()
        owed = launched or Owed()
        self.given = Given(recording, owed, secrets=secrets, cwd=cwd)
        self._pins = owed.pins
        self._turns = Turns[Callable[[], None]](_do_all, rank=0)
        """Over what is not one write: `given`, and a session's end."""

    def log(self, values: Any, step: Any, more: Mapping[str, Any]) -> None:
        """Record metrics; what is no number is lost by its name, and what has no names as a whole."""
        if not hasattr(values, "items"):
            self.recording.lost("metrics", self.secrets.mask_text(_without_names(values, step)))
            values, step = more, None
        elif more:
            values = {**values, **more}
        if not self._has_measured:
            self._has_measured = True
            _look_at_configuration()
        plain, faults = measures(values)
        try:
            number = measured_step(step)
        except NoNumber as error:
            number = None
            faults["the step"] = str(error)
        for name, because in faults.items():
            self.recording.lost(f"metric {name}", because)
        if plain:
            self.recording.log(plain, number, time.time())

    def set_field(self, name: str, value: Any) -> None:
        """Fill a field of the project; what policy says against it becomes an anomaly."""
        values, problems = check(read_fields(self.recording.policy.fields), {name: value})
        for problem in problems:
            if not problem.missing:
                self.recording.state(events.AnomalyRaised(what=f"field {self.secrets.mask_text(problem.message)}"))
        plain = {key: to_plain(item) for key, item in values.items()}
        self.recording.state(events.FieldSet(when="during", values=self.secrets.mask_values(plain)))

    def set_config(self, values: Any, more: Mapping[str, Any]) -> None:
        """Change the configuration; `more` wins."""
        config = resolve(argv=[], objects=[given for given in (values, more) if given], secrets=self.secrets)
        origins: dict[str, str] = dict(config.origins)
        self.recording.state(events.ConfigChanged(when="during", values=config.values, origins=origins))

    def input(self, path: str, name: str | None) -> None:
        """Name an input; one that is not there is stated as missing, and said once on stderr."""
        self._turns.take(lambda: self._input(path, name))

    def _input(self, path: str, name: str | None) -> None:
        because = self.given.input(path, name)
        if because is not None:
            self.recording.warn(f"warning: input {path}", because)

    def data(self, name: str, reference: str | None, *, materialize: bool, seconds: float | None) -> Path:
        """Pin data, or find what was pinned; the folder. Raises WhenceError, and states why."""
        from .pinning import pin_now  # with all that reads datasets, where some are pinned

        with apart:
            return pin_now(self.recording, self._pins, name, reference, materialize=materialize, seconds=seconds)

    def output(self, path: str, name: str | None, kind: ArtifactKind | None) -> None:
        """Name an output."""
        self._turns.take(lambda: self.given.output(path, name, kind))

    def output_dataset(self, name: str, path: str) -> str | None:
        """Make a version of what was written; its text. What cannot be made is stated, and said once on stderr."""
        from .produced import state_dataset  # likewise

        store = self.recording.store
        try:
            with apart:
                describe = self.describe and self.describe(store, True)
                version = state_dataset(self.recording, self.cwd, check_dataset_name(name), path, "during", describe)
        except WhenceError as error:
            self.recording.state(events.CaptureFailed(missing=no_version(name, path, error.message, "during")))
            self.recording.warn(f"warning: dataset {name}", error.message)
            return None
        add_results(store, self.cwd, [path])
        return version

    def transform(
        self, words: Mapping[str, str | None], counts: Mapping[str, object], parameters: Mapping[str, Any]
    ) -> None:
        """State a step of the rows' story. A count that is none is lost by its name, and the step is stated."""
        known: dict[str, int | None] = {}
        for name, count in counts.items():
            known[name] = count_of(count)
            if count is not None and known[name] is None:
                self.recording.lost(f"transform {name}", f"found {_short(count)}, expected a whole number from 0 on")
        said = {name: None if text is None else self.secrets.mask_text(str(text)) for name, text in words.items()}
        plain = self.secrets.mask_values({str(name): to_plain(value) for name, value in parameters.items()})
        source = next((one.found for one in self._pins if one.pin.name == words["source"]), None)
        transform = Transform(
            operation=said["operation"] or "",
            source=said["source"],
            dataset=source.history.name if source else None,
            dataset_id=source.history.id if source else None,
            version=str(source.made.version) if source else None,
            result=said["result"],
            criteria=said["criteria"],
            parameters=plain,
            rows_in=known["rows_in"],
            rows_out=known["rows_out"],
            columns_in=known["columns_in"],
            columns_out=known["columns_out"],
        )
        self.recording.state(events.TransformApplied(transform=transform))

    def expect(self, path: str) -> None:
        """Name an output that is still to be written."""
        self._turns.take(lambda: self.given.expect(path))

    def settle(self, enough: Callable[[], bool]) -> None:
        """What a guest owes at its end."""
        self._turns.take(lambda: self._settle(enough))

    def _settle(self, enough: Callable[[], bool]) -> None:
        self.given.settle(enough)
        for pinned in self._pins:
            self.recording.state(pinned.check(self.recording.store, "end", None))
        self._pins.clear()

    def state_process_end(self, ending: Ending) -> None:
        """A guest's process, or its last block, is over."""
        self.told_end = True
        self.recording.state(events.ProcessEnded(exit_code=ending.exit_code, error=ending.error))


def _short(value: object) -> str:
    return repr(value)[:40] if isinstance(value, str | int | float | None) else f"a {type(value).__name__}"


def _look_at_configuration() -> None:
    """Under `whence run` what looks into this interpreter notes what was computed since the parsers were done."""
    table: Any = sys.modules.get("_whence_boot.table")
    if table is not None:
        table.look_at_parsed()
