"""A run as a reader sees it now: the record of a sealed one, or the fold of one that goes on with its live status."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from ..digests import digest_of
from ..errors import FormatError
from ..records.checked import is_sound
from ..records.encoding import decode
from ..records.record import Record
from ..records.result import PrintedTo
from ..records.run import Process
from ..records.seal import Seal
from ..rules.liveness import Liveness, decide, is_launched
from .journal import JournalText
from .late import beyond_seal
from .layout import Store
from .liveness import gather
from .run_files import RECORD, SEAL, RunFiles
from .run_fold import fold_run, read_journals
from .run_list import open_run
from .seal import read_seal


class LoadedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run as a reader sees it now."""

    id: str
    record: Record
    """With the live status, phase and evidence where there is no seal; nothing that acts decide."""
    faults: tuple[str, ...]
    """What in its files is not as the format says; each names file and line."""
    journals: tuple[JournalText, ...]
    """Empty for a sealed run whose `record.json` was taken as it is."""
    seal: Seal | None
    seal_digest: str | None
    late: list[str]
    """Names of files, or parts of files, beyond the seal."""


def load_run(store: Store, run_id: str, *, refold: bool = False) -> LoadedRun:
    """The run's record. A sealed one comes from `record.json`, or with `refold` from its journals again.

    Raises UnresolvedError for no such run, FormatError for a folder that never became a run or cannot be read.
    """
    try:
        return _load(store, run_id, refold)
    except OSError as error:
        where = error.filename or store.run_folder(run_id)
        raise FormatError(f"{where}: cannot be read: {error.strerror}", hint="`whence verify` says more") from error


def _load(store: Store, run_id: str, refold: bool) -> LoadedRun:
    files = open_run(store, run_id)
    names = files.names()
    seal, seal_digest, faults = _seal(files, run_id, names)
    late = beyond_seal(files, names, seal).late if seal else []
    if seal is not None and not refold and (record := _stored_record(files, seal, run_id, faults)):
        _refuse_stranger(store, record.id, run_id)
        record = msgspec.structs.replace(record, seal=seal_digest)
        return LoadedRun(
            id=run_id,
            record=record,
            faults=tuple(faults),
            journals=(),
            seal=seal,
            seal_digest=seal_digest,
            late=late,
        )
    texts = read_journals(files, names, seal)
    folded = fold_run(store, files, names, texts, seal, seal_digest)
    if folded is None:
        raise FormatError(
            f"{store.run_folder(run_id)}: main.jsonl begins with no run.created, expected one",
            hint="its writer died before its first write, or the line was changed; `whence verify` says more",
        )
    _refuse_stranger(store, folded.record.id, run_id)
    faults += [fault for text in texts for fault in text.faults] + list(folded.faults)
    record = folded.record if seal else _live(store, files, folded.record, texts)
    return LoadedRun(
        id=run_id,
        record=record,
        faults=tuple(faults),
        journals=tuple(texts),
        seal=seal,
        seal_digest=seal_digest,
        late=late,
    )


def _refuse_stranger(store: Store, found: str, expected: str) -> None:
    if found != expected:
        raise FormatError(
            f"{store.run_folder(expected)}: found the run {found}, expected {expected}",
            hint="the folder is a copy of another run's, or was renamed: move it away",
        )


def _seal(files: RunFiles, run_id: str, names: Sequence[str]) -> tuple[Seal | None, str | None, list[str]]:
    if SEAL not in names:
        return None, None, []
    data = files.read(SEAL)
    if not is_sound(data):
        return None, None, [f"{run_id}/{SEAL}: damaged: it does not hold its own check"]
    try:
        return read_seal(data, f"{run_id}/{SEAL}"), digest_of(data), []
    except FormatError as error:
        return None, None, [error.message]


def _stored_record(files: RunFiles, seal: Seal, run_id: str, faults: list[str]) -> Record | None:
    """`record.json`, if its bytes are those that were sealed; nothing if the journals must be folded again."""
    sealed = next((file for file in seal.files if file.name == RECORD), None)
    try:
        data = files.read(RECORD)
        if sealed is None or sealed.digest != digest_of(data):
            faults.append(f"{RECORD} is not what was sealed; `whence verify {run_id}` says more")
            return None
        return decode(data, Record, where=f"{run_id}/{RECORD}")
    except FileNotFoundError:
        faults.append(f"{run_id}/{RECORD}: not there, expected by the seal")
    except FormatError as error:
        faults.append(error.message)
    return None


def processes(texts: Sequence[JournalText]) -> tuple[Process | None, Process | None]:
    """The main writer's process and the command's."""
    writer: Process | None = None
    command: Process | None = None
    for text in texts:
        for line in text.lines:
            event = line.event
            if event is not None and line.envelope.kind == "run.created":
                writer = getattr(event, "process", None)
            elif event is not None and line.envelope.kind == "run.started":
                command = getattr(event, "process", None)
                writer = getattr(event, "writer", None) or writer
    return writer, command


def printed_to(texts: Sequence[JournalText]) -> list[PrintedTo]:
    """The files that the command prints into, once it has started."""
    lines = (line for text in texts for line in text.lines if line.envelope.kind == "run.started")
    return [file for line in lines for file in getattr(line.event, "printed_to", ())]


def liveness(
    store: Store, run_id: str, record: Record, texts: Sequence[JournalText], *, given_away: bool = False
) -> Liveness:
    """What may be said of a run without a seal. `given_away`: if this process was its writer, it is so no more, and who
    took over left no word; the lock alone tells whether that one lives."""
    writer, command = processes(texts)
    evidence = gather(store, store.run_folder(run_id), writer=writer, command=command)
    if given_away and writer is not None and writer.pid == os.getpid():
        evidence = msgspec.structs.replace(evidence, writer=False if evidence.writer else evidence.writer)
    return decide(record.status, msgspec.structs.replace(evidence, launched=is_launched(record)))


def _live(store: Store, files: RunFiles, record: Record, texts: Sequence[JournalText]) -> Record:
    if files.path(RECORD) is None:
        return record
    live = liveness(store, record.id, record, texts)
    return msgspec.structs.replace(record, status=live.status, phase=live.phase, evidence=live.evidence)


def stranger_in(files: RunFiles, run_id: str) -> str | None:
    """The run that the first line names, if it is another: the folder is a copy of that run's, or was renamed."""
    try:
        found = decode(files.read("main.jsonl").partition(b"\n")[0], Named).id
    except (OSError, KeyError, FormatError):
        return None
    return found if found != run_id else None


class Named(msgspec.Struct, frozen=True):
    """What says whose record it is."""

    id: str
