"""Importing: a version out of a bag, with the same identity, or a new dataset out of a bag of somebody else's.

Everything is verified before anything is taken. Objects come first and the acts that refer to them last, so whoever is
cut off has taken nothing that is not whole, and the next call goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from ..digests import digest_of
from ..errors import StoreError, UsageError
from ..records.data import ManifestEntry
from ..records.dataset import Imported
from ..rules.contents import in_order
from ..rules.manifests import manifest_faults, shown_mode
from ..store.bag_check import SoundBag, check_bag
from ..store.bag_reading import Bag, BagError
from ..store.bag_taking import Taken, take_payload
from ..store.bag_version import ArchivedVersion, is_ours, read_version_of
from ..store.bulk import unwritable
from ..store.dataset_acts import dataset_acts, say_of_dataset
from ..store.dataset_steps import Said, check_new_name, create
from ..store.datasets import ids_of_name, load_history, read_steps, take_name, take_step
from ..store.dropping import adding
from ..store.layout import Store
from ..store.objects import has, put_bytes, sync_objects
from ..store.speaker import Speaker
from ..store.tombstones import IMPORT, standing


class ImportedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an import."""

    id: str
    name: str
    version: str
    manifest: str
    files: int
    size: int
    steps: int
    """How many steps the store did not have; with none, and no object, nothing was changed."""
    objects: int
    stored: int
    """Bytes of the objects that the store did not hold."""
    same_name: list[str] = []
    """Other datasets of this name: where both have a version, it has to be asked for by the identifier."""
    heads: int = 1
    """More than 1 where the dataset went on apart here and there."""


def import_bag(
    store: Store,
    path: Path,
    said: Said,
    speaker: Speaker,
    *,
    name: str | None = None,
    between: Callable[[], None] = lambda: None,
) -> ImportedVersion:
    """Take a bag; one that is not ours makes a dataset of that `name`. Raises BagError, UsageError, StoreError."""
    if not store.writable:
        raise StoreError(f"{store.path}: may be read, not written", hint="copy the store, or ask its owner")
    if name is not None:
        check_new_name(store, name)
    bag = check_bag(Bag(path), between)
    try:
        with adding(store):
            return _import(store, bag, said, speaker, name, between)
    except OSError as error:
        raise unwritable(store, error) from error


def _import(
    store: Store, bag: SoundBag, said: Said, speaker: Speaker, name: str | None, between: Callable[[], None]
) -> ImportedVersion:
    if not is_ours(bag):
        return _import_foreign(store, bag, said, speaker, name, between)
    if name is not None:
        what = f"{bag.bag.path}: holds a version of a dataset, which keeps its name"
        raise UsageError(what, hint="leave out --name")
    return _import_ours(store, bag, read_version_of(bag), said, speaker, between)


def _import_ours(
    store: Store, bag: SoundBag, version: ArchivedVersion, said: Said, speaker: Speaker, between: Callable[[], None]
) -> ImportedVersion:
    history, made = version.history, version.made
    _refuse_contradiction(store, bag, version)
    taken = take_payload(store, bag, version.links, between)
    sync_objects(store, [put_bytes(store, manifest) for manifest in version.manifests.values()])
    steps = [take_step(store, history.id, stated, data) for stated, data in version.steps]
    take_name(store, history.id, history.name, version.steps[0][1])
    _tell(store, bag, version, taken, sum(steps), said, speaker)
    now = load_history(store, history.id)
    return ImportedVersion(
        id=history.id,
        name=history.name,
        version=str(made.version),
        manifest=made.manifest,
        files=made.stated.step.files,
        size=made.stated.step.size,
        steps=sum(steps),
        objects=taken.objects,
        stored=taken.size,
        same_name=[other for other in ids_of_name(store, history.name) if other != history.id],
        heads=len(now.heads) if now is not None else 1,
    )


def _refuse_contradiction(store: Store, bag: SoundBag, version: ArchivedVersion) -> None:
    """An act is never changed: one that is here with other bytes was, here or there."""
    here = {stated.act: data for stated, data in read_steps(store, version.history.id, [])}
    for stated, data in version.steps:
        if here.get(stated.act, data) != data:
            raise BagError(
                f"{bag.bag.path}: the act {stated.act} is {digest_of(data)} in it,"
                f" and {digest_of(here[stated.act])} in {store.path}",
                hint="one of them was made by hand; nothing was taken",
            )


def _tell(
    store: Store, bag: SoundBag, version: ArchivedVersion, taken: Taken, steps: int, said: Said, speaker: Speaker
) -> None:
    """An act, unless nothing came of it. Versions before came without their manifests, and it says that, too."""
    before = [act for _, act in dataset_acts(store, version.history.id)]
    whole = all(has(store, stated.step.manifest) for stated, _ in version.steps)
    undone = standing(store, version.history.id, version.made.manifest)
    nothing = not taken.objects and not steps and not undone
    if nothing and (whole or any(act.kind == IMPORT for act in before)):
        return
    body = Imported(
        version=str(version.made.version),
        manifest=version.made.manifest,
        archive=bag.bag.path.name,
        steps=steps,
        objects=taken.objects,
        size=taken.size,
    )
    prior = [version.made.stated.digest, *(tombstone.digest for tombstone in undone)]
    say_of_dataset(store, version.history.id, IMPORT, body, prior=prior, why=said.why, speaker=speaker)


def _import_foreign(
    store: Store, bag: SoundBag, said: Said, speaker: Speaker, name: str | None, between: Callable[[], None]
) -> ImportedVersion:
    if name is None:
        raise UsageError(
            f"{bag.bag.path}: is a sound bag, and none of a whence dataset", hint="name the new dataset: --name NAME"
        )
    entries = _entries(bag)
    taken = take_payload(store, bag, {}, between)
    described = bag.info.get("external-description", [])
    said = msgspec.structs.replace(
        said,
        description=said.description or (described[0] if described else None),
        parameters={"archive": bag.bag.path.name, "identifiers": bag.info.get("external-identifier", [])},
    )
    made = create(store, name, entries, said, speaker, operation="import")
    step = made.made.stated.step
    return ImportedVersion(
        id=made.history.id,
        name=name,
        version=step.version,
        manifest=step.manifest,
        files=step.files,
        size=step.size,
        steps=1,
        objects=taken.objects,
        stored=taken.size,
    )


def _entries(bag: SoundBag) -> list[ManifestEntry]:
    """The manifest of a payload."""
    entries = in_order(
        ManifestEntry(path=path, kind="file", mode=shown_mode(found.mode), size=found.size, digest=found.digest)
        for path, found in bag.payload.items()
    )
    faults = list(manifest_faults(entries))
    if faults:
        raise BagError(f"{bag.bag.path}: {faults[0]}", hint="nothing of it was taken")
    return entries
