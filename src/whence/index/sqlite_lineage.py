"""The questions about lineage, asked of the SQLite index."""

from __future__ import annotations

import posixpath
import sqlite3
from collections.abc import Iterator
from typing import Any

import msgspec

from .interface import DatasetVersion, Kin, Made, Member, Used
from .sqlite_tables import digest_from, stored_digest, stored_text, value_of

_USED = (
    "SELECT runs.id, used.name, used.path, used.place, used.digest, used.size, used.kind, used.how, used.role,"
    " used.dataset, used.dataset_id, used.version FROM used JOIN runs USING (run) WHERE "
)
_MADE = (
    "SELECT runs.id, made.name, made.path, made.place, made.digest, made.size, made.kind, made.form, made.role,"
    " made.dataset, made.dataset_id, made.version, made.unfinished FROM made JOIN runs USING (run) WHERE "
)
_MEMBER = "SELECT folders.digest, members.path, members.digest, members.size FROM members JOIN folders USING (folder) "
_KIN = "SELECT id, status, parent, rerun_of, relation FROM runs WHERE state < 2 AND "
_NEWEST = " ORDER BY runs.id DESC, at"


def producers(connection: sqlite3.Connection, digest: str) -> list[Made]:
    return _made(connection, "made.digest = ?" + _NEWEST, stored_digest(digest))


def consumers(connection: sqlite3.Connection, digest: str) -> list[Used]:
    return _used(connection, "used.digest = ?" + _NEWEST, stored_digest(digest))


def inputs(connection: sqlite3.Connection, run: str) -> list[Used]:
    return _used(connection, "runs.id = ? ORDER BY at", run)


def outputs(connection: sqlite3.Connection, run: str) -> list[Made]:
    return _made(connection, "runs.id = ? ORDER BY at", run)


def by_path(connection: sqlite3.Connection, place: str) -> list[Used | Made]:
    found: list[Used | Made] = []
    for above in _folders_above(place):
        kind, form = ("", "") if above == place else (" AND used.kind = 'folder'", " AND made.form = 'folder'")
        found += _made(connection, f"made.place = ?{form}{_NEWEST}", stored_text(above))
        found += _used(connection, f"used.place = ?{kind}{_NEWEST}", stored_text(above))
    return found


def _folders_above(place: str) -> Iterator[str]:
    yield place
    if not place.startswith("/"):
        return
    while place != "/":
        place = posixpath.dirname(place)
        yield place


def members(connection: sqlite3.Connection, manifest: str) -> list[Member] | None:
    digest = stored_digest(manifest)
    known = connection.execute("SELECT known FROM folders WHERE digest = ?", (digest,)).fetchone()
    if known is None or not known[0]:
        return None
    return _members(connection, "WHERE folders.digest = ? ORDER BY members.path", digest)


def folders_of(connection: sqlite3.Connection, digest: str) -> list[Member]:
    order = " ORDER BY folders.digest, members.path"
    return _members(connection, "WHERE members.digest = ?" + order, stored_digest(digest))


def members_at(connection: sqlite3.Connection, path: str) -> list[Member]:
    return _members(connection, "WHERE members.path = ? ORDER BY folders.digest", stored_text(path))


def versions(connection: sqlite3.Connection, manifest: str | None, dataset: str | None) -> list[DatasetVersion]:
    conditions = ["1"]
    values: list[Any] = []
    if manifest is not None:
        conditions.append("manifest = ?")
        values.append(stored_digest(manifest))
    if dataset is not None:
        conditions.append("(dataset_id = ? OR name = ?)")
        values += [dataset, stored_text(dataset)]
    rows = connection.execute(
        "SELECT dataset_id, name, version, manifest, base, run, parts FROM versions"
        f" WHERE {' AND '.join(conditions)} ORDER BY act",
        values,
    )
    return [
        DatasetVersion(
            dataset_id=identifier,
            name=value_of(name),
            version=version,
            manifest=digest_from(content) or "",
            base=base,
            run=run,
            parts=msgspec.json.decode(parts, type=dict[str, str]),
        )
        for identifier, name, version, content, base, run, parts in rows
    ]


def kin(connection: sqlite3.Connection, run: str) -> Kin | None:
    found = _kin(connection, "id = ?", run)
    return found[0] if found else None


def children(connection: sqlite3.Connection, run: str) -> list[Kin]:
    return _kin(connection, "parent = ? ORDER BY id", run)


def reruns(connection: sqlite3.Connection, run: str) -> list[Kin]:
    return _kin(connection, "rerun_of = ? ORDER BY id", run)


def _kin(connection: sqlite3.Connection, condition: str, run: str) -> list[Kin]:
    rows = connection.execute(_KIN + condition, (run,))
    return [
        Kin(run=found, status=status, parent=parent, rerun_of=rerun_of, relation=relation)
        for found, status, parent, rerun_of, relation in rows
    ]


def _members(connection: sqlite3.Connection, condition: str, value: Any) -> list[Member]:
    return [
        Member(folder=digest_from(folder) or "", path=value_of(path), digest=digest_from(digest) or "", size=size)
        for folder, path, digest, size in connection.execute(_MEMBER + condition, (value,))
    ]


def _used(connection: sqlite3.Connection, condition: str, value: Any) -> list[Used]:
    return [
        Used(
            run=run,
            name=value_of(name),
            path=value_of(path),
            place=value_of(place),
            digest=digest_from(digest),
            size=size,
            kind=kind,
            how=how,
            role=role,
            dataset=value_of(dataset),
            dataset_id=dataset_id,
            version=version,
        )
        for run, name, path, place, digest, size, kind, how, role, dataset, dataset_id, version in connection.execute(
            _USED + condition, (value,)
        )
    ]


def _made(connection: sqlite3.Connection, condition: str, value: Any) -> list[Made]:
    return [
        Made(
            run=run,
            name=value_of(name),
            path=value_of(path),
            place=value_of(place),
            digest=digest_from(digest),
            size=size,
            kind=kind,
            form=form,
            role=role,
            dataset=value_of(dataset),
            dataset_id=dataset_id,
            version=version,
            unfinished=bool(unfinished),
        )
        for (
            run, name, path, place, digest, size, kind, form, role, dataset, dataset_id, version, unfinished,
        ) in connection.execute(_MADE + condition, (value,))
    ]  # fmt: skip
