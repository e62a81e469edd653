"""The runs that are open in this process: which one a context belongs to, and their end when the process ends."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterator, MutableMapping
from contextvars import ContextVar

from . import attach
from .guests import guests
from .handle import Run
from .outcome import last_error
from .watch import Watch


class OpenRuns:
    """The runs that are open in this process, the latest last; `WHENCE_RUN` names that one for child processes."""

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self._watch: Watch | None = None
        self._lock = threading.RLock()
        self._environ: MutableMapping[str, str] = {}
        self._before: str | None = None

    def entered(self, run: Run, environ: MutableMapping[str, str]) -> None:
        """A run has begun: child processes find it, and its end is seen to whatever happens."""
        with self._lock:
            if not self._runs:
                self._environ, self._before = environ, environ.get(attach.VARIABLE)
            self._runs.append(run)
            run.when_ended = self.left
            self._name()
            if self._watch is None:
                self._watch = Watch(self._beat, self._end_all)
                self._watch.start()

    def left(self, run: Run) -> None:
        """A run has ended."""
        with self._lock:
            if run not in self._runs:
                return
            self._runs.remove(run)
            self._name()
            watch = None if self._runs else self._watch
            if watch is not None:
                self._watch = None
        if watch is not None:
            watch.stop()

    def _name(self) -> None:
        mine = [run for run in self._runs if run.kind == "main"]
        if mine:
            store = mine[-1].session.recording.store.path
            self._environ[attach.VARIABLE] = attach.named(mine[-1].id, store)
        elif self._before is None:
            self._environ.pop(attach.VARIABLE, None)
        else:
            self._environ[attach.VARIABLE] = self._before

    def latest(self) -> Run | None:
        """The run that began last, whatever thread began it."""
        return self._runs[-1] if self._runs else None

    def __iter__(self) -> Iterator[Run]:
        return iter(list(self._runs))

    def _beat(self) -> None:
        for run in self:
            run.session.recording.heartbeat()

    def _end_all(self, number: int) -> None:
        for run in reversed(list(self)):
            run.end_by_signal(number)

    def forget(self) -> None:
        """In a fork's child: these are the parent's. They stay known, so that what the child says finds its run."""
        self._lock = threading.RLock()
        if self._watch is not None:
            watch, self._watch = self._watch, None
            watch.stop()

    def at_exit(self) -> None:
        """The interpreter leaves: what is open ends now, as truly as can be said from inside."""
        error = last_error()
        for run in reversed(list(self)):
            if run.here:
                run.end_at_exit(error)


_open = OpenRuns()
_current: ContextVar[Run | None] = ContextVar("whence_run", default=None)


def enter(run: Run, environ: MutableMapping[str, str]) -> None:
    """The run is open from here on, and the current one of this context."""
    _open.entered(run, environ)
    _current.set(run)


def current() -> Run | None:
    """The run of this context, else the one that began last in this process; nothing without one."""
    return _of_context() or _open.latest()


def enclosing() -> Run | None:
    """The run of this context in this very process; a forked child's is its parent's and does not count."""
    run = _of_context()
    return run if run is not None and run.here else None


def _of_context() -> Run | None:
    run = _current.get()
    while run is not None and run.ended:
        run = run.outer
    return run


def is_own(run: str) -> bool:
    """Whether the run of that identifier is open in this very process."""
    return any(known.id == run and known.here for known in _open)


def thread_parent() -> Run | None:
    """The run that the main thread has open, for a thread that begins one of its own: its parent."""
    if threading.current_thread() is threading.main_thread():
        return None
    first = next(iter(_open), None)
    return first if first is not None and first.in_main_thread else None


def after_fork_in_child() -> None:
    """A forked child has no run open; what it says goes into a journal of its own."""
    _open.forget()
    guests.forget()


def at_exit() -> None:
    """The interpreter leaves."""
    _open.at_exit()
    guests.close()


os.register_at_fork(after_in_child=after_fork_in_child)
atexit.register(at_exit)
