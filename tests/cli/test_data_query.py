"""Rows of a query as a dataset: frozen to Parquet, with what was asked of whom, and nothing that opens a database."""

from __future__ import annotations

import datetime
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import postgres
import psycopg
import pyarrow.parquet as pq
import pytest
import stored
from workplace import Workplace

import whence
from whence.actions.store_view import StoreView
from whence.errors import UsageError
from whence.store.adding import SourceError

VISITS = [(number, f"visitor {number}", number % 90, number / 4) for number in range(100)]
TABLE = "CREATE TABLE visits (id INTEGER PRIMARY KEY, name VARCHAR, age INTEGER, weight DOUBLE PRECISION)"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    if postgres.programs() is None:
        pytest.skip("PostgreSQL is not installed")
    with postgres.server() as at:
        url = f"postgresql://ada:{quote(postgres.PASSWORD, safe='')}@{at}/postgres"
        with psycopg.connect(url) as database:
            database.execute(TABLE)
            database.execute("CREATE SEQUENCE numbers")
            database.cursor().executemany("INSERT INTO visits VALUES (%s, %s, %s, %s)", VISITS)
        yield url


@pytest.fixture
def clinic(workplace: Workplace) -> Workplace:
    """A folder with the visits in a file of SQLite and one of DuckDB."""
    with closing(sqlite3.connect(workplace.path / "clinic.db")) as database, database:
        database.execute(TABLE)
        database.executemany("INSERT INTO visits VALUES (?, ?, ?, ?)", VISITS)
    with duckdb.connect(str(workplace.path / "clinic.duckdb")) as database:
        database.execute(TABLE)
        database.executemany("INSERT INTO visits VALUES (?, ?, ?, ?)", VISITS)
    return workplace


QUERY = "SELECT id, name, weight FROM visits WHERE age >= {} ORDER BY id"
PLACES = {"sqlite": ":least", "duckdb": "$least", "postgresql": "%(least)s"}
INTEGER = {"sqlite": "int64", "duckdb": "int32", "postgresql": "int32"}


def address(kind: str, request: pytest.FixtureRequest) -> str:
    files = {"sqlite": "sqlite:///clinic.db", "duckdb": "duckdb:///clinic.duckdb"}
    return files.get(kind) or request.getfixturevalue("server")


def asked(place: Workplace, *words: str, verb: str = "create") -> Any:
    return place.whence("data", verb, "visits", "--json", *words).ok().json()


def table(place: Workplace, path: str = "visits.parquet", version: str = "0.1.0") -> Any:
    place.whence("data", "get", f"visits@{version}", f"out-{version}").ok()
    return pq.read_table(place.path / f"out-{version}" / path)


@pytest.mark.parametrize("kind", PLACES)
def test_the_rows_of_a_query_are_frozen_with_what_was_asked_of_whom(
    kind: str, clinic: Workplace, request: pytest.FixtureRequest
) -> None:
    url, query = address(kind, request), QUERY.format(PLACES[kind])
    made = asked(clinic, "--sql", query, "--from", url, "--parameter", "least=88", "--because", "the old ones")
    rows = [(id, name, weight) for id, name, age, weight in VISITS if age >= 88]
    assert [tuple(row.values()) for row in table(clinic).to_pylist()] == rows
    said = made["parameters"]
    assert (said["source"], said["query"], said["parameters"], said["rows"]) == ("query", query, {"least": 88}, 2)
    assert said["path"] == "visits.parquet" and said["at"].endswith("Z") and said["writer"].startswith("pyarrow ")
    types = [(column["name"], column["type"]) for column in said["columns"]]
    assert types == [("id", INTEGER[kind]), ("name", "string"), ("weight", "double")]
    connection = said["connection"]
    assert connection["scheme"] == kind and connection.pop("software")
    if kind == "postgresql":
        host, port = url.rpartition("@")[2].partition("/")[0].split(":")
        assert connection == {"scheme": kind, "host": host, "port": int(port), "database": "postgres"}
    else:
        assert connection == {"scheme": kind, "path": str(clinic.path / url.rpartition("/")[2])}


@pytest.mark.parametrize("kind", PLACES)
def test_the_same_rows_are_the_same_bytes_and_no_new_version(
    kind: str, clinic: Workplace, request: pytest.FixtureRequest
) -> None:
    words = ("--sql", "SELECT * FROM visits ORDER BY id", "--from", address(kind, request))
    made = asked(clinic, *words)
    assert "nothing changes" in clinic.whence("data", "add", "visits", *words).ok().err
    assert asked(clinic, *words, "--as", "copies/visits.parquet", verb="add")["files"] == 2
    one, other = clinic.whence("data", "show", "visits@0.1.0.post1.dev1", "--files", "--json").ok().json()["entries"]
    assert (one["path"], one["digest"]) == ("copies/visits.parquet", other["digest"])
    assert clinic.whence("data", "show", "visits@0.1.0", "--json").ok().json()["manifest"] == made["manifest"]


NOT_FROZEN = {
    ("sqlite", "a table that is not there"): ("SELECT * FROM nope", "the query fails: no such table: nope"),
    ("sqlite", "a write"): ("DELETE FROM visits", "the query fails: attempt to write a readonly database"),
    ("sqlite", "no columns"): ("SAVEPOINT a", "the query gives no columns"),
    ("sqlite", "two statements"): ("SELECT 1; SELECT 2", "the query fails: You can only execute one statement"),
    ("sqlite", "a parameter that is not given"): ("SELECT :nope", "did not supply a value for binding parameter"),
    ("sqlite", "values of two types"): (
        "SELECT 1 AS a UNION ALL SELECT 'x'",
        "column 'a': found integer and text, expected values of one type",
    ),
    ("sqlite", "two columns of one name"): ("SELECT id AS a, age AS a FROM visits", "found two columns 'a'"),
    ("sqlite", "a number that no double is"): (
        "SELECT 0.5 AS a UNION ALL SELECT 9007199254740993",
        "column 'a': found a value that is no double",
    ),
    ("sqlite", "another file"): ("ATTACH 'written.csv' AS other", "the query fails: not authorized"),
    ("sqlite", "a copy of all"): ("VACUUM INTO 'written.csv'", "the query fails"),
    ("duckdb", "code from elsewhere"): ("SELECT * FROM 'http://127.0.0.1:9/x.csv'", "the query fails"),
    ("duckdb", "a table that is not there"): ("SELECT * FROM nope", "Table with name nope does not exist"),
    ("duckdb", "a write"): ("DELETE FROM visits", "found DELETE, expected one SELECT"),
    ("duckdb", "a file"): ("COPY visits TO 'written.csv'", "found COPY, expected one SELECT"),
    ("duckdb", "two statements"): ("SELECT 1; SELECT 2", "found SELECT, SELECT, expected one SELECT"),
    ("duckdb", "nothing"): ("", "found nothing, expected one SELECT"),
    ("duckdb", "a failure in the middle"): (
        "SELECT if(i < 90000, i, error('too large')) FROM range(100000) t(i)",
        "the query fails: Invalid Input Error: too large",
    ),
    ("duckdb", "a type that Parquet does not have"): (
        "SELECT INTERVAL 1 DAY AS a",
        "column 'a': found month_day_nano_interval, which Parquet does not have",
    ),
    ("postgresql", "a table that is not there"): ("SELECT * FROM nope", 'fails: relation "nope" does not exist'),
    ("postgresql", "a write"): ("DELETE FROM visits", 'the query fails: syntax error at or near "DELETE"'),
    ("postgresql", "a write below a query"): (
        "WITH gone AS (DELETE FROM visits RETURNING id) SELECT * FROM gone",
        "must not contain data-modifying statements",
    ),
    ("postgresql", "a write in a function"): (
        "SELECT nextval('numbers')",
        "the query fails: cannot execute nextval() in a read-only transaction",
    ),
    ("postgresql", "a failure in the middle"): ("SELECT 1 / (id - 50) FROM visits ORDER BY id", "division by zero"),
    ("postgresql", "a number that Parquet does not have"): (
        "SELECT 'NaN'::numeric(5, 2) AS a",
        "column 'a': found a value that is no decimal128(5, 2)",
    ),
    ("postgresql", "a moment that Arrow does not have"): ("SELECT 'infinity'::timestamptz", "timestamp too large"),
}


@pytest.fixture
def store(clinic: Workplace, monkeypatch: pytest.MonkeyPatch) -> StoreView:
    """The store of the clinic, opened where its databases are."""
    monkeypatch.chdir(clinic.path)
    stored.a_store(clinic.store)
    return whence.open(clinic.store)


@pytest.mark.parametrize("case", NOT_FROZEN, ids=" ".join)
def test_what_cannot_be_frozen_is_named_and_makes_no_version(
    case: tuple[str, str], store: StoreView, request: pytest.FixtureRequest
) -> None:
    query, message = NOT_FROZEN[case]
    visits = store.create_dataset("visits", "clinic.db")
    before = sorted(path for path in store.path.rglob("*") if "cache" not in path.parts)
    with pytest.raises(SourceError) as raised:
        visits.add(sql=query, url=address(case[0], request))
    assert message in raised.value.message
    assert sorted(path for path in store.path.rglob("*") if "cache" not in path.parts) == before
    assert not Path("written.csv").exists() and not Path.home().joinpath(".duckdb").exists()


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no database": ({"sql": "SELECT 1"}, "found --sql and no database"),
    "a database and no query": ({"url": "duckdb://"}, "found --from and no query"),
    "a parameter and no query": ({"paths": "clinic.db", "parameters": {"a": 1}}, "found --parameter and no query"),
    "nothing": ({}, "found nothing to take"),
    "files and a query": ({"paths": "clinic.db", "sql": "SELECT 1", "url": "duckdb://"}, "found 'clinic.db' and --sql"),
    "a query by reference": ({"reference": True, "sql": "SELECT 1", "url": "duckdb://"}, "found --reference and --sql"),
    "an unknown database": ({"sql": "SELECT 1", "url": "mysql://a:b@c/d"}, "--from: found mysql://, expected one of"),
    "a host of a file": ({"sql": "SELECT 1", "url": "sqlite://clinic.db"}, "found 'clinic.db' where a host would be"),
    "no file": ({"sql": "SELECT 1", "url": "sqlite:///"}, "sqlite:///: found no file"),
    "a file that is not there": ({"sql": "SELECT 1", "url": "sqlite:///nope.db"}, "nope.db: there is no such file"),
    "a file that is none": ({"sql": "SELECT * FROM a", "url": "sqlite:///train.py"}, "file is not a database"),
    "no server": ({"sql": "SELECT 1", "url": "postgresql://ada@127.0.0.1:1/d"}, "Connection refused"),
    "another end": ({"sql": "SELECT 1", "url": "duckdb://", "below": "a.csv"}, "expected a file that ends in .parquet"),
    "a way out": ({"sql": "SELECT 1", "url": "duckdb://", "below": "../a.parquet"}, "expected a folder in the dataset"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_words_are_named_and_make_nothing(case: str, clinic: Workplace, store: StoreView) -> None:
    words, message = WRONG[case]
    clinic.write("train.py", "print('no database')\n" * 100)
    with pytest.raises((UsageError, SourceError)) as raised:
        store.create_dataset("visits", **words)
    assert message in raised.value.message
    assert store.datasets() == []


def test_a_mistake_of_a_command_is_one_sentence_and_its_cure(clinic: Workplace) -> None:
    done = clinic.whence("data", "create", "visits", "--sql", "SELECT 1", "--from", "duckdb://", "--parameter", "a")
    assert (done.code, "parameter 'a': expected NAME=VALUE" in done.err) == (2, True)
    done = clinic.whence("data", "create", "visits", "--sql", "SELECT * FROM nope", "--from", "sqlite:///clinic.db")
    said = f"whence: {clinic.path / 'clinic.db'}: the query fails: no such table: nope"
    assert (done.code, done.err.splitlines()[-1]) == (1, said)


@pytest.mark.scenario("S23")
def test_what_opens_a_database_reaches_neither_the_store_nor_the_terminal(clinic: Workplace, server: str) -> None:
    query = f"SELECT '{postgres.PASSWORD}' = %(password)s AS same, %(token)s::text AS token"
    words = ["--sql", query, "--parameter", f"password={postgres.PASSWORD}", "--parameter", "token=ghp_" + "a1" * 18]
    # The token is in the rows, which are as they are.
    made = clinic.whence("data", "create", "visits", *words, "--from", server, "--as", "a.parquet").ok()
    failed = clinic.whence("data", "add", "visits", *words, "--from", server.replace("ada", "bob"))
    assert (failed.code, 'failed for user "bob"' in failed.err) == (1, True)
    unreadable = clinic.whence(
        "data", "add", "visits", *words, "--from", f"postgresql://ada:{postgres.PASSWORD}%zz@h/d"
    )
    assert (unreadable.code, "cannot be read, expected postgresql://HOST:PORT" in unreadable.err) == (2, True)
    written = b"".join(path.read_bytes() for path in clinic.store.rglob("*") if path.is_file())
    printed = "".join(done.out + done.err for done in (made, failed, unreadable))
    for text in (postgres.PASSWORD, quote(postgres.PASSWORD, safe="")):
        assert text.encode() not in written and text not in printed


def test_types_of_postgresql_keep_their_values(clinic: Workplace, server: str) -> None:
    query = (
        "SELECT 1.50::numeric(10, 2) AS price, 0.0000001::numeric AS exact, true AS yes, '\\x00ff'::bytea AS raw,"
        " timestamptz '2025-06-01 12:00+02' AS moment, date '2025-06-01' AS day, '{\"a\": 1}'::jsonb AS doc,"
        " interval '1 day 2 hours' AS length, ARRAY['a', NULL] AS tags, NULL::int8 AS nothing, 2::int2 AS small"
    )
    made = asked(clinic, "--sql", query, "--from", server)
    assert table(clinic).to_pylist() == [
        {
            "price": Decimal("1.50"), "exact": "0.0000001", "yes": True, "raw": b"\x00\xff",
            "moment": datetime.datetime(2025, 6, 1, 10, tzinfo=datetime.UTC), "day": datetime.date(2025, 6, 1),
            "doc": '{"a": 1}', "length": "P1DT2H", "tags": ["a", None], "nothing": None, "small": 2,
        }
    ]  # fmt: skip
    types = {column["name"]: column["type"] for column in made["parameters"]["columns"]}
    assert (types["price"], types["moment"]) == ("decimal128(10, 2)", "timestamp[us, tz=UTC]")
    assert (types["tags"], types["nothing"], types["small"]) == ("list<item: string>", "int64", "int16")


def test_values_of_sqlite_decide_the_types_of_its_columns(clinic: Workplace) -> None:
    query = "SELECT 1 AS a, NULL AS b, x'00' AS c, 'x' AS d, 1 AS e UNION ALL SELECT 2, NULL, NULL, NULL, 0.5"
    made = asked(clinic, "--sql", query, "--from", "sqlite:///clinic.db")
    types = [column["type"] for column in made["parameters"]["columns"]]
    assert types == ["int64", "null", "binary", "string", "double"]
    assert [tuple(row.values()) for row in table(clinic).to_pylist()] == [
        (1, None, b"\0", "x", 1.0),
        (2, None, None, None, 0.5),
    ]


def test_a_query_without_rows_is_a_table_without_rows(clinic: Workplace) -> None:
    words = ("--sql", "SELECT id, name FROM visits WHERE id < 0", "--from", "duckdb:///clinic.duckdb")
    assert asked(clinic, *words)["parameters"]["rows"] == 0
    assert table(clinic).column_names == ["id", "name"]


def test_duckdb_alone_reads_files_where_one_is(clinic: Workplace) -> None:
    clinic.write("ages.csv", "name,age\nAda,36\nGrace,85\n")
    made = asked(clinic, "--sql", "SELECT name FROM 'ages.csv' WHERE age > 80", "--from", "duckdb://")
    assert "path" not in made["parameters"]["connection"]
    assert table(clinic).to_pylist() == [{"name": "Grace"}]


def test_python_code_freezes_queries_too(store: StoreView) -> None:
    url = "sqlite:///clinic.db"
    visits = store.create_dataset("visits", sql="SELECT * FROM visits WHERE id < :n", url=url, parameters={"n": 3})
    added = visits.add(sql="SELECT name FROM visits", url=url, below="names.parquet")
    assert (added.version, added.parameters["rows"]) == ("0.1.0.post1.dev1", 100)
    assert visits.version("0.1.0").parameters["parameters"] == {"n": 3}


MEASURED = """
import resource, sys
from whence.cli.main import main
code = main(["data", "create", sys.argv[1], "--from", sys.argv[2], "--sql", sys.argv[3]])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
sys.exit(code)
"""

ROWS = {
    "sqlite:///clinic.db": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {}) "
    "SELECT i, hex(randomblob(400)) AS text FROM n",
    "duckdb://": "SELECT i, repeat(md5(i::VARCHAR), 25) AS text FROM range({}) t(i)",
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory otherwise")
@pytest.mark.parametrize("url", ROWS)
def test_memory_does_not_grow_with_the_number_of_rows(url: str, clinic: Workplace) -> None:
    few, many = (
        int(clinic.python("-c", MEASURED, f"rows{rows}", url, ROWS[url].format(rows)).ok().out)
        for rows in (200_000, 800_000)
    )
    assert many - few < 150, f"{few} MiB for 200,000 rows of 800 bytes, {many} MiB for 800,000"
