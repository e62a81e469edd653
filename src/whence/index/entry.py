"""What an index holds of one run, made from its record."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

import msgspec

from ..records.environment import Package
from ..records.record import Record
from ..rules.matching import texts_of
from ..rules.query_facts import Fact, facts
from .interface import Made, Used


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    id: str
    sealed: bool
    """Closed: it is not read again unless an act about it appears."""
    acts: Sequence[str]
    """Those about it that the store has and that it was made with."""
    name: str | None
    status: str
    parent: str | None
    rerun_of: str | None
    relation: str | None
    facts: Sequence[Fact]
    texts: Sequence[str]
    """What people and programs said of it in words, for full text."""
    used: Sequence[Used]
    made: Sequence[Made]
    packages: Sequence[tuple[str, str]]
    """Name and version of each package of its environment."""


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """A folder's manifest: what is in it, or nothing where the store does not hold it."""

    digest: str
    members: Sequence[tuple[str, str, int]] | None
    """Path, digest and size of each file."""


def entry_of(record: Record, acts: Sequence[str] = ()) -> Entry:
    """What the index holds of a run; `acts` of those about it that are in its record."""
    light = msgspec.to_builtins(_light(record))
    return Entry(
        id=record.id,
        sealed=record.seal is not None,
        acts=acts,
        name=record.name,
        status=record.status,
        parent=record.parent,
        rerun_of=record.rerun_of,
        relation=record.relation,
        facts=tuple(facts(light)),
        texts=tuple(texts_of(light)),
        used=tuple(_used(record)),
        made=tuple(_made(record)),
        packages=tuple((package.name, package.version) for package in _packages(record)),
    )


def _packages(record: Record) -> Sequence[Package]:
    return record.environment.packages if record.environment else ()


def _light(record: Record) -> Record:
    """Without what is told apart from the facts and may be long."""
    environment = record.environment and msgspec.structs.replace(record.environment, packages=[], imported=None)
    return msgspec.structs.replace(record, inputs=[], artifacts=[], environment=environment)


def _used(record: Record) -> Iterator[Used]:
    for item in record.inputs:
        yield Used(
            run=record.id,
            name=item.name,
            path=item.path,
            place=place_of(record.cwd, item.path, item.kind),
            digest=item.digest,
            size=item.size,
            kind=item.kind,
            how=item.how,
            role=item.role,
            dataset=item.dataset,
            dataset_id=item.dataset_id,
            version=item.version,
        )


def _made(record: Record) -> Iterator[Made]:
    for item in record.artifacts:
        yield Made(
            run=record.id,
            name=item.name,
            path=item.path,
            place=place_of(record.cwd, item.path, item.form),
            digest=item.digest,
            size=item.size,
            kind=item.kind,
            form=item.form,
            role=item.role,
            dataset=item.dataset,
            dataset_id=item.dataset_id,
            version=item.version,
            unfinished=item.unfinished,
        )


def place_of(cwd: str | None, path: str, kind: str = "file") -> str:
    """The absolute path that a record means by a path; a URL as it is."""
    return path if kind == "url" else posixpath.normpath(posixpath.join(cwd or "/", path))


def folders_in(entry: Entry) -> set[str]:
    """The manifests of the folders that a run consumed or produced."""
    folders = {item.digest for item in entry.used if item.kind == "folder" or item.how == "pinned"}
    folders |= {item.digest for item in entry.made if item.form == "folder" or item.dataset_id is not None}
    return {digest for digest in folders if digest is not None}
