"""The parts of a record that `whence cat` prints: lock, config, environment, log, record, output, any file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping

import msgspec

from ..errors import UnresolvedError
from ..records.encoding import encode
from ..records.record import Record
from ..store.layout import Store
from ..store.objects import read_object
from ..store.run_files import RunFiles
from ..store.run_list import open_run
from ..system.files import open_regular
from .content import Content, content_of
from .fetching import read_content
from .view import view_run

CHUNK = 1 << 20


def read_part(store: Store, run_id: str, part: str, *, now_ns: int, environ: Mapping[str, str]) -> Iterator[bytes]:
    """The bytes of a part. Raises UnresolvedError when the run has none. `environ` is for git, to read a snapshot."""
    files = open_run(store, run_id)
    if part == "log" or (part == "output" and "output.log" in files.names()):
        yield from _FILES[part](files)
        return
    record = view_run(store, run_id, now_ns=now_ns).record
    if part in _PARTS:
        yield _PARTS[part](store, record)
    elif part in files.names():
        yield files.read(part)
    else:
        yield read_content(store, _named(store, record, part), environ).data


def _named(store: Store, record: Record, part: str) -> Content:
    """The file of that name. What is none may be a part that was meant."""
    try:
        return content_of(record, part, store)
    except UnresolvedError as error:
        from difflib import get_close_matches  # Only a mistake needs it.

        near = get_close_matches(part, PARTS, n=1)
        hint = f"did you mean the part {near[0]}?" if near else f"the parts are {', '.join(PARTS)}"
        raise UnresolvedError(error.message, candidates=error.candidates, hint=error.hint or hint) from None


def _record(store: Store, record: Record) -> bytes:
    return _document(record)


def _config(store: Store, record: Record) -> bytes:
    if record.config is None:
        raise UnresolvedError(f"{record.id}: no configuration was captured{_because(record, 'config')}")
    return _document(record.config)


def _environment(store: Store, record: Record) -> bytes:
    if record.environment is None:
        raise UnresolvedError(f"{record.id}: no environment was captured{_because(record, 'environment')}")
    return _document(record.environment)


def _lock(store: Store, record: Record) -> bytes:
    lock = record.environment.lock if record.environment else None
    if lock is None:
        raise UnresolvedError(
            f"{record.id}: no lock file was found beside the code{_because(record, 'environment.lock')}"
        )
    return read_object(store, lock.kept or lock.digest)


def _because(record: Record, what: str) -> str:
    return "".join(f": {gap.because}" for gap in record.missing if gap.what == what)


def _document(value: msgspec.Struct) -> bytes:
    return msgspec.json.format(encode(value), indent=2) + b"\n"


def _output(files: RunFiles) -> Iterator[bytes]:
    """What the command printed."""
    yield from _chunks(files, "output.log")


def _no_output(store: Store, record: Record) -> bytes:
    """There is no log: nothing was printed, or the record says why nobody looked."""
    if record.output is not None and record.output.because is not None:
        raise UnresolvedError(f"{record.id}: {record.output.because}")
    return b""


def _log(files: RunFiles) -> Iterator[bytes]:
    """The journals, main first, as they are."""
    names = [name for name in files.names() if name.endswith(".jsonl") and not name.endswith(".points.jsonl")]
    for name in sorted(names, key=lambda name: (not name.startswith("main"), name)):
        yield from _chunks(files, name)


_FILES: dict[str, Callable[[RunFiles], Iterator[bytes]]] = {"output": _output, "log": _log}

_PARTS: dict[str, Callable[[Store, Record], bytes]] = {
    "record": _record,
    "config": _config,
    "environment": _environment,
    "lock": _lock,
    "output": _no_output,
}

DOCUMENTS = ("record", "config", "environment")
"""Parts that are JSON."""

PARTS = tuple(dict.fromkeys((*_FILES, *_PARTS)))


def _chunks(files: RunFiles, name: str) -> Iterator[bytes]:
    path = files.path(name)
    if path is None:
        yield files.read(name)
        return
    with os.fdopen(open_regular(path), "rb") as stream:
        while chunk := stream.read(CHUNK):
            yield chunk
