"""The run that this process was started under: found by `WHENCE_RUN`, joined by a journal of one's own.

`WHENCE_RUN` is `<run id>@<store path>`. A process joins the run only while it goes on: it has not ended, and its main
writer is alive by the evidence that any reader has. A terminal that was opened inside a run must not write into it
years later.

Beside a main whose files are in a spool of this host, and wherever else the store needs one, a process writes to the
spool of the run too: after it has joined nothing that it says waits for the store.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from ..digests import sha256
from ..errors import FormatError, StoreError
from ..ids import is_id
from ..records.encoding import decode, parse_timestamp
from ..records.events import ProcessAttached, RunCreated
from ..records.run import Process, Rank
from ..rules.fold import MAIN
from ..rules.liveness import SILENT_AFTER
from ..rules.policy import Policy
from ..store.journal import SUFFIX, JournalWriter
from ..store.layout import Store, open_store
from ..store.liveness import gather, last_sign
from ..store.run_files import SEAL
from ..store.spools import Spools
from ..system.files import make_folders, open_regular
from ..system.locks import lock_state
from .recording import Recording

VARIABLE = "WHENCE_RUN"
DRY_RUN = "WHENCE_DRY_RUN"

Taken = TypeVar("Taken")

_OVER = rb'(?m)^\{"v":1,"seq":\d+,"at":"([^"]*)","kind":"run\.(?:ended|sealed)"'


class Outer(msgspec.Struct, frozen=True, kw_only=True):
    """A run that another process records."""

    id: str
    path: Path
    """Of its store."""


def named(run: str, store: Path) -> str:
    """The value of `WHENCE_RUN` for the processes that this one starts."""
    return f"{run}@{store}"


def is_dry(environ: Mapping[str, str]) -> bool:
    """Whether nothing is to be recorded here: the process was started under a dry run."""
    return environ.get(DRY_RUN, "") not in ("", "0")


def find_outer(environ: Mapping[str, str]) -> Outer | None:
    """The run that `WHENCE_RUN` names; nothing where it names none."""
    run, at, path = environ.get(VARIABLE, "").partition("@")
    return Outer(id=run, path=Path(path)) if at and is_id(run) and path.startswith("/") else None


def living_store(outer: Outer, spools: Spools | None) -> Store | None:
    """The store of the run if the run goes on and its main writer lives; nothing otherwise."""
    try:
        store = open_store(outer.path)
    except StoreError:
        return None
    return store if goes_on(store, outer.id, spools) else None


def goes_on(store: Store, run: str, spools: Spools | None = None) -> bool:
    """Whether a run has begun, has not ended, and is written by a living process, as far as can be seen from here.

    Where main writes to a spool of this host, that alone is looked at: the store may know less, or not answer.
    """
    folder, here = _place_of_main(store, run, spools)
    try:
        with os.fdopen(open_regular(folder / (MAIN + SUFFIX)), "rb") as main:
            first = main.readline()
    except OSError:
        return False
    if (folder / SEAL).exists() or _end(folder):
        return False
    return lock_state(folder / (MAIN + SUFFIX)) != "free" if here else _alive(store, folder, _writer(first))


def last_seen(store: Store, run: str, spools: Spools | None) -> int | None:
    """When main says that the run ended, else when anything of it was last written or touched; Unix nanoseconds."""
    folder, _ = _place_of_main(store, run, spools)
    end = _end(folder)
    return int(parse_timestamp(end[1].decode()) * 1e9) if end else last_sign(folder)


def _place_of_main(store: Store, run: str, spools: Spools | None) -> tuple[Path, bool]:
    """Where main's files are newest, and whether that is a spool of this host."""
    here = spools.find(store, run) if spools else None
    return (here, True) if here is not None and _has_main(here) else (store.run_folder(run), False)


def _has_main(folder: Path) -> bool:
    return (folder / (MAIN + SUFFIX)).exists()


def _end(folder: Path) -> re.Match[bytes] | None:
    """Where main says that the run ended. A journal of many points is passed over at the speed of its reading."""
    for part in (folder / (MAIN + SUFFIX), *folder.glob(f"{MAIN}-*{SUFFIX}")):
        with os.fdopen(open_regular(part), "rb") as journal:
            for lines in _whole_lines(journal):
                if b'"kind":"run.' in lines and (found := re.search(_OVER, lines)):
                    return found
    return None


def _whole_lines(journal: BinaryIO) -> Iterator[bytes]:
    """A journal in blocks that end where a line does."""
    rest = b""
    while block := journal.read(1 << 20):
        lines, _, rest = (rest + block).rpartition(b"\n")
        yield lines
    yield rest


def goes_on_after_fork(parent: Recording) -> bool:
    """Whether a forked child may speak in its parent's run: that of a spooled parent that lives asks nobody else."""
    store, run, spools = parent.store, parent.id, parent.spools
    here = spools.find(store, run) if spools else None
    if here is not None and not _has_main(here) and parent.is_written:
        return True
    return goes_on(store, run, spools)


def _writer(first: bytes) -> Process | None:
    """Who writes, by the first line of main."""
    try:
        return decode(first.rstrip(b"\n"), RunCreated).process
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


def spooled_name(process: Process) -> str:
    """The name of a worker's journal in a spool: other hosts, and what was forwarded before, cannot be seen there."""
    place = f"{process.boot_id or process.host} {process.pid_namespace}"
    return f"{writer_name(process, None)}-h{sha256(place.encode()).hexdigest()[:8]}"


def join(
    store: Store,
    policy: Policy,
    run: str,
    process: Process,
    *,
    rank: Rank | None,
    argv: Sequence[str],
    spools: Spools | None,
    clock: Callable[[], int],
    say: Callable[[str], None],
    mask: Callable[[str], str],
) -> Recording:
    """A journal of this process's own beside main's. `argv` has its secrets masked. Raises StoreError."""
    spooled = spools if spools is not None and spools.serve(store, run, policy.spool) else None
    try:
        forward, journal = _journal(store, run, process, rank, spooled, clock)
    except OSError as error:
        raise StoreError(
            f"{error.filename or store.run_folder(run)}: cannot be written: {error.strerror}",
            hint="make the store writable for every process of the run",
        ) from error
    recording = Recording(store, policy, run, journal.writer, journal, clock=clock, say=say, mask=mask)
    recording.state(ProcessAttached(process=process, argv=list(argv), rank=rank))
    if spooled is not None and forward is not None:
        recording.spool(spooled, forward)
    return recording


def _journal(
    store: Store,
    run: str,
    process: Process,
    rank: Rank | None,
    spools: Spools | None,
    clock: Callable[[], int],
) -> tuple[Callable[[], bool] | None, JournalWriter]:
    """In the run's folder, or in its spool, where a rank has its name only after it was claimed in the store."""
    if spools is None:
        return None, _create(store.run_folder(run), writer_name(process, rank), clock)
    name = spooled_name(process) if rank is None else _claim(store.run_folder(run), writer_name(process, rank), clock)
    return spools.write(store, run, lambda folder: _create(folder, name, clock))


def _create(folder: Path, name: str, clock: Callable[[], int]) -> JournalWriter:
    return _first_free(name, clock, lambda free: JournalWriter.create(folder, free, clock))


def _claim(folder: Path, name: str, clock: Callable[[], int]) -> str:
    """Take the name by an empty file; the forwarder fills it."""
    make_folders(folder)
    return _first_free(name, clock, lambda free: _touch_new(folder, free))


def _touch_new(folder: Path, name: str) -> str:
    os.close(os.open(folder / (name + SUFFIX), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
    return name


def _first_free(name: str, clock: Callable[[], int], take: Callable[[str], Taken]) -> Taken:
    """The name with a letter behind it where it is taken: a number would make it a continuation."""
    for letter in ("", *"bcdefghijklmnopqrstuvwxy"):
        try:
            return take(name + letter)
        except FileExistsError:
            continue
    return take(f"{name}z{clock():x}")
