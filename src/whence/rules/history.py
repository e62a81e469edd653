"""The history of a dataset, folded from its steps.

A step names the one before it, so the steps of a store form a chain: the number of a step is claimed by exclusive
creation. Two stores that went on apart and were merged have two steps of one number: then the history has two heads,
and a version that both made with other content is ambiguous.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from ..errors import UnresolvedError
from ..records.act import Actor
from ..records.dataset import Step
from .versions import Version, read_version

MOST_LISTED = 20
"""Versions that an error names."""


class Stated(msgspec.Struct, frozen=True, kw_only=True):
    """A step with what its act says around it."""

    digest: str
    """Of the act."""
    act: str
    at: str
    by: Actor
    why: str | None
    prior: Sequence[str]
    step: Step


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A version, and the step that made it."""

    version: Version
    stated: Stated

    @property
    def manifest(self) -> str:
        return self.stated.step.manifest


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What a dataset is and was."""

    id: str
    name: str
    description: str | None
    created: str
    versions: tuple[Made, ...]
    """Ascending; one that is ambiguous stands once for each content."""
    heads: tuple[Stated, ...]
    """The steps that no other follows: one, unless stores were merged that went on apart."""

    @property
    def head(self) -> Made:
        """The newest version. Raises UnresolvedError where there are several."""
        if len(self.heads) != 1:
            said = " and ".join(f"{one.step.version} ({one.at[:19]}, {one.by.host})" for one in self.heads)
            raise UnresolvedError(
                f"dataset {self.name}: was changed in two stores that were merged: its newest version is {said}",
                candidates=tuple(f"{self.name}@{one.step.version}" for one in self.heads),
                hint="name a version; a change of it can be made in one of the two stores",
            )
        return Made(version=read_version(self.heads[0].step.version), stated=self.heads[0])

    @property
    def current(self) -> Made:
        """The current release: the last one that the newest version comes of."""
        anchor = self.head.version.anchor
        return next(made for made in self.versions if made.version == anchor)

    def get(self, version: Version) -> Made:
        """The version. Raises UnresolvedError, naming those that there are, or the two that it may mean."""
        found = [made for made in self.versions if made.version == version]
        if not found:
            listed = [str(made.version) for made in self.versions][-MOST_LISTED:]
            raise UnresolvedError(
                f"dataset {self.name}: has no version {version}",
                candidates=tuple(listed),
                hint=f"`whence data log {self.name}` lists all {len(self.versions)}"
                if len(self.versions) > len(listed)
                else None,
            )
        if len(found) > 1:
            raise UnresolvedError(
                f"{self.name}@{version}: is ambiguous: it was made with two contents, in stores that were merged",
                candidates=tuple(f"{made.manifest} ({made.stated.at[:19]}, {made.stated.by.host})" for made in found),
                hint="its manifest's digest says which is meant",
            )
        return found[0]


def fold_history(identifier: str, steps: Iterable[Stated]) -> History | None:
    """The history of a dataset; nothing where there is no first step."""
    known = sorted(steps, key=lambda stated: (stated.step.number, stated.act))
    if not known or known[0].step.number != 0:
        return None
    followed = {digest for stated in known for digest in stated.prior}
    described = [stated.step.description for stated in known if stated.step.description is not None]
    return History(
        id=identifier,
        name=known[0].step.name,
        description=described[-1] if described else None,
        created=known[0].at,
        versions=_versions(known),
        heads=tuple(stated for stated in known if stated.digest not in followed),
    )


def _versions(steps: Sequence[Stated]) -> tuple[Made, ...]:
    """Each content of each version once, as the first step that made it says."""
    made: dict[tuple[Version, str], Made] = {}
    for stated in steps:
        version = read_version(stated.step.version)
        made.setdefault((version, stated.step.manifest), Made(version=version, stated=stated))
    return tuple(sorted(made.values(), key=lambda one: (one.version, one.stated.act)))


def producers_since_release(history: History) -> list[str]:
    """The runs that made the changes since the current release, the oldest first."""
    anchor = history.current.version
    runs = [
        made.stated.step.run for made in history.versions if made.version.developing and made.version.anchor == anchor
    ]
    return list(dict.fromkeys(run for run in runs if run is not None))
