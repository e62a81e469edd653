"""What feeding needs of the SQLite index (`feeding.Copy`): what it has, and writing what it lacks."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Any

import msgspec

from ..ids import new_id
from ..rules.query import TIMES
from .entry import Contents, Entry
from .feeding import Batch, Stamp, Unread
from .interface import Made, Used
from .reading import Said
from .sqlite_tables import SEPARATOR, VARIABLES, digest_from, stored, stored_digest, stored_text, transaction

SEALED, OPEN, UNREADABLE, NEVER = range(4)
"""The states of a run."""

Rows = list[tuple[Any, ...]]


class SqliteCopy:
    """The tables, to be fed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._keys: dict[str, int] = {}
        self._marked: set[tuple[str, str]] = set()

    def _rows(self, statement: str, *values: Any) -> Rows:
        return self._connection.execute(statement, values).fetchall()

    # What it has

    def stamps(self) -> dict[str, Stamp]:
        rows = self._rows("SELECT name, mtime, ctime, listed FROM stamps")
        return {name: Stamp(mtime=mtime, ctime=ctime, listed=listed) for name, mtime, ctime, listed in rows}

    def known_runs(self, day: str) -> set[str]:
        return {run for (run,) in self._rows("SELECT id FROM runs WHERE id >= ? AND id < ?", *_ids_of(day))}

    def open_runs(self) -> list[str]:
        return [run for (run,) in self._rows("SELECT id FROM runs WHERE state > 0 ORDER BY id")]

    def known_acts(self, day: str) -> set[str]:
        return {act for (act,) in self._rows("SELECT id FROM acts WHERE id >= ? AND id < ?", *_ids_of(day))}

    def open_acts(self) -> list[str]:
        return [act for (act,) in self._rows("SELECT id FROM acts WHERE bad = 1 ORDER BY id")]

    def acts_about(self, runs: Collection[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for some in _some(list(runs)):
            marks = ", ".join("?" * len(some))
            for run, act in self._rows(f"SELECT run, id FROM acts WHERE run IN ({marks}) ORDER BY id", *some):
                found.setdefault(run, []).append(act)
        return found

    def unknown_folders(self, digests: Collection[str]) -> list[str]:
        known = "SELECT 1 FROM folders WHERE digest = ?"
        return [digest for digest in sorted(digests) if not self._rows(known, stored_digest(digest))]

    def missing_folders(self) -> list[str]:
        rows = self._rows(
            "SELECT digest FROM folders WHERE known = 0"
            " UNION SELECT manifest FROM versions WHERE manifest NOT IN (SELECT digest FROM folders)"
        )
        return sorted(filter(None, (digest_from(digest) for (digest,) in rows)))

    # What it lacked

    def put(self, batch: Batch) -> None:
        try:
            with transaction(self._connection):
                self._put(batch)
        except BaseException:
            # Keys that were made meanwhile are not there.
            self._keys.clear()
            self._marked.clear()
            raise

    def _put(self, batch: Batch) -> None:
        for said in batch.acts:
            self._put_act(said)
        for act in batch.acts_gone:
            self._remove_act(act)
        known = self.acts_about([entry.id for entry in batch.entries])
        for entry in batch.entries:
            self._put_entry(entry, known.get(entry.id, []))
        for unread in batch.unread:
            self._put_unread(unread)
        for run in batch.gone:
            self._remove_run(run)
        for contents in batch.contents:
            self._put_contents(contents)
        for name, stamp in batch.stamps.items():
            row = (name, stamp.mtime, stamp.ctime, stamp.listed)
            self._connection.execute("INSERT OR REPLACE INTO stamps VALUES (?, ?, ?, ?)", row)
        for name in batch.stamps_gone:
            self._connection.execute("DELETE FROM stamps WHERE name = ?", (name,))

    def _put_act(self, said: Said) -> None:
        bad = said.fault is not None
        self._connection.execute("INSERT OR REPLACE INTO acts VALUES (?, ?, ?)", (said.id, said.run, bad))
        self._open_again(said.run)
        if said.version is not None:
            version = said.version
            row = (
                said.id, version.dataset_id, stored_text(version.name), version.version,
                stored_digest(version.manifest), version.base, version.run, msgspec.json.encode(version.parts).decode(),
            )  # fmt: skip
            self._connection.execute("INSERT OR REPLACE INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def _remove_act(self, act: str) -> None:
        for (run,) in self._rows("SELECT run FROM acts WHERE id = ?", act):
            self._open_again(run)
        self._connection.execute("DELETE FROM acts WHERE id = ?", (act,))
        self._connection.execute("DELETE FROM versions WHERE act = ?", (act,))

    def _open_again(self, run: str | None) -> None:
        self._connection.execute("UPDATE runs SET state = ? WHERE id = ? AND state = ?", (OPEN, run, SEALED))

    def _put_entry(self, entry: Entry, acts: Sequence[str]) -> None:
        known = self._rows("SELECT run, state, print FROM runs WHERE id = ?", entry.id)
        if known and known[0][1] == SEALED and not entry.sealed:
            return  # Another process read it later than this one.
        state = SEALED if entry.sealed and set(acts) <= set(entry.acts) else OPEN
        # Most of what goes on is as it was a moment ago.
        print_ = None if state == SEALED and not known else _print_of(entry)
        if known and known[0][2] == print_ is not None:
            self._connection.execute("UPDATE runs SET state = ? WHERE run = ?", (state, known[0][0]))
            return
        if known:
            self._remove_facts(known[0][0])
        run = self._put_run(known[0][0] if known else None, entry, state, print_)
        self._put_facts(run, entry)
        self._connection.executemany(
            f"INSERT INTO used VALUES ({', '.join('?' * 13)})", (_used(run, *item) for item in enumerate(entry.used))
        )
        self._connection.executemany(
            f"INSERT INTO made VALUES ({', '.join('?' * 14)})", (_made(run, *item) for item in enumerate(entry.made))
        )
        if entry.texts:
            text = SEPARATOR.join(text.replace(SEPARATOR, " ") for text in entry.texts)
            row = (run, text.encode("utf-8", "replace").decode())
            self._connection.execute("INSERT INTO texts (rowid, text) VALUES (?, ?)", row)

    def _put_run(self, run: int | None, entry: Entry, state: int, print_: bytes | None) -> int:
        row = (
            run, entry.id, entry.id[::-1], state, stored(entry.name), entry.status, entry.parent, entry.rerun_of,
            entry.relation, self._environment(entry.packages), print_,
        )  # fmt: skip
        done = self._connection.execute(
            "INSERT OR REPLACE INTO runs (run, id, backward, state, name, status, parent, rerun_of, relation,"
            " environment, print) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        assert done.lastrowid is not None
        return done.lastrowid

    def _put_facts(self, run: int, entry: Entry) -> None:
        rows = [(self._key(name), stored(value), run) for name, value in entry.facts]
        times = Counter(name for name, _ in entry.facts)
        for name, count in times.items():
            if count > 1:
                self._mark(name, "many")
        for (name, _), (_, value, _) in zip(entry.facts, rows, strict=True):
            if is_odd(name, value):
                self._mark(name, "odd")
        self._connection.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?, ?)", rows)

    def _key(self, name: str) -> int:
        if name not in self._keys:
            value = stored_text(name)
            self._connection.execute("INSERT OR IGNORE INTO keys (name) VALUES (?)", (value,))
            self._keys[name] = self._rows("SELECT key FROM keys WHERE name = ?", value)[0][0]
        return self._keys[name]

    def _mark(self, name: str, what: str) -> None:
        if (name, what) not in self._marked:
            self._connection.execute(f"UPDATE keys SET {what} = 1 WHERE key = ?", (self._key(name),))
            self._marked.add((name, what))

    def _environment(self, packages: Sequence[tuple[str, str]]) -> int | None:
        if not packages:
            return None
        print_ = blake2b(repr(packages).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        known = self._rows("SELECT environment FROM environments WHERE print = ?", print_)
        if known:
            return known[0][0]
        number = self._connection.execute("INSERT INTO environments (print) VALUES (?)", (print_,)).lastrowid
        rows = ((stored_text(name), number, stored_text(version)) for name, version in packages)
        self._connection.executemany("INSERT OR IGNORE INTO packages VALUES (?, ?, ?)", rows)
        return number

    def _put_unread(self, unread: Unread) -> None:
        state = NEVER if unread.why is None else UNREADABLE
        why = None if unread.why is None else stored_text(unread.why)
        for run, before, told in self._rows("SELECT run, state, why FROM runs WHERE id = ?", unread.id):
            if (before, told) != (state, why):
                self._remove_facts(run)
                self._connection.execute(
                    "UPDATE runs SET state = ?, why = ?, name = NULL, status = NULL, parent = NULL, rerun_of = NULL,"
                    " environment = NULL, print = NULL WHERE run = ?",
                    (state, why, run),
                )
            return
        row = (unread.id, unread.id[::-1], state, why)
        self._connection.execute("INSERT INTO runs (id, backward, state, why) VALUES (?, ?, ?, ?)", row)

    def _remove_run(self, run_id: str) -> None:
        for (run,) in self._rows("SELECT run FROM runs WHERE id = ?", run_id):
            self._remove_facts(run)
            self._connection.execute("DELETE FROM runs WHERE run = ?", (run,))

    def _remove_facts(self, run: int) -> None:
        for statement in (
            # The rows are found by the run, and each is then met once in the order of the table.
            "DELETE FROM facts WHERE (key, value, run) IN (SELECT key, value, run FROM facts WHERE run = ?)",
            "DELETE FROM used WHERE run = ?",
            "DELETE FROM made WHERE run = ?",
            "DELETE FROM texts WHERE rowid = ?",
        ):
            self._connection.execute(statement, (run,))

    def _put_contents(self, contents: Contents) -> None:
        digest, known = stored_digest(contents.digest), contents.members is not None
        found = self._rows("SELECT folder, known FROM folders WHERE digest = ?", digest)
        if found and (found[0][1] or not known):
            return
        if found:
            self._connection.execute("DELETE FROM folders WHERE folder = ?", (found[0][0],))
        folder = self._connection.execute(
            "INSERT INTO folders (digest, known) VALUES (?, ?)", (digest, known)
        ).lastrowid
        rows = (
            (folder, stored_text(path), stored_digest(member), size) for path, member, size in contents.members or ()
        )
        self._connection.executemany("INSERT OR IGNORE INTO members VALUES (?, ?, ?, ?)", rows)


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def is_odd(name: str, value: Any) -> bool:
    """Whether a value does not order as Python would have it, or is no time in a field of times."""
    if isinstance(value, bytes):
        return value not in (b"b0", b"b1")
    return name in TIMES and (not isinstance(value, str) or _TIME.fullmatch(value) is None)


def _ids_of(day: str) -> tuple[str, str]:
    """The identifiers between which those of a day lie."""
    from datetime import UTC, datetime, timedelta

    try:
        start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    except ValueError:
        return "", ""  # No day of any calendar: a folder of such a name has no runs of its own.
    ends = (start, start + timedelta(days=1))
    first, last = (new_id(int(end.timestamp() * 1000), bytes(10))[:13] for end in ends)
    return first, last


def _some(values: list[str]) -> Iterator[list[str]]:
    rest = iter(values)
    while some := list(islice(rest, VARIABLES)):
        yield some


def _print_of(entry: Entry) -> bytes:
    """What tells two states of a run apart."""
    parts = (entry.name, entry.status, entry.parent, entry.rerun_of, entry.relation, entry.facts, entry.texts)
    said = repr((*parts, entry.used, entry.made, entry.packages))
    return blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _used(run: int, at: int, item: Used) -> tuple[Any, ...]:
    return (
        run, at, stored_text(item.name), stored_text(item.path), stored_text(item.place), stored_digest(item.digest),
        item.size, item.kind, item.how, item.role, stored(item.dataset), item.dataset_id, item.version,
    )  # fmt: skip


def _made(run: int, at: int, item: Made) -> tuple[Any, ...]:
    return (
        run, at, stored_text(item.name), stored_text(item.path), stored_text(item.place), stored_digest(item.digest),
        item.size, item.kind, item.form, item.role, stored(item.dataset), item.dataset_id, item.version,
        item.unfinished,
    )  # fmt: skip
