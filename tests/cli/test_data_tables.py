"""Tables in datasets: schema and rows are part of a version, and differences speak of columns."""

from __future__ import annotations

import sqlite3
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from workplace import Workplace

NEWEST = "t@0.1.0.post1.dev1"


def tables(place: Workplace, version: str) -> list[dict[str, Any]]:
    return place.whence("data", "show", version, "--json").ok().json()["tables"]


@pytest.fixture
def table(workplace: Workplace) -> Workplace:
    """A dataset `t` with a CSV of two rows."""
    workplace.write("d/t.csv", "id,name,born\n1,Ada,1815-12-10\n2,,1912-06-23\n")
    workplace.whence("data", "create", "t", "d").ok()
    return workplace


def test_a_version_says_which_columns_and_rows_its_tables_have(table: Workplace) -> None:
    (found,) = tables(table, "t")
    assert (found["path"], found["rows"], found["digest"][:7]) == ("t.csv", 2, "sha256:")
    assert found["columns"] == [
        {"name": "id", "type": "integer"},
        {"name": "name", "type": "text"},
        {"name": "born", "type": "date"},
    ]
    shown = table.whence("data", "show", "t").ok().out
    assert f"table     t.csv: 2 rows, {found['digest']}\n          id (integer), name (text), born (date)\n" in shown


def test_the_same_rows_in_another_format_have_the_same_digest(table: Workplace) -> None:
    rows = pa.table(
        {
            "born": pa.array(["1815-12-10", "1912-06-23"]).cast(pa.date32()),
            "name": pa.array(["Ada", None]).dictionary_encode(),
            "id": pa.array([1, 2], pa.int16()),
        }
    )
    pyarrow.parquet.write_table(rows, table.path / "d/t.parquet")
    table.whence("data", "add", "t", "d").ok()
    first, second = tables(table, NEWEST)
    assert (first["path"], second["path"]) == ("t.csv", "t.parquet")
    assert first["digest"] == second["digest"]


def test_a_table_whose_schema_changed_is_told_by_its_columns(table: Workplace) -> None:
    table.write("d/t.csv", "id,name,mass\n1.5,Ada,1\n2,,2\n3,Alan,3\n")
    table.whence("data", "add", "t", "d").ok()
    done = table.whence("data", "diff", "t@0.1.0", NEWEST, "--json")
    assert (done.code, done.json()["tables"]) == (
        1,
        [
            {
                "path": "t.csv",
                "name": None,
                "added": [{"name": "mass", "type": "integer"}],
                "removed": [{"name": "born", "type": "date"}],
                "retyped": [{"name": "id", "before": "integer", "after": "float"}],
                "rows_before": 2,
                "rows_after": 3,
                "same_rows": False,
            }
        ],
    )
    told = table.whence("data", "diff", "t@0.1.0", NEWEST).out.splitlines()[-1]
    assert told == "  t.csv: + mass (integer), - born (date), ~ id (integer, then float), 2 rows, then 3"


OTHERWISE = "the same rows, written otherwise"

SAME = {
    "quoted otherwise": ('"id","name","born"\r\n1,"Ada",1815-12-10\r\n2,,1912-06-23\r\n', OTHERWISE),
    "with columns in another order": ("name,id,born\nAda,1,1815-12-10\n,2,1912-06-23\n", OTHERWISE),
    "with rows in another order": ("id,name,born\n2,,1912-06-23\n1,Ada,1815-12-10\n", "2 rows, with other values"),
}


@pytest.mark.parametrize("case", SAME)
def test_a_table_that_is_written_otherwise_is_told_from_one_with_other_rows(case: str, table: Workplace) -> None:
    content, told = SAME[case]
    table.write("d/t.csv", content)
    table.whence("data", "add", "t", "d").ok()
    assert table.whence("data", "diff", "t@0.1.0", NEWEST).out.splitlines()[-1] == f"  t.csv: {told}"


def test_a_table_that_cannot_be_read_is_a_file_like_others_with_the_reason(workplace: Workplace) -> None:
    workplace.write("d/A.CSV", "a,b\n1,2,3\n")
    workplace.write("d/b.parquet", "no table")
    workplace.whence("data", "create", "t", "d").ok()
    first, second = tables(workplace, "t")
    assert (first["because"], "digest" in first) == ("line 2: found 3 fields, expected 2", False)
    assert second["because"]
    assert "table     A.CSV: not read: line 2: found 3 fields, expected 2" in workplace.whence("data", "show", "t").out
    workplace.whence("data", "get", "t", "again").ok()
    assert (workplace.path / "again/b.parquet").read_text() == "no table"


def test_what_is_known_stays_known_when_a_version_is_released_or_loses_other_files(table: Workplace) -> None:
    before = tables(table, "t")
    table.write("d/other.txt", "x")
    table.whence("data", "add", "t", "d").ok()
    table.whence("data", "remove", "t", "other.txt").ok()
    table.write("d/second.jsonl", '{"a": 1}\n')
    table.whence("data", "add", "t", "d").ok()
    table.whence("data", "release", "minor", "t").ok()
    assert tables(table, "t@0.1.0.post1.dev2") == before
    assert [one["path"] for one in tables(table, "t@0.2.0")] == ["second.jsonl", "t.csv"]
    assert table.whence("verify").ok().code == 0


def test_a_part_of_a_table_is_described_like_any(table: Workplace) -> None:
    table.whence("data", "split", "t", "--by", "rows", "--into", "one=1").ok()
    (found,) = tables(table, "t-one")
    assert found["rows"] == 1


def test_very_many_tables_are_read_only_where_that_is_asked_for(workplace: Workplace) -> None:
    for number in range(65):
        workplace.write(f"d/{number}.csv", "a\n1\n")
    workplace.whence("data", "create", "many", "d").ok()
    assert {one["because"] for one in tables(workplace, "many")} == {"more than is read without --tables"}
    workplace.whence("data", "create", "all", "d", "--tables").ok()
    assert {one["rows"] for one in tables(workplace, "all")} == {1}


def test_every_table_of_a_database_is_listed_and_none_of_it_is_written_to(workplace: Workplace) -> None:
    path = workplace.write("d/lab.sqlite")
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE a (x); INSERT INTO a VALUES (1); CREATE TABLE b (y, z);")
    connection.close()
    workplace.whence("data", "create", "lab", "d").ok()
    assert [(one["name"], one["rows"], len(one["columns"])) for one in tables(workplace, "lab")] == [
        ("a", 1, 1),
        ("b", 0, 2),
    ]
    assert [path.name for path in (workplace.path / "d").iterdir()] == ["lab.sqlite"]


def test_without_pyarrow_parquet_is_a_file_like_others(workplace: Workplace) -> None:
    workplace.write("blocked/pyarrow/__init__.py", "raise ImportError('not here')")
    workplace.write("d/a.parquet", "PAR1")
    path = {"PYTHONPATH": str(workplace.path / "blocked")}
    workplace.whence("data", "create", "t", "d", env=path).ok()
    (found,) = tables(workplace, "t")
    assert found["because"] == "pyarrow is not installed (not here): pip install 'whence[tables]'"


MAKE = "import pathlib; pathlib.Path('out').mkdir(); pathlib.Path('out/t.csv').write_text('id,x\\n1,2.5\\n2,3\\n')"


def test_what_a_run_makes_a_version_knows_its_tables(workplace: Workplace) -> None:
    workplace.record("python", "-c", MAKE, options=("--output-data", "made=out"))
    (found,) = tables(workplace, "made")
    assert (found["path"], found["rows"]) == ("t.csv", 2)
    assert [(column["name"], column["type"]) for column in found["columns"]] == [("id", "integer"), ("x", "float")]
    said = "import whence\nwith whence.start() as run:\n    print(run.output_dataset('again', 'out'))\n"
    workplace.write("job.py", said)
    workplace.write("out/p.parquet", "no program loaded what reads this")
    assert workplace.python("job.py").ok().out == "0.0.0.post1.dev1\n"
    unread, same = tables(workplace, "again")
    assert same == found and "has not loaded pyarrow" in unread["because"]


def test_what_is_too_large_for_a_run_the_release_reads(workplace: Workplace) -> None:
    script = "mkdir -p out; echo $0 > out/n.txt; [ $0 = first ] || (echo id; seq 200000) > out/t.csv"
    for word in ("first", "second"):
        workplace.record("sh", "-c", script, word, options=("--output-data", "made=out"))
    (unread,) = tables(workplace, "made@0.0.0.post1.dev2")
    assert unread["because"].startswith("more than is read in a run")
    workplace.whence("data", "release", "minor", "made").ok()
    assert [one["rows"] for one in tables(workplace, "made")] == [200_000]
