"""CSV (RFC 4180) in UTF-8 with a line of names, and the same with tabs. A field without a character has no value."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from ..rules.column_types import READERS, Narrowing
from .table_rows import Format, Opener, Row, Table, TableError, TypedTable

BOM = b"\xef\xbb\xbf"


def open_csv(stream: BinaryIO) -> Table:
    return _open(stream, ",")


def open_tsv(stream: BinaryIO) -> Table:
    return _open(stream, "\t")


def _open(stream: BinaryIO, delimiter: str) -> Table:
    records = _records(stream, delimiter)
    first = next(records, None)
    if first is None:
        raise TableError("found no line of names, expected one")
    head, names, _ = first
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise TableError(f"found the column {twice[0]!r} twice, expected different names")
    return Table(names, head, _rows(records, names))


def typed_csv(opener: Opener) -> Iterator[TypedTable]:
    """The table, read twice: the first time says what the types of its columns are."""
    yield _typed(opener, open_csv)


def typed_tsv(opener: Opener) -> Iterator[TypedTable]:
    yield _typed(opener, open_tsv)


def _typed(opener: Opener, reader: Callable[[BinaryIO], Table]) -> TypedTable:
    with opener() as stream:
        table = reader(stream)
        narrowing = {name: Narrowing() for name in table.columns or ()}
        for row in table.rows:
            for name, field in row.values.items():
                if field is not None:
                    narrowing[name].see(field)
    types = {name: seen.type for name, seen in narrowing.items()}
    return TypedTable(None, list(types), types, _typed_rows(opener, reader, types))


def _typed_rows(
    opener: Opener, reader: Callable[[BinaryIO], Table], types: Mapping[str, str]
) -> Iterator[Mapping[str, Any]]:
    readers = {name: READERS[kind] for name, kind in types.items()}
    with opener() as stream:
        for row in reader(stream).rows:
            yield {name: readers[name](field) for name, field in row.values.items() if field is not None}


def _rows(records: Iterator[tuple[bytes, list[str], int]], names: Sequence[str]) -> Iterator[Row]:
    for raw, fields, line in records:
        if len(fields) != len(names):
            raise TableError(f"line {line}: found {len(fields)} fields, expected {len(names)}")
        yield Row(dict(zip(names, (field or None for field in fields), strict=True)), raw)


def _records(stream: BinaryIO, delimiter: str) -> Iterator[tuple[bytes, list[str], int]]:
    """Each record as its bytes, its fields and the number of its last line; lines without anything are none."""
    taken: list[bytes] = []
    reader = csv.reader(_decoded(stream, taken), delimiter=delimiter, strict=True)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise TableError(f"line {reader.line_num}: {error}") from error
        except UnicodeDecodeError as error:
            raise TableError(f"line {reader.line_num + 1}: is not UTF-8") from error
        raw = b"".join(taken)
        taken.clear()
        if fields:
            yield raw, fields, reader.line_num


def _decoded(stream: BinaryIO, taken: list[bytes]) -> Iterator[str]:
    """The lines as text; `taken` gets the bytes of each."""
    for number, line in enumerate(stream):
        taken.append(line)
        yield (line.removeprefix(BOM) if number == 0 else line).decode()


CSV = Format(open_csv, typed_csv)
TSV = Format(open_tsv, typed_tsv)
