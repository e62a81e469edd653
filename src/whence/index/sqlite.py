"""The index in SQLite: one file beside the store, or where that cannot be, a temporary one."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ..errors import FormatError, UnresolvedError
from ..records.record import Record
from ..rules.matching import COMMAND, matches, shown
from ..rules.ordering import ordered
from ..rules.query import Query
from ..rules.query_facts import is_indexed
from ..store.layout import Store
from . import sqlite_lineage, sqlite_runs
from .feeding import feed
from .interface import DatasetVersion, Fed, Group, Kin, Kind, Made, Member, Used
from .reading import read_run
from .sqlite_feeding import SqliteCopy
from .sqlite_query import Condition, Translator
from .sqlite_runs import Order, Tallied
from .sqlite_tables import open_tables, remove_tables, stored, value_of

T = TypeVar("T")

TEMPORARY = ""
"""To SQLite the name of a private file that goes with its connection, and is in memory as long as it is small."""

_NO_ROOM = ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_PERM", "SQLITE_BUSY")
"""What SQLite calls it when the file cannot be written. Anything else is a file that is not, or no more, an index."""


class SqliteIndex:
    """`interface.Index` over a store. `path` is where the tables lie; without one they are temporary.

    What is damaged, or of another version, is thrown away and fed anew; what cannot be written is replaced by a
    temporary index, which costs reading every run. Both are told to `say`.
    """

    def __init__(self, store: Store, path: Path | None, *, say: Callable[[str], None] = lambda _: None) -> None:
        self._store = store
        self._path = path
        self._say = say
        self._connection: sqlite3.Connection | None = None
        self._copy: SqliteCopy | None = None

    def feed(self) -> Fed:
        return self._asked(self._feed, feeds=True)

    def _feed(self, connection: sqlite3.Connection) -> Fed:
        return feed(self._store, self._copy_of(connection), say=self._say)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._copy = None

    def rebuild(self) -> Fed:
        """Throw it away and feed it anew. Raises OSError where the file cannot be removed."""
        self.close()
        if self._path is not None:
            remove_tables(self._path)
        return self.feed()

    @property
    def path(self) -> Path | None:
        """Where the tables lie; nothing for temporary ones."""
        return self._path

    # Whatever happens to the file

    def _asked(self, ask: Callable[[sqlite3.Connection], T], *, feeds: bool = False) -> T:
        """The answer; from a new index if this one turns out to be damaged, from a temporary one if it must be."""
        try:
            return ask(self._opened())
        except sqlite3.ProgrammingError:
            raise  # A fault of ours, and none of the file.
        except sqlite3.Error as error:
            self._replace(error)
        try:
            return self._again(ask, feeds=feeds)
        except sqlite3.Error as error:
            # A file that was made anew and fails again is not to be had here.
            self._give_up(error)
        return self._again(ask, feeds=feeds)

    def _again(self, ask: Callable[[sqlite3.Connection], T], *, feeds: bool) -> T:
        connection = self._opened()
        if not feeds:
            self._feed(connection)
        return ask(connection)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = open_tables(self._path or TEMPORARY)
        return self._connection

    def _copy_of(self, connection: sqlite3.Connection) -> SqliteCopy:
        if self._copy is None:
            self._copy = SqliteCopy(connection)
        return self._copy

    def _replace(self, error: sqlite3.Error) -> None:
        if self._path is None or _name_of(error).startswith(_NO_ROOM):
            self._give_up(error)
            return
        self.close()
        try:
            remove_tables(self._path)
        except OSError:
            self._give_up(error)
        else:
            self._say(f"{self._path}: {error}: the index is made anew")

    def _give_up(self, error: sqlite3.Error) -> None:
        """Go on with a temporary index. Raises the error if this is one."""
        self.close()
        if self._path is None:
            raise error
        self._say(f"{self._path}: {error}: answered from a temporary index, which is slower")
        self._path = None

    # Runs

    def runs(
        self, query: Query, *, sort: Sequence[str] = (), falling: bool = False, limit: int | None = None
    ) -> Iterator[str]:
        return islice(self._asked(lambda connection: self._runs(connection, query, sort, falling, limit)), limit)

    def _runs(
        self, connection: sqlite3.Connection, query: Query, sort: Sequence[str], falling: bool, limit: int | None
    ) -> Iterator[str]:
        translator = Translator(connection)
        condition = translator.condition(query)
        order = self._order(translator, sort, falling)
        if order is None:
            return iter(self._sorted(connection, translator, query, condition, sort, falling))
        statements = sqlite_runs.in_order(translator, query, condition, order)
        if condition.exact:
            return iter(list(sqlite_runs.find(connection, statements, limit)))
        return self._verified(list(sqlite_runs.find(connection, statements, None)), query)

    def _order(self, translator: Translator, sort: Sequence[str], falling: bool) -> Order | None:
        """The order as the tables have it; nothing where they have none."""
        if not sort:
            return Order()
        if not is_indexed(sort):
            return None
        key = translator.key(sort)
        if key is None:
            return Order()
        marks = translator.marks(key)
        return None if marks.many or marks.odd else Order(key=key, falling=falling)

    def _verified(self, runs: Sequence[str], query: Query) -> Iterator[str]:
        """Those whose record the query means."""
        return (run for run in runs if (record := self._read(run)) is not None and matches(query, as_builtins(record)))

    def _sorted(
        self,
        connection: sqlite3.Connection,
        translator: Translator,
        query: Query,
        condition: Condition,
        sort: Sequence[str],
        falling: bool,
    ) -> list[str]:
        """By what only the records tell."""
        found = sqlite_runs.find(connection, sqlite_runs.in_order(translator, query, condition, Order()), None)
        records = [as_builtins(record) for run in found if (record := self._read(run)) is not None]
        meant = records if condition.exact else [record for record in records if matches(query, record)]
        return [record["id"] for record in ordered(meant, lambda record: record, sort, falling=falling)]

    def _read(self, run: str) -> Record | None:
        try:
            return read_run(self._store, run, self.acts(run), time.time_ns())
        except (FormatError, UnresolvedError):
            return None

    def statuses(self, query: Query) -> dict[str, int]:
        condition = self._asked(lambda connection: Translator(connection).condition(query))
        if condition.exact:
            return self._asked(lambda connection: sqlite_runs.statuses(connection, condition))
        counts: dict[str, int] = {}
        for run in self.runs(query):
            kin = self.kin(run)
            if kin is not None:
                counts[kin.status] = counts.get(kin.status, 0) + 1
        return counts

    def groups(self, query: Query, path: Sequence[str]) -> list[Group]:
        return sqlite_runs.grouped(self._asked(lambda connection: self._tallied(connection, query, path)))

    def _tallied(self, connection: sqlite3.Connection, query: Query, path: Sequence[str]) -> list[Tallied]:
        translator = Translator(connection)
        condition, key = translator.condition(query), translator.key(path)
        if condition.exact and is_indexed(path) and tuple(path) != (COMMAND,):
            return sqlite_runs.groups(connection, condition, -1 if key is None else key)
        records = [as_builtins(record) for run in self.runs(query) if (record := self._read(run)) is not None]
        values = ((record, set(map(stored, shown(path, record))) or {None}) for record in records)
        return [(value_of(value), record["status"], 1, record["id"]) for record, some in values for value in some]

    def acts(self, run: str) -> list[str]:
        return self._asked(lambda connection: self._copy_of(connection).acts_about([run])).get(run, [])

    def with_name(self, name: str) -> list[str]:
        return self._asked(lambda connection: sqlite_runs.with_name(connection, name))

    def with_tail(self, tail: str) -> list[str]:
        return self._asked(lambda connection: sqlite_runs.with_tail(connection, tail))

    def latest(self, back: int = 0) -> str | None:
        return self._asked(lambda connection: sqlite_runs.latest(connection, back))

    def fields(self) -> list[str]:
        return self._asked(sqlite_runs.fields)

    def kinds(self, path: Sequence[str]) -> frozenset[Kind]:
        return self._asked(lambda connection: Translator(connection).kinds(path))

    # Lineage

    def producers(self, digest: str) -> list[Made]:
        return self._asked(lambda connection: sqlite_lineage.producers(connection, digest))

    def consumers(self, digest: str) -> list[Used]:
        return self._asked(lambda connection: sqlite_lineage.consumers(connection, digest))

    def inputs(self, run: str) -> list[Used]:
        return self._asked(lambda connection: sqlite_lineage.inputs(connection, run))

    def outputs(self, run: str) -> list[Made]:
        return self._asked(lambda connection: sqlite_lineage.outputs(connection, run))

    def by_path(self, place: str) -> list[Used | Made]:
        return self._asked(lambda connection: sqlite_lineage.by_path(connection, place))

    def members(self, manifest: str) -> list[Member] | None:
        return self._asked(lambda connection: sqlite_lineage.members(connection, manifest))

    def folders_of(self, digest: str) -> list[Member]:
        return self._asked(lambda connection: sqlite_lineage.folders_of(connection, digest))

    def members_at(self, path: str) -> list[Member]:
        return self._asked(lambda connection: sqlite_lineage.members_at(connection, path))

    def versions(self, *, manifest: str | None = None, dataset: str | None = None) -> list[DatasetVersion]:
        return self._asked(lambda connection: sqlite_lineage.versions(connection, manifest, dataset))

    def kin(self, run: str) -> Kin | None:
        return self._asked(lambda connection: sqlite_lineage.kin(connection, run))

    def children(self, run: str) -> list[Kin]:
        return self._asked(lambda connection: sqlite_lineage.children(connection, run))

    def reruns(self, run: str) -> list[Kin]:
        return self._asked(lambda connection: sqlite_lineage.reruns(connection, run))


def as_builtins(record: Record) -> dict[str, Any]:
    """The record as a query sees it."""
    return msgspec.to_builtins(record)


def _name_of(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", None) or ""
