"""Closing the run of a writer that is proven dead: any process may, through the same exclusive seal."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ..digests import digest_of
from ..errors import FormatError, StoreError
from ..records.encoding import encode, timestamp
from ..records.events import RunEnded
from ..records.record import Record
from ..records.run import Ending
from ..records.seal import ClosedBy, Seal
from ..rules.liveness import Liveness
from ..system.locks import held
from .journal import JournalText
from .layout import Store
from .liveness import last_sign
from .printed import found_output, join_logs
from .run_files import SEAL, FolderFiles
from .run_fold import fold_run, read_journals
from .run_list import open_run
from .runs import liveness
from .seal import close_run, measure


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
    folded = fold_run(store, files, names, texts, None, None)
    if folded is None:
        raise FormatError(f"{folder}: main.jsonl begins with no run.created, expected one")
    live = liveness(store, run_id, folded.record, texts, given_away=ended is not None)
    if not live.proven:
        raise StoreError(
            f"{run_id}: its writer is not proven dead: {live.evidence}",
            hint="close it on the host where it ran, or wait for its end",
        )
    join_logs(folder)
    with held(folder):
        return _close(store, folder, _seal(folder, folded.record, live, texts, by=by, at=at, ended=ended))


def _seal(
    folder: Path,
    record: Record,
    live: Liveness,
    texts: list[JournalText],
    *,
    by: ClosedBy,
    at: str,
    ended: RunEnded | None,
) -> Seal:
    files, journals = measure(folder)
    seal = Seal(
        run=record.id,
        at=at,
        files=files,
        journals=journals,
        status=live.status,
        ended=record.ended or _last_sign(folder, texts, record.started),
        code_digest=record.code.digest if record.code else None,
        closed_by=by,
        output=found_output(folder) if record.output is None else None,
    )
    if ended is not None and record.status in ("created", "running"):
        seal = msgspec.structs.replace(seal, status=ended.status, ended=at, ending=_ending(ended))
    return seal


def _close(store: Store, folder: Path, seal: Seal) -> str:
    """Write the record of what the seal lists, which may have grown since the writer's own, and the seal."""
    files = FolderFiles(folder)
    names = files.names()
    folded = fold_run(store, files, names, read_journals(files, names, seal), seal, None)
    if folded is None:
        raise FormatError(f"{folder}: main.jsonl is gone")
    return close_run(folder, seal, encode(folded.record) + b"\n")


def _last_sign(folder: Path, texts: list[JournalText], started: str | None) -> str | None:
    """Of the recorder, when anything of the run was last written. A file's time is that of the kernel's last tick, some
    milliseconds before the clock's: a line that is in it tells better."""
    last = last_sign(folder)
    lines = [line.envelope.at for text in texts for line in text.lines]
    return max([*lines, *filter(None, [started]), *([timestamp(last)] if last else [])], default=None)


def _ending(said: RunEnded) -> Ending:
    return Ending(
        exit_code=said.exit_code,
        signal=said.signal,
        error=said.error,
        duration=said.duration,
        resources=said.resources,
    )
