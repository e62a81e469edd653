"""Whether the steps of a dataset hold together: what each says against the one that it follows, and its manifest.

Every step holds its own check, which anybody can compute: one that was made by hand shows by what it contradicts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..records.dataset import Part, Step
from .contents import Manifest, counts
from .history import Stated
from .versions import FIRST, NOTHING, Version, after_change, read_version

BIRTHS = ("create", "produce", "derive", "import")
"""What a first step may be."""


def step_faults(stated: Stated, known: Mapping[str, Stated]) -> Iterator[str]:
    """What is wrong with a step; `known` is every step of its dataset, by digest. Of one whose prior is not known
    nothing is said."""
    before = [known[digest].step for digest in stated.prior if digest in known]
    if len(before) != len(stated.prior):
        return
    yield from _differing(_expected(stated.step, before))
    if before:
        yield from _version_faults(stated.step, before[0])
    if stated.step.operation == "release" and before:
        yield from _release_faults(stated, known, before[0])


def counts_fault(step: Step, manifest: Manifest) -> str | None:
    """What is wrong with what a step says of its manifest. Of a folder that was taken as a whole links are not
    counted as files, of others they are."""
    whole = counts(manifest)
    links = sum(entry.kind == "link" for entry in manifest)
    if step.size == whole.size and whole.files - links <= step.files <= whole.files:
        return None
    return f"found {step.files} files of {step.size} bytes, expected {whole.files} of {whole.size}: its manifest"


def _expected(step: Step, before: Sequence[Step]) -> Iterator[tuple[str, object, object]]:
    """Field, what is there, and what a step that follows these says."""
    if not before:
        yield "number", step.number, 0
        expected = [str(FIRST), *([str(after_change(NOTHING))] if step.operation == "produce" else [])]
        yield "version", step.version, step.version if step.version in expected else " or ".join(expected)
        yield "base", step.base, None
        yield "operation", step.operation, step.operation if step.operation in BIRTHS else " or ".join(BIRTHS)
        return
    yield "number", step.number, max(one.number for one in before) + 1
    yield "name", step.name, before[0].name
    yield "base", step.base, before[0].version


def _version_faults(step: Step, before: Step) -> Iterator[str]:
    """Versions of a line ascend; a change stays with its release."""
    version, base = read_version(step.version), read_version(before.version)
    makes_release = step.operation in ("release", "derive")
    if version.developing == makes_release:
        kind = "a release" if makes_release else "no release"
        yield f"version: found {version}, expected {kind} after the operation {step.operation}"
    elif version <= base or not (makes_release or version.anchor == base.anchor):
        yield f"version: found {version}, expected one that follows {base}"


def _release_faults(stated: Stated, known: Mapping[str, Stated], before: Step) -> Iterator[str]:
    """A release is what it releases, and names the runs that made the changes."""
    step = stated.step
    yield from _differing([("manifest", step.manifest, before.manifest)])
    yield from _differing([("parts", _named(step.parts), _named(before.parts))])
    makers = _makers(stated, known)
    if makers is not None:
        yield from _differing([("producers", ", ".join(step.producers) or "none", ", ".join(makers) or "none")])


def _makers(stated: Stated, known: Mapping[str, Stated]) -> list[str] | None:
    """The runs of the changes since the release before, the oldest first; nothing where a step is not known."""
    found: list[str] = []
    while stated.prior:
        if stated.prior[0] not in known:
            return None
        stated = known[stated.prior[0]]
        if not _version(stated).developing:
            break
        found += [stated.step.run] if stated.step.run is not None else []
    return list(dict.fromkeys(reversed(found)))


def _version(stated: Stated) -> Version:
    return read_version(stated.step.version)


def _differing(fields: Iterable[tuple[str, object, object]]) -> Iterator[str]:
    for field, found, expected in fields:
        if found != expected:
            yield f"{field}: found {found}, expected {expected}"


def _named(parts: Sequence[Part]) -> str:
    return ", ".join(f"{part.dataset}@{part.version} of {part.manifest}" for part in parts) or "none"
