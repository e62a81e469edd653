"""Checks a run: its seal and every file under it, or without one the chains of its journals."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..digests import digest_of
from ..errors import FormatError, UnresolvedError
from ..ids import day_of
from ..records.checked import is_sound
from ..records.encoding import decode, encode
from ..records.record import Record
from ..records.seal import JournalEnd, Seal, SealedFile
from .acts import is_act
from .checking import ActCopy, Check
from .code_check import code_of_run
from .dataset_uses import versions_said
from .journal import BROKEN_LINK, POINTS_SUFFIX, JournalText, read_journal
from .kept import kept_objects
from .late import beyond_seal
from .points import faulty_lines
from .run_files import NEVER_CAME_TO_BE, RECORD, SEAL, RunFiles, written_beside
from .run_fold import read_journals
from .run_list import open_run
from .runs import LoadedRun, load_run, stranger_in
from .seal import read_seal


def check_run(check: Check, run: str) -> None:
    """One run; what its record names is noted for the checks of objects, acts and code. Raises OSError, FormatError."""
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


def _note_copies(check: Check, run: str, where: str, files: RunFiles) -> None:
    for name in files.names():
        folder, _, copy = name.rpartition("/")
        if folder == "acts" and is_act(copy):
            try:
                check.copies.append(ActCopy(run, f"{where}/{name}", copy, files.read(name)))
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


def _check_unsealed(check: Check, run: str, where: str, files: RunFiles) -> None:
    """Only the chains speak; nothing else says what the other files should be."""
    names = files.names()
    journals = read_journals(files, names, None)
    if not any(text.lines for text in journals) and not any(text.faults for text in journals):
        if beside := written_beside(files):
            what = f"found no whole line, expected run.created: {', '.join(beside)} beside it were written after it"
            check.add(f"{where}/main.jsonl", what, [run])
        else:
            check.notes.append(f"{where}: {NEVER_CAME_TO_BE}")
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


def _check_chain(check: Check, run: str, where: str, files: RunFiles, text: JournalText) -> bool:
    """Whether the journal's lines hold each other."""
    if text.torn:
        check.notes.append(f"{where}/{text.name}: a torn tail of {text.torn} bytes")
    if text.faults:
        line, what = _first_fault(text, files.read(text.name))
        check.add(f"{where}/{text.name}:{line}", what, [run])
    return not text.faults


def _first_fault(text: JournalText, data: bytes) -> tuple[int, str]:
    """The number of the line, and what is wrong with it: where only the next line tells, that is another one."""
    _, number, what = text.faults[0].split(":", 2)
    if not what.endswith(BROKEN_LINK):
        return int(number), what.strip()
    return _culprit(data, None) or int(number), "found other bytes than the line after it names in `prev`"


def _check_sealed(check: Check, run: str, where: str, files: RunFiles, seal: Seal) -> None:
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


def _check_file(check: Check, run: str, where: str, files: RunFiles, file: SealedFile, seal: Seal) -> bool:
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


def _check_meaning(check: Check, run: str, where: str, files: RunFiles, loaded: LoadedRun) -> None:
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


def _name_digests(check: Check, run: str, record: Record) -> None:
    check.codes += code_of_run(run, record.code)
    check.versions += versions_said(record)
    kept = kept_objects(check.store, record)
    named = {item.digest for item in (*record.artifacts, *record.inputs) if item.digest}
    for digest in kept:
        check.kept.setdefault(digest, set()).add(run)
    for digest in kept | named:
        check.named.setdefault(digest, set()).add(run)
