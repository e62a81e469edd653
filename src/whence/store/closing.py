"""Closing the run of a writer that is proven dead: any process may, through the same exclusive files."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ..digests import digest_of
from ..errors import FormatError, StoreError
from ..records.encoding import decode, encode, timestamp
from ..records.events import RunEnded
from ..records.record import Record
from ..records.run import Ending
from ..records.seal import ClosedBy, Seal
from ..system.files import write_new
from .journal import JournalText
from .layout import Store
from .liveness import last_sign
from .printed import found_output, join_logs
from .run_fold import fold_texts, read_journals, read_metrics
from .run_list import open_run
from .runs import liveness
from .seal import RECORD, SEAL, close_run


def close_lost_run(store: Store, run_id: str, *, by: ClosedBy, at: str, ended: RunEnded | None = None) -> str:
    """Seal a run whose writer is gone; the digest of the seal, also when another process was first.

    `ended` is how its command ended, if the closer was told; that one may have been the writer itself, and given the
    run to another. Adds no line to a journal. Raises StoreError when the
    writer is not proven dead, FormatError when the run never came to be, OSError.
    """
    folder = store.run_folder(run_id)
    files = open_run(store, run_id)
    names = files.names()
    if SEAL in names:
        return digest_of(files.read(SEAL))
    texts = read_journals(files, names, None)
    metrics = read_metrics(files, names, None)
    folded = fold_texts(store, texts, metrics, None, None)
    if folded is None:
        raise FormatError(f"{folder}: main.jsonl begins with no run.created, expected one")
    live = liveness(store, run_id, folded.record, texts, given_away=ended is not None)
    if not live.proven:
        raise StoreError(
            f"{run_id}: its writer is not proven dead: {live.evidence}",
            hint="close it on the host where it ran, or wait for its end",
        )
    join_logs(folder)
    record = folded.record
    seal = Seal(
        run=run_id,
        at=at,
        status=live.status,
        ended=record.ended or _last_sign(folder, texts),
        code_digest=record.code.digest if record.code else None,
        closed_by=by,
        output=found_output(folder) if record.output is None else None,
    )
    if ended is not None and record.status in ("created", "running"):
        seal = msgspec.structs.replace(seal, status=ended.status, ended=at, ending=_ending(ended))
    closed = fold_texts(store, texts, metrics, seal, None)
    return _close(folder, seal, closed.record if closed else record)


def _last_sign(folder: Path, texts: list[JournalText]) -> str | None:
    last = last_sign(folder)
    lines = [line.envelope.at for text in texts for line in text.lines]
    return timestamp(last) if last else max(lines, default=None)


def _ending(said: RunEnded | Record) -> Ending:
    return Ending(
        exit_code=said.exit_code,
        signal=said.signal,
        error=said.error,
        duration=said.duration,
        resources=said.resources,
    )


def _close(folder: Path, seal: Seal, record: Record) -> str:
    """Write record and seal. The record that is first decides, the writer's own or another closer's."""
    data = encode(record) + b"\n"
    if not write_new(folder / RECORD, data, sync=True):
        found = decode((folder / RECORD).read_bytes(), Record, where=str(folder / RECORD))
        seal = _as_found(seal, found)
    return close_run(folder, seal, data)


def _as_found(seal: Seal, found: Record) -> Seal:
    """The seal that says what the record says which was there first."""
    seal = msgspec.structs.replace(seal, ending=None, output=found.output and seal.output)
    if found.closed_by is None:
        return seal
    ending = None if found.status == "lost" else _ending(found)
    return msgspec.structs.replace(
        seal, status=found.status, ended=found.ended, closed_by=found.closed_by, ending=ending
    )
