"""Metric points of this process, straight into the run's folder, in the form of docs/format.md, section 3.

A line is one write of whole bytes, and the file is closed after each: a SIGKILL loses nothing, and no descriptor of
ours is in the program's way. A forked child has a file of its own. When the run has ended, the way there is gone.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

WAY = "points"
"""A link in the folder for notes: where the run's files lie."""


class Points:
    """This process's points."""

    def __init__(self, folder: str) -> None:
        self._folder = os.path.join(folder, WAY)
        self._pid = 0
        self._file = ""

    def write(self, step: float | None, at: float | None, values: Mapping[str, float]) -> None:
        """Append a point; `at` is Unix seconds, now where it is not given. Raises OSError."""
        import json

        shown = {name: value if value - value == 0 else _not_finite(value) for name, value in values.items()}
        line = json.dumps([step, time.time() if at is None else at, shown], separators=(",", ":")).encode("ascii")
        if self._pid != os.getpid():
            self._begin()
        fd = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            if os.write(fd, line + b"\n") <= len(line):
                self._begin()  # What comes next must not be glued to half a line.
        finally:
            os.close(fd)

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._file = os.path.join(self._folder, f"told-{self._pid}-{time.monotonic_ns()}.points.jsonl")


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
