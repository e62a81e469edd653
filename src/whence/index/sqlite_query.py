"""Queries as SQL over the tables of the index: each test is the set of runs that pass it.

A test that cannot be put so (`None`) is anybody's guess: of the whole query then a wider one is asked, and who asked
looks at each record that it gives. What a value has to be is decided by `matching.holds` wherever SQLite compares
otherwise than Python: there the different values of a field are read, and those that pass are asked for.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from ..digests import is_digest
from ..records.data import Artifact, Identifier, Input, Location, Stat
from ..records.encoding import timestamp
from ..rules.matching import THING, Pinned, holds, pin_of
from ..rules.query import TIMES, All, Any_, Compare, Exists, In, Not, Query
from ..rules.query_facts import is_indexed
from ..rules.query_value import Value
from .interface import Kind
from .sqlite_tables import SEPARATOR, VARIABLES, digest_from, stored_digest, stored_text, value_of

Test = Compare | In | Exists


class Part(msgspec.Struct, frozen=True):
    """A condition on the column `value` of some rows."""

    condition: str
    values: tuple[Any, ...] = ()


class Rows(msgspec.Struct, frozen=True):
    """The rows that pass a test: those of `table` where `where` holds and any of the parts. `run` is their run."""

    table: str
    where: str
    values: tuple[Any, ...]
    parts: tuple[Part, ...]
    few: bool = True
    """Of another table than that of facts: whether it is best to gather them first."""

    @property
    def of_the_run(self) -> Condition:
        """Of rows that are the runs themselves: a condition on the row of `runs` that is looked at."""
        either = " OR ".join(part.condition for part in self.parts) or "0"
        values = (*self.values, *(value for part in self.parts for value in part.values))
        return Condition(f"({self.where} AND ({either}))", values, exact=True)

    @property
    def set(self) -> tuple[str, tuple[Any, ...]]:
        """A statement that gives the runs, each part along the table's own order."""
        if not self.parts:
            return "SELECT NULL WHERE 0", ()
        statements = (f"SELECT run FROM {self.table} WHERE {self.where} AND {part.condition}" for part in self.parts)
        values = (value for part in self.parts for value in (*self.values, *part.values))
        return " UNION ALL ".join(statements), tuple(values)

    @property
    def probe(self) -> tuple[str, tuple[Any, ...]]:
        """A condition on the row `runs.run` of a statement."""
        if not self.parts:
            return "0", ()
        either = " OR ".join(part.condition for part in self.parts)
        by = " INDEXED BY facts_of_run" if self.table == "facts" else ""
        statement = f"EXISTS (SELECT 1 FROM {self.table}{by} WHERE run = runs.run AND {self.where} AND ({either}))"
        return statement, (*self.values, *(value for part in self.parts for value in part.values))


NOBODY = Rows("", "", (), ())

EVERYTHING = Part("1")

NUMBERS = "value < ''"
"""Numbers come before texts, and texts before blobs."""

TEXTS = "value >= '' AND value < x''"

BLOBS = "value >= x''"


class Marks(NamedTuple):
    """Of a field: whether some run has several values, and whether some value does not order as Python would, or is no
    time in a field of times."""

    many: bool
    odd: bool


class Condition(msgspec.Struct, frozen=True):
    """A condition on a row of `runs`, and whether it is the query's own or a wider one."""

    sql: str
    values: tuple[Any, ...]
    exact: bool


FEW = 1000
"""Runs that are rather gathered than looked for one by one."""


class Translator:
    """Makes conditions of queries; looks into the tables for what their tests could mean."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._rows: dict[Test, Rows | None] = {}
        self._few: dict[Rows, bool] = {}

    def condition(self, query: Query) -> Condition:
        """The condition that holds for every run that the query means."""
        return self._condition(query, wider=True)

    def _condition(self, query: Query, *, wider: bool) -> Condition:
        """A condition that holds for no fewer runs than the query means, or else for no more."""
        match query:
            case Not():
                inner = self._condition(query.part, wider=not wider)
                return Condition(f"NOT {inner.sql}", inner.values, inner.exact)
            case All():
                return self._joined(query.parts, " AND ", "1", wider)
            case Any_():
                return self._joined(query.parts, " OR ", "0", wider)
            case _:
                rows = self.rows(query)
                if rows is None:
                    return Condition("1" if wider else "0", (), exact=False)
                return self._of_rows(rows)

    def _joined(self, parts: Sequence[Query], word: str, nothing: str, wider: bool) -> Condition:
        found = [self._condition(part, wider=wider) for part in parts]
        sql = f"({word.join(one.sql for one in found)})" if found else nothing
        return Condition(sql, tuple(value for one in found for value in one.values), all(one.exact for one in found))

    def _of_rows(self, rows: Rows) -> Condition:
        if rows.table == "runs":
            return rows.of_the_run
        few = self.is_few(rows)
        statement, values = rows.set if few else rows.probe
        return Condition(f"runs.run IN ({statement})" if few else statement, values, exact=True)

    def is_few(self, rows: Rows) -> bool:
        """Whether so few rows pass that it is best to gather them first."""
        if rows.table != "facts":
            return rows.few
        if rows not in self._few:
            statement, values = rows.set
            counted = f"SELECT count(*) FROM (SELECT 1 FROM ({statement}) LIMIT {FEW + 1})"
            self._few[rows] = self._connection.execute(counted, values).fetchone()[0] <= FEW
        return self._few[rows]

    def has_blobs(self, key: int) -> bool:
        """Whether some value of a field is a flag, or another thing that SQLite has no form for."""
        return (
            self._connection.execute(f"SELECT 1 FROM facts WHERE key = ? AND {BLOBS} LIMIT 1", (key,)).fetchone()
            is not None
        )

    def rows(self, test: Test) -> Rows | None:
        """The rows that pass; nothing where only the records can tell."""
        if test not in self._rows:
            self._rows[test] = self._find(test)
        return self._rows[test]

    def _find(self, test: Test) -> Rows | None:
        path = test.field.path
        if path == ("text",):
            return self._of_texts(test)
        if path[0] == "environment" and path[1:2] == ("packages",):
            return self._of_packages(test)
        if path[0] in ("inputs", "artifacts"):
            return self._of_content(test)
        return self._of_facts(test) if is_indexed(path) else None

    # Facts

    def _of_facts(self, test: Test) -> Rows:
        key = self.key(test.field.path)
        if key is None:
            return NOBODY
        if isinstance(test, Exists):
            return Rows("facts", "key = ?", (key,), (EVERYTHING,))
        return Rows("facts", "key = ?", (key,), tuple(self._parts(test, key)))

    def key(self, path: Sequence[str]) -> int | None:
        """The number of a field; nothing where no run has it."""
        name = stored_text(".".join(path))
        found = self._connection.execute("SELECT key FROM keys WHERE name = ?", (name,)).fetchone()
        return found[0] if found else None

    def _parts(self, test: Compare | In, key: int) -> Iterator[Part]:
        numbers = number_part(test)
        yield from [numbers] if numbers is not None else self._passing(test, key, NUMBERS)
        texts = time_part(test) if self._are_times(test.field.path, key) else text_part(test)
        yield from [texts] if texts is not None else self._passing(test, key, TEXTS)
        yield from self._passing(test, key, BLOBS)

    def _are_times(self, path: Sequence[str], key: int) -> bool:
        """Whether all values of the field are times as the format writes them."""
        return path[0] in TIMES and not self.marks(key).odd

    def kinds(self, path: Sequence[str]) -> frozenset[Kind]:
        """What kinds of values a field has; none where no run has it."""
        key = self.key(path)
        kinds: dict[Kind, str] = {"number": NUMBERS, "text": TEXTS, "flag": "value IN (x'6230', x'6231')"}
        there = "SELECT 1 FROM facts WHERE key = ? AND "
        return frozenset(
            kind for kind, part in kinds.items() if self._connection.execute(there + part, (key,)).fetchone()
        )

    def marks(self, key: int) -> Marks:
        """What is known of all values of a field."""
        many, odd = self._connection.execute("SELECT many, odd FROM keys WHERE key = ?", (key,)).fetchone()
        return Marks(bool(many), bool(odd))

    def _passing(self, test: Test, key: int, kind: str) -> Iterator[Part]:
        """The different values of a kind that pass."""
        rows = self._connection.execute(f"SELECT DISTINCT value FROM facts WHERE key = ? AND {kind}", (key,))
        yield from one_of([value for (value,) in rows if holds(test, value_of(value))])

    # What stands in tables of its own

    def _of_texts(self, test: Test) -> Rows:
        if isinstance(test, Exists):
            return Rows("(SELECT rowid AS run FROM texts)", "1", (), (EVERYTHING,))
        literal = _literal(test)
        if literal is not None and self._has_trigrams():
            by_letters = "runs.run IN (SELECT rowid FROM texts WHERE texts MATCH ? AND instr(text, ?))"
            return Rows("runs", "1", (), (Part(by_letters, (f'"{literal}"', literal)),), few=False)
        rows = self._connection.execute("SELECT rowid, text FROM texts")
        found = [run for run, text in rows if any(holds(test, line) for line in text.split(SEPARATOR))]
        return Rows("runs", "1", (), tuple(one_of(found, "runs.run")), few=len(found) <= FEW)

    def _has_trigrams(self) -> bool:
        found = self._connection.execute("SELECT sql FROM sqlite_master WHERE name = 'texts'").fetchone()
        return found is not None and "trigram" in found[0]

    def _of_packages(self, test: Test) -> Rows | None:
        name = ".".join(test.field.path[2:])
        if not name or name.rpartition(".")[2] in PACKAGE_FIELDS or any("." in part for part in test.field.path):
            return None
        rows = self._connection.execute(
            "SELECT environment, version FROM packages WHERE name = ?", (stored_text(name),)
        )
        found = [environment for environment, version in rows if holds(test, value_of(version))]
        # The sign keeps SQLite from gathering by this column, in which few values stand.
        return Rows("runs", "+runs.environment IS NOT NULL", (), tuple(one_of(found, "+runs.environment")), few=False)

    # Inputs and artifacts

    def _of_content(self, test: Test) -> Rows | None:
        table, path = CONTENT[test.field.path[0]], test.field.path[1:]
        if not path:
            return self._of_any_content(table, test)
        if len(path) == 1 and path[0] in COLUMNS[table]:
            return None if self._is_a_name(table, path[0]) else self._of_column(table, path[0], test)
        return None if path[-1] in ITEM_FIELDS else self._of_named(table, ".".join(path), test)

    def _of_any_content(self, table: str, test: Test) -> Rows:
        """Whatever the items of the list are compared by when none was named."""
        if isinstance(test, Compare) and test.operator == "=" and is_digest(test.value.text):
            value, digest = test.value.text, stored_digest(test.value.text)
            named = "name = ? OR path = ? OR version = ?" if self._has_digest_for_name(table) else "0"
            return Rows(
                table, "1", (), (Part("digest = ?", (digest,)), Part(f"({named})", (value,) * named.count("?")))
            )
        columns = "run, name, path, digest, dataset, version"
        return self._looked_at(table, columns, "1", (), test, _faces_of_any)

    def _of_named(self, table: str, name: str, test: Test) -> Rows:
        """The item of that name is compared by its digest, or by the version that it is of."""
        columns = "run, digest, dataset, version"
        return self._looked_at(table, columns, "name = ?", (stored_text(name),), test, _face_of_named)

    def _of_column(self, table: str, column: str, test: Test) -> Rows:
        return self._looked_at(
            table, f"run, {column}", f"{column} IS NOT NULL", (), test, lambda found: _face_of_column(column, found)
        )

    def _looked_at(
        self,
        table: str,
        columns: str,
        where: str,
        values: tuple[Any, ...],
        test: Test,
        faces: Callable[[tuple[Any, ...]], Sequence[Any]],
    ) -> Rows:
        """The runs with a row that has a value which passes; each different row is looked at once."""
        passed: dict[tuple[Any, ...], bool] = {}
        runs: set[int] = set()
        for run, *found in self._connection.execute(f"SELECT {columns} FROM {table} WHERE {where}", values):
            row = tuple(found)
            if row not in passed:
                passed[row] = any(holds(test, face) for face in faces(row))
            if passed[row]:
                runs.add(run)
        return Rows("runs", "1", (), tuple(one_of(sorted(runs), "runs.run")), few=len(runs) <= FEW)

    def _is_a_name(self, table: str, column: str) -> bool:
        """Whether some item is called as a field of all is: then its name is meant."""
        return (
            self._connection.execute(f"SELECT 1 FROM {table} WHERE name = ? LIMIT 1", (column,)).fetchone() is not None
        )

    def _has_digest_for_name(self, table: str) -> bool:
        condition = " OR ".join(f"{column} GLOB 'sha256:*'" for column in ("name", "path", "version"))
        return self._connection.execute(f"SELECT 1 FROM {table} WHERE {condition} LIMIT 1").fetchone() is not None


CONTENT = {"inputs": "used", "artifacts": "made"}

COLUMNS = {
    "used": frozenset({"name", "path", "digest", "size", "kind", "how", "role", "dataset", "dataset_id", "version"}),
    "made": frozenset({"name", "path", "digest", "size", "kind", "form", "role", "dataset", "dataset_id", "version"}),
}
"""What is asked of every item of the list."""

ITEM_FIELDS = frozenset(
    name for kind in (Input, Artifact, Stat, Identifier, Location) for name in kind.__struct_fields__
)
"""A name that ends so may mean a field of an item, and not an item."""


def _faces_of_any(row: tuple[Any, ...]) -> Sequence[Any]:
    name, path, digest, dataset, version = row
    return [value_of(name), value_of(path), *_digest_or_pin(digest, dataset, version), *([version] if version else [])]


def _face_of_named(row: tuple[Any, ...]) -> Sequence[Any]:
    return _digest_or_pin(*row) or [THING]


def _face_of_column(column: str, row: tuple[Any, ...]) -> Sequence[Any]:
    return [digest_from(row[0]) if column == "digest" else value_of(row[0])]


def _digest_or_pin(digest: Any, dataset: Any, version: Any) -> list[Any]:
    pin, text = pin_of(value_of(dataset), version), digest_from(digest)
    if pin is None:
        return [] if text is None else [text]
    return [Pinned(pin if text is None else text, pin)]


PACKAGE_FIELDS = frozenset({"name", "version", "source", "url", "commit", "digest"})
"""What `environment.packages.NAME.url` is not about: the version of a package of that name."""


def _literal(test: Compare | In) -> str | None:
    """The letters that a text has to have, in a row, to pass; nothing for a pattern that says more."""
    text = test.value.text if isinstance(test, Compare) and test.operator == "~" else ""
    return text if len(text) >= 3 and text.isascii() and text.replace(" ", "").isalnum() else None


def one_of(values: Sequence[Any], column: str = "value") -> Iterator[Part]:
    """Rows whose column has one of these values, if there are any."""
    texts = [value for value in values if isinstance(value, str)]
    runs = [value for value in values if column == "runs.run"]
    others = [value for value in values if not isinstance(value, str) and column != "runs.run"]
    if runs:
        yield Part("runs.run IN (SELECT value FROM json_each(?))", (json.dumps(runs),))
    if texts:
        yield Part(f"{column} IN (SELECT value FROM json_each(?))", (json.dumps(texts),))
    for at in range(0, len(others), VARIABLES):
        some = tuple(others[at : at + VARIABLES])
        yield Part(f"{column} IN ({', '.join('?' * len(some))})", some)


def number_part(test: Compare | In) -> Part | None:
    """The numbers that pass, as a range; nothing where each has to be looked at."""
    if isinstance(test, In):
        return _equal_to([value.number for value in test.values if value.number is not None])
    number = test.value.number
    match test.operator:
        case "~" | "!~":
            return None
        case "!=" if number is None:
            return Part(NUMBERS)
        case "!=":
            return Part(f"value <> ? AND {NUMBERS}", (number,))
        case "=":
            return _equal_to([] if number is None else [number])
        case _ if number is None:
            return Part("0")
        case operator:
            return Part(f"value {operator} ? AND {NUMBERS}", (number,))


def _equal_to(numbers: Sequence[float]) -> Part:
    marks = ", ".join("?" * len(numbers))
    return Part(f"value IN ({marks}) AND {NUMBERS}", tuple(numbers)) if numbers else Part("0")


def text_part(test: Compare | In) -> Part | None:
    """The texts that pass, where only one does: the value is neither a number, a version nor a time."""
    values = test.values if isinstance(test, In) else (test.value,)
    if isinstance(test, Compare) and test.operator != "=":
        return None
    if any(_is_more_than_text(value) for value in values):
        return None
    texts = [stored_text(value.text) for value in values]
    return Part(f"value IN ({', '.join('?' * len(texts))})", tuple(texts))


def _is_more_than_text(value: Value) -> bool:
    return value.number is not None or value.span is not None or value.begins or value.text[:1].isdigit()


def time_part(test: Compare | In) -> Part | None:
    """The times that pass, written as the format writes them; nothing where each has to be looked at."""
    if isinstance(test, In) or test.value.span is None:
        return None
    start, end = (timestamp(round(moment * 1e6) * 1000) for moment in (test.value.span.start, test.value.span.end))
    match test.operator:
        case "=":
            return Part("value >= ? AND value < ?", (start, end))
        case "!=":
            return Part(f"(value < ? OR value >= ?) AND {TEXTS}", (start, end))
        case "<":
            return Part("value < ? AND value >= ''", (start,))
        case "<=":
            return Part("value < ? AND value >= ''", (end,))
        case ">":
            return Part("value >= ? AND value < x''", (end,))
        case ">=":
            return Part("value >= ? AND value < x''", (start,))
        case _:
            return None
