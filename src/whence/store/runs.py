"""Runs, read: which there are, their files (a folder, or members of a month's archive), and the record of one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from ..digests import digest_of
from ..errors import FormatError, UnresolvedError
from ..ids import day_of, is_id
from ..records.checked import is_sound
from ..records.encoding import decode
from ..records.environment import Package, Software
from ..records.record import Record
from ..records.result import Metric
from ..records.run import Process
from ..records.seal import Seal
from ..rules.fold import Folded, Stated, fold
from ..rules.liveness import Liveness, decide
from ..system.files import TEMPORARY
from .journal import POINTS_SUFFIX, SUFFIX, JournalText, journal_order, read_journal, writer_of
from .layout import Store
from .liveness import gather
from .objects import object_path
from .points import summarise
from .seal import RECORD, SEAL, read_seal, sealed_names

if TYPE_CHECKING:
    from zipfile import ZipFile

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_ARCHIVE = re.compile(r"(\d{4}-\d{2})\.zip")


class RunFiles(Protocol):
    """The files of one run, wherever they lie."""

    def names(self) -> list[str]:
        """Every file, sorted; those of `acts/` with that prefix. No temporary ones."""
        ...

    def read(self, name: str) -> bytes:
        """The bytes of a file. Raises OSError; FormatError for a damaged archive."""
        ...

    def size(self, name: str) -> int:
        """The length of a file. Raises FileNotFoundError."""
        ...

    def path(self, name: str) -> Path | None:
        """Where the file lies by itself; nothing inside an archive."""
        ...


class FolderFiles:
    """A run in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        found = [name for name in os.listdir(self._folder) if not name.startswith(TEMPORARY) and name != "acts"]
        return sorted(found + [f"acts/{name}" for name in _listed(self._folder / "acts")])

    def read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def size(self, name: str) -> int:
        return (self._folder / name).stat().st_size

    def path(self, name: str) -> Path | None:
        return self._folder / name


class ArchivedFiles:
    """A run in `runs/<month>.zip`."""

    def __init__(self, archive: Path, members: Mapping[str, str]) -> None:
        self._archive = archive
        self._members = members

    def names(self) -> list[str]:
        return sorted(self._members)

    def read(self, name: str) -> bytes:
        from zipfile import BadZipFile
        from zlib import error as BadDeflate

        member = self._member(name)
        try:
            return _opened(self._archive).read(member)
        except (BadZipFile, BadDeflate, EOFError) as error:
            raise FormatError(f"{self._archive}:{member}: {error}") from error

    def size(self, name: str) -> int:
        return _opened(self._archive).getinfo(self._member(name)).file_size

    def path(self, name: str) -> Path | None:
        return None

    def _member(self, name: str) -> str:
        try:
            return self._members[name]
        except KeyError:
            raise FileNotFoundError(2, "no such member", f"{self._archive}:{name}") from None


def _opened(archive: Path) -> ZipFile:
    stat = archive.stat()
    return _archive(str(archive), stat.st_mtime_ns, stat.st_size)[0]


@lru_cache(maxsize=4)
def _archive(path: str, changed: int, size: int) -> tuple[ZipFile, dict[str, dict[str, str]]]:
    """The open archive, and of each run its members by name. Reading its directory costs 10 us a member."""
    # zipfile costs 15 ms to import and most stores have no archive.
    from zipfile import BadZipFile, ZipFile

    try:
        archive = ZipFile(path)
    except BadZipFile as error:
        raise FormatError(f"{path}: {error}, expected an archive of runs") from error
    runs: dict[str, dict[str, str]] = {}
    for member in archive.namelist():
        _, _, rest = member.partition("/")
        run, _, name = rest.partition("/")
        if is_id(run) and name and not name.endswith("/"):
            runs.setdefault(run, {})[name] = member
    return archive, runs


def archived_runs(path: Path) -> dict[str, dict[str, str]]:
    """Run -> its members by name. Raises FormatError for what is no archive, or cannot be read."""
    try:
        stat = path.stat()
        return _archive(str(path), stat.st_mtime_ns, stat.st_size)[1]
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror}, expected an archive of runs") from error


def archive_files(store: Store) -> list[Path]:
    """Every `runs/<month>.zip`, oldest first."""
    return [store.runs / name for name in sorted(_listed(store.runs)) if _ARCHIVE.fullmatch(name)]


def unreadable_archives(store: Store) -> list[str]:
    """A sentence for each archive that cannot be read: its runs are not listed."""
    faults: list[str] = []
    for path in archive_files(store):
        try:
            archived_runs(path)
        except FormatError as error:
            faults.append(error.message)
    return faults


def _archived(path: Path) -> dict[str, dict[str, str]]:
    """Nothing for what is no archive: the other runs can still be read, and `verify` names it."""
    try:
        return archived_runs(path)
    except FormatError:
        return {}


def run_ids(store: Store, newest_first: bool = True) -> Iterator[str]:
    """The identifier of every run in order of creation, without opening one; each day is listed when it is reached.

    A folder in which no first line was ever written is listed too: `load_run` tells.
    """
    names = _listed(store.runs)
    months = {match[1]: match[0] for name in names if (match := _ARCHIVE.fullmatch(name))}
    days = [name for name in names if _DAY.fullmatch(name)]
    for month in sorted(set(months) | {day[:7] for day in days}, reverse=newest_first):
        found = set(_archived(store.runs / months[month])) if month in months else set[str]()
        for day in sorted({d for d in days if d[:7] == month} | {day_of(run) for run in found}, reverse=newest_first):
            here = {run for run in found if day_of(run) == day}
            here.update(name for name in _listed(store.runs / day) if is_id(name))
            yield from sorted(here, reverse=newest_first)


def _listed(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if not name.startswith(TEMPORARY)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def open_run(store: Store, run_id: str) -> RunFiles:
    """The files of a run. Raises UnresolvedError when the store does not hold it."""
    folder = store.run_folder(run_id)
    if folder.is_dir():
        return FolderFiles(folder)
    archive = store.runs / f"{day_of(run_id)[:7]}.zip"
    if archive.is_file() and (members := _archived(archive).get(run_id)):
        return ArchivedFiles(archive, members)
    raise UnresolvedError(f"{store.path}: holds no run {run_id}", hint="`whence log` lists the runs")


def holds_run(store: Store, run_id: str) -> bool:
    """Whether the run is there. One that could lie in a damaged archive is not called missing."""
    if store.run_folder(run_id).is_dir():
        return True
    archive = store.runs / f"{day_of(run_id)[:7]}.zip"
    try:
        return archive.exists() and run_id in archived_runs(archive)
    except FormatError:
        return True


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


class Beyond(msgspec.Struct, frozen=True):
    """What lies beyond a seal."""

    late: list[str]
    """Files, or parts of files, that came after it: shown, never folded, never called damage."""
    torn: list[str]
    """Tails without the end of a line: the seal covers whole lines only."""


def beyond_seal(files: RunFiles, names: Iterable[str], seal: Seal) -> Beyond:
    """What of the run's files the seal does not cover. Costs a look at each file's length."""
    sealed = {file.name: file.length for file in seal.files}
    beyond = Beyond([], [])
    for name in sealed_names(name for name in names if not name.startswith("acts/")):
        if name not in sealed:
            beyond.late.append(name)
        elif (more := files.size(name) - sealed[name]) > 0:
            if name.endswith((SUFFIX, POINTS_SUFFIX)) and b"\n" not in files.read(name)[sealed[name] :]:
                beyond.torn.append(f"{name}: a torn tail of {more} bytes")
            else:
                beyond.late.append(f"{name}: {more} bytes")
    return beyond


def read_journals(files: RunFiles, names: Sequence[str], seal: Seal | None) -> list[JournalText]:
    """Every journal in the order of the fold, as far as the seal goes."""
    return [read_journal(_sealed_bytes(files, name, seal), name) for name in _covered(names, seal, SUFFIX)]


def _covered(names: Sequence[str], seal: Seal | None, suffix: str) -> list[str]:
    if seal is None:
        return journal_order(names, suffix)
    return journal_order({file.name for file in seal.files} & set(names), suffix)


def _sealed_bytes(files: RunFiles, name: str, seal: Seal | None) -> bytes:
    data = files.read(name)
    length = next((file.length for file in seal.files if file.name == name), 0) if seal else len(data)
    return data[:length]


def fold_run(
    store: Store,
    files: RunFiles,
    names: Sequence[str],
    texts: Sequence[JournalText],
    seal: Seal | None,
    seal_digest: str | None,
) -> Folded | None:
    """The fold of a run's files, as far as the seal goes; nothing if the run never came to be."""
    return fold_texts(store, texts, read_metrics(files, names, seal), seal, seal_digest)


def fold_texts(
    store: Store,
    texts: Sequence[JournalText],
    metrics: Mapping[str, Metric],
    seal: Seal | None,
    seal_digest: str | None,
) -> Folded | None:
    """The fold of what was read; nothing if the run never came to be."""
    return fold(
        by_writer(texts),
        metrics=metrics,
        packages=_packages(store, texts),
        seal=seal,
        seal_digest=seal_digest,
    )


def by_writer(texts: Sequence[JournalText]) -> dict[str, list[Stated]]:
    """Each writer's events, continuations joined."""
    names = [text.name for text in texts]
    stated: dict[str, list[Stated]] = {}
    for text in texts:
        lines = stated.setdefault(writer_of(text.name, names), [])
        lines += [Stated(line.envelope.at, line.event) for line in text.lines if line.event is not None]
    return stated


def read_metrics(files: RunFiles, names: Sequence[str], seal: Seal | None) -> dict[str, Metric]:
    """The summaries over the points of all writers, as far as the seal goes."""
    return summarise(*(_sealed_bytes(files, name, seal) for name in _covered(names, seal, POINTS_SUFFIX)))


def _packages(store: Store, texts: Sequence[JournalText]) -> list[Package]:
    """The packages of the environment's software, from the object that its fingerprint names."""
    folded = fold(by_writer(texts), metrics={})
    environment = folded.record.environment if folded else None
    if environment is None or environment.fingerprint is None:
        return []
    return read_software(store, environment.fingerprint)


def read_software(store: Store, fingerprint: str) -> list[Package]:
    """The packages of an environment; none when the object is not there or not sound, which `verify` says."""
    try:
        data = object_path(store, fingerprint).read_bytes()
        return decode(data, Software, where=fingerprint).packages
    except (OSError, ValueError, FormatError):
        return []


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


def liveness(store: Store, run_id: str, record: Record, texts: Sequence[JournalText]) -> Liveness:
    """What may be said of a run without a seal."""
    writer, command = processes(texts)
    evidence = gather(store, store.run_folder(run_id), writer=writer, command=command)
    return decide(record.status, evidence)


def _live(store: Store, files: RunFiles, record: Record, texts: Sequence[JournalText]) -> Record:
    if files.path(RECORD) is None:
        return record
    live = liveness(store, record.id, record, texts)
    return msgspec.structs.replace(record, status=live.status, phase=live.phase, evidence=live.evidence)
