"""What to say where bytes of a version are missing or damaged: why, who needs them, and how they come back."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from ..errors import FormatError, UnresolvedError
from .dataset_references import Found
from .dataset_uses import RunUse, runs_that_pinned, versions_with
from .layout import Store
from .manifests import read_manifest
from .objects import DamagedError, unread_packs
from .tombstones import tombstone_of
from .version_bytes import missing_entries

NAMED = 5
"""Versions and runs that an error names."""

RESTORE = "`whence data import FILE` of an archive of it brings them back"

MEND = "`whence data import FILE` of an archive of it puts sound ones in their place"


@contextmanager
def explained(store: Store, found: Found) -> Generator[None]:
    """An error about bytes says what else it means. Raises UnresolvedError, FormatError in place of those."""
    try:
        yield
    except DamagedError as error:
        said = "; ".join([_damaged(store, found, error), *_needed(store, found, {error.digest})])
        raise FormatError(said, hint=f"{error.hint}; or {MEND}") from error
    except UnresolvedError as error:
        message, digests = _missing(store, found)
        if message is None:
            raise
        raise UnresolvedError("; ".join([message, *_needed(store, found, digests)]), hint=_restore(error)) from error


def _damaged(store: Store, found: Found, error: DamagedError) -> str:
    """Which file of the version it is."""
    try:
        paths = [entry.path for entry in read_manifest(store, found.made.manifest) if entry.digest == error.digest]
    except (UnresolvedError, FormatError):
        paths = []
    return f"{found}: {_some([repr(path) for path in paths]) or 'its manifest'} is damaged: {error.message}"


def _missing(store: Store, found: Found) -> tuple[str | None, set[str]]:
    """What of the version is not here, and why; nothing where all of it is."""
    step = found.made.stated.step
    tombstone = tombstone_of(store, found.history.id, step.version, step.manifest)
    why = f"{tombstone}; " if tombstone else ""
    try:
        absent = missing_entries(store, read_manifest(store, step.manifest))
    except UnresolvedError:
        return f"{found}: {why}its manifest {step.manifest} is not in the store", set()
    except FormatError:
        return None, set()
    if not absent:
        return None, set()
    size = sum(entry.size for entry in absent)
    files = f"{len(absent)} of {step.files} files ({size} bytes)"
    shown = ", ".join(f"{entry.path!r} ({entry.digest})" for entry in absent[:NAMED])
    more = f" and {len(absent) - NAMED} more" if len(absent) > NAMED else ""
    message = f"{found}: {why}{files} are missing in {store.path}, which holds no object of {shown}{more}"
    message += unread_packs(store)
    return message, {entry.digest for entry in absent if entry.digest}


def _needed(store: Store, found: Found, digests: set[str]) -> list[str]:
    """Which other versions have these objects, and which runs pinned any of them."""
    try:
        using = [(use, made) for use, made, _ in versions_with(store, digests)]
    except FormatError:
        using = []
    others = [str(use) for use, made in using if (use.id, made.version) != (found.history.id, found.made.version)]
    runs = runs_that_pinned(store, {found.made.manifest, *(made.manifest for _, made in using)})
    said = [f"{_some(others)} {'needs' if len(others) == 1 else 'need'} them, too"] if others else []
    return [*said, f"pinned by {runs_text(runs)}"] if runs else said


def runs_text(runs: Sequence[RunUse]) -> str:
    """`run 01a2…` or `3 runs: …`."""
    shown = [f"{one.run} ({one.name})" if one.name else one.run for one in runs]
    return f"run {shown[0]}" if len(shown) == 1 else f"{len(shown)} runs: {_some(shown)}"


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - NAMED} more" if len(words) > NAMED else ""
    return ", ".join(words[:NAMED]) + more


def _restore(error: UnresolvedError) -> str:
    return f"{RESTORE}; {error.hint}" if error.hint else RESTORE
