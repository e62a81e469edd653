"""Observation by the Python programs of a command themselves, where nothing beneath them can watch.

What they tell lies in the boot folder, a file a process; it is read now and then, and at the end.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..boot.opens import SUFFIX, WANTED
from ..errors import FormatError
from ..rules.hooked import read_line
from .observing import Observation, Observer, Records, Watch, inherited

EVERY = 1.0
"""Seconds between two looks."""

ONLY_PYTHON = (
    "only what Python programs opened by themselves was seen: not what other programs, and compiled libraries, opened"
)
NOBODY = "no Python program told what it opened"
UNREAD = "lines that could not be read"


class Hooked(Watch):
    """One command's observation by its Python programs."""

    def __init__(self, observer: Observer) -> None:
        """Raises OSError: there is no folder in which they could tell."""
        if observer.told_in is None:
            raise FileNotFoundError(2, "programs have no folder to tell in")
        (observer.told_in / WANTED).touch()
        self._observer = observer
        self._folder = observer.told_in
        self._read: dict[str, int] = {}
        self._seen = 0
        self._told = False
        self._faults = 0
        self._gone = ""
        self._look_at = time.monotonic() + EVERY
        self._inherited = inherited() if Path("/proc/self/fd").is_dir() else []

    def part(self) -> None:
        """There is nobody beside the command."""

    def begin(self) -> None:
        self._take(self._inherited)

    def close(self) -> None: ...

    def interest(self) -> list[int]:
        return []

    def next(self, ended_at: float | None) -> float:
        return self._look_at

    def turn(self, ready: Mapping[int, int]) -> None:
        if time.monotonic() >= self._look_at:
            self._look()
            self._look_at = time.monotonic() + EVERY

    def settled(self, ended_at: float) -> bool:
        return True

    def finish(self) -> None:
        self._look()
        gaps = [ONLY_PYTHON, *([] if self._told else [NOBODY]), *([self._gone] if self._gone else [])]
        if self._faults:
            gaps.append(f"{UNREAD}: {self._faults}")
        self._observer.ended(
            Observation(mechanism="python", because=self._observer.choice.because, seen=self._seen, gaps=gaps)
        )

    def _look(self) -> None:
        told = sorted(self._new(), key=lambda record: record[0])
        self._told |= bool(told)
        self._take(told)

    def _new(self) -> Iterator[tuple[Any, ...]]:
        try:
            for name in sorted(os.listdir(self._folder)):
                if name.endswith(SUFFIX):
                    yield from self._of(name)
        except OSError as error:
            self._gone = f"what programs told of their files is gone: {error.strerror}"

    def _of(self, name: str) -> Iterator[tuple[Any, ...]]:
        """What is new in a file; of a line that is being written there is more the next time."""
        with (self._folder / name).open("rb") as file:
            file.seek(self._read.get(name, 0))
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read[name] = self._read.get(name, 0) + len(whole)
        for line in whole.splitlines():
            try:
                yield read_line(line)
            except FormatError:
                self._faults += 1

    def _take(self, records: list[tuple[Any, ...]]) -> None:
        if records:
            numbered: Records = [(self._seen + at, *record) for at, record in enumerate(records)]
            self._seen += len(records)
            self._observer.take(numbered)
