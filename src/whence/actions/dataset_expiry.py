"""Expiring versions: their bytes go, and never what says which bytes they were.

First it is found what would go, what stays since something else needs it, and who could not be repeated any more. Then
the tombstones are made, and only when they are on the disk the bytes are removed: whoever is cut off has said what was
to go, and the next call removes the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from ..errors import StoreError, UsageError, WhenceError
from ..records.act import Act
from ..records.dataset import Expired
from ..rules.history import History, Made
from ..rules.named_objects import named_objects
from ..rules.retention import retention_end
from ..store.bulk import unwritable
from ..store.dataset_acts import say_of_dataset
from ..store.dataset_references import Found
from ..store.dataset_uses import (
    RunMade,
    RunUse,
    VersionUse,
    all_versions,
    needs_of_runs,
    runs_that_made,
    runs_that_pinned,
    versions_with,
)
from ..store.dropping import adding_nothing, drop_objects
from ..store.laid_out import forget_laid_out, laid_out_folders
from ..store.layout import Store
from ..store.manifests import read_manifest
from ..store.objects import object_size
from ..store.speaker import Speaker
from ..store.tombstones import EXPIRE, expired_versions, tombstone_of
from .dataset_derivation import derivation_of

NAMED = 5
"""Versions and runs that an error names."""


class NeededError(WhenceError):
    """What should be removed is in use."""


class RunHolds(msgspec.Struct, frozen=True, kw_only=True):
    """A run that keeps some of the objects for itself, as an input or an output."""

    run: str
    name: str | None
    objects: int
    size: int


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A version that is to expire."""

    id: str
    name: str
    version: str
    manifest: str
    files: int
    size: int
    objects: int
    """How many of its objects are here and would go."""
    freed: int
    """Their bytes."""
    kept: int
    """How many of them are here and stay."""
    expired: str | None
    """The act that says that it has expired already; what is still here of it is what a call did not get to remove."""

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def stays(self) -> bool:
        """Whether nothing of it would go, so that it cannot be said to expire."""
        return not self.objects and self.expired is None


class ExpiryPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of it."""

    versions: list[Target]
    objects: int
    """Objects that would be removed, of all versions together."""
    freed: int
    """Bytes of these."""
    kept_by_versions: list[VersionUse]
    """Versions that do not expire and have some of the objects: these stay."""
    kept_by_runs: list[RunHolds]
    """Runs that keep some of them for themselves: these stay, too."""
    unreproducible: list[RunUse]
    """Runs that pinned one of the versions, and could not get their data any more."""
    losing: list[RunMade]
    """Runs that made one of the versions, and have no copy of that result but this."""
    underivable: list[str]
    """Versions that were derived from one of them, and could neither be checked nor derived again."""
    laid_out: list[str]
    """Folders in the cache that go, too."""


class Expiry(msgspec.Struct, frozen=True, kw_only=True):
    """What was done."""

    plan: ExpiryPlan
    acts: list[str]
    """The tombstones that were made; none of a version that has one."""
    freed: int
    left: list[str]
    """Folders in the cache that somebody changed: they are not ours any more."""


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan was made of."""

    plan: ExpiryPlan
    going: frozenset[str]


def old_versions(store: Store, retention: float, now: float) -> list[Found]:
    """Developing versions whose retention has ended, which no run pinned, and that neither are the newest of their
    dataset nor have the content of a release; `retention` in seconds, `now` in Unix seconds."""
    found = [
        Found(history=history, made=made, floating=False)
        for history, made in all_versions(store)
        if (end := retention_end(made, retention)) is not None
        and end <= now
        and not _is_current(history, made)
        and tombstone_of(store, history.id, str(made.version), made.manifest) is None
    ]
    found = [one for one in found if not runs_that_pinned(store, {one.made.manifest})]
    plan = plan_expiry(store, found)
    return [one for one, target in zip(found, plan.versions, strict=True) if not target.stays]


def _is_current(history: History, made: Made) -> bool:
    """Whether a release has this content, or it is the newest version."""
    released = {one.manifest for one in history.versions if not one.version.developing}
    return made.manifest in released or made.stated.digest in {tip.digest for tip in history.tips}


def plan_expiry(store: Store, versions: Sequence[Found]) -> ExpiryPlan:
    """What would happen; nothing does. Raises UnresolvedError, FormatError, StoreError."""
    return _plan(store, versions).plan


def expire(store: Store, versions: Sequence[Found], because: str | None, speaker: Speaker) -> Expiry:
    """Remove the bytes that nothing else needs, and say so. A second call finishes what was cut off.

    Raises UsageError without a reason, NeededError for what a run uses at this moment and for a version of which
    nothing would go, UnresolvedError, StoreError.
    """
    if not store.writable:
        raise StoreError(f"{store.path}: may be read, not written", hint="copy the store, or ask its owner")
    with adding_nothing(store):
        found = _plan(store, versions)
        _refuse_running(found.plan)
        _refuse_staying(found.plan)
        if not (because or "").strip() and any(target.expired is None for target in found.plan.versions):
            raise UsageError("nothing says why, expected a reason", hint="--because 'superseded by 3.0.0'")
        try:
            acts = _bury(store, found.plan, versions, because, speaker)
            freed = drop_objects(store, found.going)
            left = [folder for made in _contents(versions) for folder in forget_laid_out(store, made.manifest)]
        except OSError as error:
            raise unwritable(store, error) from error
    return Expiry(plan=found.plan, acts=[act.id for act in acts], freed=freed, left=left)


def _plan(store: Store, versions: Sequence[Found]) -> _Found:
    targets = {(one.history.id, str(one.made.version), one.made.manifest) for one in versions}
    sizes = {one.made.manifest: _sizes(store, one) for one in versions}
    here = {digest: size for found in sizes.values() for digest, size in found.items()}
    sharing, needed = _needed_by_versions(store, here, targets)
    holding = list(needs_of_runs(store, here))
    needed |= set[str]().union(*(needs.objects for needs in holding))
    needed |= _named(store)
    going = frozenset(here.keys() - needed)
    losing = {manifest for manifest, found in sizes.items() if not going.isdisjoint(found)}
    plan = ExpiryPlan(
        versions=[_target(store, one, sizes[one.made.manifest], going) for one in versions],
        objects=len(going),
        freed=sum(here[digest] for digest in going),
        kept_by_versions=sharing,
        kept_by_runs=[
            RunHolds(
                run=needs.run,
                name=needs.name,
                objects=len(needs.objects),
                size=sum(here[digest] for digest in needs.objects),
            )
            for needs in holding
        ],
        unreproducible=runs_that_pinned(store, losing),
        losing=runs_that_made(store, losing) if going else [],
        underivable=list(_derived(store, losing, targets)) if going else [],
        laid_out=[str(folder) for made in _contents(versions) for folder in laid_out_folders(store, made.manifest)],
    )
    return _Found(plan=plan, going=going)


def _named(store: Store) -> set[str]:
    """What steps name: manifests, lists, what is known of tables. It is never removed, whatever file has its bytes."""
    steps = [made.stated.step for _, made in all_versions(store)]
    manifests = {step.manifest for step in steps} | {part.manifest for step in steps for part in step.parts}
    return manifests | {digest for step in steps for digest in named_objects(step)}


def _derived(store: Store, manifests: set[str], targets: set[tuple[str, str, str]]) -> Iterator[str]:
    """Versions that came of one of these, and do not expire with it."""
    for history, made in all_versions(store):
        if (history.id, str(made.version), made.manifest) not in targets:
            derivation = derivation_of(made)
            if derivation is not None and derivation.source.manifest in manifests:
                yield f"{history.name}@{made.version}"


def _contents(versions: Sequence[Found]) -> list[Made]:
    """One version of each content."""
    return list({one.made.manifest: one.made for one in versions}.values())


def _sizes(store: Store, found: Found) -> dict[str, int]:
    """The objects of a version that are here, with their bytes."""
    digests = {entry.digest for entry in read_manifest(store, found.made.manifest) if entry.digest is not None}
    sizes = {digest: object_size(store, digest) for digest in digests}
    return {digest: size for digest, size in sizes.items() if size is not None}


def _needed_by_versions(
    store: Store, here: dict[str, int], targets: set[tuple[str, str, str]]
) -> tuple[list[VersionUse], set[str]]:
    expired: dict[str, set[tuple[str, str]]] = {}
    sharing: list[VersionUse] = []
    needed: set[str] = set()
    for use, made, digests in versions_with(store, here):
        if use.id not in expired:
            expired[use.id] = expired_versions(store, use.id)
        if (use.id, use.version, made.manifest) not in targets and (use.version, made.manifest) not in expired[use.id]:
            sharing.append(use)
            needed |= digests
    return sharing, needed


def _target(store: Store, found: Found, sizes: dict[str, int], going: frozenset[str]) -> Target:
    step = found.made.stated.step
    own = sizes.keys() & going
    tombstone = tombstone_of(store, found.history.id, step.version, step.manifest)
    return Target(
        id=found.history.id,
        name=found.history.name,
        version=step.version,
        manifest=step.manifest,
        files=step.files,
        size=step.size,
        objects=len(own),
        freed=sum(sizes[digest] for digest in own),
        kept=len(sizes) - len(own),
        expired=tombstone.act.id if tombstone else None,
    )


def _refuse_running(plan: ExpiryPlan) -> None:
    running = [run for run in plan.unreproducible if run.status in ("created", "running")]
    if running:
        raise NeededError(
            f"{running[0].version}: run {running[0].run} uses it at this moment",
            hint="wait for its end, or `whence stop` it; nothing was removed",
        )


def _refuse_staying(plan: ExpiryPlan) -> None:
    """What has all its bytes has not expired, whatever an act says."""
    for target in plan.versions:
        if target.stays:
            others = [str(use) for use in plan.kept_by_versions] + [f"run {holds.run}" for holds in plan.kept_by_runs]
            others = others or ["steps of datasets, which name it"]
            more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
            needed = f"all that is here of it is needed by {', '.join(others[:NAMED])}{more}"
            because = needed if target.kept else "nothing of it is here"
            raise NeededError(
                f"{target}: nothing would go: {because}",
                hint="expire the other versions together with it; nothing was removed",
            )


def _bury(
    store: Store, plan: ExpiryPlan, versions: Sequence[Found], because: str | None, speaker: Speaker
) -> list[Act]:
    """A tombstone for each version that has none."""
    made: list[Act] = []
    for target, found in zip(plan.versions, versions, strict=True):
        if target.expired is None:
            body = Expired(
                version=target.version,
                manifest=target.manifest,
                objects=target.objects,
                size=target.freed,
                kept=target.kept,
                runs=[run.run for run in plan.unreproducible],
            )
            prior = [found.made.stated.digest]
            made.append(say_of_dataset(store, target.id, EXPIRE, body, prior=prior, why=because, speaker=speaker))
    return made
