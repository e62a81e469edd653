"""A version as a sound bag of ours holds it, held against itself: the manifest, every byte that it names, the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ..digests import digest_of
from ..errors import FormatError, UsageError
from ..ids import is_id
from ..records.bag import BagVersion
from ..records.data import ManifestEntry
from ..records.encoding import decode
from ..records.transform import Transform
from ..rules import bags
from ..rules.chains import counts_fault, step_faults
from ..rules.dataset_names import check_dataset_name
from ..rules.history import History, Made, Stated, fold_history
from ..rules.manifests import encode_manifest, manifest_faults
from ..rules.named_objects import parameter_objects
from ..rules.versions import read_version
from .acts import SUFFIX
from .bag_check import SoundBag
from .bag_reading import BagError
from .datasets import read_step

NAMED = 5
"""Faults that an error names."""


class ArchivedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version, as it was when it was archived."""

    history: History
    made: Made
    steps: Sequence[tuple[Stated, bytes]]
    """All that the version comes of, the oldest first, and its own, each with the bytes of its act."""
    manifests: Mapping[str, bytes]
    """Digest -> bytes: those of the versions of other datasets that are parts of it, its own, and what else its steps
    name: lists, and what is known of its tables."""
    links: Mapping[str, bytes]
    """Digest -> text of each link."""
    stories: Mapping[str, list[Transform]]
    """By run: what those that made it said of the rows. Nothing in the bag holds it against their records."""


def is_ours(bag: SoundBag) -> bool:
    """Whether it says which version of a dataset it holds."""
    return bags.VERSION in bag.tags


def read_version_of(bag: SoundBag) -> ArchivedVersion:
    """Raises BagError where anything in it contradicts anything else."""
    try:
        return _read(bag)
    except (FormatError, UsageError) as error:
        raise _wrong(bag, error.message.removeprefix(f"{bag.bag.path}: ")) from error


def _wrong(bag: SoundBag, what: str) -> BagError:
    return BagError(f"{bag.bag.path}: {what}", hint="nothing of it was taken")


def _read(bag: SoundBag) -> ArchivedVersion:
    said = decode(bag.tags[bags.VERSION], BagVersion, where=bags.VERSION)
    manifest = bag.tags.get(bags.MANIFEST, b"")
    if digest_of(manifest) != said.manifest:
        raise _wrong(bag, f"{bags.MANIFEST}: found {digest_of(manifest)}, expected {said.manifest}")
    links = {
        digest_of(text): text
        for link in decode(bag.tags.get(bags.LINKS, b"[]"), list[str], where=bags.LINKS)
        for text in [link.encode("utf-8", "surrogateescape")]
    }
    _check_contents(bag, manifest, links)
    steps = _steps(bag, said)
    history = _history(bag, said, [stated for stated, _ in steps])
    made = history.get(read_version(said.version))
    named = _named(bag, [stated for stated, _ in steps])
    manifests = {**_parts(bag, made), **_tables(bag, made), **named, said.manifest: manifest}
    told = decode(bag.tags.get(bags.STORIES, b"{}"), dict[str, list[Transform]], where=bags.STORIES)
    runs = {run for stated, _ in steps for run in (stated.step.run, *stated.step.producers)}
    if unknown := sorted(told.keys() - runs):
        raise _wrong(bag, f"{bags.STORIES}: found the run {unknown[0]!r}, which made none of its versions")
    return ArchivedVersion(history=history, made=made, steps=steps, manifests=manifests, links=links, stories=told)


def _parts(bag: SoundBag, made: Made) -> dict[str, bytes]:
    """The manifests of its parts."""
    found = {digest_of(data): data for path, data in bag.tags.items() if path.startswith(bags.PARTS)}
    named = {part.manifest for part in made.stated.step.parts}
    if set(found) != named:
        digest = min(set(found) ^ named)
        what = "is not in it" if digest in named else "is of no part of the version"
        raise _wrong(bag, f"the manifest {digest} {what}")
    return found


def _tables(bag: SoundBag, made: Made) -> dict[str, bytes]:
    """What is known of its tables, where that came with it."""
    data = bag.tags.get(bags.TABLES)
    if data is None:
        return {}
    if digest_of(data) != made.stated.step.tables:
        raise _wrong(bag, f"{bags.TABLES}: found {digest_of(data)}, expected {made.stated.step.tables}")
    return {digest_of(data): data}


def _named(bag: SoundBag, steps: Sequence[Stated]) -> dict[str, bytes]:
    """Objects that the parameters of steps name, where they came with it."""
    found = {digest_of(data): data for path, data in bag.tags.items() if path.startswith(bags.OBJECTS)}
    stray = found.keys() - {digest for stated in steps for digest in parameter_objects(stated.step)}
    if stray:
        raise _wrong(bag, f"no step names the object {min(stray)}")
    return found


def _check_contents(bag: SoundBag, manifest: bytes, links: Mapping[str, bytes]) -> None:
    """Every file and link that the manifest names is there, and nothing else."""
    entries = decode(manifest, list[ManifestEntry], where=bags.MANIFEST)
    faults = [f"{bags.MANIFEST}: {fault}" for fault in manifest_faults(entries)]
    if not faults and encode_manifest(entries) != manifest:
        faults.append(f"{bags.MANIFEST}: is not written as manifests are")
    there = {(found.digest, found.size) for found in (*bag.payload.values(), *bag.absent.values())}
    texts = {(digest, len(text)) for digest, text in links.items()}
    for entry in entries:
        known = {"file": there, "link": texts}.get(entry.kind)
        if known is not None and (entry.digest, entry.size) not in known:
            faults.append(f"{entry.path!r} ({entry.digest}, {entry.size} bytes) is not in it, which the version has")
    wanted = {entry.digest for entry in entries}
    held = {**bag.payload, **bag.absent}
    faults += [f"data/{path} is in no version" for path, found in held.items() if found.digest not in wanted]
    if faults:
        more = f" and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
        raise _wrong(bag, "; ".join(faults[:NAMED]) + more)


def _steps(bag: SoundBag, said: BagVersion) -> list[tuple[Stated, bytes]]:
    """Every step, in order: each but the first names those that it comes of, which are there."""
    if not is_id(said.dataset):
        raise _wrong(bag, f"{bags.VERSION}: found the dataset {said.dataset!r}, expected an identifier")
    found: list[tuple[Stated, bytes]] = []
    for path, data in bag.tags.items():
        if path.startswith(bags.STEPS):
            stated = read_step(data, said.dataset, path)
            if path != f"{bags.STEPS}{stated.act}{SUFFIX}" or not is_id(stated.act):
                raise _wrong(bag, f"{path}: found the act {stated.act}, expected it in a file of its name")
            found.append((stated, data))
    return sorted(found, key=lambda one: (one[0].step.number, one[0].act))


def _history(bag: SoundBag, said: BagVersion, steps: Sequence[Stated]) -> History:
    known = {stated.digest: stated for stated in steps}
    for stated in steps:
        if not known.keys() >= set(stated.prior) or (not stated.prior and stated.step.number != 0):
            raise _wrong(bag, f"a step before step {stated.step.number} of the dataset is missing")
        if stated.step.name != said.name:
            raise _wrong(bag, f"step {stated.step.number} is of {stated.step.name!r}, expected {said.name!r}")
        for fault in step_faults(stated, known):
            raise _wrong(bag, f"step {stated.step.number}: {fault}")
    check_dataset_name(said.name)
    history = fold_history(said.dataset, steps)
    last = known.get(said.step)
    if history is None or last is None or [head.digest for head in history.heads] != [said.step]:
        raise _wrong(bag, f"its steps do not end with the one that made {said.name}@{said.version}")
    if (last.step.version, last.step.manifest) != (said.version, said.manifest):
        raise _wrong(bag, f"its last step made {last.step.version} of {last.step.manifest}, expected {said.version}")
    fault = counts_fault(last.step, decode(bag.tags[bags.MANIFEST], list[ManifestEntry], where=bags.MANIFEST))
    if fault is not None:
        raise _wrong(bag, f"step {last.step.number}: {fault}")
    return history
