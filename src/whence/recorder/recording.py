"""A run that this process records: its journal, its points, and what is owed at its end.

Before the command starts a fault rises, and the launch ends with it. From the moment on when its start cannot be called
back nothing rises: what could not be written is counted, said once on stderr, and stated as `record.lost` as soon as a
line goes through. That the command started, and how it ended, is not lost, but stated later.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from ..errors import StoreError
from ..handlers import let_pass
from ..records.encoding import timestamp
from ..records.events import Event, ProcessEnded, RecordLost, RunCreated, RunEnded, RunStarted
from ..records.result import PrintedTo
from ..records.run import Process
from ..rules.fold import MAIN
from ..rules.masked_events import masked
from ..rules.policy import Policy
from ..store.journal import JournalLost, JournalWriter
from ..store.layout import Store
from ..store.points import PointsWriter
from ..store.spools import Spools
from ..system.apart import apart
from ..system.files import make_folders
from ..system.locks import lock_state
from ..system.processes import identity
from ..system.turns import Turns

Made = TypeVar("Made")

Loss = tuple[str, str, int | None]
"""What was lost, why, and how often."""

Lifecycle = RunStarted | RunEnded
"""What has to be stated, in this order, if a line goes through at all."""

Point = tuple[Mapping[str, float | str], float | None, float]
"""Values, step and time."""

HEARTBEAT = 60.0
"""Seconds between two touches of a journal; a reader takes a much older one for silence."""


class Recording:
    """One writer's side of a run. `main` also states the lifecycle; other writers only facts."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        run: str,
        writer: str,
        journal: JournalWriter,
        *,
        clock: Callable[[], int],
        say: Callable[[str], None],
        mask: Callable[[str], str],
    ) -> None:
        """`mask` replaces the secrets in a text."""
        self.store = store
        self.policy = policy
        self.id = run
        self.folder: Path = journal.path.parent
        self.writer = writer
        self.status: str | None = None
        """How the run ended, once it has."""
        self.command: int | None = None
        """The process of the command, once it was started."""
        self.when_started: Callable[[], None] = lambda: None
        self.spools: Spools | None = None
        """Those of this host, where this one writes to one of them."""
        self.forward: Callable[[], bool] | None = None
        """Sees to it that a forwarder is at work, for a run that is written to a spool."""
        self._journal = journal
        self._points: PointsWriter | None = None
        self._points_begun = 0
        """How often the making of `_points` was begun: a signal handler's exception may cut it off."""
        self._clock = clock
        self._say = say
        self._mask = mask
        self._started = self.writer != MAIN
        self._owed: dict[tuple[str, str], int] = {}
        self._unsaid: dict[type[Lifecycle], Lifecycle] = {}
        self._owing = Turns[Loss | Lifecycle | None](self._count, rank=2)
        """Over `_owed` and `_unsaid`; nothing in it asks for payment."""
        self._logging = Turns[Point](self._write_points, rank=1)
        self._said: set[str] = set()

    @property
    def started(self) -> bool:
        """Whether the command has been started, or will be: from then on no fault of ours rises."""
        return self._started

    @property
    def unsaid(self) -> bool:
        """Whether the start or the end of the command could not be stated yet."""
        return bool(self._unsaid)

    @property
    def is_written(self) -> bool:
        """Whether some process holds the journal: after a fork, in the child, whether the parent lives."""
        try:
            return lock_state(self._journal.path) == "held"
        except OSError:
            return False

    def spool(self, spools: Spools, forward: Callable[[], bool]) -> None:
        """What is written goes to a spool: somebody must forward it."""
        self.spools, self.forward = spools, forward
        self.heartbeat()

    def now(self) -> int:
        """Unix nanoseconds."""
        return self._clock()

    def state(self, event: Event) -> None:
        """Append an event to the journal. Raises StoreError only before the start."""
        if self._started and isinstance(event, RunStarted | RunEnded):
            self._owing.take(event, None)
            return
        self._pay()
        self._append(event)

    def _append(self, event: Event) -> bool:
        """Whether it was written, or is left to who is at work on the journal."""
        try:
            self._journal.append(masked(event, self._mask))
            return True
        except JournalLost as error:
            for one in error.events:
                if isinstance(one, RecordLost):
                    self._owing.take((one.what, one.because, one.lost))
                elif self._started and isinstance(one, RunStarted | RunEnded):
                    self._owe(one, _reason(error))
                else:
                    self._lose(f"the event {one.__struct_config__.tag}", error)
            return False

    def log_plain(self, values: Any, step: object) -> bool:
        """Append a metric point of the plainest kind, as it was handed in; false for any other: `log` takes all."""
        points = self._points
        try:
            return points is not None and points.write_plain(values, step, time.time())
        except OSError as error:
            let_pass(error)
            self._lose("metric points", error)
            return True

    def log(self, values: Mapping[str, float | str], step: float | None, at: float) -> None:
        """Append a metric point: one line, one write; `at` is Unix seconds."""
        self._logging.take((values, step, at))

    def _write_points(self, waiting: deque[Point]) -> None:
        while waiting:
            point = waiting.popleft()
            try:
                points = self._points or self._open_points()
                points.write(*point)
            except OSError as error:
                let_pass(error)
                self._lose("metric points", error)

    def _open_points(self) -> PointsWriter:
        with apart:
            self._points_begun += 1
            try:
                self._points = PointsWriter.create(self.folder, self.writer, self._points_begun)
            except OSError as error:
                let_pass(error)
                self._points_begun -= 1
                raise
            return self._points

    def lost(self, what: str, because: str, *, cause: str | None = None) -> None:
        """Say once on stderr that detail was lost, and owe the record a statement of it. What has the same cause as
        something that was said (the disk is full) is not said again.
        """
        self._owing.take((what, because, 1))
        self._warn(cause or (because if because in self._said else what), f"lost {what}", because)

    def warn(self, what: str, because: str) -> None:
        """Say on stderr what goes wrong, once for each thing."""
        self._warn(what, what, because)

    def _warn(self, key: str, what: str, because: str) -> None:
        if key in self._said:
            return
        self._said.add(key)
        try:
            self._say(self._mask(f"{what}: {because}; the run goes on"))
        except (OSError, ValueError) as error:
            let_pass(error)
            return  # stderr is closed; the record has it.
        except RuntimeError as error:
            let_pass(error)
            self._said.discard(key)  # A signal handler in the midst of a print: the next time.

    def set_off(self) -> None:
        """The start of the command cannot be called back: from here on nothing rises."""
        self._started = True

    def start(self, process: Process, *, terminal: bool = False, printed_to: Sequence[PrintedTo] = ()) -> None:
        """The command runs: from here on nothing rises, and the work beside it begins."""
        self.command = process.pid
        if self.writer == MAIN:
            writer = process if process.pid == os.getpid() else identity(host=process.host)
            self.state(RunStarted(process=process, writer=writer, terminal=terminal, printed_to=[*printed_to]))
        self._started = True
        self.sync()
        self.when_started()

    def end(self, ended: RunEnded) -> None:
        """Fix the status, at once. A writer that is not main only tells how its own process ended."""
        self._started = True
        if self.writer == MAIN:
            self.state(ended)
        else:
            self.state(ProcessEnded(exit_code=ended.exit_code, error=ended.error))
        self.status = ended.status

    def heartbeat(self) -> None:
        """Touch the journal, so that readers on other hosts see life."""
        try:
            self._journal.touch()
            self._pay()
            if self.forward is not None and not self.forward():
                self.lost("the way to the store", "no forwarder could be started; the record waits on the local disk")
        except OSError as error:
            let_pass(error)
            self._lose("a heartbeat", error)

    def sync(self) -> None:
        """Flush the journal to the disk."""
        try:
            self._journal.sync()
        except OSError as error:
            let_pass(error)
            self._lose("a flush to the disk", error)

    def give_to_child(self) -> None:
        """The child of the next fork goes on recording, lock included; this process then calls `release`."""
        self._journal.give_to_child()
        if self._points is not None:
            self._points.close()
            self._points, self._points_begun = None, 0

    def release(self) -> None:
        """In the process that forked: the child has the journal and its lock now."""
        self._journal.release()

    def close(self) -> None:
        """Close the journal and give up its lock: this writer says no more."""
        if self._points is not None:
            self._points.close()
        if self.forward is not None:
            # A forwarder that was killed since the last heartbeat: what it has not forwarded waits for nobody else.
            self.forward()
        self._journal.close()

    def _lose(self, what: str, error: Exception) -> None:
        because = _reason(error)
        if not self._started:
            raise StoreError(f"{self.folder}: {because}", hint="free some space, or set WHENCE_STORE") from error
        self.lost(what, because, cause=because.rpartition(": ")[2])

    def _owe(self, event: Lifecycle, because: str) -> None:
        cause = because.rpartition(": ")[2]
        self._warn(cause, f"could not write {event.__struct_config__.tag}", because)
        self._owing.take(replace(event, occurred=event.occurred or timestamp(self._clock())))

    def _pay(self) -> None:
        """State what is still owed; it stays owed if this does not go through either."""
        if self._owed or self._unsaid:
            self._owing.take(None)

    def _count(self, waiting: deque[Loss | Lifecycle | None]) -> None:
        while waiting:
            owed = waiting.popleft()
            if owed is None:
                self._pay_off()
            elif isinstance(owed, RunStarted | RunEnded):
                self._unsaid[type(owed)] = owed
            else:
                what, because, count = owed
                self._owed[what, because] = self._owed.get((what, because), 0) + (count or 1)

    def _pay_off(self) -> None:
        """Each is taken out first: what cannot be stated comes back by the queue."""
        for kind in (RunStarted, RunEnded):
            event = self._unsaid.pop(kind, None)
            if event is not None and not self._append(event):
                return
        for what, because in [*self._owed]:
            if not self._append(RecordLost(what=what, because=because, lost=self._owed.pop((what, because)))):
                return


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def create(
    store: Store,
    policy: Policy,
    created: RunCreated,
    *,
    spools: Spools | None,
    clock: Callable[[], int],
    say: Callable[[str], None],
    mask: Callable[[str], str],
) -> Recording:
    """Row first: the run's folder, and its first line. Raises StoreError when that cannot be written.

    A run of a store on a network file system is written to a spool of this host, and forwarded.
    """
    if spools is not None and spools.serve(store, created.id, policy.spool):
        forward, journal = _writable(
            spools.root, lambda: spools.write(store, created.id, lambda here: JournalWriter.create(here, MAIN, clock))
        )
    else:
        folder = store.run_folder(created.id)
        forward, journal = None, _writable(folder, lambda: _create_in(folder, clock))
    recording = Recording(store, policy, created.id, MAIN, journal, clock=clock, say=say, mask=mask)
    try:
        recording.state(created)
    except StoreError:
        recording.close()
        if forward is None:
            _take_back(journal.path)
        raise
    if spools is not None and forward is not None:
        recording.spool(spools, forward)
    return recording


def _take_back(path: Path) -> None:
    """What was made for a run that never came to be; where that fails, readers skip it."""
    with suppress(OSError):
        os.unlink(path)
        os.rmdir(path.parent)


def _create_in(folder: Path, clock: Callable[[], int]) -> JournalWriter:
    make_folders(folder)
    return JournalWriter.create(folder, MAIN, clock)


def _writable(folder: Path, make: Callable[[], Made]) -> Made:
    try:
        return make()
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be written: {error.strerror}",
            hint="make the store writable, or set WHENCE_STORE to a folder that is",
        ) from error
