"""A run, as the code that it records holds it in its hand: `with whence.start() as run`.

A `Run` is a block of code on a session of this process. Three kinds of blocks share the class:

- *main*: it is the run; its end is the run's end,
- *guest*: another process's run that this one joined; its end is stated as `process.ended`,
- *section*: a block inside a block of the same process: what it says goes to the same journal.

Mistakes in using a run raise before it begins; after that nothing of ours rises into the code: what could not be
written is counted, said once on stderr, and stated in the record as soon as it can be written again.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from ..errors import StoreError, WhenceError
from ..handlers import let_pass
from ..records import events
from ..records.data import ArtifactKind
from ..records.run import Error, Resources
from ..rules.kinds import artifact_kind
from ..rules.pins import Pin, reference_of
from ..rules.plain import to_plain
from ..rules.secrets import Secrets
from ..store.layout import Store
from ..system.apart import apart
from ..system.turns import in_midst
from . import closing
from .guests import guests
from .outcome import BlockStatus, Ending, Usage, ended_by, left_by, unfinished, used_since
from .session import Session
from .warned import warn_once

Kind = Literal["main", "guest", "section"]


class Run:
    """A run, as the code that it records sees it. Its methods may be called from any thread, and after a fork."""

    def __init__(self, session: Session, kind: Kind, outer: Run | None = None) -> None:
        self.session = session
        self.kind: Kind = kind
        self.outer = outer
        """The block around a section, or around a run that is nested in another."""
        self.in_main_thread = threading.current_thread() is threading.main_thread()
        """Whether it began there."""
        self.when_ended: Callable[[Run], None] = lambda run: None
        """Called once, after the end is stated."""
        self._entered = False
        self._ended = False
        self._ending = threading.RLock()
        self._put_off: Ending | None = None
        """The end that a signal handler asked for while the record was being written."""
        self._began = Usage.now()

    # What it is.

    @property
    def id(self) -> str:
        """The run's identifier."""
        return self.session.recording.id

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return self.session.recording.folder

    @property
    def ended(self) -> bool:
        """Whether the block is over; what is said after that is not recorded."""
        return self._ended

    def __repr__(self) -> str:
        return f"<whence.Run {self.id}{', ended' if self._ended else ''}>"

    # What is said.

    def log(self, values: Mapping[str, Any] | None = None, /, step: Any = None, **more: Any) -> None:
        """Record metrics: numbers by name, nested by dots; steps in any order, repeated, or none. Returns at once."""
        given = more if values is None else values
        both = bool(more) and given is not more
        if self._ended or both or not self.session.recording.log_plain(given, step):
            self._say("metrics", lambda session: session.log(given, step, more if both else {}))

    def note(self, text: str) -> None:
        """Say something in words."""
        self._state("a note", lambda s: events.NoteAdded(text=s.secrets.mask_text(str(text))))

    def tag(self, *names: str, **tags: Any) -> None:
        """Put tags on the run: `run.tag("ablation", stage="pilot")`. The last word on a tag wins."""

        def event(session: Session) -> events.Event:
            given = {str(name): "" for name in names} | {key: _word(value) for key, value in tags.items()}
            return events.TagSet(tags={key: session.secrets.mask_pair(key, value) for key, value in given.items()})

        self._state("a tag", event)

    def field(self, name: str, value: Any) -> None:
        """Fill a field of the project, as policy declares it; one that it does not allow is kept as an anomaly."""
        self._say("a field", lambda session: session.set_field(name, value))

    def progress(self, text: str | None = None, fraction: float | None = None) -> None:
        """How far it is: a sentence, a number from 0 to 1, or both."""
        self._state(
            "progress",
            lambda s: events.ProgressReported(
                text=None if text is None else s.secrets.mask_text(str(text)),
                fraction=None if fraction is None or not math.isfinite(fraction) else float(fraction),
            ),
        )

    def anomaly(self, what: str, detail: Any = None) -> None:
        """Say that something is odd: a spike, a failed check. `detail` is any plain value."""
        self._state(
            "an anomaly",
            lambda s: events.AnomalyRaised(what=s.secrets.mask_text(what), detail=_masked(s.secrets, detail)),
        )

    def config(self, values: Any = None, /, **more: Any) -> None:
        """Set configuration values after the start; they win over earlier ones of the same name."""
        self._say("configuration", lambda session: session.set_config(values, more))

    def input(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        """Say that a file, folder, glob or URL is read. What is not there is recorded as missing; nothing raises."""
        self._say("an input", lambda session: session.input(os.fspath(path), name))

    def data(
        self,
        name: str,
        dataset: str | None = None,
        version: object = None,
        *,
        materialize: bool = True,
        timeout: float | None = None,
    ) -> Path:
        """Pin a version of a dataset; the folder that holds its files, read-only and shared with other runs.

        `version` is a text, a list or tuple of three numbers, or a version; without one it is the current release, and
        that is what is recorded. Without `dataset` it is what `whence run --data` or an earlier call pinned under the
        name. With `materialize=False` no bytes move and the folder may not be there; a later call without it makes it.
        `timeout` is how many seconds another process that fills the folder is waited for.

        Unlike the others this raises, as there is nothing to go on with: UsageError, UnresolvedError for what there is
        not, StoreError for what cannot be read or written, RefusedError by policy. The record has it, too.
        """
        return self._pinned(name, reference_of(name, dataset, version), materialize, timeout)

    def _pinned(self, name: str, reference: str | None, materialize: bool, seconds: float | None) -> Path:
        session = self._session_here()
        if session is None:
            raise StoreError(f"run {self.id}: this process cannot write to it", hint="see what was said before")
        return session.data(name, reference, materialize=materialize, seconds=seconds)

    def output(self, path: str | os.PathLike[str], name: str | None = None, kind: str | None = None) -> None:
        """Say that a file, folder or glob is written: by now, or until the end.

        A small file is digested and kept at once; if it changes afterwards, that is stated too. `kind` is one of model,
        report, plot, dataset, index, log, table, notebook, archive, config, code, other; else it is guessed.
        """
        self._say("an output", lambda session: session.output(os.fspath(path), name, _kind(session, kind)))

    def output_dataset(self, name: str, path: str | os.PathLike[str]) -> str | None:
        """Make what lies at the path, a folder or a file, the newest version of a dataset, with this run as producer.

        The version as text; a dataset of a new name begins with 0.1.0. What cannot be made is said on stderr and
        stated in the record: nothing raises, and there is no version.
        """
        made: list[str | None] = []
        self._say("a dataset", lambda session: made.append(session.output_dataset(name, os.fspath(path))))
        return made[0] if made else None

    def transform(
        self,
        operation: str,
        source: str | None = None,
        result: str | None = None,
        *,
        rows_in: int | None = None,
        rows_out: int | None = None,
        columns_in: int | None = None,
        columns_out: int | None = None,
        criteria: str | None = None,
        **parameters: Any,
    ) -> None:
        """Say what was done to rows or columns: `run.transform("filter", "train", rows_in=900, rows_out=812,
        criteria="age >= 18")`.

        `source` may be the name of data that the run pinned: then the step names their version.
        """
        counts = {"rows_in": rows_in, "rows_out": rows_out, "columns_in": columns_in, "columns_out": columns_out}
        words = {"operation": operation, "source": source, "result": result, "criteria": criteria}
        self._say("a transform", lambda session: session.transform(words, counts, parameters))

    # Its end.

    def finish(self, status: BlockStatus = "succeeded", reason: str | None = None) -> None:
        """End the run, where no `with` block does. A second time has no effect.

        Another status than these is said on stderr and stated, and the run has failed: what was meant is not known.
        """
        session = None if self._is_over("finish") else self._session_here()
        if session is None:
            return
        if status not in ("succeeded", "failed", "interrupted", "killed"):
            odd = f"finish() was given the status {_shown(status)}: expected succeeded, failed, interrupted or killed"
            session.recording.lost("the status of the run", odd)
            status, reason = "failed", odd if reason is None else f"{odd}; {reason}"
        error = Error(type="reported", message=session.secrets.mask_text(str(reason))) if reason else None
        ending = Ending(status=status, error=error)
        if not self.here:
            # A forked child has ended its part: the parent's run goes on.
            self._ended = True
            session.state_process_end(ending)
        elif in_midst():
            self._put_off = ending
        else:
            self._end(ending)

    def __enter__(self) -> Self:
        if self._entered:
            raise RuntimeError(f"{self!r} was entered before: a run is one block")
        if self._ended:
            raise RuntimeError(f"{self!r} has ended: begin another with whence.start()")
        self._entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.here:
            self._end(left_by(error, self.session.secrets.mask_text))
        elif error is not None and not self._ended:
            # A forked child leaves its parent's block: the parent's run goes on.
            session = self._session_here()
            if session is not None:
                session.state_process_end(left_by(error, session.secrets.mask_text))

    def end_by_signal(self, number: int) -> None:
        """The process is about to die of a signal: the end is stated, and everything else hurried."""
        self._end(ended_by(number), hurried=True)

    def end_at_exit(self, error: BaseException | None) -> None:
        """The interpreter leaves and the block was never left."""
        guest = self.kind != "main"
        ending = left_by(error, self.session.secrets.mask_text) if error or guest else unfinished()
        if not guest and error is None:
            self.session.say(f"run {self.id} was never finished: recorded as failed; use `with`, or run.finish()")
        self._end(ending)

    def _end(self, ending: Ending, *, hurried: bool = False) -> None:
        with self._ending:
            if self._ended:
                return
            self._ended = True
            ending = self._put_off or ending
            try:
                with apart:
                    _ENDS[self.kind](self, ending, hurried)
            except WhenceError as error:
                self.session.recording.lost("the end of the run", error.message)
            except Exception as fault:  # noqa: BLE001  after the start no fault of ours rises into the user's code
                let_pass(fault)
                self.session.recording.lost("the end of the run", f"{type(fault).__name__}: {fault}")
            finally:
                self.when_ended(self)

    def used(self) -> Resources:
        """The resources of the process since the block began."""
        return used_since(self._began)

    # How it is said.

    @property
    def here(self) -> bool:
        """Whether the block is this very process's; a forked child's is its parent's."""
        return self.session.pid == os.getpid()

    def _session_here(self) -> Session | None:
        """This process's own session: a forked child has its own journal, made when it first says something."""
        return self.session if self.here else guests.forked_from(self.session)

    def _is_over(self, call: str) -> bool:
        """Whether the block is over; says so once."""
        if self._ended:
            warn_once(self.id, f"run {self.id} has ended: {call}() and what follows is not recorded")
        return self._ended

    def _state(self, what: str, event: Callable[[Session], events.Event]) -> None:
        self._say(what, lambda session: session.recording.state(event(session)))

    def _say(self, what: str, act: Callable[[Session], None]) -> None:
        """Do it in this process's session. Whatever goes wrong is a loss of detail, never an exception."""
        if self._is_over(_CALLS[what]):
            return
        session = self._session_here()
        if session is None:
            return
        try:
            act(session)
        except Exception as fault:  # noqa: BLE001  after the start no fault of ours rises into the user's code
            let_pass(fault)
            session.recording.lost(what, f"{type(fault).__name__}: {fault}")
        finally:
            if self._put_off is not None and not in_midst():
                self._end(self._put_off)


_CALLS = {
    "metrics": "log",
    "a note": "note",
    "a tag": "tag",
    "a field": "field",
    "progress": "progress",
    "an anomaly": "anomaly",
    "configuration": "config",
    "an input": "input",
    "an output": "output",
    "a dataset": "output_dataset",
    "a transform": "transform",
}
"""What is said, and the method that says it."""


class DryRun(Run):
    """Takes everything that a run takes, and records nothing."""

    def __init__(self, find_store: Callable[[], Store], environ: Mapping[str, str], pins: Sequence[Pin] = ()) -> None:
        self._find_store = find_store
        self._environ = environ
        """Says where the data lie that `whence run --dry-run --data` laid out."""
        self._named = {pin.name: pin.reference for pin in pins}
        self._entered = False
        self._ended = False

    @property
    def id(self) -> str:
        """Of no run."""
        return "dry-run"

    @property
    def folder(self) -> Path:
        """Of no run; nothing is there."""
        return Path(os.devnull)

    def log(self, values: Mapping[str, Any] | None = None, /, step: Any = None, **more: Any) -> None:
        """Nowhere to."""

    def _say(self, what: str, act: Callable[[Session], None]) -> None:
        return

    def _pinned(self, name: str, reference: str | None, materialize: bool, seconds: float | None) -> Path:
        from .pinning import found_before, found_now  # with all that reads datasets, where some are pinned

        reference = reference or self._named.get(name)
        if reference is None:
            return found_before(name, self._environ, self._named)
        folder = found_now(self._find_store(), name, reference, materialize, seconds)
        self._named[name] = reference
        return folder

    def finish(self, status: BlockStatus = "succeeded", reason: str | None = None) -> None:
        """Nothing to end."""
        self._ended = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True


def _kind(session: Session, kind: str | None) -> ArtifactKind | None:
    """A declared kind; one that there is not is said to be lost, and the output is recorded all the same."""
    try:
        return artifact_kind(kind) if kind else None
    except ValueError as error:
        session.recording.lost("the kind of an output", str(error))
        return None


def _shown(value: object) -> str:
    """A value of any kind, short."""
    return repr(value)[:40] if isinstance(value, str | int | float | bool | None) else f"of type {type(value).__name__}"


def _word(value: Any) -> str:
    return value if isinstance(value, str) else str(to_plain(value))


def _masked(secrets: Secrets, value: Any) -> Any:
    return secrets.mask_values({"": to_plain(value)})[""]


# How a block ends.


def _end_main(run: Run, ending: Ending, hurried: bool) -> None:
    session = run.session
    launched = session.launched
    ended = ending.event(run.used())
    try:
        session.recording.end(ended)
        if launched is not None:
            closing.finish(launched, session.beside, hurried=hurried, sources=session.sources.state)
    finally:
        # Also where a signal handler of the user's has raised.
        if session.recording.status is None:
            session.recording.end(ended)
        session.recording.close()
    if launched is not None and launched.passing:
        raise launched.passing[0]


def _end_guest(run: Run, ending: Ending, hurried: bool) -> None:
    session = run.session
    until = time.monotonic() + (closing.HURRIED if hurried else session.recording.policy.seal_within)
    session.settle(lambda: time.monotonic() >= until)
    session.state_process_end(ending)
    session.sources.state(lambda: time.monotonic() >= until)


def _end_section(run: Run, ending: Ending, hurried: bool) -> None:
    if ending.status != "succeeded":
        error = ending.error
        what = f"a block inside the run {ending.status}: {error.type}: {error.message}" if error else "a block failed"
        detail = error.traceback if error else None
        run.session.recording.state(events.AnomalyRaised(what=what, detail=detail))


_ENDS: dict[Kind, Callable[[Run, Ending, bool], None]] = {
    "main": _end_main,
    "guest": _end_guest,
    "section": _end_section,
}
