"""Metric points of this process, straight into the run's folder, in the form of docs/format.md, section 3.

A line is one write of whole bytes: a SIGKILL loses nothing. The file stays open, since an open is watched and costs as
much as fifty writes: at a high number, out of the program's way, and looked at before each write, so that a number
that the program has closed or taken is left to it. A forked child has a file of its own.
"""

from __future__ import annotations

import fcntl
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

WAY = "points"
"""A link in the folder for notes: where the run's files lie. When the run has ended it is gone."""

HIGH = 700
"""The first number that is tried: the kernel gives the lowest, and a limit of 1024 is common."""


class Points:
    """This process's points."""

    def __init__(self, folder: str) -> None:
        self._folder = os.path.join(folder, WAY)
        self._pid = 0
        self._file = ""
        self._fd = -1
        self._identity = (0, 0)

    def write(self, step: float | None, at: float | None, values: Mapping[str, float]) -> None:
        """Append a point; `at` is Unix seconds, now where it is not given. Raises OSError."""
        import json

        shown = {name: value if value - value == 0 else _not_finite(value) for name, value in values.items()}
        line = json.dumps([step, time.time() if at is None else at, shown], separators=(",", ":")).encode("ascii")
        if self._pid != os.getpid():
            self._begin()
        if not self._is_ours():
            self._open()
        if os.write(self._fd, line + b"\n") <= len(line):
            self._begin()  # What comes next must not be glued to half a line.

    def _begin(self) -> None:
        """A file of its own, for this process or after half a line; the one before is given up."""
        if self._is_ours():
            os.close(self._fd)
        self._fd = -1
        self._pid = os.getpid()
        self._file = os.path.join(self._folder, f"told-{self._pid}-{time.monotonic_ns()}.points.jsonl")

    def _is_ours(self) -> bool:
        if self._fd < 0:
            return False
        try:
            state = os.fstat(self._fd)
        except OSError:
            return False
        return (state.st_dev, state.st_ino) == self._identity

    def _open(self) -> None:
        fd = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            self._fd = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, HIGH)
        except OSError:
            self._fd, fd = fd, -1  # A lower limit.
        if fd >= 0:
            os.close(fd)
        state = os.fstat(self._fd)
        self._identity = state.st_dev, state.st_ino


def number(value: Any) -> float | None:
    """A value as one number; nothing for what is none. Raises what a value of the user's raises."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if hasattr(value, "item"):
        # One of numpy, torch or jax; whoever logs it has fetched it from its device by now.
        return number(value.item()) if _is_one(value) else None
    return float(value) if hasattr(value, "__float__") else None


def _is_one(value: Any) -> bool:
    count = 1
    for length in getattr(value, "shape", ()):
        count *= int(length)
    return count == 1


def _not_finite(value: float) -> str:
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
