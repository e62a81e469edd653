"""Why two runs may have other results: what differs, by how much it decides, and what is not known.

| what | how likely |
|---|---|
| one of them did not end as the other, an input changed while it was read | likely |
| the program, an input, a configuration value, a seed differs | likely |
| files of the snapshot changed, and none of them is of a program | possible |
| the command differs: where the configuration differs, too, it says the same again | possible, else likely |
| the interpreter, a package that was imported, a library or program, a driver, an accelerator, the hardware, the
container, a setting of threads or determinism, a variable differs | possible |
| an input that was not read was changed while the run went on | unlikely |
| a package that no program imported; the commit of one and the same program; a place, host, lock, label | unlikely |
| what a run does not tell, of its program, data, configuration, seeds or environment | unknown |
| nothing that decides differs: chance, where no seed is known | possible |

What is possible is likely where nothing likely differs and nothing is unknown of program, data, configuration and
seeds. A part of which something is unknown is never taken for the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from msgspec.structs import replace

from ..records.comparison import Cause, ChangedCode, Differing, Explanation, Part, PartName
from ..records.record import Record
from .facts import quoted
from .plain import as_mapping
from .program_files import changed_files

Likelihood = Literal["likely", "possible", "unlikely", "unknown"]
Parts = Mapping[PartName, Part]

_ORDER: tuple[Likelihood, ...] = ("likely", "possible", "unknown", "unlikely")

_DECIDING: tuple[PartName, ...] = ("code", "data", "config", "seeds")


def explain(records: Sequence[Record], parts: Parts, files: Sequence[ChangedCode] = ()) -> Explanation:
    """The causes of other results, the likeliest first. `parts` has every part of a comparison of two records; `files`
    are those that changed between their snapshots, as far as that is known."""
    results = _results(parts["results"])
    if results == "same":
        return Explanation(results=results, summary="the results are the same: there is nothing to explain")
    causes = [
        *_endings(records, parts),
        *_code(parts["code"], *changed_files(files, records)),
        *_data(records, parts["data"]),
        *_config(parts["config"]),
        *_seeds(parts["seeds"]),
        *_command(parts),
        *_environment(parts["environment"]),
        *_unknown(parts),
    ]
    causes += _chance(records, causes)
    ranked = sorted(_promoted(causes), key=lambda cause: _ORDER.index(cause.likelihood))
    return Explanation(results=results, summary=_summary(results, ranked), causes=ranked)


def _results(part: Part) -> Literal["same", "differs", "unknown"]:
    return part.state


def _summary(results: str, causes: Sequence[Cause]) -> str:
    whether = "the results differ" if results == "differs" else "whether the results differ is not wholly known"
    counts = {word: [cause for cause in causes if cause.likelihood == word] for word in _ORDER}
    if len(counts["likely"]) == 1 and not counts["possible"] and not counts["unknown"]:
        return f"{whether}, and one thing that decides them: {counts['likely'][0].because}"
    told = ", ".join(f"{len(found)} {word}" for word, found in counts.items() if found)
    return f"{whether}: {told or 'no'} cause{'' if len(causes) == 1 else 's'}"


def _cause(likelihood: Likelihood, part: PartName, found: Iterable[Differing], because: str) -> Iterator[Cause]:
    """The cause, if something of it differs."""
    what = [one.what for one in found]
    if what:
        yield Cause(likelihood=likelihood, part=part, what=what, because=because)


def _below(part: Part, *heads: str) -> list[Differing]:
    """What differs of these names and below them."""
    return [one for one in part.differs if any(one.what == head or one.what.startswith(f"{head}.") for head in heads)]


def _endings(records: Sequence[Record], parts: Parts) -> Iterator[Cause]:
    differs = _below(parts["results"], "status")
    told = [record.status + (f" ({record.error.type})" if record.error else "") for record in records]
    yield from _cause("likely", "results", differs, f"they did not end alike: {told[0]}, then {told[1]}")


def _code(part: Part, programs: list[str], others: list[str]) -> Iterator[Cause]:
    snapshot = _below(part, "code.id", "code.tree")
    no_program = bool(others) and not programs
    told = (
        _cause("possible", "code", snapshot, "files of the snapshot changed, and none of them is of a program")
        if no_program
        else _cause("likely", "code", snapshot, "another program ran")
    )
    yield from (replace(cause, files=[*programs, *others]) for cause in told)
    outside = _below(part, "code.outside_snapshot", "code.files_left_out", "code.submodules", "code.repositories")
    yield from _cause("likely", "code", outside, "code from outside of the snapshot is another")
    if snapshot and not no_program:
        return
    yield from _cause("likely", "code", _below(part, "code.entry"), "another part of the program was started")
    yield from _cause("possible", "code", _below(part, "code.declared"), "it was declared as another version")
    if not snapshot and not any(one.what in ("code", "code.id") for one in part.unknown):
        names = ("commit", "branch", "version", "dirty", "dirty_paths", "remotes", "vcs")
        differs = _below(part, *(f"code.{name}" for name in names))
        yield from _cause("unlikely", "code", differs, "another commit of the same program: the code id is equal")


def _data(records: Sequence[Record], part: Part) -> Iterator[Cause]:
    changed = [one for one in _below(part, "inputs") if one.what.endswith(".changed") and one.what != "inputs.changed"]
    inputs = [one for one in _below(part, "inputs") if one not in changed]
    moved = [one for one in inputs if not _other_bytes(one)]
    unread = _changed_unread(records)
    yield from _cause("likely", "data", [one for one in inputs if _other_bytes(one)], "other data were read")
    read = [one for one in changed if one.what not in unread]
    yield from _cause("likely", "data", read, "an input was changed while the run went on")
    idle = [one for one in changed if one.what in unread]
    yield from _cause("unlikely", "data", idle, "an input that was not read was changed while the run went on")
    yield from _cause("unlikely", "data", moved, "the same bytes have another path, name or version")
    yield from _cause("possible", "data", _below(part, "network"), "other hosts were asked")


def _other_bytes(one: Differing) -> bool:
    told = (as_mapping(value) for value in one.values)
    return len({value.get("digest") for value in told}) > 1


def _changed_unread(records: Sequence[Record]) -> set[str]:
    """The facts that an input was changed, where no run that changed it was seen to read it."""
    changed = [(f"inputs.{quoted(one.name)}.changed", one.opened) for record in records for one in record.inputs
               if one.changed == "yes"]  # fmt: skip
    return {what for what, _ in changed} - {what for what, opened in changed if opened is not False}


def _config(part: Part) -> Iterator[Cause]:
    likely = _below(part, "config.values", "config.choices", "config.files", "config.overrides", "config.others")
    yield from _cause("likely", "config", likely, "another configuration")
    yield from _cause(
        "possible", "config", _below(part, "config.contested"), "what was declared and what was resolved compete"
    )


def _seeds(part: Part) -> Iterator[Cause]:
    yield from _cause("likely", "seeds", part.differs, "another seed")


def _command(parts: Parts) -> Iterator[Cause]:
    words = _below(parts["command"], "command")
    again = parts["config"].state == "differs" or parts["seeds"].state == "differs"
    because = "the command is another, which the configuration says, too" if again else "the command is another"
    yield from _cause("possible" if again else "likely", "command", words, because)
    yield from _cause(
        "possible", "command", _below(parts["command"], "writers"), "another number of processes worked together"
    )
    yield from _cause(
        "unlikely", "command", _below(parts["command"], "cwd", "user"), "it ran elsewhere, or for another"
    )


_ENVIRONMENT: tuple[tuple[Likelihood, str, tuple[str, ...]], ...] = (
    ("possible", "another interpreter", ("environment.python.version", "environment.python.implementation")),
    ("possible", "other libraries or programs", ("programs", "environment.libraries", "environment.modules")),
    ("possible", "another container", ("environment.container", "environment.container_declared")),
    ("possible", "another driver", ("environment.drivers",)),
    (
        "possible",
        "other hardware",
        ("environment.hardware_class", "environment.accelerators", "environment.hardware"),
    ),
    ("possible", "other settings", ("environment.settings", "environment.variables")),
    ("possible", "another system", ("environment.os",)),
    (
        "unlikely",
        "the place, the lock or the host is another",
        ("environment.python.executable", "environment.python.build", "environment.local_packages", "environment.lock",
         "environment.scheduler", "host"),
    ),
)  # fmt: skip


def _environment(part: Part) -> Iterator[Cause]:
    packages = _below(part, "environment.packages")
    idle = [one for one in packages if one.imported and not any(used is not False for used in _told(one))]
    used = [one for one in packages if one not in idle] + _below(part, "environment.imported")
    yield from _cause("possible", "environment", used, "other packages")
    for likelihood, because, heads in _ENVIRONMENT:
        yield from _cause(likelihood, "environment", _below(part, *heads), because)
    yield from _cause("unlikely", "environment", idle, "other packages that no program imported")


def _told(package: Differing) -> list[bool | None]:
    """Whether each run imported it, of those that have it."""
    return [used for position, used in enumerate(package.imported) if position not in package.absent]


def _unknown(parts: Parts) -> Iterator[Cause]:
    """What may differ unseen. Results and labels are no cause."""
    for part in (*_DECIDING, "environment"):
        if unknown := parts[part].unknown:
            reasons = dict.fromkeys(because for one in unknown for because in one.because if because)
            yield Cause(
                likelihood="unknown",
                part=part,
                what=[one.what for one in unknown],
                because="; ".join(reasons),
            )


def _chance(records: Sequence[Record], causes: Sequence[Cause]) -> Iterator[Cause]:
    """What is left where nothing that decides differs."""
    if any(cause.likelihood in ("likely", "possible") for cause in causes):
        return
    seeded = all(record.config is not None and record.config.seeds for record in records)
    because = (
        "nothing that decides differs: the program does not give the same twice, in spite of its seeds"
        if seeded
        else "nothing that decides differs, and no seed is known: the program may not give the same twice"
    )
    yield Cause(likelihood="possible", part="seeds", what=[], because=because)


def _promoted(causes: Sequence[Cause]) -> Iterator[Cause]:
    """What is possible is likely where nothing weighs more."""
    weighty = any(
        cause.likelihood == "likely" or (cause.likelihood == "unknown" and cause.part in _DECIDING) for cause in causes
    )
    for cause in causes:
        yield cause if weighty or cause.likelihood != "possible" else replace(cause, likelihood="likely")
