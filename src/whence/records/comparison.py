"""What runs have otherwise than each other: what `whence diff --json` prints (docs/concepts.md, "Comparing runs")."""

from typing import Any, Literal

from .base import Struct
from .configuration import Origin
from .run import Status
from .tables import TableChange

SCHEMA = "whence-comparison/1"

PartName = Literal["code", "config", "data", "environment", "command", "seeds", "results"]
"""What is compared, in the order in which a reviewer asks."""


class Side(Struct, frozen=True, kw_only=True):
    """A run that is compared."""

    id: str
    name: str | None = None
    status: Status
    command: list[str] = []
    created: str | None = None
    started: str | None = None
    commit: str | None = None
    dirty: bool | None = None
    rerun_of: str | None = None
    relation: str | None = None


class Differing(Struct, frozen=True, kw_only=True):
    """A fact that is not the same in all runs."""

    what: str
    """Its dotted name in the record; a name in it that has a dot, a blank or a quote stands in double quotes."""
    change: Literal["added", "removed", "changed", "varies"]
    """Of two runs: only the second has it, only the first, or both; of more, `varies`."""
    values: list[Any]
    """What each run has, in the order of `runs`; null where it has none."""
    absent: list[int] = []
    """The positions of the runs that have none."""
    origins: list[Origin | None] = []
    """Of a configuration value or a seed: where each came from."""
    relative: float | None = None
    """Of the last value of a metric, of two runs: the second less the first, by the size of the first."""
    imported: list[bool | None] = []
    """Of a package: whether a program of each run imported it; null where no program told."""


class Undecided(Struct, frozen=True, kw_only=True):
    """A fact that may or may not be the same, since a run does not tell."""

    what: str
    """A dotted name; all that lies below it is meant, too."""
    because: list[str | None]
    """Why each run does not tell, in the order of `runs`; null for one that does."""


class Part(Struct, frozen=True, kw_only=True):
    """One part of the runs."""

    state: Literal["same", "differs", "unknown"]
    """`unknown`: nothing that is known differs, and not everything is known."""
    same: int
    """How many facts are the same in all runs."""
    differs: list[Differing] = []
    unknown: list[Undecided] = []


class Commit(Struct, frozen=True, kw_only=True):
    """A commit that only one of the two has behind it."""

    id: str
    at: str
    subject: str
    side: Literal["first", "second"]


class ChangedCode(Struct, frozen=True, kw_only=True):
    """A file of the snapshots that is not the same in both."""

    path: str
    change: Literal["added", "removed", "changed", "renamed"]
    before: str | None = None
    """The path that it had in the first, where it was renamed."""
    kind: Literal["text", "binary", "notebook", "link", "repository"] = "text"
    role: Literal["code", "result"] = "code"
    """`result`: an earlier run had written it, or `code_exclude` matches it."""
    mode_changed: bool = False
    added: int | None = None
    """Lines; nothing where they were not counted."""
    removed: int | None = None
    outputs_only: bool = False
    """Of a notebook: the cells are the same, and only what running them leaves in the file is not."""


class CodeChanges(Struct, frozen=True, kw_only=True):
    """What lies between the code of two runs, as far as it is kept."""

    commits: list[Commit] | None = None
    """Nothing where the commits are the same, or cannot be listed: then `commits_because` says why."""
    commits_because: str | None = None
    files: list[ChangedCode] | None = None
    """By path; nothing where the snapshots cannot be compared: then `files_because` says why."""
    files_because: str | None = None
    patch: str | None = None
    """The unified difference of the two snapshots, without results; notebooks by their cells."""


class ChangedFile(Struct, frozen=True, kw_only=True):
    """A file that both have, with other bytes or another mode."""

    path: str
    before: str | None
    """Its digest."""
    after: str | None


class Members(Struct, frozen=True, kw_only=True):
    """What differs in a folder, or in a version of a dataset."""

    what: str
    """The dotted name of the input or artifact."""
    added: list[str] = []
    changed: list[ChangedFile] = []
    removed: list[str] = []
    tables: list[TableChange] = []
    """Of the tables among them, as far as both were read."""
    because: str | None = None
    """Why its members cannot be compared."""


class Cause(Struct, frozen=True, kw_only=True):
    """What may have made the results differ."""

    likelihood: Literal["likely", "possible", "unlikely", "unknown"]
    part: PartName
    what: list[str]
    """Dotted names of what differs, or is not known."""
    because: str
    files: list[str] = []
    """Of code: the files of the snapshots that changed, without results; those of programs first."""


class Explanation(Struct, frozen=True, kw_only=True):
    """Why the results of two runs may differ, the likeliest first."""

    results: Literal["same", "differs", "unknown"]
    summary: str
    causes: list[Cause] = []


class Comparison(Struct, frozen=True, kw_only=True):
    """Two runs or more, and what they have otherwise."""

    schema: Literal["whence-comparison/1"] = "whence-comparison/1"
    runs: list[Side]
    same: bool | None
    """Whether all that was compared is the same; null where nothing that is known differs, and not all is known."""
    parts: dict[PartName, Part]
    """Those that were asked for, in order."""
    code: CodeChanges | None = None
    """Of two runs whose code was compared and is not the same program at the same commit."""
    members: list[Members] = []
    """Of two runs: the folders and versions of datasets that differ."""
    explanation: Explanation | None = None
    """Where it was asked for."""
