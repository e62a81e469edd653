"""What a table is: columns with types, rows, and a digest that is the same in every format."""

from __future__ import annotations

import io
import json
import math
import sqlite3
import tracemalloc
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from whence.interop.tables import Shape, TableError, open_table, shapes
from whence.rules.canonical_rows import RowsDigest

ROWS: list[dict[str, Any]] = [
    {"id": 1, "name": "Ada", "mass": 1.5},
    {"id": -2, "name": None, "mass": 2.0},
    {"id": 3, "name": 'é, \n"', "mass": -1e300},
]


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    lines = ["id,name,mass\n", "1,Ada,1.5\n", "-2,,2.0\n", '3,"é, \n""",-1e300\n']
    return "".join(lines[: len(rows) + 1]).encode()


def as_json_lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def as_parquet(rows: list[dict[str, Any]], **how: Any) -> bytes:
    stream = io.BytesIO()
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), stream, **how)
    return stream.getvalue()


def as_feather(rows: list[dict[str, Any]]) -> bytes:
    stream = io.BytesIO()
    pyarrow.feather.write_feather(pa.Table.from_pylist(rows), stream)
    return stream.getvalue()


def as_sqlite(rows: list[dict[str, Any]]) -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE people (id, name, mass)")
    connection.executemany("INSERT INTO people VALUES (:id, :name, :mass)", rows)
    connection.commit()
    data = connection.serialize()
    connection.close()
    return data


def shape(path: str, content: bytes) -> Shape:
    (only,) = shapes(path, lambda: io.BytesIO(content))
    return only


FORMATS: dict[str, tuple[str, Callable[[list[dict[str, Any]]], bytes]]] = {
    "CSV": ("a.csv", as_csv),
    "JSON lines": ("a.jsonl", as_json_lines),
    "Parquet": ("a.parquet", as_parquet),
    "Parquet in row groups": ("a.parquet", lambda rows: as_parquet(rows, row_group_size=1)),
    "Feather": ("a.feather", as_feather),
    "SQLite": ("a.sqlite", as_sqlite),
}


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_rows_have_the_same_digest_and_types_in_every_format(format: str) -> None:
    path, write = FORMATS[format]
    digest = RowsDigest()
    for row in ROWS:
        digest.add(row)
    found = shape(path, write(ROWS))
    assert (found.rows, found.digest) == (3, digest.finish(["mass", "id", "name"]))
    assert [(column.name, column.type) for column in found.columns] == [
        ("id", "integer"),
        ("name", "text"),
        ("mass", "float"),
    ]
    assert shape(path, write(ROWS[:2])).digest != found.digest


NESTED = pa.table(
    {
        "day": pa.array([date(2026, 11, 30), None]),
        "far": pa.array([10**9, None], pa.timestamp("ns", "Europe/Zurich")),
        "wall": pa.array([datetime(2026, 11, 30, 7), None], pa.timestamp("ms")),
        "at": pa.array([time(7, 30), None], pa.time32("s")),
        "took": pa.array([timedelta(seconds=2), None], pa.duration("us")),
        "price": pa.array([Decimal("1.50"), None], pa.decimal128(9, 2)),
        "raw": pa.array([b"\0", None]),
        "kind": pa.array(["cat", None]).dictionary_encode(),
        "half": pa.array([0.1, math.nan], pa.float32()),
        "tags": pa.array([["a", None], None]),
        "box": pa.array([{"x": 1, "in": [{"y": True}]}, None]),
        "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int8())),
    }
)

VALUES: dict[str, Any] = {
    "day": date(2026, 11, 30),
    "far": datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
    "wall": datetime(2026, 11, 30, 7),
    "at": time(7, 30),
    "took": timedelta(seconds=2),
    "price": Decimal("1.5"),
    "raw": b"\0",
    "kind": "cat",
    "half": 0.10000000149011612,
    "tags": ["a", None],
    "box": {"x": 1, "in": [{"y": True}]},
    "map": [{"key": "k", "value": 1}],
}

TYPES = {
    "day": "date", "far": "timestamp", "wall": "local timestamp", "at": "time", "took": "duration", "price": "decimal",
    "raw": "bytes", "kind": "text", "half": "float", "tags": "list of text",
    "box": "structure of in list of structure of y boolean, x integer",
    "map": "list of structure of key text, value integer",
}  # fmt: skip


@pytest.mark.parametrize("suffix", ["parquet", "feather"])
def test_times_decimals_categories_and_nested_values_are_what_they_stand_for(suffix: str) -> None:
    stream = io.BytesIO()
    write: Callable[[Any, Any], None] = (
        pyarrow.parquet.write_table if suffix == "parquet" else pyarrow.feather.write_feather
    )
    write(NESTED, stream)
    found = shape(f"a.{suffix}", stream.getvalue())
    digest = RowsDigest()
    digest.add(VALUES)
    digest.add({"half": math.nan})
    assert found.digest == digest.finish(VALUES)
    types = {column.name: column.type for column in found.columns}
    assert {**types, "box": "".join(sorted(types["box"]))} == {**TYPES, "box": "".join(sorted(TYPES["box"]))}


def test_a_slice_of_structures_keeps_what_belongs_to_each() -> None:
    whole = pa.table({"s": pa.array([{"a": 1}, None, {"a": 3}]), "l": pa.array([[1], [2, 3], None])})
    stream = io.BytesIO()
    pyarrow.parquet.write_table(whole.slice(1), stream, row_group_size=1)
    digest = RowsDigest()
    digest.add({"l": [2, 3]})
    digest.add({"s": {"a": 3}})
    assert shape("a.parquet", stream.getvalue()).digest == digest.finish(["s", "l"])


def test_every_table_of_a_database_is_one_and_mixed_types_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a b%20?.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute('CREATE TABLE "two words" (a, "b""c")')
    connection.execute("INSERT INTO \"two words\" VALUES (1, x'00'), ('x', 2.5), (NULL, NULL)")
    connection.execute("CREATE TABLE keyed (rowid TEXT PRIMARY KEY) WITHOUT ROWID")
    connection.execute("INSERT INTO keyed VALUES ('b'), ('a')")
    connection.execute("CREATE VIEW v AS SELECT * FROM keyed")
    connection.commit()
    connection.close()
    for opener in (lambda: path.open("rb"), lambda: io.BytesIO(path.read_bytes())):
        found = list(shapes("x.db", opener))
        assert [(one.name, one.rows) for one in found] == [("keyed", 2), ("two words", 3)]
        assert [(c.name, c.type) for c in found[1].columns] == [("a", "integer | text"), ('b"c', "bytes | float")]
    digest = RowsDigest()
    digest.add({"rowid": "a"})
    digest.add({"rowid": "b"})
    assert found[0].digest == digest.finish(["rowid"])
    assert {child.name for child in tmp_path.iterdir()} == {path.name}


def test_rows_of_other_formats_can_be_read_and_not_be_taken_out() -> None:
    for path, content in (("a.parquet", as_parquet(ROWS)), ("a.db", as_sqlite(ROWS)), ("a.feather", as_feather(ROWS))):
        table = open_table(path, io.BytesIO(content))
        assert (table.columns, table.head) == (["id", "name", "mass"], None)
        assert [dict(row.values) for row in table.rows] == ROWS


FAULTS = {
    "no Parquet": ("a.parquet", b"PAR1 not"),
    "no Feather": ("a.feather", b"x" * 100),
    "no database": ("a.sqlite", b"x" * 2000),
    "a database that was cut": ("a.db", as_sqlite(ROWS)[:4096]),
    "Parquet that was cut": ("a.parquet", as_parquet(ROWS)[:-20]),
    "an empty Parquet": ("a.parquet", b""),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_is_no_table_is_a_reason_and_no_fault_of_ours(case: str) -> None:
    path, content = FAULTS[case]
    with pytest.raises(TableError) as refused:
        shape(path, content)
    assert refused.value.message


def test_a_database_without_a_table_has_none() -> None:
    assert list(shapes("a.db", lambda: io.BytesIO(b""))) == []


def test_memory_does_not_grow_with_the_table() -> None:
    def peak(rows: int) -> int:
        content = b"a,b\n" + b"1,some text\n" * rows
        tracemalloc.start()
        shape("a.csv", content)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    few = peak(1_000)
    assert peak(20_000) < few + (1 << 16)
