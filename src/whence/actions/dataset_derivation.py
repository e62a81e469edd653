"""Derived datasets: planned, made, made anew from the current release of their source, and checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from ..errors import FormatError, UnresolvedError, UsageError
from ..records.derivation import By, Derivation, Missing, Origin, PartTake, Split, Subset
from ..rules.contents import Difference, counts, difference
from ..rules.dataset_names import check_dataset_name
from ..rules.derivations import read_derivation
from ..rules.history import History, Made
from ..rules.query import columns_of
from ..rules.splitting import ALGORITHM as SPLIT
from ..rules.splitting import check_parts
from ..rules.versions import FIRST
from ..store.dataset_references import Found, find_dataset
from ..store.dataset_steps import Said, derive, next_derived
from ..store.datasets import dataset_ids, ids_of_name, load_history
from ..store.layout import Store
from ..store.manifests import read_manifest
from ..store.objects import put_chunks
from ..store.origins import OriginError
from ..store.speaker import Speaker
from ..store.tombstones import expired_with, tombstone_of
from ..store.version_bytes import refuse_expired
from .dataset_members import (
    SUBSET,
    Members,
    encode_list,
    files_of,
    listed_paths,
    members_of,
    source_of,
    split_members,
    subset_members,
)
from .source_table import PSEUDO, Keep, choose_table, find_table, measured, path_in


class SplitWish(msgspec.Struct, frozen=True, kw_only=True):
    """What a split is asked to be."""

    parts: Sequence[PartTake]
    names: Mapping[str, str] = {}
    """Part -> dataset, where it is not the source's name with the part's behind it."""
    seed: int = 0
    by: By = "files"
    table: str | None = None
    key: str | None = None
    stratify: str | None = None
    group: str | None = None
    missing: Missing = "error"


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """A derived version as it would be."""

    name: str
    derivation: Derivation
    members: Members
    version: str
    """Which it would be; the current one when nothing changes."""
    changes: bool

    @property
    def parameters(self) -> dict[str, Any]:
        return msgspec.to_builtins(self.derivation)


class DerivedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A derived version, planned or made."""

    part: str | None
    name: str
    version: str
    changes: bool
    """Whether it is, or would be, a new version; without changes it is there already."""
    elements: int
    """Files or rows."""
    files: int
    size: int
    parameters: dict[str, Any]


def keeping(store: Store) -> Keep:
    return lambda chunks: put_chunks(store, chunks)


def plan_split(store: Store, found: Found, wish: SplitWish, keep: Keep = measured) -> list[Planned]:
    """Each part as it would be. With `measured` nothing is written. Raises UsageError, UnresolvedError, FormatError."""
    check_parts(wish.parts)
    names, origin = _names(store, found, wish), _origin(found)
    refuse_expired(store, found)
    columns = [name for name in (wish.stratify, wish.group) if name is not None]
    table, key = choose_table(source_of(store, origin), wish.by, wish.table, wish.key, columns)
    if table is not None:
        table.require(*(name for name in columns if wish.by == "rows" or name not in PSEUDO))
    derivation = Split(
        algorithm=SPLIT,
        source=origin,
        part="",
        parts=list(wish.parts),
        seed=wish.seed,
        by=wish.by,
        table=None if table is None else table.entry.path,
        key=key,
        stratify=wish.stratify,
        group=wish.group,
        missing=wish.missing,
    )
    members = split_members(store, derivation, keep)
    return [_planned(store, names[part], replace(derivation, part=part), members[part]) for part in members]


class SubsetWish(msgspec.Struct, frozen=True, kw_only=True):
    """What a subset is asked to be: what a query means, or a list of paths."""

    where: str | None = None
    paths: bytes | None = None
    """A path a line."""
    by: By = "files"
    table: str | None = None
    key: str | None = None


def plan_subset(store: Store, found: Found, name: str, wish: SubsetWish, keep: Keep = measured) -> Planned:
    """The subset as it would be. With `measured` nothing is written. Raises as `plan_split`."""
    check_target(store, name, found.history)
    origin = _origin(found)
    refuse_expired(store, found)
    listed = None if wish.paths is None else listed_paths(wish.paths)
    if listed is not None and wish.by == "rows":
        raise UsageError("--paths: is about files, found --by rows", hint="rows are asked for with --where")
    columns = columns_of(wish.where) if wish.where is not None else []
    source = source_of(store, origin)
    table, key = choose_table(source, wish.by, wish.table, wish.key, columns, labels=listed is None)
    derivation = Subset(
        algorithm=SUBSET,
        source=origin,
        by=wish.by,
        table=None if table is None else table.entry.path,
        key=key,
        where=wish.where,
        paths=None if listed is None else keep([encode_list(listed)]).digest,
    )
    return _planned(store, name, derivation, subset_members(store, derivation, keep, listed))


def rows_without_file(store: Store, derivation: Derivation) -> int:
    """How many rows of the table are about no file of the source: they are in nothing that was derived. Reads the table
    once more. Raises UnresolvedError, FormatError."""
    if derivation.by != "files" or derivation.table is None or derivation.key is None:
        return 0
    source = source_of(store, derivation.source)
    table, key = find_table(source, derivation.table), derivation.key
    paths = {entry.path for entry in files_of(source.manifest, table)}
    with table.opened() as opened:
        return sum(path_in(row, key) not in paths for row in opened.rows)


def _names(store: Store, found: Found, wish: SplitWish) -> dict[str, str]:
    """The dataset of each part. Raises UsageError for one that cannot be."""
    parts = [part.name for part in wish.parts]
    for part in wish.names:
        if part not in parts:
            raise UsageError(f"--name {part}: there is no such part", hint=f"there are {', '.join(parts)}")
    names = {part: wish.names.get(part, f"{found.history.name}-{part}") for part in parts}
    for part, name in names.items():
        if list(names.values()).count(name) > 1:
            raise UsageError(f"part {part}: {name} is the dataset of another part, too, expected different names")
        check_target(store, name, found.history)
    return names


def check_target(store: Store, name: str, source: History) -> None:
    """Raises UsageError for a name that is none, or is that of a dataset which was not derived from this source: all
    that such a dataset holds would not be in its next release."""
    check_dataset_name(name)
    if not ids_of_name(store, name):
        return
    history = find_dataset(store, name)
    derivation = derivation_of(history.current)
    if derivation is None or derivation.source.dataset != source.id:
        raise UsageError(
            f"dataset {name}: there is one already, which was not derived from {source.name}",
            hint="take another name",
        )


def derivation_of(made: Made) -> Derivation | None:
    """How the version was derived; nothing for one that was not. Raises FormatError as `read_derivation`."""
    return read_derivation(made.stated.step)


def get_derivation(found: Found) -> Derivation:
    """How the version was derived. Raises UsageError for one that was not."""
    derivation = derivation_of(found.made)
    if derivation is None:
        raise UsageError(
            f"{found}: was not derived, but made by `{found.made.stated.step.operation}`",
            hint=f"`whence data log {found.history.name}` says how each version was made",
        )
    return derivation


def check(store: Store, found: Found) -> Difference:
    """What the version has otherwise than what its parameters decide, computed anew from the version that it came of.

    Raises UsageError for one that was not derived, UnresolvedError where its source is gone, OriginError where a table
    was added by reference and is not as it was, FormatError for damage.
    """
    members = _members_again(store, found, get_derivation(found), measured)
    return difference(read_manifest(store, found.made.manifest), members.manifest)


def _members_again(store: Store, found: Found, derivation: Derivation, keep: Keep) -> Members:
    """Raises as `members_of`, and says why."""
    source = f"{derivation.source.name}@{derivation.source.version}"
    _refuse_other(store, found, derivation.source)
    try:
        return members_of(store, derivation, keep)
    except UnresolvedError as error:
        because = _expiry(store, derivation.source) or error.message
        what = f"{found}: cannot be derived again from {source}: {because}"
        raise UnresolvedError(what, hint=_import(source)) from error
    except (FormatError, OriginError) as error:
        raise type(error)(
            f"{found}: cannot be derived again from {source}: {error.message}", hint=error.hint
        ) from error


def _refuse_other(store: Store, found: Found, source: Origin) -> None:
    """Raises UnresolvedError where the version that is said to be the source is not here, and FormatError where it is
    another one."""
    history = load_history(store, source.dataset)
    said = f"{found}: was derived from {source.name}@{source.version} of {source.manifest}"
    contents = [made.manifest for made in history.versions if str(made.version) == source.version] if history else []
    if history is None or not contents:
        what = f"that dataset, {source.dataset}, is not" if history is None else f"{history.name} has no such version"
        raise UnresolvedError(f"{said}: {what} here", hint="`whence data import FILE` of an archive of it brings it")
    if history.name != source.name or source.manifest not in contents:
        here = f"{history.name}@{source.version} of {' and '.join(contents)}"
        raise FormatError(f"{said}: found {here}", hint="`whence verify` names all that is damaged")


def plan_again(store: Store, found: Found, keep: Keep = measured) -> tuple[Found, Planned]:
    """The current release of the source, and what the same parameters make of it.

    Raises UsageError for what was not derived, UnresolvedError where the source or a table or file in it is gone,
    FormatError.
    """
    derivation = get_derivation(found)
    history = _source(store, found, derivation.source)
    source = Found(history=history, made=history.current, floating=True)
    again = replace(derivation, source=_origin(source))
    members = _members_again(store, found, again, keep)
    refuse_expired(store, source)
    return source, _planned(store, found.history.name, again, members)


def _expiry(store: Store, origin: Origin) -> str | None:
    tombstone = tombstone_of(store, origin.dataset, origin.version, origin.manifest)
    return f"{tombstone} (act {tombstone.act.id})" if tombstone else expired_with(store, origin.manifest)


def _source(store: Store, found: Found, origin: Origin) -> History:
    """The dataset that a version came of. Raises UnresolvedError where it is not here, which says what it is."""
    try:
        return find_dataset(store, origin.dataset)
    except UnresolvedError as error:
        if origin.dataset in dataset_ids(store):
            raise
        came = f"{origin.name}@{origin.version}"
        what = f"{found}: came of {came}, of the dataset {origin.dataset}, which is not in {store.path}"
        raise UnresolvedError(what, hint=_import(came)) from error


def _import(version: str) -> str:
    return f"`whence data import FILE` of an archive of {version} brings it"


def _origin(found: Found) -> Origin:
    return Origin(
        dataset=found.history.id,
        name=found.history.name,
        version=str(found.made.version),
        manifest=found.made.manifest,
    )


def _planned(store: Store, name: str, derivation: Derivation, members: Members) -> Planned:
    version: str | None = str(FIRST)
    current = version
    if ids_of_name(store, name):
        history = find_dataset(store, name)
        current = str(history.current.version)
        following = next_derived(history, members.manifest, msgspec.to_builtins(derivation))
        version = None if following is None else str(following)
    return Planned(
        name=name, derivation=derivation, members=members, version=version or current, changes=version is not None
    )


def make(store: Store, planned: Iterable[Planned], said: Said, speaker: Speaker) -> list[Planned]:
    """Make what was planned with `keeping`; what was made. Of a split that was cut off the next call makes the rest."""
    return [_make(store, one, said, speaker) for one in planned]


def _make(store: Store, planned: Planned, said: Said, speaker: Speaker) -> Planned:
    taken = derive(store, planned.name, planned.members.manifest, replace(said, parameters=planned.parameters), speaker)
    return replace(
        planned, changes=taken is not None, version=planned.version if taken is None else str(taken.made.version)
    )


def derived_line(planned: Planned) -> DerivedLine:
    derivation, whole = planned.derivation, counts(planned.members.manifest)
    return DerivedLine(
        part=derivation.part if isinstance(derivation, Split) else None,
        name=planned.name,
        version=planned.version,
        changes=planned.changes,
        elements=planned.members.elements,
        files=whole.files,
        size=whole.size,
        parameters=planned.parameters,
    )
