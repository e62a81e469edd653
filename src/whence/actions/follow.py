"""Following: what a run prints as it prints it, and the runs of a store as they start and end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..errors import FormatError
from ..records.record import Record
from ..records.run import TERMINAL
from ..store.layout import Store
from ..store.run_list import open_run, run_ids
from ..store.runs import load_run
from ..store.seal import SEAL
from .listing import Choice
from .parts import read_part
from .view import view_record

POLL = 0.2
"""Seconds between two looks."""

STATUS_EVERY = 5
"""Looks at the output between two looks at the status, which costs reading the journals."""


def follow_output(store: Store, run_id: str, *, sleep: Callable[[float], None]) -> Iterator[bytes]:
    """What the command printed and prints, until the run has ended. Raises UnresolvedError where nobody looks."""
    path = open_run(store, run_id).path("output.log")
    if _unseen(store, run_id) or (path is None and _ended(store, run_id)):
        yield from read_part(store, run_id, "output", now_ns=0, environ={})
        return
    offset, looks, ended = 0, 0, False
    while True:
        path = path or open_run(store, run_id).path("output.log")
        if path is not None and path.exists():
            with path.open("rb") as stream:
                stream.seek(offset)
                while chunk := stream.read(1 << 20):
                    offset += len(chunk)
                    yield chunk
        if ended:
            return
        # The status first, then a last look: what was printed before the end is there after it.
        ended = looks % STATUS_EVERY == 0 and _ended(store, run_id)
        looks += 1
        if not ended:
            sleep(POLL)


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
