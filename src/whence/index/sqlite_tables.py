"""The tables of the SQLite index, and the file that holds them.

`facts` is clustered by (key, value, run), so that what is asked of a field, and the order of a field, are walks along
one tree; `facts_of_run` is the way back. A value stands as itself where SQLite has it and orders it as Python does:
numbers and texts. The rest are blobs, which come after both and begin with a letter: `b` flags, `i` integers beyond 64
bits, `t` texts that are not UTF-8, `-` for what is there and has no value.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..digests import is_digest
from ..rules.matching import THING, Thing

VERSION = 2
"""Of the tables. Another one found is thrown away, and the index is fed anew."""

APPLICATION = 0x77686E63
"""`PRAGMA application_id`: "whnc"."""

WAIT = 60.0
"""Seconds to wait for another process that writes into the index."""

VARIABLES = 500
"""Values that are asked for at once."""

SEPARATOR = "\x1e"
"""Between the texts of a run: the separator of records of ASCII."""

TABLES = """
CREATE TABLE stamps (name TEXT PRIMARY KEY, mtime INTEGER, ctime INTEGER, listed INTEGER) WITHOUT ROWID;

-- state: 0 sealed, 1 read at each question, 2 not readable, 3 never came to be
CREATE TABLE runs (
  run INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, backward TEXT NOT NULL, state INTEGER NOT NULL, why TEXT,
  name, status TEXT, parent TEXT, rerun_of TEXT, relation TEXT, environment INTEGER, print BLOB
);
CREATE INDEX runs_backward ON runs (backward);
CREATE INDEX runs_state ON runs (state, id) WHERE state > 0;
CREATE INDEX runs_status ON runs (status, state);
CREATE INDEX runs_name ON runs (name, id) WHERE name IS NOT NULL;
CREATE INDEX runs_parent ON runs (parent, id) WHERE parent IS NOT NULL;
CREATE INDEX runs_rerun_of ON runs (rerun_of, id) WHERE rerun_of IS NOT NULL;
CREATE INDEX runs_environment ON runs (environment) WHERE environment IS NOT NULL;

-- many: some run has several values; odd: some value does not order as Python would, or is no time where all are
CREATE TABLE keys (key INTEGER PRIMARY KEY, name NOT NULL UNIQUE, many INTEGER DEFAULT 0, odd INTEGER DEFAULT 0);
CREATE TABLE facts (key INTEGER, value, run INTEGER, PRIMARY KEY (key, value, run)) WITHOUT ROWID;
CREATE INDEX facts_of_run ON facts (run, key);

CREATE TABLE environments (environment INTEGER PRIMARY KEY, print BLOB NOT NULL UNIQUE);
CREATE TABLE packages (name TEXT, environment INTEGER, version TEXT, PRIMARY KEY (name, environment, version))
  WITHOUT ROWID;

CREATE TABLE used (
  run INTEGER, at INTEGER, name, path, place, digest BLOB, size INTEGER, kind TEXT, how TEXT, role TEXT, dataset TEXT,
  dataset_id TEXT, version TEXT, PRIMARY KEY (run, at)
) WITHOUT ROWID;
CREATE INDEX used_digest ON used (digest) WHERE digest IS NOT NULL;
CREATE INDEX used_place ON used (place);
CREATE TABLE made (
  run INTEGER, at INTEGER, name, path, place, digest BLOB, size INTEGER, kind TEXT, form TEXT, role TEXT, dataset TEXT,
  dataset_id TEXT, version TEXT, unfinished INTEGER, PRIMARY KEY (run, at)
) WITHOUT ROWID;
CREATE INDEX made_digest ON made (digest) WHERE digest IS NOT NULL;
CREATE INDEX made_place ON made (place);

-- known: 0 where the store did not have the manifest
CREATE TABLE folders (folder INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, known INTEGER NOT NULL);
CREATE INDEX folders_unknown ON folders (known) WHERE known = 0;
CREATE TABLE members (folder INTEGER, path, digest BLOB, size INTEGER, PRIMARY KEY (folder, path)) WITHOUT ROWID;
CREATE INDEX members_digest ON members (digest);
CREATE INDEX members_path ON members (path);

-- bad: it could not be read
CREATE TABLE acts (id TEXT PRIMARY KEY, run TEXT, bad INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX acts_run ON acts (run) WHERE run IS NOT NULL;
CREATE INDEX acts_bad ON acts (bad) WHERE bad = 1;
CREATE TABLE versions (
  act TEXT PRIMARY KEY, dataset_id TEXT, name TEXT, version TEXT, manifest BLOB, base TEXT, run TEXT, parts TEXT
) WITHOUT ROWID;
CREATE INDEX versions_manifest ON versions (manifest);
CREATE INDEX versions_dataset ON versions (dataset_id);
CREATE INDEX versions_name ON versions (name);
"""

TEXTS = "CREATE VIRTUAL TABLE texts USING fts5 (text, tokenize = 'trigram')"
PLAIN_TEXTS = "CREATE TABLE texts (text TEXT)"
"""Where SQLite was built without FTS5, or is older than 3.34: the same answers, slower."""


def open_tables(path: Path | str) -> sqlite3.Connection:
    """The tables in that file, made if they are not there, or are of another version. Raises sqlite3.Error for a file
    that is damaged or cannot be written."""
    connection = sqlite3.connect(path, timeout=WAIT, isolation_level=None, cached_statements=256)
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute("PRAGMA mmap_size = 1073741824")
    if _is_ours(connection):
        return
    with transaction(connection):
        # Somebody else may have made them between the look and the lock.
        if not _is_ours(connection):
            if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise sqlite3.DatabaseError("made by another version of whence")
            _make(connection)


def _is_ours(connection: sqlite3.Connection) -> bool:
    found = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    return tuple(found) == (APPLICATION, VERSION)


def _make(connection: sqlite3.Connection) -> None:
    for statement in TABLES.split(";\n"):
        connection.execute(statement)
    try:
        connection.execute(TEXTS)
    except sqlite3.OperationalError:
        connection.execute(PLAIN_TEXTS)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def remove_tables(path: Path) -> None:
    """Delete the file, with what SQLite keeps beside it. What is not there is no fault. Raises OSError."""
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm"), Path(f"{path}-journal")):
        with suppress(FileNotFoundError):
            os.unlink(name)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[None]:
    """All of it or nothing; waits for whoever else writes."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


# Values


def stored(value: Any) -> Any:
    """A value as the tables have it."""
    match value:
        case None | float():
            return value
        case bool():
            return b"b1" if value else b"b0"
        case int():
            return value if -(1 << 63) <= value < 1 << 63 else b"i%d" % value
        case str():
            return stored_text(value)
        case Thing():
            return b"-"
        case _:
            raise TypeError(f"found {type(value).__name__}, expected a value of JSON")


def stored_text(text: str) -> str | bytes:
    """A text; as a blob where it holds bytes that are not UTF-8, or a NUL, after which SQLite's functions stop."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return b"t" + text.encode("utf-8", "surrogatepass")
    return text if "\0" not in text else b"t" + text.encode()


def value_of(found: Any) -> Any:
    """The value that the tables have so."""
    if not isinstance(found, bytes):
        return found
    match found[:1]:
        case b"b":
            return found == b"b1"
        case b"i":
            return int(found[1:])
        case b"t":
            return found[1:].decode("utf-8", "surrogatepass")
        case _:
            return THING


def stored_digest(digest: str | None) -> bytes | str | None:
    """A digest as its 32 bytes; what is none, such as a keyed one, as it is."""
    if digest is None:
        return None
    return bytes.fromhex(digest[7:]) if is_digest(digest) else stored_text(digest)


def digest_from(found: bytes | str | None) -> str | None:
    """The digest that the tables have so."""
    if isinstance(found, bytes) and len(found) == 32:
        return f"sha256:{found.hex()}"
    return value_of(found)
