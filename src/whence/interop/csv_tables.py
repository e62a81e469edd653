"""CSV (RFC 4180) in UTF-8 with a line of names, and the same with tabs. A field without a character has no value."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from .table_rows import Row, Table, TableError

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
