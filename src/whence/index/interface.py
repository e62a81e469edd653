"""What an index may be asked, and what it answers: the seam behind which a back-end stands.

Every question is answered from what `feed` brought in last, so whoever asks calls it once before. Runs are named by
their ids, and lists are newest first unless they say otherwise. Digests are `sha256:…`. Paths are compared as *places*:
absolute, without links followed (`entry.place_of`); a URL is its own place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from ..rules.query import Query

Kind = Literal["number", "text", "flag"]
"""Of a value."""


class Fed(msgspec.Struct, frozen=True, kw_only=True):
    """What `feed` did."""

    read: int = 0
    """Runs that were read."""
    gone: int = 0
    """Runs that are not there any more."""
    unreadable: Mapping[str, str] = {}
    """Runs that cannot be read, and why. They are tried again each time."""
    faults: Sequence[str] = ()
    """Acts that cannot be read."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The runs that have a value in a field."""

    value: str | float | bool | None
    """Nothing for the runs that have none."""
    runs: int
    statuses: Mapping[str, int]
    latest: str


class Kin(msgspec.Struct, frozen=True, kw_only=True):
    """A run beside another: which it was started by, or runs again."""

    run: str
    status: str
    parent: str | None = None
    rerun_of: str | None = None
    relation: str | None = None


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """Content that a run consumed: an input of its record."""

    run: str
    name: str
    path: str
    """As the record has it."""
    place: str
    digest: str | None
    """Nothing where it was not digested."""
    size: int | None = None
    kind: str = "file"
    """`file`, `folder`, `link`, `url`, `special`."""
    how: str = "declared"
    role: str = "data"
    dataset: str | None = None
    dataset_id: str | None = None
    version: str | None = None


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """Content that a run produced: an artifact of its record."""

    run: str
    name: str
    path: str
    place: str
    digest: str | None
    size: int | None = None
    kind: str = "other"
    """`model`, `report`, `plot` …"""
    form: str = "file"
    """`file`, `folder`, `link`."""
    role: str = "output"
    dataset: str | None = None
    dataset_id: str | None = None
    version: str | None = None
    unfinished: bool = False


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A file in a folder whose manifest is known."""

    folder: str
    """The digest of the manifest."""
    path: str
    """Below the folder."""
    digest: str
    size: int


class DatasetVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a dataset, as the act says that made it."""

    dataset_id: str
    name: str
    version: str
    manifest: str
    base: str | None = None
    """The version that it was made from."""
    run: str | None = None
    """The run that made it."""
    parts: Mapping[str, str] = {}
    """Manifest of each version of another dataset in it, by folder."""


class Index(Protocol):
    """A copy of what the records of a store say. Nothing of it is lost when it is deleted."""

    def feed(self) -> Fed:
        """Bring it up to date: what is new, what goes on, what is gone. Costs a look at each folder of a day that
        changed, and a read of each run that is new or not sealed."""
        ...

    def close(self) -> None:
        """Let go of what it holds open."""
        ...

    # Runs

    def runs(
        self, query: Query, *, sort: Sequence[str] = (), falling: bool = False, limit: int | None = None
    ) -> Iterator[str]:
        """The runs that a query means: the newest first, or by the first value of the field that `sort` is the path
        of, numbers before texts, runs without one last, and the newest first among equals."""
        ...

    def with_name(self, name: str) -> list[str]:
        """The runs of that name."""
        ...

    def with_tail(self, tail: str) -> list[str]:
        """The runs whose id ends so."""
        ...

    def latest(self, back: int = 0) -> str | None:
        """The latest run, or one before it; nothing where there are not so many."""
        ...

    def statuses(self, query: Query) -> dict[str, int]:
        """How many runs of each status."""
        ...

    def groups(self, query: Query, path: Sequence[str]) -> list[Group]:
        """The runs by the values of a field as `matching.shown` has them, numbers before texts, those without one last.
        A run with several values is in several groups."""
        ...

    def acts(self, run: str) -> list[str]:
        """The acts about a run that the store has, the oldest first."""
        ...

    def fields(self) -> list[str]:
        """Every dotted name that any run has a value under, sorted."""
        ...

    def kinds(self, path: Sequence[str]) -> frozenset[Kind]:
        """What kinds of values a field has over all runs; none where no run has it, or that is not known."""
        ...

    # Lineage

    def producers(self, digest: str) -> list[Made]:
        """Whoever recorded the content as an artifact."""
        ...

    def consumers(self, digest: str) -> list[Used]:
        """Whoever recorded the content as an input."""
        ...

    def inputs(self, run: str) -> list[Used]:
        """What a run consumed, in the order of its record."""
        ...

    def outputs(self, run: str) -> list[Made]:
        """What a run produced, in the order of its record."""
        ...

    def by_path(self, place: str) -> list[Used | Made]:
        """What was ever recorded at a place, or as a folder above it."""
        ...

    def members(self, manifest: str) -> list[Member] | None:
        """The files of a folder or dataset version, by path; nothing where its manifest is not known."""
        ...

    def folders_of(self, digest: str) -> list[Member]:
        """Every known folder and dataset version that has a file of that content."""
        ...

    def members_at(self, path: str) -> list[Member]:
        """Every known folder and dataset version that has a file of that path below it."""
        ...

    def versions(self, *, manifest: str | None = None, dataset: str | None = None) -> list[DatasetVersion]:
        """The dataset versions of that content, or of the dataset with that id or name, the oldest first."""
        ...

    def kin(self, run: str) -> Kin | None:
        """A run's own status, parent and original; nothing where there is no run of that id."""
        ...

    def children(self, run: str) -> list[Kin]:
        """The runs that it started, the oldest first."""
        ...

    def reruns(self, run: str) -> list[Kin]:
        """Its reruns and variants, the oldest first."""
        ...
