"""Work beside the run: the snapshot's remaining blobs, and inputs whose digest was not done before the start."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from ..capture.inputs import InputDigest, digest_all
from ..records import events
from ..records.base import When
from ..rules.snapshot import Plan
from ..store.snapshots import Snapshot
from ..system.apart import apart
from ..system.descriptors import table_leaver
from ..system.threads import begun, out_of_reach
from .launch import Launch

T = TypeVar("T")


class Beside:
    """A thread that begins when the command has started. `finish` waits for it, or tells it to stop."""

    def __init__(self, launch: Launch, *, in_program: bool = False) -> None:
        """`in_program`: the process is that of the program which is recorded, and may close what it did not open."""
        self._launch = launch
        self._leave = table_leaver() if in_program and self._owes else None
        self._enough = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def started(self) -> bool:
        """Whether there was anything to do, and it was begun; without room for a thread it is done at the end."""
        return self._thread is not None

    def start(self) -> None:
        """Begin, if there is anything to do."""
        if self._leave is not None:
            _start_over(self._pending)  # What they have open, the program could close.
        if self._owes:
            self._thread = begun(self._work, "whence-beside")

    def finish(self, seconds: float) -> None:
        """Wait so long at most; digests that are under way then stop where they are."""
        if self._thread is None:
            return
        self._thread.join(seconds)
        self._enough.set()
        self._thread.join(1.0)

    def _work(self) -> None:
        with apart:
            self._do()

    def _do(self) -> None:
        launch = self._launch
        try:
            stored = self._away(lambda: complete_code(launch, "during"))
            if stored is not None:
                launch.recording.state(stored)
            if self._pending and not self._enough.is_set():
                for one in self._away(self._digest):
                    launch.recording.state(one.digested("during"))
        except Exception as fault:  # noqa: BLE001  nothing may rise into a thread's end unseen; it becomes a loss
            launch.recording.lost("work beside the run", f"{type(fault).__name__}: {fault}")

    @property
    def _pending(self) -> list[InputDigest]:
        return [one for one in self._launch.inputs if one.pending]

    @property
    def _owes(self) -> bool:
        return bool(self._pending) or _owed(self._launch) is not None

    def _digest(self) -> list[InputDigest]:
        """Those that are done, and kept where they are to be."""
        pending = self._pending
        left = digest_all(pending, self._enough.is_set)
        if self._leave is not None:
            _start_over(left)  # Their files are open in this thread alone.
        done = [one for one in pending if not one.pending]
        for one in done:
            self._launch.keep_input(one)
        return done

    def _away(self, work: Callable[[], T]) -> T:
        """The result of work that opens files and starts programs. Nothing may be stated in it: the journal is open
        in the process, not there."""
        return work() if self._leave is None else out_of_reach(self._leave, lambda: _apart(work))


def _apart(work: Callable[[], T]) -> T:
    with apart:
        return work()


def _start_over(pending: Sequence[InputDigest]) -> None:
    for one in pending:
        one.start_over()


def _owed(launch: Launch) -> tuple[Plan, Snapshot] | None:
    """Where blobs, or the tree of the commit that a dirty folder differs from, are still to be copied."""
    plan = launch.captured.plan if launch.captured else None
    if launch.snapshot is None or plan is None:
        return None
    owes = launch.snapshot.stored != "complete" or plan.head_tree not in (None, launch.snapshot.tree)
    return (plan, launch.snapshot) if owes else None


def complete_code(launch: Launch, when: When) -> events.CodeStored | None:
    """Copy the unchanged blobs into `code.git`; what is to be stated of it, where code is owed."""
    owed = _owed(launch)
    if owed is None:
        return None
    from ..store.completion import Completion  # mostly everything is stored already

    plan, snapshot = owed
    done = Completion(launch.around.store, launch.around.environ).complete(plan, snapshot)
    return events.CodeStored(
        when=when,
        tree=snapshot.tree,
        stored="complete" if done.stored == "complete" else "partial",
        digest=done.digest,
        base=done.base,
        because=done.because,
    )
