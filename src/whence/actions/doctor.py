"""Checking the installation and the store, and closing runs whose writer is gone."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from ..errors import FormatError, StoreError, WhenceError
from ..records.encoding import timestamp
from ..records.run import TERMINAL
from ..records.seal import ClosedBy
from ..store.closing import close_lost_run
from ..store.code_repository import is_code_repository
from ..store.layout import GUARD, Store, lacks_guard
from ..store.run_files import NEVER_CAME_TO_BE, SEAL, came_to_be
from ..store.run_list import misplaced_runs, open_run, run_folders, run_ids
from ..store.runs import load_run
from ..store.spool import forward_leftovers, spooled_runs
from ..system.files import TEMPORARY
from ..system.mounts import file_system
from ..system.processes import ProgramError, run
from .completing import Waiting, waiting

OLDEST_PYTHON = (3, 11)
OLDEST_GIT = (2, 25)

Level = Literal["good", "note", "bad"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    name: str
    level: Level
    """`note` needs no one to act; `bad` does."""
    found: str
    fix: str | None = None


def installation(environ: Mapping[str, str]) -> Iterator[Check]:
    """Python, git, the platform."""
    yield _python()
    yield _git(environ)
    yield _enough("platform", sys.platform, sys.platform in ("linux", "darwin"), "Linux and macOS are supported")


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    enough = sys.version_info[:2] >= OLDEST_PYTHON
    return _enough("python", version, enough, "3.11 or newer")


def _git(environ: Mapping[str, str]) -> Check:
    try:
        text = run(["git", "--version"], seconds=10, environ=environ).out.decode("utf-8", "replace").strip()
    except ProgramError as error:
        return Check(name="git", level="bad", found=str(error), fix="install git, or put it on PATH")
    numbers = tuple(int(part) for part in text.removeprefix("git version ").split(".")[:2] if part.isdigit())
    enough = numbers >= OLDEST_GIT
    return _enough("git", text, enough, "2.25 or newer")


def _enough(name: str, found: str, enough: bool, expected: str) -> Check:
    return Check(name=name, level="good" if enough else "bad", found=found, fix=None if enough else expected)


def store_checks(store: Store, *, spools: Path | None, now_ns: int) -> Iterator[Check]:
    """The store: its place, locks, leftovers, spools on this host, and runs without a seal."""
    yield _writable(store)
    yield _file_system(store)
    yield _code(store)
    if lacks_guard(store.path):
        found = f"{store.path / GUARD} is not there: `git clean -fdx` would remove the store"
        yield Check(name="guard", level="bad", found=found, fix="the next run puts it back")
    yield from _leftovers(store, now_ns)
    yield from _spools(store, spools)
    yield from _runs(store, now_ns)


def _writable(store: Store) -> Check:
    if store.writable:
        return Check(name="store", level="good", found=f"{store.path}, format 1")
    return Check(
        name="store",
        level="note",
        found=f"{store.path} may be read, not written",
        fix="runs need a store that can be written: WHENCE_STORE names another",
    )


def _file_system(store: Store) -> Check:
    place = file_system(store.path)
    network = ", on the network: runs write to a local spool first" if place.network else ""
    return Check(name="file system", level="note" if place.network else "good", found=f"{place.kind}{network}")


def _code(store: Store) -> Check:
    if is_code_repository(store.code_git):
        return Check(name="code.git", level="good", found="is a repository")
    return Check(
        name="code.git",
        level="bad",
        found="is no repository",
        fix="the next run makes it; whence verify says what is lost",
    )


LEFTOVER_AGE = 3600 * 10**9
"""A temporary file this old, in nanoseconds, belongs to nobody any more."""


def _leftovers(store: Store, now_ns: int) -> Iterator[Check]:
    old = [path for path in _temporary(store) if _age(path, now_ns) > LEFTOVER_AGE]
    for path in old:
        yield Check(name="leftover", level="note", found=str(path), fix="a writer died while it wrote it: delete it")


def _spools(store: Store, spools: Path | None) -> Iterator[Check]:
    for run_id in spooled_runs(spools, store) if spools else ():
        fix = "it is forwarded while the run goes on; whence doctor --close forwards what was left behind"
        yield Check(name="spool", level="note", found=f"{run_id} is partly on this host alone, in {spools}", fix=fix)


def _temporary(store: Store) -> Iterator[Path]:
    for root, folders, names in os.walk(store.path):
        if root == str(store.code_git):
            folders.clear()
            continue
        yield from (Path(root, name) for name in names if name.startswith(TEMPORARY))


def _age(path: Path, now_ns: int) -> int:
    try:
        return now_ns - path.stat().st_mtime_ns
    except OSError:
        return 0


def _runs(store: Store, now_ns: int) -> Iterator[Check]:
    """Runs without a seal, what their seal left out, and folders that are not the run that they are named for."""
    for day, run_id in misplaced_runs(store):
        found = (
            f"{store.runs / day / run_id}: found a run of another day, expected it in {store.run_folder(run_id).parent}"
        )
        yield Check(name="run", level="bad", found=found, fix="move it there, or away if the run is there already")
    for run_id in run_folders(store):
        try:
            if not came_to_be(open_run(store, run_id)):
                yield _no_run(store, run_id)
                continue
            loaded = load_run(store, run_id)
        except (FormatError, OSError) as error:
            yield _unreadable(store, run_id, error)
            continue
        if loaded.seal is None and SEAL in open_run(store, run_id).names():
            yield Check(name="run", level="bad", found=f"{run_id}: its seal cannot be read", fix="whence verify")
        elif loaded.seal is None:
            yield _open_run(run_id, loaded.record.status, loaded.record.phase, loaded.record.evidence or "")
        for item in waiting(store, run_id, loaded.seal, now_ns):
            yield _waiting(item)


def _no_run(store: Store, run_id: str) -> Check:
    found = f"{store.run_folder(run_id)}: {NEVER_CAME_TO_BE}"
    return Check(name="run", level="note", found=found, fix="nothing: no command takes it for a run; or delete it")


def _unreadable(store: Store, run_id: str, error: FormatError | OSError) -> Check:
    if isinstance(error, FormatError):
        return Check(name="run", level="bad", found=error.message, fix=error.hint)
    return Check(name="run", level="bad", found=f"{store.run_folder(run_id)}: {error.strerror}", fix="whence verify")


def _waiting(item: Waiting) -> Check:
    found = f"{item.run}: the digest of {item.name} was not done before the seal"
    if item.obstacle is not None:
        return Check(name="pending", level="note", found=f"{found}, and cannot be taken: {item.obstacle}")
    return Check(name="pending", level="note", found=found, fix="whence doctor --close takes it")


def _open_run(run_id: str, status: str, phase: str | None, evidence: str) -> Check:
    found = f"{run_id} is {status}{f' ({phase})' if phase else ''}: {evidence}"
    if status in TERMINAL:
        return Check(name="run", level="bad", found=found, fix="whence doctor --close")
    return Check(name="run", level="note", found=found)


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """A run that was sealed for its writer, or was not."""

    run: str
    seal: str | None
    because: str | None = None


def close_runs(
    store: Store, *, spools: Path | None, host: str, pid: int, user: str | None, clock: Callable[[], int]
) -> list[Closed]:
    """Seal every run whose writer is proven dead; the others are left alone and say why.

    What dead writers left in spools on this host is forwarded first, which may wait as long as the store does.
    """
    if not store.writable:
        raise StoreError(f"{store.path}: may be read, not written", hint="ask its owner to close them")
    if spools is not None:
        forward_leftovers(spools, store)
    return [
        _close(store, run_id, evidence, ClosedBy(host=host, pid=pid, user=user, evidence=evidence), clock)
        for run_id, evidence in _to_close(store)
    ]


def _to_close(store: Store) -> list[tuple[str, str]]:
    """(run, evidence) of those without a seal that are not plainly alive."""
    found: list[tuple[str, str]] = []
    for run_id in run_ids(store, newest_first=False):
        try:
            loaded = load_run(store, run_id)
        except FormatError:
            continue
        sealed = SEAL in open_run(store, run_id).names()
        if not sealed and loaded.record.status in TERMINAL:
            found.append((run_id, loaded.record.evidence or ""))
    return found


def _close(store: Store, run_id: str, evidence: str, by: ClosedBy, clock: Callable[[], int]) -> Closed:
    try:
        return Closed(run=run_id, seal=close_lost_run(store, run_id, by=by, at=timestamp(clock())))
    except WhenceError as error:
        return Closed(run=run_id, seal=None, because=f"{error.message} ({evidence})")
