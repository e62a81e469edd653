"""Turns: work on one state that is done one after another, and that may be asked for in the midst of itself.

A signal handler or a finalizer of the user's runs between any two steps of the thread that it interrupts, and may ask
for what that thread is just doing. To wait for it would be to wait for ever; to do it at once would tear the state. So
what is asked for is put in a queue, and whoever is at work works it off before it leaves.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


class _Inside(threading.local):
    ranks: tuple[int, ...] = ()


_inside = _Inside()
"""Of which turns this thread is in the midst."""


def in_midst() -> bool:
    """Whether this thread is in the midst of a turn, and has come here through a handler or finalizer."""
    return bool(_inside.ranks)


class Turns(Generic[Item]):
    """A queue that whoever adds to it works off. Other threads wait until theirs is done.

    A thread that is in the midst of turns of this rank or a higher one waits for nobody: it has come back here through
    a handler, and who has the turn may be waiting for that very thread. Its items are then done by who has it.
    """

    def __init__(self, work: Callable[[deque[Item]], None], *, rank: int) -> None:
        """`work` takes the items from the queue; what it leaves there when it raises is left to the next turn.

        `rank` is above that of all turns in which these are asked for.
        """
        self._work = work
        self._rank = rank
        self.begin_anew()
        _ALL.add(self)

    def begin_anew(self) -> None:
        """In the child of a fork: what waits is the parent's, and who is at work may be a thread that is not here."""
        self._waiting: deque[Item] = deque()
        self._at_work: dict[str, object] = {}
        self._lock = threading.RLock()

    def take(self, *items: Item) -> None:
        """Have the items worked off, and what an earlier turn has left."""
        # Whatever a handler raises, at whatever step: the end of each block below is what it was before.
        before = _inside.ranks
        try:
            _inside.ranks = (*before, self._rank)
            self._waiting.extend(items)
            if all(rank < self._rank for rank in before):
                with self._lock:
                    self._work_off()
            else:
                self._work_off()
        finally:
            _inside.ranks = before

    def _work_off(self) -> None:
        """Without a gap: who finds somebody at work has added to the queue before that one looks at it again."""
        me = object()
        while self._waiting:
            try:
                if self._at_work.setdefault("who", me) is not me:
                    return
                self._work(self._waiting)
            finally:
                # No call in here: after each Python looks for signals, and what a handler raises would leave it undone.
                if "who" in self._at_work and self._at_work["who"] is me:
                    del self._at_work["who"]


_ALL: weakref.WeakSet[Turns[Any]] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for turns in list(_ALL):
        turns.begin_anew()


os.register_at_fork(after_in_child=_after_fork_in_child)
