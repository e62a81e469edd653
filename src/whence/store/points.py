"""Metric points: `[step, time, {name: value}]`, one line and one write a call (docs/format.md, section 3).

A line is one append of whole bytes, so threads need no lock, and neither a SIGKILL nor what a signal handler raises
tears one.
"""

from __future__ import annotations

import errno
import os
import time as clock
import weakref
from collections.abc import Iterator, Mapping
from math import fsum, inf
from pathlib import Path
from typing import Any, cast

import msgspec

from ..handlers import let_pass
from ..records.encoding import encode, number_text
from ..records.result import Metric
from ..system.descriptors import Owned, high
from .journal import POINTS_SUFFIX, whole_length

Step = int | float | None
Value = float | str
"""A number, or `NaN`, `Infinity`, `-Infinity`."""

Point = tuple[Step, float, dict[str, Value]]

_encode = msgspec.json.Encoder().encode
_EXACT = 1 << 53
"""Integers up to this one, either sign, are exact as a float."""
_decoder = msgspec.json.Decoder(Point)
_TRUSTED = 0.05
"""Seconds for which a descriptor that was seen to be ours is taken for it."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 1.0
"""Seconds without another try after a write that failed; each is twice the last, until a line goes through."""
_CHUNK = 4 << 20
"""Bytes decoded at once: bounds memory to some 30 MB."""


class PointsWriter:
    """Appends points to files that it made: `<writer>.points.jsonl`, and a numbered one where that takes no more.

    On a full disk it keeps its file, and tries again when there is more room than there was, or after a pause that
    grows. A forked child does not inherit it: its copy is closed.
    """

    def __init__(self, folder: Path, writer: str, fd: int, number: int) -> None:
        self._folder = folder
        self._writer = writer
        self._fd = fd
        self._file = Owned(fd, _path(folder, writer, number))
        self._number: int = number
        self._good = True
        """Whether the next line may go to the file as it is."""
        self._given_up = False
        """Whether the next line goes to a new file."""
        self._failed: _Failed | None = None
        """The last write that failed, until a line goes through."""
        self._seen = 0.0
        """When the descriptor was last seen to be ours, by the `time` of a point."""
        _OPEN.add(self)

    @classmethod
    def create(cls, folder: Path, writer: str, number: int = 1) -> PointsWriter:
        """Start the file, or a later one. Raises OSError, also when it is there: no two writers share a name."""
        return cls(folder, writer, _create(_path(folder, writer, number)), number)

    def write_plain(self, values: dict[Any, Any], step: object, time: float) -> bool:
        """Append what nearly every call says: finite floats and small integers by name, under an integer step or none.

        `values` is whatever was handed in. False, and nothing written, for anything else, and after a failed write:
        `write` knows them all. Raises OSError when the line did not get through. Costs half a microsecond beside the
        system call.
        """
        if type(values) is not dict or not values or not self._good or self._fd < 0:
            return False
        if not 0 <= time - self._seen < _TRUSTED and not self._is_ours(time):
            return False
        if type(step) is not int and step is not None:
            return False
        try:
            for name, value in values.items():
                # Not finite: the difference is not 0. Looking for `null` in the line would cost more than all the rest.
                if type(name) is not str or (value - value != 0 if type(value) is float else not _is_small(value)):
                    return False
            line = _encode((step, time, values))
        except (UnicodeEncodeError, OverflowError, RuntimeError) as error:
            # The last: another thread changes the mapping.
            let_pass(error)
            return False
        self._append(line + b"\n")
        return True

    def write(self, values: Mapping[str, float | str], step: Step, time: float) -> None:
        """Append one line with one write; `time` is Unix seconds. Raises OSError when the line did not get through."""
        try:
            line = _encode((step, time, values))
            # A float that is not finite comes out as null, and so does a step that is not there.
            whole = b"null" not in line or (step is None and line.count(b"null") == 1)
        except UnicodeEncodeError:
            line, whole = b"", False
        if not whole:
            line = encode([step, time, dict(values)])
        if self._fd >= 0:
            self._is_ours(time)
        if self._failed is not None and not self._failed.is_over(self._folder):
            raise OSError(self._failed.code, os.strerror(self._failed.code), str(self._folder))
        if self._given_up:
            self._continue()
        self._append(line + b"\n")
        self._good, self._failed = True, None

    def _is_ours(self, time: float) -> bool:
        """Whether what the program did to its descriptors left ours; else nothing more is written to this one."""
        if not self._file.is_ours:
            self._good, self._given_up = False, True
        self._seen = time
        return self._good

    def _append(self, line: bytes) -> None:
        try:
            written = os.write(self._fd, line)
        except OSError as error:
            let_pass(error)
            self._fail(error)
            # Of a full disk another file would be no better, and an empty one is as good as a new one.
            self._given_up = error.errno not in _FULL and os.fstat(self._fd).st_size > 0
            raise
        if written < len(line):
            # What comes next must not be glued to half a line.
            self._good, self._given_up = False, True
            raise OSError(errno.ENOSPC, f"short write, {written} of {len(line)} bytes", str(self._folder))

    def _fail(self, error: OSError) -> None:
        pause = min(2 * self._failed.pause, _LONGEST_PAUSE) if self._failed else _FIRST_PAUSE
        self._good = False
        self._failed = _Failed(error.errno or errno.EIO, clock.monotonic(), pause, _room(self._folder))

    def _continue(self) -> None:
        number = self._number + 1
        path = _path(self._folder, self._writer, number)
        try:
            fd = _create(path)
        except FileExistsError:
            self._number = number  # Begun before, and cut off by what a signal handler raised.
            raise
        except OSError as error:
            let_pass(error)
            self._fail(error)
            raise
        self._file.close()
        self._fd, self._file, self._given_up = fd, Owned(fd, path), False
        self._number = number

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        if self._fd >= 0:
            self._file.close()
            self._fd, self._good, self._given_up = -1, True, False


class _Failed(msgspec.Struct, frozen=True):
    """A write that failed, with nothing written."""

    code: int
    at: float
    """By the monotonic clock."""
    pause: float
    room: int
    """Blocks that were free."""

    def is_over(self, folder: Path) -> bool:
        """Whether it may be tried again. A try may cost a full disk milliseconds; to ask it for its room does not."""
        return clock.monotonic() - self.at >= self.pause or _room(folder) > self.room


def _room(folder: Path) -> int:
    try:
        return os.statvfs(folder).f_bavail
    except OSError as error:
        let_pass(error)
        return 0


_OPEN: weakref.WeakSet[PointsWriter] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for writer in list(_OPEN):
        writer.close()


os.register_at_fork(after_in_child=_after_fork_in_child)


def _is_small(value: object) -> bool:
    return type(value) is int and -_EXACT <= value <= _EXACT


def _path(folder: Path, writer: str, number: int) -> Path:
    return folder / f"{writer}{POINTS_SUFFIX if number == 1 else f'-{number}{POINTS_SUFFIX}'}"


def _create(path: Path) -> int:
    return high(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))


class _Series(msgspec.Struct):
    """What is known of one metric so far. Numbers only; `first` and `last` may be the three strings."""

    first: Value
    last: Value = 0.0
    step: Step = None
    count: int = 0
    finite: int = 0
    total: float = 0.0
    low: float = inf
    high: float = -inf


class _Summary(msgspec.Struct):
    series: dict[str, _Series] = {}


def summarise(*files: bytes) -> dict[str, Metric]:
    """The summary of each metric over the files in their order; a torn last line and lines with a fault are left out.

    Costs about a microsecond a value.
    """
    summary = _Summary()
    for data in files:
        for rows in _batches(data):
            _add_rows(summary, rows)
    return {name: _metric(series) for name, series in summary.series.items()}


def iterate(data: bytes) -> Iterator[Point]:
    """Each point in file order; a torn last line and lines with a fault are left out."""
    for rows in _batches(data):
        yield from rows


def faulty_lines(data: bytes) -> list[int]:
    """The numbers, from 1, of whole lines that are no points."""
    return [number for number, line in enumerate(data[: whole_length(data)].splitlines(), 1) if _read(line) is None]


def _batches(data: bytes) -> Iterator[list[Point]]:
    start, end = 0, whole_length(data)
    while start < end:
        stop = end if end - start <= _CHUNK else data.rfind(b"\n", start, start + _CHUNK) + 1
        if stop <= start:
            stop = data.index(b"\n", start) + 1
        yield _read_batch(data[start:stop])
        start = stop


def _read_batch(lines: bytes) -> list[Point]:
    try:
        return _decoder.decode_lines(lines)
    except msgspec.DecodeError:
        return [point for line in lines.splitlines() if (point := _read(line)) is not None]


def _read(line: bytes) -> Point | None:
    try:
        return _decoder.decode(line)
    except msgspec.DecodeError:
        return _read_surrogates(line)


def _read_surrogates(line: bytes) -> Point | None:
    """A name that is not UTF-8: rare, and beyond msgspec."""
    import json

    try:
        return msgspec.convert(json.loads(line), Point)
    except (ValueError, msgspec.ValidationError, RecursionError):
        return None


def _add_rows(summary: _Summary, rows: list[Point]) -> None:
    columns: dict[str, list[Value]] = {}
    steps: dict[str, Step] = {}
    for step, _, values in rows:
        for name, value in values.items():
            if name in columns:
                columns[name].append(value)
            else:
                columns[name] = [value]
            steps[name] = step
    for name, column in columns.items():
        series = summary.series.setdefault(name, _Series(first=column[0]))
        series.step = steps[name]
        _add_column(series, column)


def _add_column(series: _Series, column: list[Value]) -> None:
    series.last = column[-1]
    series.count += len(column)
    # msgspec reads no other types here, and mostly there is but one.
    kinds = set(map(type, column))
    numbers = cast("list[float]", column if str not in kinds else [v for v in column if not isinstance(v, str)])
    if numbers:
        series.finite += len(numbers)
        series.low = min(series.low, min(numbers))
        series.high = max(series.high, max(numbers))
        series.total += _sum(numbers)


def _sum(numbers: list[float]) -> float:
    try:
        return fsum(numbers)
    except OverflowError:
        return inf


def _metric(series: _Series) -> Metric:
    mean = series.total / series.finite if series.finite else None
    return Metric(
        last=series.last,
        min=series.low if series.finite else None,
        max=series.high if series.finite else None,
        mean=mean if mean is None or abs(mean) != inf else number_text(mean),
        first=series.first,
        count=series.count,
        step=series.step,
    )
