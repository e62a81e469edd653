"""Closing the run of a writer that is proven dead: any process may, through the same exclusive files."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ..digests import digest_of
from ..errors import FormatError, StoreError
from ..records.encoding import decode, encode, timestamp
from ..records.record import Record
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


def close_lost_run(store: Store, run_id: str, *, by: ClosedBy, at: str) -> str:
    """Seal a run whose writer is gone; the digest of the seal, also when another process was first.

    Adds no line to a journal. Raises StoreError when the writer is not proven dead, FormatError when the run never
    came to be, OSError.
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
    live = liveness(store, run_id, folded.record, texts)
    if not live.proven:
        raise StoreError(
            f"{run_id}: its writer is not proven dead: {live.evidence}",
            hint="close it on the host where it ran, or wait for its end",
        )
    join_logs(folder)
    seal = _draft(run_id, live.status, at, folded.record, texts, by, folder)
    if folded.record.output is None:
        seal = msgspec.structs.replace(seal, output=found_output(folder))
    closed = fold_texts(store, texts, metrics, seal, None)
    record = closed.record if closed else folded.record
    return _close(folder, seal, record)


def _draft(
    run_id: str, status: str, at: str, record: Record, texts: list[JournalText], by: ClosedBy, folder: Path
) -> Seal:
    """What the seal will say; `ended` is the last sign of life unless the writer said itself when."""
    last = last_sign(folder)
    lines = [line.envelope.at for text in texts for line in text.lines]
    ended = record.ended or (timestamp(last) if last else max(lines, default=None))
    code = record.code.digest if record.code else None
    return Seal(run=run_id, at=at, status=status, ended=ended, code_digest=code, files=[], journals=[], closed_by=by)


def _close(folder: Path, seal: Seal, record: Record) -> str:
    """Write record and seal. The record that is first decides, the writer's own or another closer's."""
    data = encode(record) + b"\n"
    if not write_new(folder / RECORD, data, sync=True):
        found = decode((folder / RECORD).read_bytes(), Record, where=str(folder / RECORD))
        seal = msgspec.structs.replace(seal, output=found.output and seal.output)
        if found.closed_by is not None:
            seal = msgspec.structs.replace(seal, status=found.status, ended=found.ended, closed_by=found.closed_by)
    return close_run(
        folder,
        run=seal.run,
        status=seal.status,
        at=seal.at,
        code_digest=seal.code_digest,
        pending=[],
        record=data,
        closed_by=seal.closed_by,
        ended=seal.ended,
        output=seal.output,
    )
