"""The members of a derived version: computed from the manifest of its source, and from a table in it.

All that decides them stands in the parameters of the step (`records.derivation`). Nothing else is looked at: not the
clock, not the source as it is now. Tables are read twice: the first time says which rows go where, the second time
they are taken out, byte for byte.
"""

from __future__ import annotations

import difflib
import json
import math
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from typing import Any

import msgspec
from msgspec.structs import replace

from ..digests import sha256
from ..errors import FormatError, UnresolvedError, UsageError
from ..interop.tables import Row, Table, TableError, is_table, open_table
from ..records.data import ManifestEntry
from ..records.derivation import By, Derivation, Split, Subset
from ..rules.contents import Manifest, in_order
from ..rules.matching import matches
from ..rules.query import Query, parse_over
from ..rules.splitting import ALGORITHM as SPLIT
from ..rules.splitting import Element, split
from ..store.layout import Store
from ..store.manifests import read_manifest
from ..store.objects import Kept, open_verified, read_object

Keep = Callable[[Iterable[bytes]], Kept]
"""Keeps content, or only measures it."""

PSEUDO = ("path", "folder", "size")
"""What every file has, by files."""


class Members(msgspec.Struct, frozen=True, kw_only=True):
    """What a derived version holds."""

    elements: int
    """Files, or rows."""
    manifest: Manifest


def measured(chunks: Iterable[bytes]) -> Kept:
    """What would be kept."""
    running, size = sha256(more=1 << 20), 0
    for chunk in chunks:
        running.update(chunk)
        size += len(chunk)
    return Kept(digest=f"sha256:{running.hexdigest()}", size=size)


# Tables in a version


class TableIn(msgspec.Struct, frozen=True, kw_only=True):
    """A table in a version of a dataset."""

    store: Store
    of: str
    """The version, for errors."""
    entry: ManifestEntry

    @contextmanager
    def opened(self) -> Generator[Table]:
        """The table, whose bytes are verified. Raises UnresolvedError where they are not here, UsageError for what is
        no table, FormatError for damage."""
        try:
            with open_verified(self.store, str(self.entry.digest)) as stream:
                yield open_table(self.entry.path, stream)
        except TableError as error:
            raise UsageError(f"{self.entry.path} of {self.of}: {error.message}", hint=error.hint) from error
        except UnresolvedError as error:
            raise UnresolvedError(f"{self.entry.path} of {self.of}: {error.message}", hint=error.hint) from error

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


def find_table(store: Store, of: str, manifest: Manifest, path: str | None, columns: Collection[str] = ()) -> TableIn:
    """The table of that path, or the only one that there is. `columns` are what it is needed for.

    Raises UsageError, UnresolvedError.
    """
    tables = [entry for entry in manifest if entry.kind == "file" and is_table(entry.path)]
    if path is None:
        if len(tables) != 1:
            listed = f" ({', '.join(entry.path for entry in tables[:5])})" if tables else ""
            wanted = f" with the column {' and '.join(columns)}" if columns else ""
            raise UsageError(
                f"{of}: found {len(tables)} tables{listed}, expected one{wanted}", hint="name it: --table PATH"
            )
        return TableIn(store=store, of=of, entry=tables[0])
    entry = next((entry for entry in manifest if entry.path == path and entry.kind == "file"), None)
    if entry is None:
        near = difflib.get_close_matches(path, [table.path for table in tables], n=3)
        raise UnresolvedError(f"{of}: has no file {path}", candidates=tuple(near))
    return TableIn(store=store, of=of, entry=entry)


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


def pseudo_columns(entry: ManifestEntry) -> dict[str, Any]:
    """What every file has: its path, its folder (`.` at the top), its size in bytes."""
    return {"path": entry.path, "folder": entry.path.rpartition("/")[0] or ".", "size": entry.size}


def is_file(entry: ManifestEntry) -> bool:
    return entry.kind in ("file", "link")


def files_of(manifest: Manifest, table: TableIn | None) -> list[ManifestEntry]:
    """The elements by files: all but the table that says what they are. Folders are none."""
    return [entry for entry in manifest if is_file(entry) and (table is None or entry.path != table.entry.path)]


def rows_by_path(table: TableIn, key: str, paths: Collection[str]) -> dict[str, list[Mapping[str, Any]]]:
    """The rows of each path that the table has rows of. Raises UsageError when it has none of any."""
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    other: str | None = None
    with table.opened() as opened:
        for row in opened.rows:
            path = _path_in(row, key)
            if path is not None and path in paths:
                found[path].append(row.values)
            else:
                other = other or path
    if not found:
        example = f", for instance {other!r}" if other is not None else ""
        raise UsageError(f"{table.entry.path} of {table.of}: column {key!r} names none of the files{example}")
    return found


def _path_in(row: Row, key: str) -> str | None:
    path = text_of(row.values.get(key))
    return None if path is None else path.removeprefix("./")


# What is taken out of a table


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
    return in_order([*members, taken_entry(table, lambda _, row: _path_in(row, key) in paths, keep)])


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


# Splits


class _Seen(msgspec.Struct, frozen=True):
    """An element with its values."""

    shown: str
    identity: bytes
    strata: frozenset[str]
    groups: frozenset[str]


def split_members(store: Store, wish: Split, keep: Keep, only: str | None = None) -> dict[str, Members]:
    """The members of each part, or of one. `wish.part` says nothing here.

    Raises UsageError for what cannot be divided so, UnresolvedError for a source that is gone, FormatError for damage.
    """
    of = f"{wish.source.name}@{wish.source.version}"
    manifest = read_manifest(store, wish.source.manifest)
    table = find_table(store, of, manifest, wish.table) if wish.table is not None else None
    seen = list(_rows_seen(wish, table) if wish.by == "rows" else _files_seen(wish, manifest, table))
    positions = _complete(wish, seen)
    elements = [_element(wish, seen[at]) for at in positions]
    chosen = split(elements, wish.parts, wish.seed)
    members: dict[str, Members] = {}
    for part, inside in zip(wish.parts, chosen, strict=True):
        if only in (None, part.name):
            members[part.name] = _part(wish, manifest, table, [positions[at] for at in inside], keep)
    return members


def _part(wish: Split, manifest: Manifest, table: TableIn | None, inside: Sequence[int], keep: Keep) -> Members:
    if wish.by == "rows" and table is not None:
        rows = set(inside)
        return Members(elements=len(rows), manifest=[taken_entry(table, lambda at, _: at in rows, keep)])
    files = files_of(manifest, table)
    return Members(elements=len(inside), manifest=with_table([files[at] for at in inside], table, wish.key, keep))


def _files_seen(wish: Split, manifest: Manifest, table: TableIn | None) -> Iterator[_Seen]:
    files = files_of(manifest, table)
    paths = {entry.path for entry in files}
    rows = rows_by_path(table, wish.key, paths) if table is not None and wish.key is not None else {}
    for entry in files:
        of_file = rows.get(entry.path, ())
        yield _Seen(
            entry.path,
            entry.path.encode("utf-8", "surrogateescape"),
            _values(wish.stratify, pseudo_columns(entry), of_file),
            _values(wish.group, pseudo_columns(entry), of_file),
        )


def _values(column: str | None, own: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """The different values that a column has for an element."""
    if column is None:
        return frozenset()
    given = [own[column]] if column in own else [row.get(column) for row in rows]
    return frozenset(text for text in map(text_of, given) if text is not None)


def _rows_seen(wish: Split, table: TableIn | None) -> Iterator[_Seen]:
    if table is None:
        raise UsageError("found no table, expected one", hint="name it: --table PATH")
    check_rows(table)
    before: Counter[bytes] = Counter()
    with table.opened() as opened:
        for at, row in enumerate(opened.rows):
            content = sha256(row.raw.rstrip(b"\r\n")).digest()
            yield _Seen(
                f"row {at + 1}",
                content + b"\0%d" % before[content],
                _values(wish.stratify, {}, [row.values]),
                _values(wish.group, {}, [row.values]),
            )
            before[content] += 1


def _complete(wish: Split, seen: Sequence[_Seen]) -> list[int]:
    """The positions of what takes part. Raises UsageError for values that are missing, unless that was provided for."""
    for element in seen:
        if len(element.groups) > 1:
            found = " and ".join(sorted(element.groups)[:3])
            raise UsageError(f"{element.shown}: is in several groups of {wish.group} ({found}), expected one")
    lacking = [at for at, element in enumerate(seen) if _lacks(wish, element)]
    if not lacking or wish.missing == "include":
        return list(range(len(seen)))
    if wish.missing == "error":
        raise _missing(wish, seen, lacking)
    gone = set(lacking)
    return [at for at in range(len(seen)) if at not in gone]


def _lacks(wish: Split, element: _Seen) -> bool:
    return bool((wish.stratify and not element.strata) or (wish.group and not element.groups))


def _missing(wish: Split, seen: Sequence[_Seen], lacking: Sequence[int]) -> UsageError:
    columns = " or ".join(dict.fromkeys(name for name in (wish.stratify, wish.group) if name))
    return UsageError(
        f"{len(lacking)} of {len(seen)} {wish.by} ({len(lacking) / len(seen):.1%}) have no value of {columns},"
        f" for instance {seen[lacking[0]].shown}",
        hint="--missing drop leaves them out, --missing include takes them as they are",
    )


def _element(wish: Split, seen: _Seen) -> Element:
    stratum = b"\0".join(sorted(b"=" + _bytes(value) for value in seen.strata))
    return Element(seen.identity, stratum, next(map(_bytes, seen.groups), None))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def choose_table(
    store: Store, of: str, manifest: Manifest, by: By, path: str | None, key: str | None, columns: Collection[str]
) -> tuple[TableIn | None, str | None]:
    """The table that a derivation needs, and by files its column of paths, with what was left unsaid filled in.
    `columns` are those that are asked for.

    Raises UsageError, UnresolvedError.
    """
    wanted = [name for name in columns if by == "rows" or name not in PSEUDO]
    if by == "files" and path is None and not wanted:
        if key is not None:
            raise UsageError(f"--key {key}: found no table that it is a column of", hint="name it: --table PATH")
        return None, None
    table = find_table(store, of, manifest, path, wanted)
    if by == "rows":
        if key is not None:
            raise UsageError("--key: is about files, found --by rows")
        check_rows(table)
        return table, None
    known = table.columns()
    if key is None and "path" not in known:
        raise UsageError(
            f"{table.entry.path} of {of}: which column holds the paths of the files?",
            hint=f"--key COLUMN, one of {', '.join(known)}",
        )
    table.require(key or "path")
    return table, key or "path"


# Subsets

SUBSET = "whence-subset/1"


def subset_members(store: Store, wish: Subset, keep: Keep, listed: Collection[str] | None = None) -> Members:
    """The members that are asked for; `listed` is the list of paths where it is not in the store yet.

    Raises UsageError for nothing at all and for what is no query of the columns, UnresolvedError for a source that is
    gone, FormatError for damage.
    """
    of = f"{wish.source.name}@{wish.source.version}"
    manifest = read_manifest(store, wish.source.manifest)
    table = find_table(store, of, manifest, wish.table) if wish.table is not None else None
    if wish.by == "rows" and table is not None:
        members = _rows_meant(wish, table, keep)
    else:
        members = _files_meant(wish, manifest, table, _listed(store, wish) if listed is None else listed, keep)
    if members.elements == 0:
        raise UsageError(f"{of}: none of its {wish.by} is meant, expected at least one")
    return members


def _rows_meant(wish: Subset, table: TableIn, keep: Keep) -> Members:
    check_rows(table)
    query = parse_over(wish.where or "", table.columns())
    taken = 0

    def meant(_: int, row: Row) -> bool:
        nonlocal taken
        found = matches(query, _builtins(row.values))
        taken += found
        return found

    entry = taken_entry(table, meant, keep)
    return Members(elements=taken, manifest=[entry])


def _listed(store: Store, wish: Subset) -> list[str]:
    return [] if wish.paths is None else listed_paths(read_object(store, wish.paths))


def _files_meant(
    wish: Subset, manifest: Manifest, table: TableIn | None, listed: Collection[str], keep: Keep
) -> Members:
    files = files_of(manifest, table)
    if wish.paths is not None:
        inside = _files_listed(wish, files, listed)
    else:
        query = parse_over(wish.where or "", [*PSEUDO, *(table.columns() if table else ())])
        paths = {entry.path for entry in files}
        rows = rows_by_path(table, wish.key, paths) if table is not None and wish.key is not None else {}
        inside = [entry for entry in files if _is_meant(query, entry, rows.get(entry.path, [{}]))]
    return Members(elements=len(inside), manifest=with_table(inside, table, wish.key, keep) if inside else [])


def _files_listed(wish: Subset, files: Sequence[ManifestEntry], listed: Collection[str]) -> list[ManifestEntry]:
    """The files of a list. Raises UnresolvedError for a path that is not there."""
    paths = {entry.path for entry in files}
    unknown = [path for path in listed if path not in paths]
    if unknown:
        more = f" and {len(unknown) - 1} more of the list" if len(unknown) > 1 else ""
        raise UnresolvedError(
            f"{wish.source.name}@{wish.source.version}: has no file {unknown[0]}{more}",
            candidates=tuple(difflib.get_close_matches(unknown[0], paths, n=3)),
        )
    wanted = set(listed)
    return [entry for entry in files if entry.path in wanted]


def _is_meant(query: Query, entry: ManifestEntry, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one of the rows of a file is one that the query means."""
    return any(matches(query, {**_builtins(row), **pseudo_columns(entry)}) for row in rows)


def _builtins(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as queries are held against: what JSON has no form for is text."""
    return {name: value if _is_plain(value) else text_of(value) for name, value in row.items()}


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | list | dict)


def listed_paths(content: bytes) -> list[str]:
    """The paths of a list, one a line, sorted, each once."""
    lines = (os.fsdecode(line) for line in content.split(b"\n") if line)
    return sorted({line.removeprefix("./") for line in lines})


def encode_list(paths: Sequence[str]) -> bytes:
    """The list as it is kept."""
    return b"".join(os.fsencode(path) + b"\n" for path in paths)


# Either


def members_of(store: Store, derivation: Derivation, keep: Keep) -> Members:
    """What the parameters of a step decide. Raises as what made it, and FormatError for an unknown algorithm."""
    known = SPLIT if isinstance(derivation, Split) else SUBSET
    if derivation.algorithm != known:
        raise FormatError(
            f"found the algorithm {derivation.algorithm}, expected {known}", hint="a newer whence has made it"
        )
    if isinstance(derivation, Split):
        return split_members(store, derivation, keep, derivation.part)[derivation.part]
    return subset_members(store, derivation, keep)
