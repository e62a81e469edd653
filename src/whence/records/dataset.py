"""Datasets: what an act of kind `dataset` says (docs/format.md, section 10)."""

from typing import Any, Literal

from .base import Struct
from .transform import Transform

Operation = Literal["create", "add", "remove", "nest", "produce", "release", "derive", "import"]

Question = Literal["newest", "version", "name"]

QUESTIONS: tuple[Question, ...] = ("newest", "version", "name")


class Part(Struct, frozen=True, kw_only=True):
    """A version of another dataset, whose files are a folder of this one."""

    folder: str
    dataset: str
    """Its name."""
    dataset_id: str
    version: str
    manifest: str


class Step(Struct, frozen=True, kw_only=True):
    """One step in the history of a dataset: the body of its act. It makes exactly one version."""

    number: int
    """0 for the first."""
    operation: Operation
    name: str
    """The dataset's name."""
    version: str
    """What it made: a release after `create`, `release`, `derive` and `import`, else a developing version."""
    base: str | None = None
    """The version that it was made from."""
    manifest: str
    """Digest of the version's manifest: its content identity."""
    files: int
    size: int
    """Bytes of all its files."""
    added: int = 0
    changed: int = 0
    removed: int = 0
    """Files that `base` did not have, had with other bytes, and had."""
    tables: str | None = None
    """Digest of what is known of its tables (`records.tables`)."""
    description: str | None = None
    """What the dataset is; takes the place of what was said before."""
    run: str | None = None
    """The run that made it."""
    producers: list[str] = []
    """Of a release: the runs that made the changes which it releases, oldest first."""
    parts: list[Part] = []
    """Versions of other datasets in it, as they were then, by folder."""
    parameters: dict[str, Any] = {}
    """Of what was derived: all that decides its members (`records.derivation`)."""


class Described(Struct, frozen=True, kw_only=True):
    """What a dataset is, said without a change of it: the body of an act of kind `describe`."""

    description: str
    """Takes the place of what was said before."""


class Imported(Struct, frozen=True, kw_only=True):
    """What came with an archive of a version: the body of an act of kind `import`. Undoes that the version expired."""

    version: str
    manifest: str
    archive: str
    """The name of the file."""
    steps: int
    """How many steps the store did not have."""
    objects: int
    """How many objects it did not hold."""
    size: int
    """Their bytes."""
    stories: dict[str, list[Transform]] = {}
    """By run: what those that made its versions said of the rows, as the archive tells it."""


class Expired(Struct, frozen=True, kw_only=True):
    """The tombstone of a version whose bytes were removed: the body of an act of kind `expire`."""

    version: str
    manifest: str
    """Stays in the store, and so do the steps."""
    objects: int
    """How many objects were to be removed."""
    size: int
    """Their bytes."""
    kept: int
    """How many objects of the version stayed, as something else needs them."""
    runs: list[str] = []
    """The runs that had pinned it."""


class Restored(Struct, frozen=True, kw_only=True):
    """That a version which expired has all its bytes again, as they were added anew: the body of an act of kind
    `restore`. Undoes that it expired."""

    version: str
    manifest: str
    size: int
    """Bytes that had gone."""


class Picked(Struct, frozen=True, kw_only=True):
    """Which of several steps is meant that were made apart: the body of an act of kind `pick`."""

    question: Question
    """What they compete for: to be the newest version, one version, or the dataset of a name."""
    name: str
    version: str
    """What the step made."""
    manifest: str
    step: str
    """The digest of its act."""
    over: list[str]
    """Those of the others; nothing is said of steps that were not known."""
