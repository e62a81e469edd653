"""What the Python programs of a command told about themselves, and which of it is the run's configuration.

The notes of `whence.boot`, one struct a kind. The rule, which docs/concepts.md states for users:

- A *program* is what one process resolved; of a framework that runs several jobs in one process, what one job did.
- The run's own configuration is that of one program: code of the user's before an installed program, the command
  itself before what it started, the first to parse before a later one. Where nothing was parsed it is the one that
  set a seed, by the same order.
- Every other program is listed beside it, once for all processes that resolved the same, unless it resolved the same
  as the run's own (a worker, a rank).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec

from ..records.configuration import Origin, Seed
from ..records.encoding import decode
from .configured import gives_way
from .seeds import origin_of

HASH_SEED = "PYTHONHASHSEED"

ORIGINS: frozenset[str] = frozenset(("default", "file", "command_line", "environment", "generated", "declared"))


class Note(msgspec.Struct, frozen=True, tag_field="note", kw_only=True):
    """A line that a process wrote. Times are seconds of the machine's monotonic clock."""

    at: float = 0.0


class Process(Note, frozen=True, tag="process", kw_only=True):
    """The first line of a process."""

    pid: int
    argv: list[str] = []
    main: str | None = None
    cwd: str | None = None
    hash_seed: str | None = None


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a framework wrote about a configuration."""

    path: str
    text: str


class Parsed(Note, frozen=True, tag="parsed", kw_only=True):
    """A parser resolved a configuration."""

    by: str
    id: int
    whose: str
    """`own`: the user's code; `installed`: the code of an installed program."""
    values: dict[str, Any]
    origins: dict[str, str] = {}
    choices: dict[str, str] = {}
    overrides: list[str] = []
    files: list[File] = []
    secret: list[str] = []
    """Dotted names of values that the program asked for without showing them."""
    program: str | None = None
    job: int | None = None


class Looked(Note, frozen=True, tag="looked", kw_only=True):
    """What a parsed object held later, where it differed, by its top-level names."""

    id: int
    values: dict[str, Any]
    added: list[str] = []
    """Names that it did not have when it was parsed."""


class Seeded(Note, frozen=True, tag="seeded", kw_only=True):
    """Code seeded a generator."""

    name: str
    value: Any = None
    place: str = ""
    times: int = 1
    """At the end: how often this place did, with this value at last."""


class Sources(Note, frozen=True, tag="sources", kw_only=True):
    """[module, path, size, time of change in ns] of what was imported from outside of site-packages."""

    files: list[tuple[str, str, int, int]]


class Installed(Note, frozen=True, tag="installed", kw_only=True):
    """Files of packages that were imported, one each, and what loaded libraries are."""

    files: list[str] = []
    libraries: dict[str, str] = {}


class Fetched(Note, frozen=True, tag="fetched", kw_only=True):
    """A read over the network, with the address as it was asked for."""

    url: str
    etag: str | None = None
    version: str | None = None
    size: int | None = None


class Fault(Note, frozen=True, tag="fault", kw_only=True):
    """Something of ours failed inside the program."""

    what: str
    because: str


AnyNote = Process | Parsed | Looked | Seeded | Sources | Installed | Fetched | Fault


def read_note(line: bytes, where: str) -> AnyNote:
    """The note that a line holds. Raises FormatError."""
    return decode(line, cast("type[AnyNote]", AnyNote), where=where)


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What one program resolved, unmasked."""

    name: str
    argv: list[str]
    pid: int
    job: int | None
    at: float
    own: bool
    parsed: bool
    values: dict[str, Any]
    origins: dict[str, Origin]
    choices: dict[str, str]
    overrides: list[str]
    files: list[File]
    secret: frozenset[str]
    seeds: list[Seed]
    """What code and environment set; those of the configuration are in `values`."""
    changed: dict[str, Any]
    """What the parsed values were later; not in `values`."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What all programs of a command told."""

    main: Program | None = None
    others: list[tuple[Program, int]] = []
    """With the number of processes that resolved the same."""
    sources: list[tuple[str, str, int, int]] = []
    installed: list[Installed] = []
    fetched: list[Fetched] = []
    faults: list[Fault] = []


def told(processes: Iterable[Sequence[AnyNote]], command: int | None) -> Told:
    """What the notes of all processes say together; `command` is the process that the run started."""
    every = [list(notes) for notes in processes]
    programs = [program for notes in every for program in programs_of(notes)]
    programs.sort(key=lambda one: (not one.parsed, not one.own, one.pid != command, one.at))
    main = programs[0] if programs else None
    rest = sorted(programs[1:], key=lambda one: one.at)
    return Told(
        main=main,
        others=_distinct(main, rest),
        sources=sorted({entry for notes in every for one in notes if isinstance(one, Sources) for entry in one.files}),
        installed=[one for notes in every for one in notes if isinstance(one, Installed)],
        fetched=sorted((one for notes in every for one in notes if isinstance(one, Fetched)), key=lambda one: one.at),
        faults=[one for notes in every for one in notes if isinstance(one, Fault)],
    )


def _distinct(main: Program | None, rest: Iterable[Program]) -> list[tuple[Program, int]]:
    counted: dict[str, tuple[Program, int]] = {}
    known = None if main is None else _resolved(main)
    for program in rest:
        key = _resolved(program)
        if key != known or program.job is not None:
            first, times = counted.get(key, (program, 0))
            counted[key] = (first, times + 1)
    return list(counted.values())


def _resolved(program: Program) -> str:
    """What makes two programs the same: not their process, nor where in it they are."""
    return repr((program.name, program.job, program.values, [(seed.name, seed.value) for seed in program.seeds]))


def programs_of(notes: Sequence[AnyNote]) -> list[Program]:
    """The programs of one process: one, or one a job."""
    process = next((note for note in notes if isinstance(note, Process)), None)
    parsed = [note for note in notes if isinstance(note, Parsed)]
    seeded = [note for note in notes if isinstance(note, Seeded)]
    if process is None or not (parsed or seeded):
        return []
    if any(note.whose == "own" for note in parsed):
        # The parser of an installed program around the user's own code says how it was started, no more.
        parsed = [note for note in parsed if note.whose == "own"]
    jobs: dict[int | None, list[Parsed]] = {}
    for note in parsed:
        jobs.setdefault(note.job, []).append(note)
    numbered = sorted(jobs.items(), key=lambda item: item[1][0].at) or [(None, [])]
    looked = [note for note in notes if isinstance(note, Looked)]
    starts = [*(group[0].at for _, group in numbered[1:]), float("inf")]
    return [
        _program(process, job, group, looked, [one for one in seeded if _within(one, index, starts)])
        for index, (job, group) in enumerate(numbered)
    ]


def _within(seeded: Seeded, index: int, starts: Sequence[float]) -> bool:
    """Whether a seed was set while a job ran: from the end of the one before to its own."""
    return (index == 0 or seeded.at >= starts[index - 1]) and seeded.at < starts[index]


def _program(
    process: Process, job: int | None, parsed: Sequence[Parsed], looked: Sequence[Looked], seeded: Sequence[Seeded]
) -> Program:
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    changed: dict[str, Any] = {}
    for note in parsed:
        stated = _counting(note, values, origins)
        origins |= _better(note, stated, values, origins)
        values |= stated
    ids = {note.id for note in parsed}
    for note in looked:
        if note.id not in ids:
            continue
        for name, value in note.values.items():
            if name in note.added and name not in values:
                values[name] = value
                origins[name] = "generated"
            else:
                changed[name] = _differing(values.get(name), value)
    flat = origins_of(values, origins)
    return Program(
        name=next((note.program for note in parsed if note.program), None) or _name(process),
        argv=process.argv,
        pid=process.pid,
        job=job,
        at=parsed[0].at if parsed else process.at,
        own=not parsed or parsed[0].whose == "own",
        parsed=bool(parsed),
        values=values,
        origins=flat,
        choices={name: choice for note in parsed for name, choice in note.choices.items()},
        overrides=[one for note in parsed for one in note.overrides],
        files=[file for note in parsed for file in note.files],
        secret=frozenset(name for note in parsed for name in note.secret),
        seeds=[*_hash_seed(process), *_seeds(seeded, process.cwd)],
        changed=changed,
    )


def _differing(old: Any, new: Any) -> Any:
    """Of two nested values what is another one in the later."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    before, after = cast("dict[str, Any]", old), cast("dict[str, Any]", new)
    return {
        key: _differing(before.get(key), value)
        for key, value in after.items()
        if key not in before or before[key] != value
    }


def _counting(note: Parsed, values: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, Any]:
    """What a note states, but for defaults of what another parser has found before."""
    origins, before = cast("dict[str, Origin]", note.origins), cast("dict[str, Origin]", known)
    return {
        name: value
        for name, value in note.values.items()
        if name not in values or not gives_way(name, value, origins, values[name], before)
    }


def _better(
    note: Parsed, stated: Mapping[str, Any], values: Mapping[str, Any], known: Mapping[str, str]
) -> dict[str, str]:
    """The origins that a note tells: code that declares a value which was parsed before does not say whence it is."""
    same = {name for name, value in stated.items() if name in values and values[name] == value}
    return {
        name: origin
        for name, origin in note.origins.items()
        if _top(name) in stated and (origin != "declared" or name not in known or _top(name) not in same)
    }


def _top(name: str) -> str:
    return name.partition(".")[0]


def _name(process: Process) -> str:
    path = process.main or (process.argv[0] if process.argv else "") or "python"
    return path.rpartition("/")[2]


def origins_of(values: Mapping[str, Any], told: Mapping[str, str]) -> dict[str, Origin]:
    """The origin of every flattened name; what was told of a name holds for all below it."""
    known = cast("dict[str, Origin]", {name: origin for name, origin in told.items() if origin in ORIGINS})
    return {name: origin_of(name, known) for name in _names(values, "")}


def _names(values: Mapping[str, Any], at: str) -> list[str]:
    found: list[str] = []
    for key, value in values.items():
        name = f"{at}.{key}" if at else key
        below = isinstance(value, dict) and bool(cast("dict[str, Any]", value))
        found += _names(cast("dict[str, Any]", value), name) if below else [name]
    return found


def _hash_seed(process: Process) -> list[Seed]:
    value = process.hash_seed
    return [Seed(name=HASH_SEED, value=value, origin="environment")] if value and value != "random" else []


def _seeds(seeded: Sequence[Seeded], cwd: str | None) -> list[Seed]:
    """What code set, at last. Whence the code has a value nobody sees: that another equals it says nothing."""
    last: dict[tuple[str, str], Seeded] = {(note.name, note.place): note for note in seeded}
    return [_set_by_code(note, cwd) for note in last.values()]


def _set_by_code(note: Seeded, cwd: str | None) -> Seed:
    place = note.place.removeprefix(f"{cwd}/") if cwd else note.place
    return Seed(name=note.name, value=note.value, origin="declared", place=place or None)
