"""Datasets as they are shown: one on a line, its history, one version with what of it is here."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from ..errors import FormatError, UnresolvedError
from ..records.act import Actor
from ..records.comparison import ChangedFile
from ..records.data import ManifestEntry
from ..records.dataset import QUESTIONS, Operation, Part, Question
from ..records.tables import TableChange, TableShape
from ..rules.contents import Difference
from ..rules.history import History, Made
from ..rules.nesting import Parts, all_parts
from ..rules.versions import Version, read_version
from ..store.dataset_acts import dataset_acts
from ..store.dataset_references import Found
from ..store.dataset_steps import Taken, parts_of
from ..store.dataset_tables import tables_before
from ..store.datasets import dataset_ids, load_history
from ..store.layout import Store
from ..store.manifests import read_manifest
from ..store.objects import has
from ..store.tombstones import IMPORT, Tombstone, archive_of, tombstones


class DatasetLine(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset on one line."""

    id: str
    name: str
    version: str | None
    """The current release; nothing where there is none."""
    newest: str
    files: int
    size: int
    created: str
    changed: str
    description: str | None
    heads: int
    """More than 1 where stores were merged in which it went on apart."""


class PickLine(msgspec.Struct, frozen=True, kw_only=True):
    """That something was said to be meant, or not."""

    question: Question
    """`newest`, `version` or `name`."""
    meant: bool
    """This one, and not the other."""
    act: str
    at: str
    by: Actor
    why: str | None
    stands: bool
    """Nothing took its place, or contradicts it."""


class VersionLine(msgspec.Struct, frozen=True, kw_only=True):
    """A version and the step that made it."""

    id: str
    name: str
    version: str
    released: bool
    operation: Operation
    manifest: str
    files: int
    size: int
    base: str | None
    added: int
    changed: int
    removed: int
    at: str
    by: Actor
    why: str | None
    run: str | None
    producers: list[str]
    parts: list[Part]
    tables_digest: str | None
    """Of what is known of its tables."""
    parameters: dict[str, Any]
    act: str
    picks: list[PickLine] = []
    """Of what competed with it after a merge, or still does: who said which is meant, the oldest first."""


class Here(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a version's bytes the store holds."""

    files: int
    size: int
    because: str | None = None
    """Why that cannot be told."""


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """A version of another dataset that a version is a part of."""

    dataset: str
    dataset_id: str
    version: str
    folder: str


class Undone(msgspec.Struct, frozen=True, kw_only=True):
    """That bytes came back, by an import or as they were added anew."""

    act: str
    at: str
    by: Actor
    archive: str | None


class ExpiryLine(msgspec.Struct, frozen=True, kw_only=True):
    """That bytes of a version were removed."""

    act: str
    at: str
    by: Actor
    why: str | None
    undone: Undone | None


class ImportLine(msgspec.Struct, frozen=True, kw_only=True):
    """That the version, or bytes of it, came with an archive."""

    act: str
    at: str
    by: Actor
    why: str | None
    archive: str | None


class VersionPage(msgspec.Struct, frozen=True, kw_only=True):
    """All that there is to say of a version."""

    description: str | None
    version: VersionLine
    released_as: str | None
    """Of a developing version: the first release with its content."""
    newest: str | None
    """The newest version of the dataset, where it is another one; nothing, too, where there are several."""
    here: Here
    all_parts: list[Part]
    """Its parts and theirs, each with its folder in the whole."""
    contained_in: list[Container]
    """Where it is a part, whichever level; versions of one dataset ascending."""
    expiry: list[ExpiryLine]
    """Its tombstones, the oldest first."""
    imports: list[ImportLine]
    """The imports that something came of, the oldest first."""


def list_datasets(store: Store, faults: list[str]) -> Iterator[DatasetLine]:
    """A line for each dataset, by name; `faults` is told of steps that cannot be read."""
    histories = [load_history(store, identifier, faults) for identifier in dataset_ids(store)]
    for history in sorted((one for one in histories if one is not None), key=lambda one: (one.name, one.id)):
        yield dataset_line(history)


def history_faults(store: Store, history: History) -> list[str]:
    """What of a dataset's steps is not there, or cannot be read: the versions that these made are not listed."""
    faults: list[str] = []
    load_history(store, history.id, faults)
    return faults or [f"{history.name}: the step before {stated.step.version} is not there" for stated in history.cut]


def dataset_line(history: History) -> DatasetLine:
    newest = history.head if len(history.heads) == 1 else history.versions[-1]
    step = newest.stated.step
    return DatasetLine(
        id=history.id,
        name=history.name,
        version=max(
            (str(made.version) for made in history.versions if not made.version.developing),
            key=read_version,
            default=None,
        ),
        newest=str(newest.version),
        files=step.files,
        size=step.size,
        created=history.created,
        changed=newest.stated.at,
        description=history.description,
        heads=len(history.heads),
    )


def version_lines(history: History) -> Iterator[VersionLine]:
    """Every version, ascending."""
    return (version_line(history, made) for made in history.versions)


def version_line(history: History, made: Made) -> VersionLine:
    stated = made.stated
    step = stated.step
    return VersionLine(
        id=history.id,
        name=history.name,
        version=step.version,
        released=not made.version.developing,
        operation=step.operation,
        manifest=step.manifest,
        files=step.files,
        size=step.size,
        base=step.base,
        added=step.added,
        changed=step.changed,
        removed=step.removed,
        at=stated.at,
        by=stated.by,
        why=stated.why,
        run=step.run,
        producers=step.producers,
        parts=step.parts,
        tables_digest=step.tables,
        parameters=step.parameters,
        act=stated.act,
        picks=list(_picks(history, history.made_by(made) if history.picks else set())),
    )


def _picks(history: History, steps: set[str]) -> Iterator[PickLine]:
    """Those about a version, by the steps that made it."""
    stand = {one.digest for question in QUESTIONS for one in history.standing(question)}
    for one in history.picks:
        if one.step in steps or not steps.isdisjoint(one.over):
            yield PickLine(
                question=one.question,
                meant=one.step in steps,
                act=one.act,
                at=one.at,
                by=one.by,
                why=one.why,
                stands=one.digest in stand,
            )


def gone_parts(taken: Taken) -> list[Part]:
    """The parts that the version before had, and that are none of this one, in no version."""
    if taken.base is None:
        return []
    folders = {part.folder for part in taken.made.stated.step.parts}
    return [part for part in taken.history.get(taken.base).stated.step.parts if part.folder not in folders]


def version_page(store: Store, found: Found) -> VersionPage:
    below = functools.cache(functools.partial(parts_of, store))
    return VersionPage(
        description=found.history.description,
        version=version_line(found.history, found.made),
        released_as=_text(found.history.release_of(found.made)),
        newest=_newest(found),
        here=_here(store, found.made),
        all_parts=all_parts(found.made.stated.step.parts, below),
        contained_in=list(_containers(store, found, below)),
        expiry=list(_expiry(store, found)),
        imports=list(_imports(store, found)),
    )


def _text(version: Version | None) -> str | None:
    return None if version is None else str(version)


def _newest(found: Found) -> str | None:
    heads = found.history.heads
    newest = heads[0].step.version if len(heads) == 1 else None
    return None if newest == str(found.made.version) else newest


def _expiry(store: Store, found: Found) -> Iterator[ExpiryLine]:
    for one in tombstones(store, found.history.id):
        if (one.body.version, one.body.manifest) == (str(found.made.version), found.made.manifest):
            yield ExpiryLine(act=one.act.id, at=one.act.at, by=one.act.by, why=one.act.why, undone=_undone(one))


def _imports(store: Store, found: Found) -> Iterator[ImportLine]:
    for _, act in dataset_acts(store, found.history.id):
        said = (act.body.get("version"), act.body.get("manifest"))
        if act.kind == IMPORT and said == (str(found.made.version), found.made.manifest):
            yield ImportLine(act=act.id, at=act.at, by=act.by, why=act.why, archive=archive_of(act))


def _undone(tombstone: Tombstone) -> Undone | None:
    act = tombstone.undone
    return None if act is None else Undone(act=act.id, at=act.at, by=act.by, archive=archive_of(act))


def _containers(store: Store, found: Found, below: Parts) -> Iterator[Container]:
    histories = (load_history(store, identifier) for identifier in dataset_ids(store))
    for history in filter(None, histories):
        for made in history.versions:
            for part in all_parts(made.stated.step.parts, below):
                if part.dataset_id == found.history.id and part.manifest == found.made.manifest:
                    yield Container(
                        dataset=history.name, dataset_id=history.id, version=str(made.version), folder=part.folder
                    )


def _here(store: Store, made: Made) -> Here:
    try:
        manifest = read_manifest(store, made.manifest)
    except (UnresolvedError, FormatError) as error:
        return Here(files=0, size=0, because=error.message)
    held = [entry for entry in manifest if entry.digest is not None and has(store, entry.digest)]
    return Here(files=len(held), size=sum(entry.size for entry in held if entry.kind == "file"))


def manifest_of(store: Store, found: Found) -> list[ManifestEntry]:
    """The entries of a version. Raises UnresolvedError, FormatError."""
    return read_manifest(store, found.made.manifest)


class FileLine(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a manifest, by names."""

    path: str
    kind: str
    mode: int
    size: int
    digest: str | None


def file_lines(manifest: Iterable[ManifestEntry]) -> Iterator[FileLine]:
    return (FileLine(**msgspec.structs.asdict(entry)) for entry in manifest)


class DifferenceShown(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between two contents, path by path."""

    first: str
    second: str
    same: bool
    added: list[str]
    changed: list[ChangedFile]
    removed: list[str]
    tables: list[TableChange]
    """What of the tables among them differs, as far as both were read."""


def tables_of(store: Store, made: Made) -> list[TableShape]:
    """What is known of the tables of a version; nothing where that was lost."""
    return tables_before(store, made.stated.step.tables)


def difference_shown(
    first: str, second: str, differs: Difference, tables: Sequence[TableChange] = ()
) -> DifferenceShown:
    return DifferenceShown(
        first=first,
        second=second,
        same=differs.same,
        added=[entry.path for entry in differs.added],
        changed=changed_files(differs),
        removed=[entry.path for entry in differs.removed],
        tables=list(tables),
    )


def changed_files(differs: Difference) -> list[ChangedFile]:
    """The files that both have, by their digests."""
    return [ChangedFile(path=after.path, before=before.digest, after=after.digest) for before, after in differs.changed]
