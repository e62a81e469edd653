"""The run that this process was started under: found by `WHENCE_RUN`, joined by a journal of one's own.

`WHENCE_RUN` is `<run id>@<store path>`. A process joins the run only while it goes on: it has not ended, and its main
writer is alive by the evidence that any reader has. A terminal that was opened inside a run must not write into it
years later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from ..errors import FormatError, StoreError
from ..ids import is_id
from ..records.encoding import decode
from ..records.events import ProcessAttached, RunCreated
from ..records.run import Process, Rank
from ..rules.fold import MAIN
from ..rules.liveness import SILENT_AFTER
from ..rules.policy import Policy
from ..store.journal import SUFFIX, JournalWriter
from ..store.layout import Store, open_store
from ..store.liveness import gather
from ..store.seal import SEAL
from .recording import Recording

VARIABLE = "WHENCE_RUN"

_OVER = rb'(?m)^\{"v":1,"seq":\d+,"at":"[^"]*","kind":"run\.(?:ended|sealed)"'


class Outer(msgspec.Struct, frozen=True, kw_only=True):
    """A run that another process records."""

    id: str
    path: Path
    """Of its store."""


def named(run: str, store: Path) -> str:
    """The value of `WHENCE_RUN` for the processes that this one starts."""
    return f"{run}@{store}"


def find_outer(environ: Mapping[str, str]) -> Outer | None:
    """The run that `WHENCE_RUN` names; nothing where it names none."""
    run, at, path = environ.get(VARIABLE, "").partition("@")
    return Outer(id=run, path=Path(path)) if at and is_id(run) and path.startswith("/") else None


def living_store(outer: Outer) -> Store | None:
    """The store of the run if the run goes on and its main writer lives; nothing otherwise."""
    try:
        store = open_store(outer.path)
    except StoreError:
        return None
    return store if goes_on(store, outer.id) else None


def goes_on(store: Store, run: str) -> bool:
    """Whether a run has begun, has not ended, and is written by a living process, as far as can be seen from here."""
    folder = store.run_folder(run)
    try:
        text = (folder / (MAIN + SUFFIX)).read_bytes()
    except OSError:
        return False
    if (folder / SEAL).exists() or re.search(_OVER, text):
        return False
    continued = any(re.search(_OVER, part.read_bytes()) for part in folder.glob(f"{MAIN}-*{SUFFIX}"))
    return not continued and _alive(store, folder, _writer(text))


def _writer(text: bytes) -> Process | None:
    try:
        return decode(text.partition(b"\n")[0], RunCreated).process
    except FormatError:
        return None


def _alive(store: Store, folder: Path, writer: Process | None) -> bool:
    seen = gather(store, folder, writer=writer, command=None)
    if seen.lock == "held" or (seen.writer and seen.lock == "unsupported"):
        return True
    if seen.writer is False or (seen.lock == "free" and seen.lock_decides):
        return False
    # Another host, and a file system that does not show its locks: the heartbeat alone speaks.
    return seen.silence is not None and seen.silence < SILENT_AFTER


def writer_name(process: Process, rank: Rank | None) -> str:
    """The name of a journal beside main: `rank-3`, or the process that no other is."""
    return f"rank-{rank.rank}" if rank is not None else f"worker-{process.pid}-{process.start or 0}"


def join(
    store: Store,
    policy: Policy,
    run: str,
    process: Process,
    *,
    rank: Rank | None,
    argv: Sequence[str],
    clock: Callable[[], int],
    say: Callable[[str], None],
) -> Recording:
    """A journal of this process's own in the run's folder. `argv` has its secrets masked. Raises StoreError."""
    folder = store.run_folder(run)
    try:
        journal = _create(folder, writer_name(process, rank), clock)
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be written: {error.strerror}",
            hint="make the store writable for every process of the run",
        ) from error
    recording = Recording(store, policy, run, journal.writer, journal, clock=clock, say=say)
    recording.state(ProcessAttached(process=process, argv=list(argv), rank=rank))
    return recording


def _create(folder: Path, name: str, clock: Callable[[], int]) -> JournalWriter:
    """The name with a letter behind it where it is taken: a number would make it a continuation."""
    for letter in ("", *"bcdefghijklmnopqrstuvwxy"):
        try:
            return JournalWriter.create(folder, name + letter, clock)
        except FileExistsError:
            continue
    return JournalWriter.create(folder, f"{name}z{clock():x}", clock)
