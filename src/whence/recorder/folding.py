"""The thread that folds the stream, beside what relays the command's output.

To know the real place of a file may need its file system, which may be served by the command itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

from ..capture.attempts import FAULTS
from ..system.threads import begun
from .waiting import drop

MOST_WAITING = 1_000_000
"""Records that may wait to be folded, while a file system does not answer; those beyond are counted."""


class Folding:
    """Takes the records one by one. One that cannot be folded is counted, and the others are folded."""

    def __init__(self, fold: Callable[[tuple[Any, ...]], None]) -> None:
        self._fold = fold
        self._todo: SimpleQueue[Sequence[tuple[Any, ...]] | None] = SimpleQueue()
        self._given = 0
        self._done = 0
        self._left_out = 0
        self.failed: dict[str, int] = {}
        """Records that could not be folded, by the reason."""
        self._thread: threading.Thread | None = None
        self._alone = False
        """Whether the machine has no room for the thread: then it is done at the end."""

    def add(self, records: Sequence[tuple[Any, ...]]) -> None:
        self._given += len(records)
        if self._given - self._done - self._left_out > MOST_WAITING:
            self._left_out += len(records)
            for record in records:
                drop(record)
            return
        self._todo.put(records)
        if self._thread is None and not self._alone:
            self._thread = begun(self._work, "whence-folding")
            self._alone = self._thread is None

    def finish(self) -> int:
        """Wait for the last of them; how many were not folded."""
        self._todo.put(None)
        if self._thread is not None:
            self._thread.join()
        else:
            self._work()
        return self._given - self._done

    def _work(self) -> None:
        while (records := self._todo.get()) is not None:
            for record in records:
                try:
                    self._fold(record)
                except FAULTS as error:
                    drop(record)
                    self._note(record[3], error)
            self._done += len(records)

    def _note(self, op: str, error: Exception) -> None:
        """One that cannot be folded is no reason to leave out the others; its path may be a secret."""
        because = f"{op}: {type(error).__name__}"
        self.failed[because] = self.failed.get(because, 0) + 1
