"""`output.log`: what the command printed, bounded, as docs/format.md says in section 3.

Every chunk is on its way to the file when `write` returns, so a SIGKILL of everything loses nothing of it. A line that
is not complete yet is *shown* behind the bytes that stay, and overwritten when it goes on: that is how a progress bar
of ten thousand carriage returns stays one line. Beyond the limit the end goes to segments, of which the last two
stay (`store.printed`); `finish` puts head and tail together.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..records.result import Output, OutputPart, Stream
from ..store.printed import join, notice, segment_path

LINE_LIMIT = 64 << 10
"""Bytes of an unfinished line that are held back for folding; a longer one stays as it is."""

SMALLEST = 2
"""Bytes; a log with a smaller limit is only counted."""


class OutputLog:
    """One log of one run. Raises nothing after it was made: `fault` says why it stopped."""

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self.fault: OSError | None = None
        self.printed = 0
        self._limit = limit
        self._half = limit // 2
        self._sections: list[tuple[Stream, str | None, int]] = []
        self._pending: dict[str, bytes] = {}
        self._committed = 0
        self._skipped = 0
        self._gap = False
        """Whether bytes were skipped since the last one that was written."""
        self._files: list[_File] = []

    def write(self, stream: Stream, data: bytes, *, terminal: bool = False, source: str | None = None) -> None:
        """Take what a stream printed. `terminal`: its line ends are `\\r\\n` and become `\\n`."""
        self.printed += len(data)
        if self.fault is not None:
            return
        try:
            self._enter(stream, source)
            self._take(stream, data, terminal)
        except OSError as error:
            self.fault = error

    def skip(self, count: int) -> None:
        """Leave bytes out that lie between head and tail anyway; only between two writes past the head."""
        self.printed += count
        self._skipped += count
        self._gap = True

    def finish(self) -> Output | None:
        """Complete the file and say what is in it; nothing if nothing was printed."""
        try:
            self._commit(b"".join(self._pending.values()))
            for file in self._files:
                file.close()
            cut = self._join()
        except OSError as error:
            self.fault = error
            cut = 0
        if not self.printed:
            return None
        kept = 0 if self.fault and not self._files else self._committed + self._skipped - cut
        return Output(
            bytes=self.printed,
            kept=kept,
            cut=cut,
            parts=self._parts(cut),
            because=f"output.log could not be written: {self.fault.strerror}" if self.fault else None,
        )

    @property
    def head_is_full(self) -> bool:
        return self._committed >= self._half

    @property
    def tail_room(self) -> int:
        """Bytes at the end that are kept in any case, and a little more, for lines that fold."""
        return 2 * (self._limit - self._half)

    def _enter(self, stream: Stream, source: str | None) -> None:
        """Streams that mix are one stretch, `both`; a redirected file is a stretch of its own."""
        if not self._sections or self._sections[-1][1] != source:
            self._commit(b"".join(self._pending.values()))
            self._pending.clear()
            self._sections.append((stream, source, self._committed + self._skipped))
        elif self._sections[-1][0] != stream:
            self._sections[-1] = ("both", source, self._sections[-1][2])

    def _take(self, stream: str, data: bytes, terminal: bool) -> None:
        text = self._pending.get(stream, b"") + data
        end = text.rfind(b"\n") + 1
        lines, rest = text[:end], text[end:]
        if b"\r" in lines:
            lines = fold_lines(lines, terminal=terminal)
        if b"\r" in rest:
            rest = fold_line(rest) + (b"\r" if rest.endswith(b"\r") else b"")
        if len(rest) > LINE_LIMIT:
            lines, rest = lines + rest, b""
        self._pending[stream] = rest
        self._commit(lines, shown=b"".join(self._pending.values()))

    def _commit(self, data: bytes, shown: bytes = b"") -> None:
        """Write bytes that stay, and behind them the unfinished lines."""
        if not data and not shown:
            for file in self._files[-1:]:
                file.write(b"", b"")
            return
        if self._limit < SMALLEST:
            self._skipped += len(data)
            return
        while True:
            file, room = self._room()
            now, data = data[:room], data[room:]
            file.write(now, shown if not data else b"")
            self._committed += len(now)
            if not data:
                return

    def _room(self) -> tuple[_File, int]:
        """The file that takes the next bytes, and how many."""
        if not self._files:
            self._files.append(_File(self.path))
        file = self._files[-1]
        most = self._limit if len(self._files) == 1 else self._half
        if file.length < most and not self._gap:
            return file, most - file.length
        file.write(b"", b"")
        self._files.append(_File(segment_path(self.path, self._committed + self._skipped)))
        self._gap = False
        if len(self._files) > 3:
            self._files.pop(1).remove()
        return self._files[-1], self._half

    def _join(self) -> int:
        if not self._files:
            return self._skipped
        return join(self.path, limit=self._limit, end=self._committed + self._skipped)

    def _parts(self, cut: int) -> list[OutputPart]:
        if not self._files:
            return []

        def place(position: int) -> int:
            return position if position <= self._half else max(self._half, position - cut) + len(notice(cut))

        total = self._committed + self._skipped
        ends = [start for _, _, start in self._sections[1:]] + [total]
        return [
            OutputPart(stream=stream, offset=place(start), length=place(end) - place(start), source=source or None)
            for (stream, source, start), end in zip(self._sections, ends, strict=True)
            if end > start
        ]


class _File:
    """A file that this log alone writes: bytes that stay, and shown ones behind them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.length = 0
        self._shown = 0
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)

    def write(self, data: bytes, shown: bytes) -> None:
        shown = shown.rstrip(b"\r")
        text = memoryview(data + shown)
        done = 0
        while done < len(text):
            done += os.pwrite(self._fd, text[done:], self.length + done)
        if self._shown > len(text):
            os.ftruncate(self._fd, self.length + len(text))
        self.length += len(data)
        self._shown = len(shown)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def remove(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)


def fold_lines(text: bytes, *, terminal: bool = False) -> bytes:
    """Complete lines, each as it was last shown. A `\\r` right before the newline rewrites nothing."""
    return b"\n".join(_fold_ended(line, terminal) for line in text.split(b"\n"))


def _fold_ended(line: bytes, terminal: bool) -> bytes:
    if b"\r" not in line:
        return line
    body = line.rstrip(b"\r")
    return fold_line(body) + (b"" if terminal or len(body) == len(line) else b"\r")


def fold_line(line: bytes) -> bytes:
    """A line as a terminal shows it after its carriage returns."""
    shown = b""
    for part in line.split(b"\r"):
        if part:
            shown = _overlay(shown, part)
    return shown


def _overlay(old: bytes, new: bytes) -> bytes:
    """`new` written over `old`. A terminal keeps what sticks out; escapes are taken to clear the line."""
    if len(old) <= len(new) or b"\x1b" in new or b"\x1b" in old:
        return new
    try:
        before, after = old.decode(), new.decode()
    except UnicodeDecodeError:
        return new
    return (after + before[len(after) :]).encode()
