"""Probes that may fail and must not take long: each failure becomes a `Missing`, all of them share one time limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from ..records.base import Missing
from ..system.processes import ProgramError

T = TypeVar("T")

FAULTS = (OSError, ProgramError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What reading the world may raise: files and programs that fail, and text of another shape than expected."""


class OutOfTime(ProgramError):
    """The time for all probes together is spent."""


class Attempts:
    """Runs probes, keeps what failed and why."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.missing: list[Missing] = []
        self._seconds = seconds
        self._clock = clock
        self._ends = clock() + seconds

    def seconds(self, limit: float) -> float:
        """The seconds that a program may take: its own limit, or what is left for all. Raises OutOfTime."""
        left = self._ends - self._clock()
        if left <= 0:
            raise OutOfTime(f"not tried: the {self._seconds:g} s for the environment were spent")
        return min(limit, max(round(left, 1), 0.1))

    def attempt(self, what: str, probe: Callable[[], T], instead: T) -> T:
        """The probe's answer, or `instead` with the reason in `missing`."""
        try:
            return probe()
        except FAULTS as error:
            self.failed(what, reason(error))
            return instead

    def failed(self, what: str, because: str) -> None:
        self.missing.append(Missing(what=what, because=because))


def reason(error: BaseException) -> str:
    """Why it failed, for a person."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is not there" if error.args else "something is not there"
    return str(error) or type(error).__name__
