"""JSON lines: an object a line, in UTF-8."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from .table_rows import Format, Opener, Row, Table, TableError, TypedTable


def open_json_lines(stream: BinaryIO) -> Table:
    return Table(None, b"", _rows(stream))


def typed_json_lines(opener: Opener) -> Iterator[TypedTable]:
    yield TypedTable(None, (), None, _typed_rows(opener))


def _typed_rows(opener: Opener) -> Iterator[Mapping[str, Any]]:
    with opener() as stream:
        for row in _rows(stream):
            yield row.values


def _rows(stream: BinaryIO) -> Iterator[Row]:
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            found: Any = json.loads(line.decode(), object_pairs_hook=_object)
        except UnicodeDecodeError as error:
            raise TableError(f"line {number}: is not UTF-8") from error
        except (ValueError, RecursionError) as error:
            raise TableError(f"line {number}: {error}") from error
        if not isinstance(found, dict):
            raise TableError(f"line {number}: found no object, expected one a line")
        yield Row(found, line)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice in one object")
    return found


JSON_LINES = Format(open_json_lines, typed_json_lines)
