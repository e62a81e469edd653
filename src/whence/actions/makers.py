"""Whose bytes they are: the runs that recorded content as an output, or as an input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from ..errors import FormatError, UnresolvedError
from ..records.record import Record
from ..store.layout import Store
from ..store.run_list import run_ids
from .content import digest_of_path, is_folder, manifest_entries
from .references import CANDIDATES, ContentReference, PartReference, PathReference, RunReference, described, resolve
from .view import KnownActs, view_record


def resolve_shown(store: Store, text: str, *, cwd: Path, now_ns: int) -> str:
    """The run that a word leads to: itself, or the one that made the content. Raises UnresolvedError."""
    match resolve(store, text, cwd=cwd):
        case RunReference(run=run) | PartReference(run=run):
            return run
        case ContentReference(digest=digest):
            return _maker(store, digest, text, now_ns)
        case PathReference(path=path):
            return _maker(store, digest_of_path(path), text, now_ns)


def makers_of(store: Store, digest: str, *, now_ns: int) -> list[str]:
    """The runs that recorded these bytes as an output, newest first. Reads every record."""
    return _runs_with(
        store, lambda record: any(made.digest == digest and not made.missing for made in record.artifacts), now_ns
    )


def _makers_inside(store: Store, digest: str, now_ns: int) -> list[str]:
    """The runs that recorded a folder, or a version, with these bytes in it as an output, newest first. Reads every
    record, and the manifest of each folder."""

    @cache
    def has(manifest: str) -> bool:
        return any(entry.digest == digest for entry in manifest_entries(store, manifest))

    def made(record: Record) -> bool:
        return any(
            has(made.digest) for made in record.artifacts if is_folder(made) and made.digest and not made.missing
        )

    return _runs_with(store, made, now_ns)


def _readers_of(store: Store, digest: str, now_ns: int) -> list[str]:
    """The runs that recorded these bytes as an input, newest first."""
    return _runs_with(store, lambda record: any(read.digest == digest for read in record.inputs), now_ns)


def _runs_with(store: Store, includes: Callable[[Record], bool], now_ns: int) -> list[str]:
    """Runs that cannot be read are left out; `verify` names them."""
    acts = KnownActs(store)
    found: list[str] = []
    for run in run_ids(store, newest_first=True):
        try:
            record = view_record(store, run, now_ns=now_ns, acts=acts)
        except FormatError:
            continue
        if includes(record):
            found.append(run)
    return found


def _not_one(store: Store, message: str, runs: Sequence[str], why: str = "") -> UnresolvedError:
    """The error that lists these runs."""
    candidates = tuple(described(store, run) for run in runs[:CANDIDATES])
    return UnresolvedError(message, candidates=candidates, hint=f"name the run{why}")


def _maker(store: Store, digest: str, text: str, now_ns: int) -> str:
    makers = makers_of(store, digest, now_ns=now_ns)
    if len(makers) == 1:
        return makers[0]
    if makers:
        raise _not_one(store, f"{text}: {len(makers)} runs made these bytes, expected one", makers)
    inside = _makers_inside(store, digest, now_ns)
    if len(inside) == 1:
        return inside[0]
    if inside:
        message = f"{text}: {len(inside)} runs made folders that have these bytes, expected one"
        raise _not_one(store, message, inside, "; where a run added to a folder, its output is the whole folder")
    readers = _readers_of(store, digest, now_ns)
    if readers:
        raise _not_one(store, f"{text}: no run made these bytes, expected one; read as an input by", readers)
    raise UnresolvedError(
        f"{text}: no run of {store.path} recorded these bytes ({digest}) as an output",
        hint="`whence log` lists the runs",
    )
