"""How a version was derived: the `parameters` of its step (docs/format.md, section 10). They decide its members."""

from typing import Literal

from .base import Struct

REST = "rest"
"""What a part takes that was given no number."""

By = Literal["files", "rows"]

Missing = Literal["error", "drop", "include"]


class Origin(Struct, frozen=True, kw_only=True):
    """The version that it was derived from; the manifest decides, the rest says where to look for it."""

    dataset: str
    name: str
    version: str
    manifest: str


class PartTake(Struct, frozen=True, kw_only=True):
    """A part and what it takes, as it was written: `0.8`, `80%`, `4/5`, `1000` or `rest`."""

    name: str
    take: str


class Split(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="operation", tag="split"):
    """One part of a split."""

    algorithm: str
    source: Origin
    part: str
    """Which of `parts` this is."""
    parts: list[PartTake]
    seed: int
    by: By
    table: str | None = None
    """The table in the source that the columns, or the rows, are of."""
    key: str | None = None
    """By files: the column of the table that holds paths."""
    stratify: str | None = None
    group: str | None = None
    missing: Missing
    """What became of elements that `stratify` or `group` has no value for."""


class Subset(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="operation", tag="subset"):
    """The elements that were asked for."""

    algorithm: str
    source: Origin
    by: By
    table: str | None = None
    key: str | None = None
    where: str | None = None
    """A query (docs/query.md)."""
    paths: str | None = None
    """The digest of a list of paths, one a line, instead of a query: an object."""


Derivation = Split | Subset
