"""What `whence log` prints of fields that were named: the columns of a list, and groups by a value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from ..actions.listing import as_builtins
from ..digests import is_digest
from ..ids import short
from ..records.record import Record
from ..rules.matching import shown
from ..rules.query import Field
from .output import cut, json_line, line, printable, styled, table, width

if TYPE_CHECKING:
    from ..index.interface import Group

DIGITS = 7
"""Of a digest in a table: as many as a query needs at least to find it."""

LONGEST = 40
"""Characters of a value in a table on a terminal."""


def print_columns(found: Iterable[Record], fields: Sequence[Field], *, as_json: bool) -> int:
    """A line a run, with its fields; how many there were."""
    rows = ((record.id, _values(record, fields)) for record in found)
    return _print_json(rows, fields) if as_json else _print_table(rows, fields)


def _values(record: Record, fields: Sequence[Field]) -> list[Any]:
    """Of each field its value, a list of several, nothing where there is none."""
    said = as_builtins(record)
    found = (list(shown(field.path, said)) for field in fields)
    return [values[0] if len(values) == 1 else values or None for values in found]


def _print_json(rows: Iterable[tuple[str, list[Any]]], fields: Sequence[Field]) -> int:
    count = 0
    for run, values in rows:
        json_line({"id": run} | {str(field): value for field, value in zip(fields, values, strict=True)})
        count += 1
    return count


def _print_table(rows: Iterable[tuple[str, list[Any]]], fields: Sequence[Field]) -> int:
    shown = [(short(run), *map(value_text, values)) for run, values in rows]
    _print_rows(("run", *map(str, fields)), shown)
    return len(shown)


def print_groups(groups: Sequence[Group], field: str, *, as_json: bool) -> None:
    """A line a value: how many runs have it, how they ended, and the latest of them."""
    if as_json:
        for group in groups:
            json_line(group)
        return
    rows = [(value_text(group.value), str(group.runs), _statuses(group), short(group.latest)) for group in groups]
    _print_rows((field, "runs", "of them", "latest"), rows)


def _statuses(group: Group) -> str:
    return ", ".join(f"{count} {status}" for status, count in group.statuses.items())


def _print_rows(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    limit = None if width() is None else LONGEST
    lines = table(headings, [[cut(cell, limit) for cell in row] for row in rows])
    for at, text in enumerate(lines):
        line(styled(text, "dim") if at == 0 and width() is not None else text)


def value_text(value: Any) -> str:
    """A value for a person; `-` for none."""
    return ", ".join(_texts(value)) or "-"


def _texts(value: Any) -> Iterator[str]:
    for one in cast("list[Any]", value) if isinstance(value, list) else [value]:
        if isinstance(one, bool):
            yield "true" if one else "false"
        elif isinstance(one, float):
            yield f"{one:.6g}"
        elif isinstance(one, str) and is_digest(one):
            yield one[: len("sha256:") + DIGITS]
        elif one is not None:
            yield printable(str(one))
