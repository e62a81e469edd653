"""From what the command's parent reported to `run.ended`, with the evidence that this process can read."""

from __future__ import annotations

import signal
from collections.abc import Callable

from ..records.events import RunEnded
from ..records.run import Error, Resources
from ..rules import ending as rules
from ..system.tree import out_of_memory_kills, sample
from .parent import Ended

FIRST_SAMPLE = 0.05
SLOWEST = 2.0
SHARE = 0.01
"""Of one processor's time, the most that sampling may take."""

ENOUGH = 3
"""Looks after which the largest is taken for the peak: the first finds a program that has hardly begun."""


class Usage:
    """Samples the command's tree: often at first, rarely later, never for more than a hundredth of the time."""

    def __init__(self) -> None:
        self.peak = 0
        self.peak_process = 0
        self.processes = 1
        self.looks = 0
        self.interval = FIRST_SAMPLE
        self._kills = out_of_memory_kills()

    def look(self, pid: int, clock: Callable[[], float]) -> None:
        began = clock()
        total, largest, count = sample(pid)
        self.peak = max(self.peak, total)
        self.peak_process = max(self.peak_process, largest)
        self.processes = max(self.processes, count)
        self.looks += 1
        self.interval = max(min(self.interval * 1.3, SLOWEST), (clock() - began) / SHARE)

    def out_of_memory(self) -> str | None:
        return rules.out_of_memory(self._kills, out_of_memory_kills())

    def resources(self, ended: Ended, wall: float) -> Resources:
        # A process forked from ours had our size before its exec; below that the kernel's number says nothing.
        kernel = ended.peak if ended.peak > ended.floor * 1.1 else 0
        largest = max(kernel, self.peak_process)
        if not kernel and self.looks < ENOUGH and self.peak <= ended.peak:
            largest = 0
        return Resources(
            wall=wall,
            cpu_user=ended.cpu_user,
            cpu_system=ended.cpu_system,
            peak_memory=max(self.peak, largest) if largest else None,
            peak_memory_process=largest or None,
            read_bytes=ended.read,
            written_bytes=ended.written,
            processes=self.processes,
        )


def signal_name(number: int) -> str:
    """`SIGTERM` for 15; real-time signals have numbers only."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def run_ended(
    ended: Ended, *, began: float, usage: Usage, tail: bytes, interrupted: bool, mask: Callable[[str], str]
) -> RunEnded:
    """The event of a command that ran; `mask` hides secrets in what it printed last."""
    wall = max(0.0, ended.at - began)
    return rules.ended(
        exit_code=ended.exit_code,
        signal=None if ended.signal is None else signal_name(ended.signal),
        tail=mask(tail.decode(errors="replace")),
        duration=wall,
        resources=usage.resources(ended, wall),
        out_of_memory=usage.out_of_memory() if ended.signal == signal.SIGKILL else None,
        interrupted=interrupted,
    )


def never_ran(name: str, code: int, because: str) -> RunEnded:
    """The event of a command that could not be executed."""
    kind = "not_found" if code == 127 else "not_executable"
    return RunEnded(status="failed", exit_code=code, error=Error(type=kind, message=f"{name}: {because}"))


def never_started() -> RunEnded:
    """The event of a command of which nothing was executed: who was to do it was killed, time and again."""
    message = "the processes that were to start the command were killed; it was never started"
    return RunEnded(status="lost", error=Error(type="never_started", message=message))


def not_known(duration: float, *, started: bool = True) -> RunEnded:
    """The event of a command whose parent was killed: that it ended is known, how is not, or not even whether it was
    executed at all."""
    unknown = "how the command ended is" if started else "whether the command was started, and how it ended, are"
    message = f"the process that waits for the command was killed; {unknown} not known"
    return RunEnded(status="lost", error=Error(type="unknown", message=message), duration=duration)
