"""Importing: a version out of a bag, with the same identity, or a new dataset out of a bag of somebody else's.

Everything is verified before anything is taken. Objects come first and the acts that refer to them last, so whoever is
cut off has taken nothing that is not whole, and the next call goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ..digests import digest_of
from ..errors import StoreError, UsageError
from ..records.data import ManifestEntry
from ..records.dataset import Imported
from ..records.encoding import decode
from ..records.source import Files, Place
from ..rules.bags import MANIFEST
from ..rules.contents import in_order
from ..rules.history import History
from ..rules.manifests import manifest_faults, shown_mode
from ..store.bag_check import SoundBag, check_bag
from ..store.bag_fetching import Fetching, Unfetched, fetch_absent
from ..store.bag_reading import Bag, BagError
from ..store.bag_taking import Taken, take_payload
from ..store.bag_version import NAMED, ArchivedVersion, is_ours, read_version_of
from ..store.bulk import unwritable
from ..store.dataset_acts import dataset_acts, describe, say_of_dataset
from ..store.dataset_steps import Said, check_new_name, create
from ..store.datasets import ids_of_name, load_history, read_steps, take_name, take_step
from ..store.dropping import adding
from ..store.layout import Store
from ..store.objects import has, put_bytes, sync_objects
from ..store.origins import origins_told
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
    fetched: int = 0
    """Files that the bag does not hold, and that came from the addresses that it names."""
    referred: list[Unfetched] = []
    """Files that are only referred to: each use fetches them, held against their digests."""


def import_bag(
    store: Store,
    path: Path,
    said: Said,
    speaker: Speaker,
    *,
    name: str | None = None,
    mask: Callable[[str], str] = lambda text: text,
    reference: bool = False,
    between: Callable[[], None] = lambda: None,
) -> ImportedVersion:
    """Take a bag; one that is not ours makes a dataset of that `name`. What it names by address is fetched, unless it
    should be a `reference`, which is also what becomes of that which cannot be fetched; `mask` takes secrets out of
    addresses. Raises BagError, UsageError, StoreError."""
    if not store.writable:
        raise StoreError(f"{store.path}: may be read, not written", hint="copy the store, or ask its owner")
    if name is not None:
        check_new_name(store, name)
    bag = check_bag(Bag(path), between)
    try:
        with adding(store):
            return _import(store, bag, said, speaker, name, _Asking(mask, not reference, between))
    except OSError as error:
        raise unwritable(store, error) from error


class _Asking(NamedTuple):
    """How a bag is taken."""

    mask: Callable[[str], str]
    ask: bool
    """Addresses are asked."""
    between: Callable[[], None]

    def fetch(self, store: Store, bag: SoundBag) -> Fetching:
        return fetch_absent(store, bag, self.mask, ask=self.ask, between=self.between)


def _import(
    store: Store, bag: SoundBag, said: Said, speaker: Speaker, name: str | None, asking: _Asking
) -> ImportedVersion:
    if not is_ours(bag):
        return _import_foreign(store, bag, said, speaker, name, asking)
    if name is not None:
        what = f"{bag.bag.path}: holds a version of a dataset, which keeps its name"
        raise UsageError(what, hint="leave out --name")
    return _import_ours(store, bag, read_version_of(bag), said, speaker, asking)


def _import_ours(
    store: Store, bag: SoundBag, version: ArchivedVersion, said: Said, speaker: Speaker, asking: _Asking
) -> ImportedVersion:
    history, made = version.history, version.made
    _refuse_contradiction(store, bag, version)
    fetching = asking.fetch(store, bag)
    _refuse_unplaced(bag, version, fetching)
    payload = take_payload(store, bag, version.links, asking.between)
    taken = Taken(objects=payload.objects + fetching.objects, size=payload.size + fetching.size)
    sync_objects(store, [put_bytes(store, manifest, verified=True) for manifest in version.manifests.values()])
    steps = [take_step(store, history.id, stated, data) for stated, data in version.steps]
    take_name(store, history.id, history.name, version.steps[0][1])
    _tell(store, bag, version, taken, sum(steps), said, speaker)
    now = load_history(store, history.id)
    if now is not None:
        # An act that describes is no step; the archive of a dataset that was not here says what it is.
        described = _described(bag, now) if all(steps) else None
        describe(store, now, said.description or described, said.why, speaker)
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
        fetched=fetching.fetched,
        referred=fetching.unfetched,
    )


def _refuse_unplaced(bag: SoundBag, version: ArchivedVersion, fetching: Fetching) -> None:
    """What was not fetched must be found later, where the steps of the version say that it lies."""
    origins = origins_told(version.history, version.made.stated)
    absent = {bag.absent[one.path].digest: one for one in fetching.unfetched}
    entries = decode(version.manifests[version.made.manifest], list[ManifestEntry], where=MANIFEST)
    lost = [absent[entry.digest] for entry in entries if entry.digest in absent and not origins.know(entry)]
    if lost:
        raise _unfetched(bag, lost, "the steps of the version do not say where it lies")


def _unfetched(bag: SoundBag, lost: Sequence[Unfetched], why: str) -> BagError:
    more = f" and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
    said = "; ".join(f"{one.path!r} is at {one.address}: {one.because}" for one in lost[:NAMED])
    return BagError(
        f"{bag.bag.path}: {said}{more}; it cannot be a reference, as {why}",
        hint="import it where these addresses can be asked; nothing of it was taken",
    )


def _described(bag: SoundBag, history: History) -> str | None:
    """What an archive says that the dataset is, where its steps say otherwise, but for blanks and lines."""
    text = next(iter(bag.info.get("external-description", [])), None)
    same = text is None or text.split() == (history.description or "").split()
    return None if same else text


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
        stories=dict(version.stories),
    )
    prior = [version.made.stated.digest, *(tombstone.digest for tombstone in undone)]
    say_of_dataset(store, version.history.id, IMPORT, body, prior=prior, why=said.why, speaker=speaker)


def _import_foreign(
    store: Store, bag: SoundBag, said: Said, speaker: Speaker, name: str | None, asking: _Asking
) -> ImportedVersion:
    if name is None:
        raise UsageError(
            f"{bag.bag.path}: is a sound bag, and none of a whence dataset", hint="name the new dataset: --name NAME"
        )
    fetching = asking.fetch(store, bag)
    unknown = [
        one for one in fetching.unfetched if bag.absent[one.path].digest is None or bag.absent[one.path].size is None
    ]
    if unknown:
        raise _unfetched(bag, unknown, "the bag does not name its SHA-256 and its length")
    entries = _entries(bag, fetching)
    taken = take_payload(store, bag, {}, asking.between)
    described = bag.info.get("external-description", [])
    said = msgspec.structs.replace(
        said,
        description=said.description or (described[0] if described else None),
        parameters={
            **_referred(fetching),
            "archive": bag.bag.path.name,
            "identifiers": bag.info.get("external-identifier", []),
        },
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
        objects=taken.objects + fetching.objects,
        stored=taken.size + fetching.size,
        fetched=fetching.fetched,
        referred=fetching.unfetched,
    )


def _referred(fetching: Fetching) -> dict[str, Any]:
    """Where what was not fetched lies, as a step says it."""
    places = [Place(path=one.path, location=one.address) for one in fetching.unfetched]
    return msgspec.to_builtins(Files(reference=True, places=places)) if places else {}


def _entries(bag: SoundBag, fetching: Fetching) -> list[ManifestEntry]:
    """The manifest of a payload."""
    unfetched = {one.path: bag.absent[one.path] for one in fetching.unfetched}
    entries = in_order(
        [
            *(
                ManifestEntry(path=path, kind="file", mode=shown_mode(found.mode), size=found.size, digest=found.digest)
                for path, found in {**bag.payload, **fetching.here}.items()
            ),
            *(
                ManifestEntry(path=path, kind="file", mode=shown_mode(0), size=absent.size or 0, digest=absent.digest)
                for path, absent in unfetched.items()
            ),
        ]
    )
    faults = list(manifest_faults(entries))
    if faults:
        raise BagError(f"{bag.bag.path}: {faults[0]}", hint="nothing of it was taken")
    return entries
