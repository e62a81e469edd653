"""Checks that what the store holds is what was written, and names exactly what is not and who depends on it.

One changed byte is one finding: of a file that holds others (a seal, a journal line) only the culprit is named, and
what follows from it is left out. What came after a seal is late, not damage; a torn tail is a note.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import msgspec

from ..digests import digest_of, is_digest
from ..errors import FormatError, UnresolvedError
from ..ids import day_of
from ..records.act import Act
from ..records.checked import is_sound
from ..records.data import ManifestEntry
from ..records.encoding import decode, encode
from ..records.record import Record
from ..records.seal import JournalEnd, Seal, SealedFile
from ..system.files import hash_file
from .acts import act_files, is_act, read_act
from .code_check import CodeOfRun, check_code, code_of_run
from .damage import Damage
from .journal import POINTS_SUFFIX, JournalText, read_journal
from .layout import Store
from .objects import read_object
from .points import faulty_lines
from .runs import (
    LoadedRun,
    RunFiles,
    archive_files,
    archived_runs,
    beyond_seal,
    holds_run,
    load_run,
    open_run,
    read_journals,
    run_ids,
    stranger_in,
)
from .seal import RECORD, SEAL, read_seal


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found."""

    damage: tuple[Damage, ...]
    late: tuple[str, ...]
    """Files, or parts of files, that came after a seal."""
    notes: tuple[str, ...]
    """Normal after a crash: torn tails, folders of runs that never came to be, runs without a seal."""
    runs: int
    objects: int
    acts: int


class _Copy(msgspec.Struct, frozen=True):
    """An act in a run's folder: a link, or a copy that came with the folder."""

    run: str
    where: str
    name: str
    data: bytes


class _Check(msgspec.Struct):
    store: Store
    damage: list[Damage] = []
    late: list[str] = []
    notes: list[str] = []
    seals: dict[str, str | None] = {}
    """The digest of each run's seal, if it is sound."""
    named: dict[str, set[str]] = {}
    """Digest -> the runs whose record names it."""
    kept: dict[str, set[str]] = {}
    """Digest -> the runs whose record says that the store holds it."""
    codes: list[CodeOfRun] = []
    """What each run's record says of its snapshot."""
    copies: list[_Copy] = []
    """Of acts, in the folders of runs."""
    runs: int = 0
    objects: int = 0
    acts: int = 0

    def add(self, where: str, what: str, runs: Iterable[str] = ()) -> None:
        self.damage.append(Damage(where=where, what=what, runs=tuple(sorted(runs))))


def check_store(store: Store, runs: Sequence[str] | None = None, *, environ: Mapping[str, str] | None = None) -> Report:
    """Re-hash and hold everything against everything; with `runs` only these, their objects and the acts about them.

    `environ` is for git, which checks `code.git`; without it the code is not checked. Costs a read of all bytes.
    """
    check = _Check(store)
    if runs is None:
        _check_archives(check)
    for run in run_ids(store, newest_first=False) if runs is None else runs:
        try:
            _check_run(check, run)
        except (OSError, FormatError) as error:
            check.add(f"runs/{day_of(run)}/{run}", f"cannot be read: {error}", [run])
    _check_objects(check, everything=runs is None)
    _check_acts(check, None if runs is None else set(runs))
    if environ is not None:
        check.damage += check_code(store, environ, check.codes, everything=runs is None)
    return Report(
        damage=tuple(check.damage),
        late=tuple(check.late),
        notes=tuple(check.notes),
        runs=check.runs,
        objects=check.objects,
        acts=check.acts,
    )


# Runs


def _check_archives(check: _Check) -> None:
    for archive in archive_files(check.store):
        try:
            archived_runs(archive)
        except FormatError as error:
            where = str(archive.relative_to(check.store.path))
            check.add(where, error.message.removeprefix(f"{archive}: "))


def _check_run(check: _Check, run: str) -> None:
    check.runs += 1
    where = f"runs/{day_of(run)}/{run}"
    try:
        files = open_run(check.store, run)
    except (FormatError, UnresolvedError) as error:
        check.add(where, error.message, [run])
        return
    names = files.names()
    _note_copies(check, run, where, files)
    if stranger := stranger_in(files, run):
        check.seals[run] = None
        check.add(f"{where}/main.jsonl:1", f"found the run {stranger}, expected {run}", [run])
        return
    data = files.read(SEAL) if SEAL in names else None
    seal = _sound_seal(data, run)
    if seal is not None and data is not None:
        check.seals[run] = digest_of(data)
        _check_sealed(check, run, where, files, seal)
        return
    if data is not None:
        check.seals[run] = None
        what = f"found {digest_of(data)}, which is no seal of this run or does not hold its check"
        check.add(f"{where}/{SEAL}", what, [run])
    _check_unsealed(check, run, where, files)


def _note_copies(check: _Check, run: str, where: str, files: RunFiles) -> None:
    for name in files.names():
        folder, _, copy = name.rpartition("/")
        if folder == "acts" and is_act(copy):
            try:
                check.copies.append(_Copy(run, f"{where}/{name}", copy, files.read(name)))
            except OSError as error:
                check.add(f"{where}/{name}", f"cannot be read: {error.strerror}, expected an act", [run])


def _sound_seal(data: bytes | None, run: str) -> Seal | None:
    if data is None or not is_sound(data):
        return None
    try:
        seal = read_seal(data, SEAL)
    except FormatError:
        return None
    return seal if seal.run == run else None


def _check_unsealed(check: _Check, run: str, where: str, files: RunFiles) -> None:
    """Only the chains speak; nothing else says what the other files should be."""
    names = files.names()
    journals = read_journals(files, names, None)
    if not any(text.lines for text in journals) and not any(text.faults for text in journals):
        check.notes.append(f"{where}: a run that never came to be: its writer died before the first line")
        return
    if SEAL not in names:
        check.notes.append(f"{where}: {_why_unsealed(journals)}")
    faulty = [text for text in journals if not _check_chain(check, run, where, files, text)]
    for name in names:
        if name.endswith(POINTS_SUFFIX) and (lines := faulty_lines(files.read(name))):
            check.add(f"{where}/{name}:{lines[0]}", "found a line that is no point", [run])
    if faulty:
        return
    try:
        loaded = load_run(check.store, run)
    except FormatError as error:
        check.add(f"{where}/main.jsonl:1", error.message, [run])
    else:
        _name_digests(check, run, loaded.record)


def _why_unsealed(journals: Sequence[JournalText]) -> str:
    last = journals[0].lines[-1].envelope.kind if journals and journals[0].lines else None
    if last == "run.sealed":
        return "no seal, though its journal ends in run.sealed: its writer died just then, or the seal was removed"
    return "no seal yet"


def _check_chain(check: _Check, run: str, where: str, files: RunFiles, text: JournalText) -> bool:
    """Whether the journal's lines hold each other."""
    if text.torn:
        check.notes.append(f"{where}/{text.name}: a torn tail of {text.torn} bytes")
    if text.faults:
        line = _culprit(files.read(text.name), None)
        check.add(f"{where}/{text.name}:{line or 1}", text.faults[0], [run])
    return not text.faults


def _check_sealed(check: _Check, run: str, where: str, files: RunFiles, seal: Seal) -> None:
    beyond = beyond_seal(files, files.names(), seal)
    check.late += [f"{where}/{late}" for late in beyond.late]
    check.notes += [f"{where}/{torn}" for torn in beyond.torn]
    damaged = {file.name for file in seal.files if not _check_file(check, run, where, files, file, seal)}
    try:
        # What a damaged file says is not asked: its wrong digests would be missing objects.
        loaded = load_run(check.store, run, refold=RECORD in damaged or not damaged)
    except FormatError as error:
        if not damaged:
            check.add(f"{where}/main.jsonl:1", error.message, [run])
        return
    if not damaged:
        _check_meaning(check, run, where, files, loaded)
    if not damaged or damaged == {RECORD} or RECORD not in damaged:
        _name_digests(check, run, loaded.record)


def _check_file(check: _Check, run: str, where: str, files: RunFiles, file: SealedFile, seal: Seal) -> bool:
    """Whether a sealed file has the bytes that it had."""
    place = f"{where}/{file.name}"
    try:
        data = files.read(file.name)
    except FileNotFoundError:
        check.add(place, f"not there, expected {file.length} bytes with {file.digest}", [run])
        return False
    except (OSError, FormatError) as error:
        check.add(place, f"cannot be read: {error}", [run])
        return False
    found = digest_of(memoryview(data)[: file.length])
    if len(data) >= file.length and found == file.digest:
        return True
    end = next((end for end in seal.journals if end.name == file.name), None)
    line = _culprit(data, end) if end else None
    short = len(data) < file.length
    what = f"found {len(data)} bytes, expected {file.length}" if short else f"found {found}, expected {file.digest}"
    check.add(f"{place}:{line}" if line else place, what, [run])
    return False


def _culprit(data: bytes, end: JournalEnd | None) -> int | None:
    """The number of the first line that was changed, dropped or added, by the chain and the end that the seal names.

    A link between two lines that does not hold accuses the first of them, unless the next link does not hold
    either: then it was the `prev` of the line between.
    """
    raw = data.split(b"\n")[:-1][: end.seq + 1 if end else None]
    links: list[str | None] = []
    for number, line in enumerate(raw, 1):
        text = read_journal(line + b"\n", "")
        if not text.lines or text.lines[0].envelope.seq != number - 1:
            return number
        links.append(text.lines[0].envelope.prev)
    whole = end is not None and len(raw) == end.seq + 1
    links.append(end.digest if end and whole else digest_of(raw[-1]) if raw else None)
    broken = [index for index, line in enumerate(raw) if links[index + 1] != digest_of(line)]
    if broken:
        return broken[0] + (2 if broken[0] + 1 in broken else 1)
    if end and not whole:
        return len(raw) + 1
    faults = read_journal(data, "").faults
    return int(faults[0].split(":")[1]) if faults else None


def _check_meaning(check: _Check, run: str, where: str, files: RunFiles, loaded: LoadedRun) -> None:
    """All bytes are those of the seal: does what they say hold together?"""
    for fault in loaded.faults:
        check.add(f"{where}/main.jsonl", fault, [run])
    if loaded.faults:
        return
    # Read as a record, so that one of an older version, without the newer fields, still says the same.
    stored = _unpacked(decode(files.read(RECORD), Record, where=f"{where}/{RECORD}"))
    folded = decode(encode(_unpacked(loaded.record)), Record)
    # A record that its writer made before somebody else sealed the run knows nothing of the closer.
    skipped = {"closed_by", "ended"} if stored.closed_by is None else set[str]()
    names = sorted(set(Record.__struct_fields__) - skipped)
    wrong = [name for name in names if getattr(stored, name) != getattr(folded, name)]
    if wrong:
        check.add(f"{where}/{RECORD}", f"{', '.join(wrong)}: not what the journals say", [run])


def _unpacked(record: Record) -> Record:
    """As the writer folded it, without the packages, whose object is checked by itself."""
    environment = record.environment
    if environment is not None:
        environment = msgspec.structs.replace(environment, packages=[])
    return msgspec.structs.replace(record, environment=environment, seal=None)


def _name_digests(check: _Check, run: str, record: Record) -> None:
    check.codes += code_of_run(run, record.code)
    kept = {item.digest for item in (*record.artifacts, *record.inputs) if item.kept}
    folders = [item.digest for item in record.artifacts if item.kept and item.form == "folder"]
    folders += [item.digest for item in record.inputs if item.kept and item.kind == "folder"]
    for manifest in folders:
        kept |= _members(check.store, manifest) if manifest else set()
    named = {item.digest for item in (*record.artifacts, *record.inputs)}
    if record.config is not None:
        kept |= {file.digest for file in record.config.files if file.kept}
    if record.environment is not None:
        kept |= {lock.kept for lock in (record.environment.lock, *record.environment.locks) if lock}
        kept.add(record.environment.fingerprint)
    for digest in kept - {None}:
        check.kept.setdefault(cast("str", digest), set()).add(run)
    for digest in (kept | named) - {None}:
        check.named.setdefault(cast("str", digest), set()).add(run)


def _members(store: Store, manifest: str) -> set[str | None]:
    """What a kept folder's manifest lists; nothing when it is damaged itself, which is found by itself."""
    try:
        entries = decode(read_object(store, manifest), list[ManifestEntry], where=manifest)
    except (FormatError, UnresolvedError):
        return set()
    return {entry.digest for entry in entries if entry.kind == "file"}


# Objects


def _check_objects(check: _Check, *, everything: bool) -> None:
    there = _object_digests(check.store)
    for digest, place in sorted(there.items()):
        if everything or digest in check.named:
            check.objects += 1
            _check_object(check, digest, place)
    for digest in sorted(set(check.kept) - set(there)):
        place = f"objects/sha256/{digest[7:9]}/{digest[9:]}"
        check.add(place, f"not there, expected {digest}", check.kept[digest])


def _check_object(check: _Check, digest: str, place: str) -> None:
    runs = check.named.get(digest, set())
    try:
        found = hash_file(check.store.path / place, follow=False)
    except OSError as error:
        check.add(place, f"cannot be read: {error.strerror}, expected {digest}", runs)
        return
    if found.digest != digest:
        check.add(place, f"found {found.digest} ({found.size} bytes), expected {digest}", runs)


def _object_digests(store: Store) -> dict[str, str]:
    """Digest -> path inside the store, by the names of the files; other names are not ours."""
    found: dict[str, str] = {}
    for shard in _listed(store.objects):
        for name in _listed(store.objects / shard):
            if is_digest(f"sha256:{shard}{name}"):
                found[f"sha256:{shard}{name}"] = f"objects/sha256/{shard}/{name}"
    return found


def _listed(folder: os.PathLike[str]) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


# Acts


def _check_acts(check: _Check, runs: set[str] | None) -> None:
    acts: dict[str, tuple[str, Act]] = {}
    files: dict[str, bytes] = {}
    damaged: set[str] = set()
    for path in act_files(check.store):
        where = str(path.relative_to(check.store.path))
        try:
            data = path.read_bytes()
        except OSError as error:
            check.add(where, f"cannot be read: {error.strerror}, expected an act")
            continue
        files[path.name] = data
        act = _check_act(check, data, where, path.stem, runs)
        if act is None:
            damaged.add(path.name)
        elif runs is None or act.subject.run in runs:
            acts[digest_of(data)] = (where, act)
            check.acts += 1
    for copy in check.copies:
        if copy.data == files.get(copy.name):
            continue
        if copy.name in files and files[copy.name].startswith(copy.data.rstrip(b"\0")):
            # Not flushed: readers go by the act itself.
            check.notes.append(f"{copy.where}: a torn copy of the act")
        elif copy.name in files and copy.name not in damaged:
            found, expected = digest_of(copy.data), digest_of(files[copy.name])
            check.add(copy.where, f"found {found}, expected {expected}, as it is in acts/", [copy.run])
        elif act := _check_act(check, copy.data, copy.where, copy.name.removesuffix(".json"), None):
            # It came with the folder from another store.
            acts[digest_of(copy.data)] = (copy.where, act)
    for where, act in acts.values():
        _check_quotes(check, where, act, set(acts), bool(damaged))


def _check_act(check: _Check, data: bytes, where: str, name: str, runs: set[str] | None) -> Act | None:
    try:
        act = read_act(data, where)
    except FormatError as error:
        check.add(where, error.message)
        return None
    about = [act.subject.run] if act.subject.run else []
    if not is_sound(data):
        if runs is None or act.subject.run in runs:
            check.add(where, f"found {digest_of(data)}, which does not hold its own check", about)
        return None
    if act.id != name:
        check.add(where, f"found the act {act.id}, expected {name}", about)
    return act


def _check_quotes(check: _Check, where: str, act: Act, known: set[str], damaged: bool) -> None:
    """What an act quotes: the acts before it, its run, and the seal of that run."""
    run = act.subject.run
    for prior in act.prior:
        # A damaged act has another digest than the one quoted; it is named already.
        if prior not in known and not damaged:
            check.add(where, f"the act {prior} that it follows is not there: it was removed", [run] if run else [])
    if run is None:
        return
    place = f"runs/{day_of(run)}/{run}"
    if not holds_run(check.store, run):
        check.add(place, f"not there, expected the run that {where} is about", [run])
        return
    expected, found = act.subject.seal, check.seals.get(run, "")
    # A damaged seal is named already.
    if expected is None or found is None or found == expected:
        return
    what = f"found {found}" if found else "not there"
    check.add(f"{place}/{SEAL}", f"{what}, expected {expected}, which {where} quotes", [run])
