"""Work beside the run: the snapshot's remaining blobs, and inputs whose digest was not done before the start."""

from __future__ import annotations

import threading

from ..capture.inputs import digest_all
from ..records import events
from ..records.base import When
from ..system.apart import apart
from ..system.threads import begun
from .launch import Launch


class Beside:
    """A thread that begins when the command has started. `finish` waits for it, or tells it to stop."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._enough = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def started(self) -> bool:
        """Whether there was anything to do, and it was begun; without room for a thread it is done at the end."""
        return self._thread is not None

    def start(self) -> None:
        """Begin, if there is anything to do."""
        if owes_code(self._launch) or any(one.pending for one in self._launch.inputs):
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
            if owes_code(launch):
                complete_code(launch, "during")
            pending = [one for one in launch.inputs if one.pending]
            digest_all(pending, self._enough.is_set)
            for one in pending:
                if not one.pending:
                    launch.keep_input(one)
                    launch.recording.state(one.digested("during"))
        except Exception as fault:  # noqa: BLE001  nothing may rise into a thread's end unseen; it becomes a loss
            launch.recording.lost("work beside the run", f"{type(fault).__name__}: {fault}")


def owes_code(launch: Launch) -> bool:
    """Whether blobs, or the tree of the commit that a dirty folder differs from, are still to be copied."""
    plan = launch.captured.plan if launch.captured else None
    if launch.snapshot is None or plan is None:
        return False
    return launch.snapshot.stored != "complete" or plan.head_tree not in (None, launch.snapshot.tree)


def complete_code(launch: Launch, when: When) -> None:
    """Copy the unchanged blobs into `code.git`, and say so."""
    if launch.snapshot is None or launch.captured is None or launch.captured.plan is None:
        return
    from ..store.completion import Completion  # mostly everything is stored already

    done = Completion(launch.around.store, launch.around.environ).complete(launch.captured.plan, launch.snapshot)
    launch.recording.state(
        events.CodeStored(
            when=when,
            tree=launch.snapshot.tree,
            stored="complete" if done.stored == "complete" else "partial",
            digest=done.digest,
            base=done.base,
            because=done.because,
        )
    )
