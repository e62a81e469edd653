"""A table in the version that something is derived from: found, read, and what is taken out of it.

Its bytes are the store's, or lie where they were added by reference; either way they are verified before they are read.
"""

from __future__ import annotations

import difflib
import json
import math
import tempfile
from collections import defaultdict
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from msgspec.structs import replace

from ..digests import sha256
from ..errors import StoreError, UnresolvedError, UsageError
from ..interop.tables import Row, Table, TableError, is_table, open_table
from ..records.data import ManifestEntry
from ..records.derivation import By
from ..rules.contents import Manifest, in_order
from ..store.layout import Store
from ..store.objects import Kept, has, open_verified
from ..store.origins import Origins

Keep = Callable[[Iterable[bytes]], Kept]
"""Keeps content, or only measures it."""

PSEUDO = ("path", "folder", "size")
"""What every file has, by files."""


def measured(chunks: Iterable[bytes]) -> Kept:
    """What would be kept."""
    running, size = sha256(more=1 << 20), 0
    for chunk in chunks:
        running.update(chunk)
        size += len(chunk)
    return Kept(digest=f"sha256:{running.hexdigest()}", size=size)


class SourceVersion(msgspec.Struct, frozen=True, kw_only=True):
    """The version that something is derived from."""

    store: Store
    of: str
    """Its name, for errors."""
    manifest: Manifest
    origins: Origins
    """Where the bytes lie that the store does not hold."""


class TableIn(msgspec.Struct, frozen=True, kw_only=True):
    """A table in a version of a dataset."""

    source: SourceVersion
    entry: ManifestEntry
    copy: Any = None
    """A temporary file with its bytes, verified, where the store does not hold them; it goes with the table."""

    @property
    def of(self) -> str:
        """The version, for errors."""
        return self.source.of

    @contextmanager
    def opened(self) -> Generator[Table]:
        """The table, whose bytes are verified. Raises UnresolvedError where they are not here, UsageError for what is
        no table, FormatError for damage."""
        try:
            with self._stream() as stream:
                yield open_table(self.entry.path, stream)
        except TableError as error:
            raise UsageError(f"{self.entry.path} of {self.of}: {error.message}", hint=error.hint) from error
        except UnresolvedError as error:
            raise UnresolvedError(f"{self.entry.path} of {self.of}: {error.message}", hint=error.hint) from error

    def _stream(self) -> BinaryIO:
        if self.copy is not None:
            return Path(self.copy.name).open("rb")
        return open_verified(self.source.store, str(self.entry.digest))

    def columns(self) -> Sequence[str]:
        """The names of its columns; reads all of it where only all rows together say them."""
        with self.opened() as table:
            if table.columns is not None:
                return table.columns
            return list(dict.fromkeys(name for row in table.rows for name in row.values))

    def require(self, *names: str | None) -> None:
        """Raises UsageError for a column that it does not have."""
        known = self.columns()
        for name in names:
            if name is not None and name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"
                raise UsageError(f"{self.entry.path} of {self.of}: has no column {name!r}", hint=hint)


def find_table(source: SourceVersion, path: str | None, columns: Collection[str] = ()) -> TableIn:
    """The table of that path, or the only one that there is. `columns` are what it is needed for.

    Raises UsageError, UnresolvedError, OriginError.
    """
    tables = [entry for entry in source.manifest if entry.kind == "file" and is_table(entry.path)]
    if path is None:
        if len(tables) != 1:
            listed = f" ({', '.join(entry.path for entry in tables[:5])})" if tables else ""
            wanted = f" with the column {' and '.join(columns)}" if columns else ""
            raise UsageError(
                f"{source.of}: found {len(tables)} tables{listed}, expected one{wanted}", hint="name it: --table PATH"
            )
        return _table_in(source, tables[0])
    entry = next((entry for entry in source.manifest if entry.path == path and entry.kind == "file"), None)
    if entry is None:
        near = difflib.get_close_matches(path, [table.path for table in tables], n=3)
        raise UnresolvedError(f"{source.of}: has no file {path}", candidates=tuple(near))
    return _table_in(source, entry)


def _table_in(source: SourceVersion, entry: ManifestEntry) -> TableIn:
    if has(source.store, str(entry.digest)) or not source.origins.know(entry):
        return TableIn(source=source, entry=entry)
    try:
        copy = tempfile.NamedTemporaryFile(prefix="whence-")  # noqa: SIM115  it is closed, and gone, with the table
        source.origins.copy(entry, copy.fileno())
    except OSError as error:
        raise StoreError(f"{entry.path} of {source.of}: cannot be copied to be read: {error.strerror}") from error
    return TableIn(source=source, entry=entry, copy=copy)


def choose_table(
    source: SourceVersion, by: By, path: str | None, key: str | None, columns: Collection[str], *, labels: bool = True
) -> tuple[TableIn | None, str | None]:
    """The table that a derivation needs, and by files its column of paths, with what was left unsaid filled in.
    `columns` are those that are asked for; where none is, the only table is taken if its column `path` names files,
    unless no `labels` are looked for.

    Raises UsageError, UnresolvedError, OriginError.
    """
    wanted = [name for name in columns if by == "rows" or name not in PSEUDO]
    if by == "files" and path is None and not wanted:
        if key is not None:
            raise UsageError(f"--key {key}: found no table that it is a column of", hint="name it: --table PATH")
        found = _labels(source) if labels else None
        return found, None if found is None else "path"
    table = find_table(source, path, wanted)
    if by == "rows":
        if key is not None:
            raise UsageError("--key: is about files, found --by rows")
        check_rows(table)
        return table, None
    known = table.columns()
    if key is None and "path" not in known:
        raise UsageError(
            f"{table.entry.path} of {source.of}: which column holds the paths of the files?",
            hint=f"--key COLUMN, one of {', '.join(known)}",
        )
    table.require(key or "path")
    return table, key or "path"


def _labels(source: SourceVersion) -> TableIn | None:
    """The only table of a version, where its column `path` names files: it is about them, and none of what is dealt
    out. Raises OriginError."""
    tables = [entry for entry in source.manifest if entry.kind == "file" and is_table(entry.path)]
    if len(tables) != 1:
        return None
    table = _table_in(source, tables[0])
    try:
        if "path" in table.columns() and rows_by_path(table, "path", {entry.path for entry in source.manifest}):
            return table
    except UsageError:
        return None  # A file like others: no table, or about other files.
    return None


def text_of(value: Any) -> str | None:
    """A value as the text that strata, groups and paths are told apart by; nothing for what has no value."""
    match value:
        case None:
            return None
        case float() if math.isnan(value):
            return None
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case datetime() | date() | time():
            return value.isoformat()
        case list() | dict():
            return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
        case _:
            return str(value)


def rows_by_path(table: TableIn, key: str, paths: Collection[str]) -> dict[str, list[Mapping[str, Any]]]:
    """The rows of each path that the table has rows of. Raises UsageError when it has none of any."""
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    other: str | None = None
    with table.opened() as opened:
        for row in opened.rows:
            path = path_in(row, key)
            if path is not None and path in paths:
                found[path].append(row.values)
            else:
                other = other or path
    if not found:
        example = f", for instance {other!r}" if other is not None else ""
        raise UsageError(f"{table.entry.path} of {table.of}: column {key!r} names none of the files{example}")
    return found


def path_in(row: Row, key: str) -> str | None:
    """The path that a row is about."""
    path = text_of(row.values.get(key))
    return None if path is None else path.removeprefix("./")


def taken_rows(table: TableIn, wanted: Callable[[int, Row], bool]) -> Iterator[bytes]:
    """The table with the rows that are wanted, as they stand in it."""
    with table.opened() as opened:
        yield opened.head or b""
        for at, row in enumerate(opened.rows):
            if wanted(at, row):
                yield row.raw if row.raw.endswith(b"\n") else row.raw + b"\n"


def with_table(members: Sequence[ManifestEntry], table: TableIn | None, key: str | None, keep: Keep) -> Manifest:
    """These files, and the table with the rows that are about them; as a whole where rows cannot be taken out."""
    if table is None or key is None:
        return in_order(members)
    with table.opened() as opened:
        whole = opened.head is None
    if whole:
        return in_order([*members, table.entry])
    paths = {entry.path for entry in members}
    return in_order([*members, taken_entry(table, lambda _, row: path_in(row, key) in paths, keep)])


def taken_entry(table: TableIn, wanted: Callable[[int, Row], bool], keep: Keep) -> ManifestEntry:
    kept = keep(taken_rows(table, wanted))
    return replace(table.entry, size=kept.size, digest=kept.digest)


def check_rows(table: TableIn) -> None:
    """Raises UsageError where rows cannot be taken out of the table one by one."""
    with table.opened() as opened:
        if opened.head is None:
            raise UsageError(
                f"{table.entry.path} of {table.of}: rows of this format cannot be taken out one by one",
                hint="of CSV and JSON lines they can; `--by files` takes whole files",
            )
