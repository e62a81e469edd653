"""The seal: what closes a run's record (docs/format.md, section 4). Created exclusively, so a run has exactly one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from ..digests import digest_of
from ..records.checked import encode_checked
from ..records.encoding import decode
from ..records.seal import JournalEnd, Seal, SealedFile
from ..system.files import TEMPORARY, hash_descriptor, open_regular, read_regular, write_new, write_whole
from .journal import POINTS_SUFFIX, SUFFIX, journal_order, last_line, whole_length
from .run_files import RECORD, SEAL


def close_run(folder: Path, seal: Seal, record: bytes) -> str:
    """Write `record.json`, and then `seal.json` unless it is there; the digest of the seal that holds.

    `seal` lists the other files, as `measure` found them before the record was folded up to there. A record that
    nobody sealed was a draft: it is replaced. Raises OSError.
    """
    if (folder / SEAL).exists():
        return digest_of(read_regular(folder / SEAL))
    write_whole(folder / RECORD, record, sync=True)
    sealed = SealedFile(name=RECORD, length=len(record), digest=digest_of(record))
    files = sorted([*seal.files, sealed], key=lambda file: file.name)
    return write_seal(folder, encode_checked(msgspec.structs.replace(seal, files=files)))


def write_seal(folder: Path, data: bytes) -> str:
    """Put the seal in place, or keep the one that is there; its digest."""
    if write_new(folder / SEAL, data, sync=True):
        return digest_of(data)
    return digest_of(read_regular(folder / SEAL))


def read_seal(data: bytes, where: str) -> Seal:
    """The seal in the bytes. Raises FormatError."""
    return decode(data, Seal, where=where)


def measure(folder: Path, beside: Path | None = None) -> tuple[list[SealedFile], list[JournalEnd]]:
    """Every file that a seal lists but the record, flushed and as long as it is now, and the last line of each journal.

    `beside` is the run's folder in the store for a seal that is made in a spool: it has what other hosts wrote. Of it
    only what is not in the folder itself. Costs a read of every file. Raises OSError.
    """
    places = dict.fromkeys(_written_in(beside), beside) | dict.fromkeys(_written_in(folder), folder)
    files = [_measure_file(place, name) for name, place in sorted(places.items()) if place is not None]
    lengths = {file.name: file.length for file in files}
    ends = [
        last_line(read_regular((places[name] or folder) / name)[: lengths[name]], name)
        for name in journal_order(lengths)
    ]
    return files, [end for end in ends if end is not None]


def _written_in(folder: Path | None) -> list[str]:
    try:
        names = os.listdir(folder) if folder else []
    except FileNotFoundError:
        # Nothing was forwarded yet.
        return []
    return [name for name in sealed_names(names) if name != RECORD]


def sealed_names(names: Iterable[str]) -> Iterable[str]:
    """The names that a seal covers."""
    return (name for name in names if name not in (SEAL, "acts") and not name.startswith(TEMPORARY))


def _measure_file(folder: Path, name: str) -> SealedFile:
    fd = open_regular(folder / name)
    try:
        os.fsync(fd)
        # Other writers may still append: the length is fixed first, at the end of a line.
        length = _line_end(fd) if name.endswith((SUFFIX, POINTS_SUFFIX)) else os.fstat(fd).st_size
        os.lseek(fd, 0, os.SEEK_SET)
        digest, size = hash_descriptor(fd, limit=length)
        return SealedFile(name=name, length=size, digest=digest)
    finally:
        os.close(fd)


def _line_end(fd: int) -> int:
    """The length up to the last whole line, found from the end."""
    size = os.fstat(fd).st_size
    tail = 1 << 16
    while True:
        start = max(0, size - tail)
        length = whole_length(os.pread(fd, size - start, start))
        if length or start == 0:
            return start + length
        tail *= 8
