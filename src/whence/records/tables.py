"""Tables in a version of a dataset: the object that `tables` of a step names (docs/format.md, section 10)."""

from typing import Literal

from .base import Struct


class Column(Struct, frozen=True, kw_only=True):
    """A column and the type of its values: one, or several of them joined by `|`."""

    name: str
    type: str


class TableShape(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a table in a file is; or why it could not be read."""

    path: str
    file: str
    """Digest of the file."""
    name: str | None = None
    """In a file of several tables: which it is."""
    columns: list[Column] = []
    """In their order."""
    rows: int | None = None
    digest: str | None = None
    """The canonical digest of the rows; nothing where they were not read."""
    because: str | None = None
    """Why they were not."""


class Tables(Struct, frozen=True, kw_only=True):
    """All of a version, by path."""

    schema: Literal["whence-tables/1"] = "whence-tables/1"
    tables: list[TableShape]


class Retyped(Struct, frozen=True, kw_only=True):
    """A column whose type is another."""

    name: str
    before: str
    after: str


class TableChange(Struct, frozen=True, kw_only=True):
    """A table that two versions have, and that differs."""

    path: str
    name: str | None
    """In a file of several tables: which it is."""
    added: list[Column]
    removed: list[Column]
    retyped: list[Retyped]
    rows_before: int
    rows_after: int
    same_rows: bool
    """The rows are the same, and only written otherwise."""
