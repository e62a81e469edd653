"""A table of many rows in SQLite or DuckDB, and the least that it costs to have them in a Parquet file."""

from __future__ import annotations

import hashlib
import sqlite3
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = "range AS id, range % 977 AS kind, range * 0.5 AS x, 'name ' || (range % 100000) AS name"
GROUP = 1 << 16


def make_duckdb(rows: int) -> None:
    with duckdb.connect("table.duckdb") as database:
        database.execute(f"CREATE TABLE t AS SELECT {COLUMNS} FROM range({rows})")


def make_sqlite(rows: int) -> None:
    numbers = f"WITH RECURSIVE n(range) AS (SELECT 0 UNION ALL SELECT range + 1 FROM n WHERE range + 1 < {rows})"
    database = sqlite3.connect("table.sqlite", isolation_level=None)
    database.execute("PRAGMA synchronous = OFF")
    database.execute(f"CREATE TABLE t AS {numbers} SELECT {COLUMNS} FROM n")
    database.close()


def from_duckdb() -> None:
    with duckdb.connect("table.duckdb", read_only=True) as database:
        database.execute(f"COPY t TO 'floor.parquet' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {GROUP})")
    _hash()


def from_sqlite() -> None:
    kinds = {"id": pa.int64(), "kind": pa.int64(), "x": pa.float64(), "name": pa.string()}
    cursor = sqlite3.connect("table.sqlite").execute("SELECT * FROM t")
    with pq.ParquetWriter("floor.parquet", pa.schema(kinds), compression="zstd") as writer:
        while rows := cursor.fetchmany(GROUP):
            arrays = [
                pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), kinds.values(), strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, names=list(kinds)), row_group_size=GROUP)
    _hash()


def _hash() -> None:
    with Path("floor.parquet").open("rb") as file:
        hashlib.file_digest(file, "sha256")


VERBS = {"make-duckdb": make_duckdb, "make-sqlite": make_sqlite, "duckdb": from_duckdb, "sqlite": from_sqlite}

if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    VERBS[verb](*map(int, rest))
