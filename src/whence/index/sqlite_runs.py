"""Which runs, asked of the SQLite index: by a query, in an order, by name and by a part of the id."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from ..rules.query import All, Compare, Exists, In, Query
from .interface import Group
from .sqlite_query import Condition, Translator, number_part
from .sqlite_tables import stored, stored_text, value_of

READABLE = "runs.state < 2"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """By the value of a field; the newest first among equals, and before all where there is no field."""

    key: int | None = None
    falling: bool = False


class Statement(msgspec.Struct, frozen=True):
    sql: str
    values: tuple[Any, ...]


def find(connection: sqlite3.Connection, statements: Sequence[Statement], limit: int | None) -> Iterator[str]:
    """The ids that the statements give, one after the other."""
    left = limit
    for statement in statements:
        if left is not None and left <= 0:
            return
        sql = statement.sql + ("" if left is None else " LIMIT ?")
        rows = connection.execute(sql, statement.values if left is None else (*statement.values, left)).fetchall()
        left = None if left is None else left - len(rows)
        yield from (run for (run,) in rows)


def in_order(translator: Translator, query: Query, condition: Condition, order: Order) -> list[Statement]:
    """The statements that give the runs in that order, along a tree of the tables if that is the shorter way."""
    where = f"{READABLE} AND {condition.sql}"
    if order.key is None:
        return [Statement(f"SELECT runs.id FROM runs WHERE {where} ORDER BY runs.id DESC", condition.values)]
    down = " DESC" if order.falling else ""
    if _gathers(translator, query):
        joined = "runs LEFT JOIN facts ON facts.run = runs.run AND facts.key = ?"
        by = f"facts.value IS NULL, {_value(translator, order.key)}{down}, runs.id DESC"
        return [Statement(f"SELECT runs.id FROM {joined} WHERE {where} ORDER BY {by}", (order.key, *condition.values))]
    narrow, values = _narrowed(translator, query, order.key)
    walk = (
        f"SELECT runs.id FROM facts CROSS JOIN runs USING (run) WHERE facts.key = ?{narrow} AND {where}"
        f" ORDER BY {_value(translator, order.key)}{down}, runs.id DESC"
    )
    rest = (
        f"SELECT runs.id FROM runs WHERE {where} AND NOT EXISTS"
        " (SELECT 1 FROM facts INDEXED BY facts_of_run WHERE run = runs.run AND key = ?) ORDER BY runs.id DESC"
    )
    return [
        Statement(walk, (order.key, *values, *condition.values)),
        Statement(rest, (*condition.values, order.key)),
    ]


def _value(translator: Translator, key: int) -> str:
    """What to order by: flags are numbers to Python, and blobs here."""
    if not translator.has_blobs(key):
        return "facts.value"
    return "CASE facts.value WHEN x'6230' THEN 0 WHEN x'6231' THEN 1 ELSE facts.value END"


def _tests(query: Query) -> Sequence[Query]:
    """What has to hold of every run."""
    return query.parts if isinstance(query, All) else (query,)


def _gathers(translator: Translator, query: Query) -> bool:
    """Whether some test leaves so few runs that they are gathered and sorted."""
    for test in _tests(query):
        rows = translator.rows(test) if isinstance(test, Compare | In | Exists) else None
        if rows is not None and translator.is_few(rows):
            return True
    return False


def _narrowed(translator: Translator, query: Query, key: int) -> tuple[str, tuple[Any, ...]]:
    """A test of the field that is sorted by, where only numbers can pass it: then it bounds the walk."""
    for test in _tests(query):
        if isinstance(test, Compare) and translator.key(test.field.path) == key and not translator.marks(key).many:
            rows = translator.rows(test)
            part = number_part(test)
            if rows is not None and part is not None and rows.parts == (part,):
                return f" AND facts.{part.condition}".replace(" AND value ", " AND facts.value "), part.values
    return "", ()


def statuses(connection: sqlite3.Connection, condition: Condition) -> dict[str, int]:
    rows = connection.execute(
        f"SELECT runs.status, count(*) FROM runs WHERE {READABLE} AND {condition.sql} GROUP BY runs.status",
        condition.values,
    )
    return dict(rows.fetchall())


def groups(connection: sqlite3.Connection, condition: Condition, key: int) -> list[Tallied]:
    """(value, status, runs, latest) by value and status."""
    rows = connection.execute(
        "SELECT facts.value, runs.status, count(*), max(runs.id) FROM runs"
        " LEFT JOIN facts ON facts.run = runs.run AND facts.key = ?"
        f" WHERE {READABLE} AND {condition.sql} GROUP BY facts.value, runs.status",
        (key, *condition.values),
    )
    return [(value_of(value), status, count, latest) for value, status, count, latest in rows]


Tallied = tuple[Any, str, int, str]


def grouped(tallied: Iterable[Tallied]) -> list[Group]:
    """The groups, in order."""
    found: dict[Any, list[Tallied]] = {}
    for one in tallied:
        found.setdefault(stored(one[0]), []).append(one)
    groups = [_group(some) for some in found.values()]
    return sorted(groups, key=_place)


def _group(some: Sequence[Tallied]) -> Group:
    statuses: dict[str, int] = {}
    for _, status, count, _ in some:
        statuses[status] = statuses.get(status, 0) + count
    value = some[0][0]
    return Group(
        value=value if isinstance(value, str | int | float) else None,
        runs=sum(statuses.values()),
        statuses=dict(sorted(statuses.items())),
        latest=max(latest for *_, latest in some),
    )


def _place(group: Group) -> tuple[int, float, str]:
    if group.value is None:
        return 2, 0.0, ""
    return (1, 0.0, group.value) if isinstance(group.value, str) else (0, group.value, "")


def with_name(connection: sqlite3.Connection, name: str) -> list[str]:
    return _ids(connection, f"SELECT id FROM runs WHERE name = ? AND {READABLE} ORDER BY id DESC", stored_text(name))


def with_tail(connection: sqlite3.Connection, tail: str) -> list[str]:
    head = tail[::-1]
    after = head[:-1] + chr(ord(head[-1]) + 1)
    statement = "SELECT id FROM runs WHERE backward >= ? AND backward < ? AND state < 3 ORDER BY id DESC"
    return _ids(connection, statement, head, after)


def latest(connection: sqlite3.Connection, back: int) -> str | None:
    found = _ids(connection, "SELECT id FROM runs WHERE state < 3 ORDER BY id DESC LIMIT 1 OFFSET ?", back)
    return found[0] if found else None


def fields(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT name FROM keys WHERE EXISTS (SELECT 1 FROM facts WHERE key = keys.key)")
    return sorted(value_of(name) for (name,) in rows)


def _ids(connection: sqlite3.Connection, statement: str, *values: Any) -> list[str]:
    return [run for (run,) in connection.execute(statement, values)]
