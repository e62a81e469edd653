"""The members of a derived version: computed from the manifest of its source, and from a table in it.

All that decides them stands in the parameters of the step (`records.derivation`). Nothing else is looked at: not the
clock, not the source as it is now. Tables are read twice: the first time says which rows go where, the second time
they are taken out, byte for byte.
"""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ..digests import sha256
from ..errors import FormatError, UnresolvedError, UsageError
from ..interop.tables import Row
from ..records.data import ManifestEntry
from ..records.derivation import Derivation, Origin, Split, Subset
from ..rules.contents import Manifest
from ..rules.matching import matches
from ..rules.query import Query, parse_over
from ..rules.splitting import ALGORITHM as SPLIT
from ..rules.splitting import Element, split
from ..store.layout import Store
from ..store.manifests import read_manifest
from ..store.objects import read_object
from ..store.origins import origins_named
from .source_table import (
    PSEUDO,
    Keep,
    SourceVersion,
    TableIn,
    check_rows,
    find_table,
    rows_by_path,
    taken_entry,
    text_of,
    with_table,
)


class Members(msgspec.Struct, frozen=True, kw_only=True):
    """What a derived version holds."""

    elements: int
    """Files, or rows."""
    manifest: Manifest


def pseudo_columns(entry: ManifestEntry) -> dict[str, Any]:
    """What every file has: its path, its folder (`.` at the top), its size in bytes."""
    return {"path": entry.path, "folder": entry.path.rpartition("/")[0] or ".", "size": entry.size}


def source_of(store: Store, origin: Origin) -> SourceVersion:
    """The version that the parameters name. Raises UnresolvedError, FormatError."""
    return SourceVersion(
        store=store,
        of=f"{origin.name}@{origin.version}",
        manifest=read_manifest(store, origin.manifest),
        origins=origins_named(store, origin.dataset, origin.version, origin.manifest),
    )


def is_file(entry: ManifestEntry) -> bool:
    return entry.kind in ("file", "link")


def files_of(manifest: Manifest, table: TableIn | None) -> list[ManifestEntry]:
    """The elements by files: all but the table that says what they are. Folders are none."""
    return [entry for entry in manifest if is_file(entry) and (table is None or entry.path != table.entry.path)]


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
    source = source_of(store, wish.source)
    manifest = source.manifest
    table = find_table(source, wish.table) if wish.table is not None else None
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


# Subsets

SUBSET = "whence-subset/1"


def subset_members(store: Store, wish: Subset, keep: Keep, listed: Collection[str] | None = None) -> Members:
    """The members that are asked for; `listed` is the list of paths where it is not in the store yet.

    Raises UsageError for nothing at all and for what is no query of the columns, UnresolvedError for a source that is
    gone, FormatError for damage.
    """
    source = source_of(store, wish.source)
    manifest = source.manifest
    table = find_table(source, wish.table) if wish.table is not None else None
    if wish.by == "rows" and table is not None:
        members = _rows_meant(wish, table, keep)
    else:
        members = _files_meant(wish, manifest, table, _listed(store, wish) if listed is None else listed, keep)
    if members.elements == 0:
        raise UsageError(f"{source.of}: none of its {wish.by} is meant, expected at least one")
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
