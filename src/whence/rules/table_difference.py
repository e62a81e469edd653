"""What a table has otherwise than before: its columns, their types, its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..records.tables import Column, Retyped, TableChange, TableShape


def table_changes(before: Iterable[TableShape], after: Iterable[TableShape]) -> list[TableChange]:
    """What is known to differ, by path. Tables that were not read, on either side, are not compared."""
    known = {(one.path, one.name): one for one in before if one.digest is not None}
    pairs = [(known.get((one.path, one.name)), one) for one in after if one.digest is not None]
    return [_change(first, second) for first, second in pairs if first is not None and first.file != second.file]


def _change(before: TableShape, after: TableShape) -> TableChange:
    old, new = _types(before.columns), _types(after.columns)
    return TableChange(
        path=after.path,
        name=after.name,
        added=[column for column in after.columns if column.name not in old],
        removed=[column for column in before.columns if column.name not in new],
        retyped=[
            Retyped(name=name, before=old[name], after=kind)
            for name, kind in new.items()
            if name in old and old[name] != kind
        ],
        rows_before=before.rows or 0,
        rows_after=after.rows or 0,
        same_rows=before.digest == after.digest,
    )


def _types(columns: Sequence[Column]) -> dict[str, str]:
    return {column.name: column.type for column in columns}
