"""`output.log` beyond its limit (docs/format.md, section 3): head and end in files of their own until they are joined.

The end of what is printed goes to *segments*, `.tmp-<log>-<position>`, of which only the last two stay; `position`
counts the bytes before it, so whoever joins them knows what is missing. The writer joins them at its end; after a
SIGKILL of everything the process that closes the run does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from ..records.result import Output
from ..system.files import TEMPORARY, open_regular, read_regular, write_all
from ..system.locks import held

LOG = "output.log"
"""How the names of logs end; that of a rank begins with its own."""

_PART = re.escape(TEMPORARY) + r"((?:.+\.)?output\.log)-(?:\d+|joined)"
_NOTICE = rb"\n\[whence: (\d+) bytes left out here\]\n"
_CHUNK = 1 << 20


class _Piece(msgspec.Struct, frozen=True):
    """A stretch of what was printed: `position` counts the bytes before it, `start` is where it begins in the file."""

    path: Path
    position: int
    start: int
    length: int

    @property
    def end(self) -> int:
        return self.position + self.length

    def last(self, count: int) -> _Piece:
        less = max(0, self.length - count)
        return _Piece(self.path, self.position + less, self.start + less, self.length - less)


def segment_path(log: Path, position: int) -> Path:
    """Where the bytes from this position on are written."""
    return log.with_name(f"{TEMPORARY}{log.name}-{position}")


def notice(cut: int) -> bytes:
    """The line that stands where bytes were left out; nothing where none were."""
    return b"\n[whence: %d bytes left out here]\n" % cut if cut else b""


def join_logs(folder: Path, *names: str) -> None:
    """Join what dead writers left apart, in all logs or those of these names, before the run is closed.

    Several processes may try. Raises OSError.
    """
    if not _unjoined(folder, names):
        return
    with held(folder):
        for log in _unjoined(folder, names):
            join(log)


def found_output(folder: Path) -> Output | None:
    """What whoever closes a run may say of its joined log; nothing where none is there. Costs a read of it."""
    try:
        text = read_regular(folder / LOG)
    except FileNotFoundError:
        return None
    left_out = re.search(_NOTICE, text)
    cut = int(left_out[1]) if left_out else 0
    kept = len(text) - len(notice(cut))
    return Output(when="later", bytes=kept + cut, kept=kept, cut=cut, because="as it was found when the run was closed")


def _unjoined(folder: Path, names: Sequence[str]) -> list[Path]:
    found = (re.fullmatch(_PART, name) for name in os.listdir(folder))
    return sorted({folder / part[1] for part in found if part and (not names or part[1] in names)})


def join(log: Path, *, limit: int | None = None, end: int | None = None) -> int:
    """Put head and end into one file; the number of bytes left out between them. Raises OSError.

    A head that is full has `limit` bytes, the default. `end` is what was printed altogether, if it is more than the
    segments show. Killed anywhere, it may be done again: the segments go when everything is in `.tmp-<log>-joined`.
    """
    ready = log.with_name(f"{TEMPORARY}{log.name}-joined")
    segments = sorted(_segments(log), key=lambda piece: piece.position)
    cut = 0
    if not ready.exists():
        size = log.stat().st_size
        end = max([end or 0, size, *(piece.end for piece in segments)])
        if end > size:
            cut = _write_joined(ready, [_Piece(log, 0, 0, size), *segments], limit or size, end)
    for piece in segments:
        piece.path.unlink(missing_ok=True)
    if ready.exists():
        ready.rename(log)
    return cut


def _segments(log: Path) -> Iterator[_Piece]:
    prefix = segment_path(log, 0).name[:-1]
    for path in log.parent.iterdir():
        place = path.name.removeprefix(prefix)
        if path.name.startswith(prefix) and place.isdecimal():
            yield _Piece(path, int(place), 0, path.stat().st_size)


def _write_joined(ready: Path, pieces: list[_Piece], limit: int, end: int) -> int:
    head = _Piece(pieces[0].path, 0, 0, min(limit // 2, pieces[0].length))
    rest = pieces[0].last(pieces[0].length - head.length)
    tail = list(_tail([rest, *pieces[1:]], limit - head.length, end))
    cut = end - head.length - sum(piece.length for piece in tail)
    unfinished = ready.with_name(f"{ready.name}-{os.getpid()}")
    fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        _copy(head, fd)
        write_all(fd, notice(cut))
        for piece in tail:
            _copy(piece, fd)
        unfinished.rename(ready)
    except OSError:
        unfinished.unlink()
        raise
    finally:
        os.close(fd)
    return cut


def _tail(pieces: list[_Piece], count: int, end: int) -> list[_Piece]:
    """The last `count` bytes, or as many as lie together at the end."""
    found: list[_Piece] = []
    for piece in reversed(pieces):
        if count <= 0 or piece.end != end:
            break
        found.append(piece.last(count))
        count, end = count - piece.length, piece.position
    return found[::-1]


def _copy(piece: _Piece, target: int) -> None:
    source = open_regular(piece.path)
    try:
        start, end = piece.start, piece.start + piece.length
        while start < end and (data := os.pread(source, min(_CHUNK, end - start), start)):
            write_all(target, data)
            start += len(data)
    finally:
        os.close(source)
