"""Stopping a living run: the process that its user would signal gets the signal, and hands it to the command.

Only on the host where it runs, and only if the process is the one that the record names: a number is used again. Of
`whence run` the record names the recorder, which no signal reaches; the process in front is its parent, of one fork and
so of one command line. If that is gone, the signal goes to the command itself.
"""

from __future__ import annotations

import os
import signal as signals
from collections.abc import Callable, Sequence

import msgspec

from ..errors import WhenceError
from ..records.run import TERMINAL, Process
from ..store.journal import JournalText
from ..store.layout import Store
from ..store.liveness import alive
from ..store.runs import load_run, processes
from ..system.processes import command_line, identity, parent_of

POLL = 0.1


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it."""

    run: str
    status: str
    process: Process
    """Which process got the signal."""
    signal: str


class NotStopped(WhenceError):
    """No run was ended; the message says why."""


def stop(
    store: Store,
    run_id: str,
    *,
    signal: str,
    seconds: float,
    sleep: Callable[[float], None],
    plan: bool = False,
) -> Stopped:
    """Signal the run and wait for its end. Raises NotStopped, also for a run that has ended."""
    loaded = load_run(store, run_id)
    if loaded.record.status in TERMINAL:
        raise NotStopped(f"{run_id}: has ended already ({loaded.record.status}): there is nothing to stop")
    process = _living(run_id, _order(loaded.journals, signal))
    if not plan:
        os.kill(process.pid, signals.Signals[signal])
    status = loaded.record.status if plan else _wait(store, run_id, seconds, sleep)
    return Stopped(run=run_id, status=status, process=process, signal=signal)


def _order(journals: Sequence[JournalText], signal: str) -> list[Process]:
    """Who should get the signal, the best first."""
    recorder, command = processes(journals)
    # SIGKILL cannot be handed on: it is for the command, and the recorder lives to tell of it.
    front = _front(recorder) if recorder and command and recorder != command and signal != "SIGKILL" else None
    return [process for process in (front, command, recorder) if process is not None]


def _front(recorder: Process) -> Process | None:
    """The process in front of a living recorder: its parent, if both are of one fork."""
    if not alive(recorder, identity()):
        return None
    parent = parent_of(recorder.pid)
    if parent is None or command_line(parent) != command_line(recorder.pid):
        return None
    return identity(parent, host=recorder.host)


def _living(run_id: str, order: Sequence[Process | None]) -> Process:
    """The first of them that lives."""
    reader = identity()
    for process in order:
        if process is not None and alive(process, reader):
            return process
    host = next((process.host for process in order if process and process.host), "another host")
    raise NotStopped(
        f"{run_id}: no process of it can be seen from here",
        hint=f"stop it on {host}, in the container or namespace where it runs",
    )


def _wait(store: Store, run_id: str, seconds: float, sleep: Callable[[float], None]) -> str:
    for _ in range(max(1, round(seconds / POLL))):
        status = load_run(store, run_id).record.status
        if status in TERMINAL:
            return status
        sleep(POLL)
    raise NotStopped(
        f"{run_id}: got the signal, and still runs after {seconds:g} s",
        hint="wait longer (--wait), or send a stronger signal (--signal KILL)",
    )
