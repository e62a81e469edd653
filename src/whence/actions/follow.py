"""Following: what a run prints as it prints it, and the runs of a store as they start and end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import FormatError, UsageError
from ..records.record import Record
from ..records.result import PrintedTo
from ..records.run import TERMINAL
from ..store.layout import Store
from ..store.run_files import SEAL
from ..store.run_list import open_run, run_ids
from ..store.runs import load_run, printed_to
from ..system.files import open_regular
from .listing import Choice
from .parts import read_part
from .view import view_record

POLL = 0.2
"""Seconds between two looks."""

STATUS_EVERY = 5
"""Looks at the output between two looks at the status, which costs reading the journals."""


WAIT = 50
"""Looks at the status of a run that has ended, for what it printed to be captured."""


Identity = tuple[int, int]
"""Of a file: device and inode."""


def follow_output(
    store: Store,
    run_id: str,
    *,
    sleep: Callable[[float], None],
    say: Callable[[str], None],
    target: Identity | None = None,
) -> Iterator[bytes]:
    """What the command printed and prints, until the run has ended. Raises UnresolvedError where nobody looks, and
    UsageError where `target`, the file that it is going to be written to, is one that is read: it would never end.

    What is redirected to a regular file is read there while the run goes on, and `say` is told; where that file cannot
    be seen, it comes at the end.
    """
    path = open_run(store, run_id).path("output.log")
    _refuse_itself(path, target)
    if _unseen(store, run_id) or _ended(store, run_id):
        yield from read_part(store, run_id, "output", now_ns=0, environ={})
        return
    log, looks = _Growing(path, 0), 0
    files: list[_Growing] | None = None
    while True:
        log.path = log.path or open_run(store, run_id).path("output.log")
        look_at_status = looks % STATUS_EVERY == 0
        looks += 1
        # Copies of the files come into the log after the end: what was read before a look at the status has none.
        printed = list(log.more()) if look_at_status or not files else []
        if look_at_status and _ended(store, run_id):
            break
        if files is None and look_at_status:
            files = _files(store, run_id, say, target)
        yield from printed
        for file in files or ():
            yield from file.more()
        sleep(POLL)
    log.offset -= sum(map(len, printed))
    for file in files or ():
        yield from file.more()
    yield from log.more(_before_copies(store, run_id, sleep) if files else None)


class _Growing:
    """A file that is read as it grows."""

    def __init__(self, path: Path | None, offset: int) -> None:
        self.path = path
        self.offset = offset

    def more(self, end: int | None = None) -> Iterator[bytes]:
        """What has come since the last time, at most to `end`."""
        if self.path is None or not self.path.exists():
            return
        with os.fdopen(open_regular(self.path), "rb") as stream:
            stream.seek(self.offset)
            while chunk := stream.read(1 << 20 if end is None else max(0, min(1 << 20, end - self.offset))):
                self.offset += len(chunk)
                yield chunk


def _refuse_itself(path: Path | None, target: Identity | None) -> None:
    if path is not None and target is not None and _identity(path) == target:
        raise UsageError(
            f"{path}: is both what is read and what is written to: it would never end",
            hint="the run prints there already: follow it with `tail -f`, or write to another file",
        )


def _identity(path: Path) -> Identity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _files(store: Store, run_id: str, say: Callable[[str], None], target: Identity | None) -> list[_Growing] | None:
    """The files that the command prints into, as far as they are here; nothing before it has started."""
    loaded = load_run(store, run_id)
    if loaded.record.started is None:
        return None
    told = printed_to(loaded.journals)
    for file in told:
        _refuse_itself(Path(file.path), target)
    for file in told:
        seen = "which is read as it grows" if _is_here(file) else "which cannot be read here: it comes at the end"
        say(f"{file.stream} goes to {file.path}, {seen}")
    return [_Growing(Path(file.path), file.start) for file in told if _is_here(file)]


def _is_here(file: PrintedTo) -> bool:
    try:
        return os.stat(file.path).st_ino == file.inode and os.access(file.path, os.R_OK)
    except OSError:
        return False


def _before_copies(store: Store, run_id: str, sleep: Callable[[float], None]) -> int:
    """Where in `output.log` the copies of the files begin, which were read already."""
    for _ in range(WAIT):
        output = load_run(store, run_id).record.output
        if output is not None:
            return min((part.offset for part in output.parts if part.source is not None), default=output.bytes)
        sleep(POLL)
    return 0


def _unseen(store: Store, run_id: str) -> bool:
    """Whether nothing that is printed will be captured."""
    output = load_run(store, run_id).record.output
    return output is not None and output.because is not None


def _ended(store: Store, run_id: str) -> bool:
    return load_run(store, run_id).record.status in TERMINAL


def follow_runs(
    store: Store, choice: Choice, *, clock: Callable[[], int], sleep: Callable[[], None]
) -> Iterator[Record]:
    """A chosen run whenever it appears or its state changes, for ever; those that are there already stay unsaid.

    A look costs listing the store and reading the runs that have no seal yet.
    """
    states: dict[str, tuple[str, str | None] | None] = {}
    settled = {run for run in run_ids(store) if _sealed(store, run)}
    for _ in _changed(store, choice, settled, states, clock):
        # What is there at the beginning is the state to compare with.
        continue
    while True:
        sleep()
        yield from _changed(store, choice, settled, states, clock)


def _changed(
    store: Store,
    choice: Choice,
    settled: set[str],
    states: dict[str, tuple[str, str | None] | None],
    clock: Callable[[], int],
) -> Iterator[Record]:
    """The chosen runs whose state is another than it was, the oldest first."""
    for run in run_ids(store, newest_first=False):
        if run in settled:
            continue
        try:
            record = view_record(store, run, now_ns=clock())
        except FormatError:
            # Its first line is not there yet, or never will be.
            continue
        state = (record.status, record.phase) if choice.includes(record) else None
        before = states.get(run)
        states[run] = state
        if record.seal is not None:
            settled.add(run)
        if state is not None and state != before:
            yield record


def _sealed(store: Store, run: str) -> bool:
    """Whether the run is closed; one in an archive is."""
    folder = store.run_folder(run)
    return not folder.is_dir() or (folder / SEAL).is_file()
